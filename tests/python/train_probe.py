"""The C++ program that acts as one process of a group, or as a run that logs (tests/train/probe.cpp)."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def train_probe():
    path = Path(os.environ.get("FMBOOST_TRAIN_PROBE", ROOT / "build" / "release" / "tests" / "fmboost_train_probe"))
    assert path.is_file(), f"{path} is missing: build it, or set FMBOOST_TRAIN_PROBE"
    return path
