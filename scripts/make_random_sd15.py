#!/usr/bin/env python3
"""Makes a Stable Diffusion 1.5 or LCM model with random weights, and a coupling network for it.

It generates only noise, for tests and for benchmarks of time and memory without published weights. The networks are small;
with --full they have the published sizes.
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
    add("--full", action="store_true", help="use the published sizes (about 1 billion parameters)")
    add("--cfm", type=Path, metavar="FILE", help="also write a coupling network here (.safetensors)")
    add("--lcm", action="store_true", help="use LCM's scheduler")
    add("--guidance-embedding", type=int, metavar="DIM", help="width of a guidance input of the denoiser (LCM: 256)")
    add("--prediction", choices=("epsilon", "v_prediction"), default="epsilon")
    add("--dtype", choices=("float32", "float16"), default="float32", help="dtype of the stored weights")
    add("--seed", type=int, default=0)
    add("--force", action="store_true", help="replace existing files")
    options = parser.parse_args(arguments)
    if options.guidance_embedding is not None and options.guidance_embedding < 4:
        raise UsageError(f"--guidance-embedding must be at least 4, got {options.guidance_embedding}")
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
    from fmboost_export.random_models import random_components, save_folder

    dtype = getattr(torch, options.dtype)
    components = random_components(options.seed, options.full, options.guidance_embedding)
    scheduler = {"prediction_type": options.prediction} | ({"_class_name": "LCMScheduler"} if options.lcm else {})
    with whole_folder(options.folder) as folder:
        save_folder(components, scheduler, TOKENIZER, folder, dtype)
    if options.cfm:
        shape = cfm_formula.PUBLISHED if options.full else cfm_formula.SMALL
        with whole_file(options.cfm) as file:
            write_cfm(file, *cfm_formula.formula_cfm(shape, dtype))
    print(options.folder)


if __name__ == "__main__":
    sys.exit(run_main(main, "make_random_sd15.py"))
