#!/usr/bin/env python3
"""Makes a Stable Diffusion 1.5 or LCM model with random weights, and a coupling network for it.

It draws nothing but noise. It is for tests, and for measuring time and memory without anyone's weights. Small unless
--full is given: then every network has the published size.
"""

import os
import sys
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "DIFFUSERS_VERBOSITY": "error"}

from export_bundle import TOKENIZER, quiet_libraries  # noqa: E402
from fmboost_export.errors import OneLineParser, UsageError, run_main  # noqa: E402
from fmboost_export.files import refuse_existing, whole_file, whole_folder  # noqa: E402


def parse(arguments):
    parser = OneLineParser(prog="make_random_sd15.py", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("folder", type=Path, help="diffusers folder to write")
    add("--full", action="store_true", help="the published sizes (about 1 billion parameters)")
    add("--cfm", type=Path, metavar="FILE", help="also write a coupling network here (.safetensors)")
    add("--lcm", action="store_true", help="an LCM: its scheduler")
    add("--guidance-embedding", type=int, metavar="DIM", help="a denoiser that takes guidance as an input (LCM: 256)")
    add("--prediction", choices=("epsilon", "v_prediction"), default="epsilon")
    add("--dtype", choices=("float32", "float16"), default="float32", help="how weights are stored")
    add("--seed", type=int, default=0)
    add("--force", action="store_true", help="replace what is there")
    options = parser.parse_args(arguments)
    if options.guidance_embedding is not None and options.guidance_embedding < 4:
        raise UsageError(f"--guidance-embedding must be at least 4, not {options.guidance_embedding}")
    return options


def main(arguments=None):
    options = parse(arguments)
    refuse_existing(options.folder, options.force, marker="model_index.json")
    if options.cfm:
        refuse_existing(options.cfm, options.force)
    quiet_libraries()
    import torch

    from fmboost_export import cfm_formula
    from fmboost_export.cfm import write_cfm
    from fmboost_export.random_models import random_parts, save_folder

    dtype = getattr(torch, options.dtype)
    parts = random_parts(options.seed, options.full, options.guidance_embedding)
    scheduler = {"prediction_type": options.prediction} | ({"_class_name": "LCMScheduler"} if options.lcm else {})
    with whole_folder(options.folder) as folder:
        save_folder(parts, scheduler, TOKENIZER, folder, dtype)
    if options.cfm:
        shape = cfm_formula.PUBLISHED if options.full else cfm_formula.SMALL
        with whole_file(options.cfm) as file:
            write_cfm(file, *cfm_formula.formula_cfm(shape, dtype))
    print(options.folder)


if __name__ == "__main__":
    sys.exit(run_main(main, "make_random_sd15.py"))
