"""Turns Stable Diffusion 1.5 and LCM checkpoints, with a coupling network, into bundles that fmboost runs."""
