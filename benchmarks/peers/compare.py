"""Compares upscalers: shrinks images by 4, upscales them with each program, and measures them against the originals.

Every program is started anew for every image, so its seconds and peak memory include starting and loading the model.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from metrics import luma, psnr, ssim
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SCALE = 4
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm"}


def methods(fmboost):
    """Name to the command for an input and an output file; None stands for Pillow's bicubic resize."""
    upscale = [fmboost, "upscale", "--scale", str(SCALE), "--quiet"]
    return {
        "bicubic": None,
        "fmboost": lambda small, large: [*upscale, small, "-o", large],
        "fmboost --fidelity 0": lambda small, large: [*upscale, "--fidelity", "0", small, "-o", large],
        "Real-ESRGAN x4plus": lambda small, large: [sys.executable, ROOT / "benchmarks/peers/realesrgan.py", small, large],
    }


def find_images(paths):
    files = []
    for path in map(Path, paths):
        files += sorted(f for f in path.iterdir() if f.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    return files


def read_original(path, crop):
    """The image, or its center of at most `crop` pixels a side, with sides that are multiples of the scale."""
    image = Image.open(path).convert("RGB")
    width, height = (min(side, crop or side) // SCALE * SCALE for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def run_measured(command):
    """Wall-clock seconds, CPU seconds and peak resident memory in bytes of a program."""
    start = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} failed with exit code {process.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def upscale(command, small, folder):
    """The upscaled image, wall-clock and CPU seconds, and peak memory (None for bicubic, which runs in this process)."""
    source, target = folder / "small.png", folder / "large.png"
    if command is None:
        wall, cpu = time.perf_counter(), time.process_time()
        large = small.resize((small.width * SCALE, small.height * SCALE), Image.Resampling.BICUBIC)
        return large, time.perf_counter() - wall, time.process_time() - cpu, None
    small.save(source)
    target.unlink(missing_ok=True)
    measured = run_measured(command(source, target))
    with Image.open(target) as image:
        return image.convert("RGB"), *measured


def quality(image, original):
    """PSNR and SSIM of the luma, without a border of as many pixels as the scale."""
    inner = np.s_[SCALE:-SCALE, SCALE:-SCALE]
    a, b = luma(np.asarray(image))[inner], luma(np.asarray(original))[inner]
    return psnr(a, b), ssim(a, b)


def measure(images, commands, crop, keep):
    """Name to a list of (PSNR, SSIM, wall-clock seconds, CPU seconds, peak memory), one per image."""
    results = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as temporary:
        for number, path in enumerate(images, 1):
            original = read_original(path, crop)
            small = original.resize((original.width // SCALE, original.height // SCALE), Image.Resampling.BICUBIC)
            for name, command in commands.items():
                print(f"{number}/{len(images)} {path.name} {name}", file=sys.stderr)
                large, *costs = upscale(command, small, Path(temporary))
                results[name].append((*quality(large, original), *costs))
                if keep:
                    large.save(Path(keep) / f"{path.stem} {name}.png")
    return results


def table(results):
    columns = ["4x", "PSNR-Y, dB", "SSIM-Y", "seconds per image", "CPU seconds", "peak memory"]
    rows = ["| " + " | ".join(columns) + " |", "| --- |" + " ---: |" * (len(columns) - 1)]
    for name, values in results.items():
        psnrs, ssims, seconds, cpu, memory = zip(*values)
        peak = f"{max(memory) / 1e9:.2f} GB" if memory[0] else "-"
        rows.append(f"| {name} | {statistics.mean(psnrs):.2f} | {statistics.mean(ssims):.3f} | "
                    f"{statistics.mean(seconds):.2f} | {statistics.mean(cpu):.2f} | {peak} |")  # fmt: skip
    return "\n".join(rows)


def main():
    parser = argparse.ArgumentParser(prog="benchmarks/peers/run", description=__doc__)
    parser.add_argument("images", nargs="+", help="images, or folders of images")
    parser.add_argument("--fmboost", default=ROOT / "build/release/bin/fmboost", help="the program (default: %(default)s)")
    parser.add_argument("--crop", type=int, default=0, help="use the center of N x N pixels of each image (default: all)")
    parser.add_argument("--count", type=int, help="use the first N images")
    parser.add_argument("--method", action="append", help="compare only this method (repeatable)")
    parser.add_argument("--keep", metavar="DIR", help="keep the upscaled images in this folder")
    arguments = parser.parse_args()

    images = find_images(arguments.images)[: arguments.count]
    commands = methods(arguments.fmboost)
    unknown = set(arguments.method or []) - commands.keys()
    if unknown or not images:
        parser.error(f"unknown methods {sorted(unknown)}; choose from {list(commands)}" if unknown else "no images found")
    if arguments.keep:
        Path(arguments.keep).mkdir(parents=True, exist_ok=True)
    chosen = {name: command for name, command in commands.items() if name in (arguments.method or commands)}
    print(table(measure(images, chosen, arguments.crop, arguments.keep)))


if __name__ == "__main__":
    main()
