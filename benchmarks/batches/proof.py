#!/usr/bin/env python3
"""Proves that batches survive their end at any moment, and that long ones need no more memory.

proof.py [--binary build/release/bin/fmboost] kill [--images 40] [--kills 20] [--command generate|upscale]
proof.py soak [--images 2000]

`kill` compares the images of a batch that was killed again and again with those of an undisturbed one. `soak` watches
resident memory and open files of a single process. Exit code 1 if anything is wrong.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMALL = "--size 64 --steps 1 --guidance 1 --flow-steps 1 --device cpu --dtype float32".split()


def hashes(folder):
    files = [path for path in folder.rglob("*.png") if not path.name.startswith(".")]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def make_prompts(folder, count):
    file = folder / "prompts.txt"
    file.write_text("".join(json.dumps({"prompt": "sun", "seed": seed}) + "\n" for seed in range(count)))
    return file


def batch_command(arguments, folder):
    """The command without -o; upscale gets a tree of generated images."""
    generate = [arguments.binary, "generate", "--prompts", make_prompts(folder, arguments.images), *SMALL]
    if arguments.command == "generate":
        return generate
    for part in range(4):
        subprocess.run([*generate, "-o", f"{folder}/tree/{part}/", "--shard", f"{part}/4", "--no-journal", "-q"], check=True, stdout=subprocess.DEVNULL)
    return [arguments.binary, "upscale", folder / "tree", "--recursive", "--flow-steps", "1", *SMALL[-4:]]


def kill(arguments, folder):
    command = batch_command(arguments, folder)
    start = time.monotonic()
    subprocess.run([*command, "-o", f"{folder}/whole/", "-q"], check=True, stdout=subprocess.DEVNULL)
    whole = time.monotonic() - start
    out = folder / "killed"
    for _ in range(arguments.kills):
        process = subprocess.Popen([*command, "-o", f"{out}/", "--resume", "-q"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.3, max(1.0, 3 * whole / arguments.kills)))
        process.kill()
        process.wait()
    subprocess.run([*command, "-o", f"{out}/", "--resume", "-q"], check=True, stdout=subprocess.DEVNULL)
    lines = [json.loads(text) for text in (out / ".fmboost/journal.jsonl").read_text().splitlines()]
    done = [line["output"] for line in lines if line["status"] == "done"]
    left = [path for path in out.rglob("*") if ".tmp-" in path.name] + list(out.glob(".fmboost/*.claims/*"))
    faults = {
        "hashes differ": hashes(out) != hashes(folder / "whole"),
        "done twice": len(done) != len(set(done)) or len(done) != arguments.images,
        "left behind": bool(left),
    }
    print(f"{arguments.images} images, {arguments.kills} kills: " + (", ".join(key for key, wrong in faults.items() if wrong) or "right"))
    return any(faults.values())


def soak(arguments, folder):
    arguments.command = "generate"
    process = subprocess.Popen([*batch_command(arguments, folder), "-o", f"{folder}/out/", "-q"], stdout=subprocess.PIPE, text=True)
    samples = []
    for number, _ in enumerate(process.stdout, 1):
        if number % 100 == 0:
            status = Path(f"/proc/{process.pid}/status").read_text()
            resident = int(status.split("VmRSS:")[1].split()[0]) / 1024
            samples.append((number, resident, len(os.listdir(f"/proc/{process.pid}/fd"))))
            print("%5d images: %7.1f MiB, %d files" % samples[-1], flush=True)
    growth = max(memory for _, memory, _ in samples) / samples[0][1] - 1
    files = {count for _, _, count in samples}
    print(f"growth after the first 100 images: {growth:.1%}; open files: {sorted(files)}")
    return process.wait() != 0 or growth > 0.05 or max(files) - min(files) > 3


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=ROOT / "build/release/bin/fmboost")
    proofs = parser.add_subparsers(dest="proof", required=True)
    one = proofs.add_parser("kill")
    one.add_argument("--images", type=int, default=40)
    one.add_argument("--kills", type=int, default=20)
    one.add_argument("--command", choices=("generate", "upscale"), default="generate")
    one.set_defaults(run=kill)
    two = proofs.add_parser("soak")
    two.add_argument("--images", type=int, default=2000)
    two.set_defaults(run=soak)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return int(arguments.run(arguments, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
