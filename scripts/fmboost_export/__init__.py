"""Converts Stable Diffusion 1.5 and LCM checkpoints, with a coupling network, into fmboost bundles."""
