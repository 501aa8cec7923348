#!/usr/bin/env python3
"""Converts a checkpoint of the published CFM trainer to a .safetensors file for export_bundle.py --cfm.

The network configuration is inferred from the tensor shapes. What shapes cannot tell (number of heads, linear attention)
defaults to the published network; options and --config override it.
"""

import sys
from pathlib import Path

from fmboost_export.cfm import write_cfm
from fmboost_export.cfm_checkpoint import infer_config, read_checkpoint
from fmboost_export.errors import OneLineParser, UsageError, run_main
from fmboost_export.files import read_json, refuse_existing, whole_file


def parse(arguments):
    parser = OneLineParser(prog="convert_cfm_checkpoint.py", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("checkpoint", type=Path, metavar="CKPT")
    add("-o", "--output", type=Path, required=True, metavar="FILE", help=".safetensors file to write")
    add("--weights", choices=("ema", "online"), default="ema", help="which weights to convert (default: ema)")
    add("--config", type=Path, metavar="JSON",
        help="network options under their published names, which override the inferred ones")  # fmt: skip
    add("--num-heads", type=int, metavar="N", help="attention heads (default 4)")
    add("--linear-attention", action="store_true", default=None, help="linear attention in the levels")
    add("--noising-step", type=int, metavar="N", help="noising step that it was trained for (default 400)")
    add("--force", action="store_true", help="replace an existing file")
    options = parser.parse_args(arguments)
    if not options.checkpoint.is_file():
        raise UsageError(f"the checkpoint '{options.checkpoint}' does not exist")
    if options.output.suffix != ".safetensors":
        raise UsageError(f"the output must end in .safetensors, got '{options.output}'")
    if options.noising_step is not None and not -1 <= options.noising_step <= 999:
        raise UsageError(f"--noising-step must be -1 to 999, got {options.noising_step}")
    return options


def given_options(options):
    given = {"use_linear_attn": False}  # as in the published network; the class defaults to True
    if options.config:
        given |= read_json(options.config)
    if options.num_heads is not None:
        given["num_heads"] = options.num_heads
    if options.linear_attention is not None:
        given["use_linear_attn"] = options.linear_attention
    if not isinstance(given.get("num_heads", 1), int) or given.get("num_heads", 1) < 1:
        raise UsageError(f"the number of heads must be at least 1, got {given['num_heads']}")
    return given


def main(arguments=None):
    options = parse(arguments)
    refuse_existing(options.output, options.force)
    tensors = read_checkpoint(options.checkpoint, options.weights)
    config = infer_config(tensors, options.checkpoint, given_options(options))
    with whole_file(options.output) as temporary:
        write_cfm(temporary, tensors, config, options.noising_step)
    print(options.output)


if __name__ == "__main__":
    sys.exit(run_main(main, "convert_cfm_checkpoint.py"))
