"""Fixtures for all Python tests that run the built program: the binary and a function that runs it."""

import os
import subprocess
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def binary():
    path = Path(os.environ.get("FMBOOST_BINARY", ROOT / "build" / "release" / "bin" / "fmboost"))
    assert path.is_file(), f"{path} is missing: build it, or set FMBOOST_BINARY"
    return path


def place_options(command, arguments):
    """The options that fix device, precision and threads, as far as the command has them."""
    place = ("--device", "cpu", "--dtype", "float32", "--threads", "1")
    if command == "inspect":
        return ()
    if command == "eval":
        return {"pairs": (), "fid": ("--device", "cpu", "--threads", "1"), "": ()}.get(arguments[0] if arguments else "", place)
    return place


@pytest.fixture
def fmboost(binary, tmp_path):
    """Runs the binary in float32 on the CPU; returns the finished process."""

    def run(command, *arguments, check=True):
        place = place_options(command, arguments)
        environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        done = subprocess.run(
            [binary, command, *map(str, arguments), *place], capture_output=True, text=True, env=environment
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield
