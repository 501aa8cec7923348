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


@pytest.fixture
def fmboost(binary, tmp_path):
    """Runs the binary in float32 on the CPU; returns the finished process."""

    def run(command, *arguments, check=True):
        place = () if command == "inspect" else ("--device", "cpu", "--dtype", "float32", "--threads", "1")
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
