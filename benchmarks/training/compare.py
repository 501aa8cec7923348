"""Times training steps of fmboost and of plain PyTorch in one interleaved run, and prints a Markdown table.

Both make the same step (flow matching loss, backward, fused Adam, average of the weights) on the same weights, batch and
noise, and must give the same loss. Ratios are medians of pairs of neighboring steps.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from fmboost_export.cfm_formula import PUBLISHED, formula_cfm  # noqa: E402

SMALL = {"model_channels": 64, "num_res_blocks": 2, "channel_mult": [1, 2, 2], "attention_resolutions": [4],
         "dim_head": 32, "use_linear_attn": False}  # fmt: skip
NETWORKS = {"published": PUBLISHED, "small": SMALL}
# What may differ between two orders of the same sums, after some steps.
LOSS_ERROR = {"float32": 1e-4, "bf16-mixed": 2e-2}


class Program:
    def __init__(self, command):
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", f"{command[0]} did not start"

    def step(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def write_case(path, network, options, batch, size):
    weights, config = formula_cfm(NETWORKS[network])
    generator = torch.Generator().manual_seed(0)
    shape = (batch, config["out_channels"], size, size)
    case = {f"weight.{name}": tensor for name, tensor in weights.items()}
    for name in ("latent", "context", "start"):
        case[name] = torch.randn(shape, generator=generator)
    case["t"] = torch.rand(batch, generator=generator)
    save_file(case, path, {"options": json.dumps(options), "config": json.dumps(config)})


def compare(arguments, network, batch, size, precision):
    options = {"precision": precision, "device": arguments.device, "threads": arguments.threads,
               "memory_format": arguments.memory_format}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder) / "case.safetensors"
        write_case(case, network, options, batch, size)
        programs = [
            Program([ROOT / "build" / "release" / "benchmarks" / "fmboost_training_step", case]),
            Program([sys.executable, Path(__file__).with_name("pytorch_step.py"), case]),
        ]
        rounds = [[program.step() for program in programs] for _ in range(arguments.warmup + arguments.steps)]
        for program in programs:
            program.end()
    worst = max(abs(a["loss"] - b["loss"]) / b["loss"] for a, b in rounds)
    assert worst < LOSS_ERROR[precision], f"the losses differ by {worst:.2g}"
    return rounds[arguments.warmup :]


def row(network, batch, size, precision, rounds):
    key = "seconds"
    ours, theirs = ([step[key] for step in side] for side in zip(*rounds, strict=True))
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    quarter = len(ratios) // 4
    return (
        f"| {network} | {batch} x {size}² | {precision} | {statistics.median(ours):.3g} | {statistics.median(theirs):.3g} "
        f"| {statistics.median(ratios):.3f} ({ratios[quarter]:.3f} to {ratios[-1 - quarter]:.3f}) |"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--memory-format", choices=["channels-last", "contiguous"], help="default: contiguous on the CPU")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--case", action="append", nargs=4, metavar=("NETWORK", "BATCH", "SIZE", "PRECISION"))
    arguments = parser.parse_args()
    arguments.memory_format = arguments.memory_format or ("contiguous" if arguments.device == "cpu" else "channels-last")
    cases = arguments.case or [
        ("small", 8, 32, "float32"),
        ("small", 8, 32, "bf16-mixed"),
        ("published", 2, 32, "float32"),
        ("published", 2, 32, "bf16-mixed"),
    ]
    print("| network | batch x latent | precision | fmboost, s a step | PyTorch | ratio (quartiles) |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for network, batch, size, precision in cases:
        rounds = compare(arguments, network, int(batch), int(size), precision)
        print(row(network, batch, size, precision, rounds), flush=True)


if __name__ == "__main__":
    main()
