"""Measures how many of the facts in captions are visible in the images that a model generates from them.

  measure_captions.py CLASSIFIER_FOLDER -m BUNDLE [--sampler lcm --steps 4]     generates the images and evaluates them
  measure_captions.py CLASSIFIER_FOLDER IMAGES                                  evaluates existing images NAME_SEED.png

The captions are those of held-out landscapes. The images are classified: CLASSIFIER_FOLDER is an output of
train_classifier.py, and is trained first if it does not exist. Since the classifier makes errors, the table also has its
results for the drawn landscapes of the same captions, an upper bound, and for drawn landscapes of other captions, the chance
level. Only facts that the caption names are counted.
"""

import argparse
import contextlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from draw_latents import SIDE, CaptionedImages
from drawn_images import FIRST_SEED
from fact_classifier import classify, load_classifier, read_image_file
from recipe import FMBOOST
from scene_facts import FACTS, KINDS, is_found, named_facts, things_not_named
from train_classifier import train

GENERATE_OPTIONS = ("sampler", "steps", "guidance", "negative-prompt", "device", "dtype", "threads", "batch-size")


def held_out(seeds):
    """The drawn images and the lines {"seed", "caption", "scene"} for seeds in ascending order."""
    images, lines, first = [], [], 0
    for end in range(1, len(seeds) + 1):
        if end == len(seeds) or seeds[end] != seeds[end - 1] + 1:
            for image, line in CaptionedImages(seeds[first], end - first):
                images.append(image)
                lines.append(line)
            first = end
    return images, lines


def generate(bundle, lines, folder, options):
    """Generates SEED.png for each caption at the model's native size, without upscaling."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.glob("*.png")):
        raise SystemExit(f"{folder} already contains images; omit -m to measure these, or use another folder")
    prompts = folder / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"prompt": x["caption"], "seed": x["seed"]}) + "\n" for x in lines))
    command = [FMBOOST, "generate", "-m", bundle, "--prompts", prompts, "--no-upscale", "--size", SIDE,
               "-o", folder / "{seed}.png", *options]  # fmt: skip
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)


def images_of_seeds(folder):
    """{seed: file} for the images in a folder, whose names end in the seed of the scene."""
    found = {}
    for path in folder.glob("*.png"):
        if (number := re.search(r"(\d+)$", path.stem)) is None:
            raise SystemExit(f"{path}: the name must end in the seed of the scene, as in landscapes_17.png")
        found[int(number[1])] = path
    if not found:
        raise SystemExit(f"{folder} contains no .png files; use -m to generate them")
    if max(found) >= FIRST_SEED:
        raise SystemExit(f"{found[max(found)]}: only seeds below {FIRST_SEED} are held out from training")
    return dict(sorted(found.items()))


def found_facts(scene, shown):
    """{fact: whether the image shows it} for all facts that the scene's caption names."""
    return {fact.name: is_found(fact, scene, shown) for fact in named_facts(scene)}


def measured(scenes, shown):
    """Shares of the named facts found in images with the properties `shown` (one per scene)."""
    rows = [found_facts(scene, one) for scene, one in zip(scenes, shown, strict=True)]

    def share(names):
        results = [row[name] for row in rows for name in names if name in row]
        return {"named": len(results), "found": sum(results) / len(results) if results else None}

    captions = [sum(row.values()) / len(row) for row in rows]
    error = statistics.stdev(captions) / len(rows) ** 0.5 if len(rows) > 1 else float("nan")
    not_named = [len(things_not_named(scene, one)) for scene, one in zip(scenes, shown, strict=True)]
    return {
        "facts": {fact.name: share([fact.name]) for fact in FACTS},
        "kinds": {kind: share([fact.name for fact in FACTS if fact.kind == kind]) for kind in KINDS},
        "all": share([fact.name for fact in FACTS]),
        "mean of a caption": statistics.mean(captions),
        "interval": 1.96 * error,
        "things not named": statistics.mean(not_named),
    }


def table(columns):
    """A Markdown table of {title: result of measured()}."""
    first = next(iter(columns.values()))

    def line(name, *path):
        values = list(columns.values())
        for key in path:
            values = [value[key] for value in values]
        cells = ["-" if value["found"] is None else f"{value['found']:.1%}" for value in values]
        return f"| {name} | {values[0]['named']} | {' | '.join(cells)} |"

    def numbers(name, text):
        return f"| {name} | | {' | '.join(text(value) for value in columns.values())} |"

    rows = [f"| what the captions name | times | {' | '.join(columns)} |", "| --- | ---: |" + " ---: |" * len(columns)]
    for kind in first["kinds"]:
        rows += [line(fact.name, "facts", fact.name) for fact in FACTS if fact.kind == kind]
        rows.append(line(f"**{kind}**", "kinds", kind))
    rows.append(line("**all**", "all"))
    rows.append(numbers("mean of a caption", lambda x: f"{x['mean of a caption']:.1%} ± {x['interval']:.1%}"))
    rows.append(numbers("objects shown but not named, per image", lambda x: f"{x['things not named']:.2f}"))
    return "\n".join(rows)


def look(model, lines, drawn, files):
    """{column: result of measured()} and a report per image."""
    scenes = [line["scene"] for line in lines]
    truth = classify(model, drawn)
    columns, reports = {}, []
    if files:
        shown = classify(model, [read_image_file(path) for path in files])
        columns["generated"] = measured(scenes, shown)
        for line, path, one in zip(lines, files, shown, strict=True):
            found = found_facts(line["scene"], one)
            reports.append({"image": str(path), "caption": line["caption"], "found": found})
    columns["drawn"] = measured(scenes, truth)
    columns["another drawn"] = measured(scenes, truth[1:] + truth[:1])
    return columns, reports


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("classifier", type=Path, help="folder of train_classifier.py")
    parser.add_argument("images", type=Path, nargs="?", help="folder of images to measure; with -m: output folder")
    parser.add_argument("-m", "--model", help="bundle to generate with")
    parser.add_argument("--count", type=int, default=200, help="number of captions")
    parser.add_argument("--seed-from", type=int, default=0, help="seed of the first held-out landscape")
    parser.add_argument("--json", action="store_true", help="one JSON line per image, then the summary")
    for name in GENERATE_OPTIONS:
        parser.add_argument(f"--{name}", help="option of fmboost generate")
    arguments = parser.parse_args()
    if not 0 <= arguments.seed_from < arguments.seed_from + arguments.count <= FIRST_SEED:
        parser.error(f"--seed-from and --count must stay within the held-out seeds 0 to {FIRST_SEED - 1}")
    return arguments


def main():
    arguments = parse()
    if arguments.threads:
        torch.set_num_threads(int(arguments.threads))
    weights = arguments.classifier / "classifier.safetensors"
    if not weights.exists():
        with contextlib.redirect_stdout(sys.stderr):
            train(arguments.classifier)
    seeds, files = list(range(arguments.seed_from, arguments.seed_from + arguments.count)), []
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.images or Path(temporary)
        if arguments.model:
            values = {name: getattr(arguments, name.replace("-", "_")) for name in GENERATE_OPTIONS}
            options = [word for name, value in values.items() if value is not None for word in (f"--{name}", value)]
            generate(arguments.model, held_out(seeds)[1], folder, options)
        if arguments.model or arguments.images:
            seeds, files = map(list, zip(*images_of_seeds(folder).items(), strict=True))
        drawn, lines = held_out(seeds)
        columns, reports = look(load_classifier(weights), lines, drawn, files)
    if arguments.json:
        print("\n".join(json.dumps(line) for line in [*reports, {"summary": columns}]))
    else:
        print(f"{len(lines)} captions\n\n{table(columns)}")


if __name__ == "__main__":
    main()
