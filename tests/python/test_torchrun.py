"""Process groups that PyTorch's own launcher starts."""

import os
import socket
import subprocess
import sys

import pytest
from train_probe import train_probe


def torchrun(task, launcher=("--standalone",)):
    command = [sys.executable, "-m", "torch.distributed.run", *launcher, "--nproc-per-node=2", "--no-python"]
    return subprocess.run(
        [*command, str(train_probe()), task],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("rendezvous", ["standalone", "static"])
def test_processes_find_each_other(rendezvous):
    static = ("--master-addr=127.0.0.1", f"--master-port={free_port()}")
    done = torchrun("join", static if rendezvous == "static" else ("--standalone",))
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["rank 0 of 2 is done", "rank 1 of 2 is done"]


def test_a_killed_process_ends_the_run():
    assert torchrun("killed").returncode != 0


def test_a_failed_process_ends_the_run_with_its_error():
    done = torchrun("failed")
    assert done.returncode != 0
    assert "error: the failure of this process" in done.stderr
