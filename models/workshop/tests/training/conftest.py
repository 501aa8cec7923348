"""Fixtures of the workshop's tests."""

import pytest
import torch
import training
from binary_fixtures import binary, fmboost, no_gradients  # noqa: F401

__all__ = ["binary", "fmboost", "no_gradients"]
torch.set_num_threads(1)  # the models are too small for more


@pytest.fixture(autouse=True)
def float32(monkeypatch):
    """Full precision also on CPUs with bfloat16 instructions."""
    monkeypatch.setattr(training, "bfloat16_is_fast", lambda device_type: False)
