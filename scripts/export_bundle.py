#!/usr/bin/env python3
"""Exports a Stable Diffusion 1.5 or LCM model as an fmboost bundle with TorchScript networks.

The model is a diffusers folder or a .safetensors file in the original layout. LoRA adapters are fused into it, and a coupling
network (CFM) can be added. Nothing is downloaded. Every network is traced, compared with the original at other sizes, and run
in float32, bfloat16 and float16 before the bundle is written.
"""

import os
import sys
import warnings
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "DIFFUSERS_VERBOSITY": "error"}

from fmboost_export.errors import OneLineParser, UsageError, run_main  # noqa: E402
from fmboost_export.files import refuse_existing, whole_folder  # noqa: E402

TOKENIZER = Path(__file__).resolve().parent.parent / "data" / "clip"


def parse(arguments):
    parser = OneLineParser(prog="export_bundle.py", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--model", type=Path, required=True, metavar="SOURCE", help="diffusers folder or original-layout .safetensors")
    add("-o", "--output", type=Path, required=True, metavar="BUNDLE", help="folder of the bundle")
    add("--lora", action="append", default=[], metavar="FILE[:WEIGHT]", help="adapter to fuse (can be repeated)")
    add("--cfm", type=Path, metavar="FILE", help="coupling network: .safetensors with its configuration as metadata")
    add("--cfm-factor", type=int, action="append", metavar="N",
        help="upscaling factor (default 2); can be repeated for one coupling each")  # fmt: skip
    add("--cfm-noising-step", type=int, metavar="N",
        help="noising step (default: the file's, else 400 as published; 0: no noise)")  # fmt: skip
    add("--dtype", choices=("float16", "float32"), help="dtype of the stored weights (default: unchanged)")
    add("--sampler", choices=("lcm", "tcd", "ddim", "euler", "euler-a", "dpm++2m"),
        help="default sampler (default: from the model's scheduler; LCM-LoRA needs lcm)")
    add("--steps", type=int, metavar="N", help="default number of steps")
    add("--guidance", type=float, metavar="G", help="default guidance scale")
    add("--prediction", choices=("epsilon", "v_prediction"),
        help="prediction type of the denoiser (default: from the scheduler; single files do not contain it)")  # fmt: skip
    add("--tokenizer", type=Path, default=TOKENIZER, metavar="DIR",
        help="for single files: folder with CLIP's vocab.json and merges.txt")  # fmt: skip
    add("--config", type=Path, metavar="DIR",
        help="for single files: folder with the components' configurations (default: Stable Diffusion 1.5's)")
    add("--name", help="name of the bundle (default: the model's)")
    add("--license", help="license of the weights")
    add("--force", action="store_true", help="replace an existing bundle")
    return check(parser.parse_args(arguments))


def check(options):
    from fmboost_export.lora import parse_lora

    options.lora = [parse_lora(text) for text in options.lora]
    if not options.model.exists():
        raise UsageError(f"the model '{options.model}' does not exist")
    if options.cfm is None and (options.cfm_factor or options.cfm_noising_step is not None):
        raise UsageError("--cfm-factor and --cfm-noising-step need --cfm FILE")
    ranges = {
        "--cfm-factor": (options.cfm_factor or [], 2, 16),
        "--cfm-noising-step": ([options.cfm_noising_step], -1, 999),
        "--steps": ([options.steps], 1, 1000),
        "--guidance": ([options.guidance], 0, 1000),
    }
    for name, (values, low, high) in ranges.items():
        if any(value is not None and not low <= value <= high for value in values):
            raise UsageError(f"{name} must be {low} to {high}, got {values[0]}")
    options.cfm_factor = sorted(set(options.cfm_factor or []))
    return options


def quiet_libraries():
    import diffusers
    import transformers

    warnings.simplefilter("ignore")
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()


def load(options):
    from fmboost_export.single_file import SD15_CONFIGS, load_single_file
    from fmboost_export.source import load_folder

    if options.model.is_dir():
        return load_folder(options.model)
    return load_single_file(options.model, options.tokenizer, options.config or SD15_CONFIGS)


def main(arguments=None):
    options = parse(arguments)
    refuse_existing(options.output, options.force, marker="bundle.json")
    quiet_libraries()
    from fmboost_export.export import write_bundle
    from fmboost_export.lora import fuse

    def say(line):
        print(line, file=sys.stderr, flush=True)

    source = load(options)
    for path, weight in options.lora:
        fuse(source, path, weight)
        say(f"fused {path.name} at {weight:g}")
    with whole_folder(options.output) as folder:
        write_bundle(source, folder, options, say)
    print(options.output)


if __name__ == "__main__":
    sys.exit(run_main(main, "export_bundle.py"))
