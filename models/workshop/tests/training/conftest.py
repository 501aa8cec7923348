"""What the tests of the workshop share."""

import torch
from binary_fixtures import binary, fmboost, no_gradients  # noqa: F401

torch.set_num_threads(1)  # the models are too small for more
