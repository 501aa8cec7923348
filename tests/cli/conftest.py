"""What the tests of the binary share."""

import os
from pathlib import Path

import pytest
from bundles import BundleMaker
from runner import ROOT, Runner


@pytest.fixture(scope="session")
def binary():
    path = Path(os.environ.get("FMBOOST_BINARY", ROOT / "build" / "release" / "bin" / "fmboost"))
    assert path.is_file(), f"{path} is missing: build it, or set FMBOOST_BINARY"
    return path


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Stands for the user's cache, so that hashes are computed once a session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def fmboost(binary, cache, tmp_path):
    """Runs the binary in a folder of the test's own."""
    folder = tmp_path / "work"
    folder.mkdir()
    return Runner(binary, folder, cache)


@pytest.fixture(scope="session")
def shared(binary, cache, tmp_path_factory):
    """The same in a folder of the session's, for images that several tests look at."""
    return Runner(binary, tmp_path_factory.mktemp("shared"), cache)


@pytest.fixture
def bundles(tmp_path):
    """Copies of the default bundle with something changed."""
    return BundleMaker(tmp_path / "bundles")
