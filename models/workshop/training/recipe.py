"""Makes the default model from scratch: draws images, trains all components on them, and assembles the bundle.

  recipe.py RUN_FOLDER [--tiny] [--until STAGE]

Finished stages are skipped, and an interrupted stage resumes. `fmboost` and `fmboost-draw` must have been built (scripts/test
does). --tiny makes a useless model in a few minutes, to test the recipe.
"""

import argparse
import dataclasses
import importlib
import multiprocessing
import os
import runpy
import subprocess
import sys
import time
from pathlib import Path

from drawn_images import DRAW, FIRST_SEED

HERE = Path(__file__).resolve().parent
FMBOOST = Path(os.environ.get("FMBOOST_BINARY", DRAW.with_name("fmboost")))
SHARDS = ("shards-64", "shards-32")  # pairs of drawn images, for 2x and for 4x
GENERATED = ("generated-2", "generated-4")  # pairs of landscapes redrawn by the text model, for 2x and for 4x


def cpu_seconds():
    """CPU time of the finished child processes."""
    times = os.times()
    return times.children_user + times.children_system


def run_script(name, arguments):
    sys.argv = [str(HERE / name), *arguments]
    runpy.run_path(sys.argv[0], run_name="__main__")


@dataclasses.dataclass
class Sizes:
    """Amounts of data and training, and options of the scripts."""

    autoencoder_steps: int = 5000
    autoencoder_options: tuple = ()
    leaves: int = 900  # drawn images for the couplings, 512x512
    landscapes: int = 150
    crops: tuple = (8, 4)  # squares per drawn image, for 2x and for 4x
    held_out: int = 16  # images for validation
    coupling_steps: int = 4000
    coupling_options: tuple = ()
    scenes: int = 60000  # drawn landscapes for the text model
    native_size: int = 256  # side of these landscapes
    text_batch: int = 256
    text_steps: int = 10000
    text_options: tuple = ()
    distillation_steps: int = 1600
    matching_batch: int = 128
    matching_steps: int = 1800
    matching_options: tuple = ()
    classifier_steps: int = 1500  # of each of the two classifiers of latents for the tuning
    tuning_batch: int = 8
    tuning_steps: int = 300
    sharpening_steps: int = 700
    sharpening_batch: int = 21
    generated_pairs: tuple = (128, 512)  # images for the couplings' tuning, for 2x and for 4x
    generated_held_out: int = 16  # images for validation
    coupling_tuning_steps: int = 1500
    coupling_tuning_options: tuple = ()
    generated_coupling_steps: int = 1600
    generated_coupling_batch: int = 12
    generated_coupling_tuning_steps: int = 3000
    generated_coupling_tuning_options: tuple = ()


SMALL_COUPLING = ("--model-channels", 32, "--num-res-blocks", 1)
TINY = Sizes(autoencoder_steps=60, autoencoder_options=("--side", 64, "--batch-size", 8), leaves=6, landscapes=2, crops=(4, 2),
            held_out=4, coupling_steps=30, coupling_options=SMALL_COUPLING, scenes=32, native_size=128, text_batch=4,
            text_steps=60, text_options=("--widths", 32, 64, 64), distillation_steps=3, matching_batch=2, matching_steps=2,
            matching_options=("--ahead", 2), classifier_steps=10, tuning_batch=4, tuning_steps=2, sharpening_steps=2,
            sharpening_batch=4, generated_pairs=(2, 2), generated_held_out=2, coupling_tuning_steps=2,
            coupling_tuning_options=("--batch-size", 2), generated_coupling_steps=20,
            generated_coupling_batch=6, generated_coupling_tuning_steps=90,
            generated_coupling_tuning_options=("--batch-size", 6))  # fmt: skip


class Recipe:
    def __init__(self, folder, sizes, threads):
        self.folder, self.sizes, self.threads = folder, sizes, threads
        self.autoencoder = folder / "autoencoder" / "autoencoder.safetensors"
        self.coupling = folder / "coupling" / "cfm-2x-4x.safetensors"
        self.text_model = folder / "text" / "text_model.safetensors"
        self.distilled = folder / "distilled" / "text_model.safetensors"
        self.classifiers = [folder / f"latent-classifier-{seed}" / "classifier.safetensors" for seed in (0, 1)]
        self.matched = folder / "matched" / "text_model.safetensors"
        self.tuned = folder / "tuned" / "text_model.safetensors"
        self.sharpened = folder / "sharpened" / "text_model.safetensors"
        self.tuned_coupling = folder / "tuned-coupling" / "cfm-2x-4x.safetensors"
        self.generated_coupling = folder / "generated-coupling" / "cfm-2x.safetensors"  # also used for 4x
        self.tuned_generated_coupling = folder / "tuned-generated-coupling" / "cfm-2x.safetensors"
        self.latent_bundle = folder / "latent-bundle"  # only the autoencoder, for encode and train

    def run(self, *command):
        print("+", *command, flush=True)
        subprocess.run(list(map(str, command)), check=True)

    def script(self, name, *arguments):
        """Runs a Python script in a fork of this process, which imports torch only once for all scripts."""
        importlib.import_module("torch")
        arguments = list(map(str, arguments))
        print("+", HERE / name, *arguments, flush=True)
        process = multiprocessing.get_context("fork").Process(target=run_script, args=(name, arguments))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(f"{name} failed with exit status {process.exitcode}")

    def train(self, name, *arguments):
        self.script(name, *arguments, *(["--threads", self.threads] if self.threads else []))

    def stages(self):
        """{name: (function, file that exists when the stage is finished)}"""
        return {
            "autoencoder": (self.train_autoencoder, self.autoencoder),
            "images": (self.draw_images, self.folder / "held-out" / "done"),
            "encode": (self.encode, self.folder / "held-out-shards" / "dataset.json"),
            "coupling": (self.train_coupling, self.coupling),
            "text": (self.train_text_model, self.text_model),
            "distill": (self.distill_text_model, self.distilled),
            "match": (self.match_text_model, self.matched),
            "classifiers": (self.train_classifiers, self.classifiers[-1]),
            "tune": (self.tune_text_model, self.tuned),
            "sharpen": (self.sharpen_text_model, self.sharpened),
            "generated-pairs": (self.draw_generated_pairs, self.folder / "generated-4" / "done"),
            "tune-coupling": (self.tune_coupling, self.tuned_coupling),
            "generated-coupling": (self.train_generated_coupling, self.generated_coupling),
            "tune-generated-coupling": (self.tune_generated_coupling, self.tuned_generated_coupling),
            "bundle": (self.make_bundle, self.folder / "bundle" / "bundle.json"),
        }

    def train_autoencoder(self):
        self.train("train_autoencoder.py", self.autoencoder.parent, "--steps", self.sizes.autoencoder_steps,
                   *self.sizes.autoencoder_options)  # fmt: skip

    def draw_images(self):
        for kind, count in (("leaves", self.sizes.leaves), ("landscapes", self.sizes.landscapes)):
            self.run(DRAW, kind, "--size", 512, "--count", count, "-o", self.folder / "images")
        self.run(DRAW, "leaves", "--size", 256, "--count", self.sizes.held_out, "--seed", 0, "-o", self.folder / "held-out")
        (self.folder / "held-out" / "done").touch()

    def encode(self):
        self.script("make_bundle.py", self.latent_bundle, "--autoencoder", self.autoencoder, "--force")
        for low, crops in zip((64, 32), self.sizes.crops, strict=True):
            self.run(FMBOOST, "encode", self.folder / "images", "-m", self.latent_bundle, "-o", self.folder / f"shards-{low}",
                     "--low", low, "--high", 128, "--crops", crops, "--seed", low, "--downsample", "bicubic",
                     "--batch-size", 16)  # fmt: skip
        self.run(FMBOOST, "encode", self.folder / "held-out", "-m", self.latent_bundle, "-o", self.folder / "held-out-shards",
                 "--low", 64, "--high", 128, "--downsample", "bicubic", "--keep-images")  # fmt: skip

    def train_coupling(self):
        self.flow_training("coupling.toml", self.coupling.parent, self.sizes.coupling_steps, SHARDS, *self.sizes.coupling_options)

    def tune_coupling(self):
        self.flow_training("coupling_tuning.toml", self.tuned_coupling.parent, self.sizes.coupling_tuning_steps,
                           (*SHARDS, *GENERATED), "--init", self.coupling, *self.sizes.coupling_tuning_options)  # fmt: skip

    def flow_training(self, config, run, steps, data, *options, held_out="held-out-shards"):
        self.run(FMBOOST, "train", "--config", HERE / config, "--data", *(self.folder / name for name in data),
                 "--val-data", self.folder / held_out, "-m", self.latent_bundle, "-o", run, "--steps", steps,
                 "--validate-every", steps, *options, *(["--threads", self.threads] if self.threads else []),
                 *(["--resume"] if any(run.glob("checkpoints/step-*")) else ["--force"]))  # fmt: skip

    def train_text_model(self):
        latents = self.folder / "text-latents"
        self.train("draw_latents.py", self.autoencoder, latents, "--count", self.sizes.scenes, "--side",
                   self.sizes.native_size)  # fmt: skip
        self.train("train_text_model.py", latents, self.text_model.parent, "--steps", self.sizes.text_steps,
                   "--batch-size", self.sizes.text_batch, *self.sizes.text_options)  # fmt: skip

    def distill_text_model(self):
        self.train("distill_text_model.py", self.folder / "text-latents", self.distilled.parent, "--teacher", self.text_model,
                   "--steps", self.sizes.distillation_steps, "--batch-size", self.sizes.text_batch)  # fmt: skip

    def match_text_model(self):
        self.train("match_text_model.py", self.folder / "text-latents", self.matched.parent, "--teacher", self.text_model,
                   "--student", self.distilled, "--steps", self.sizes.matching_steps, "--batch-size",
                   self.sizes.matching_batch, *self.sizes.matching_options)  # fmt: skip

    def train_classifiers(self):
        for seed, classifier in enumerate(self.classifiers):
            self.train("train_classifier.py", classifier.parent, "--latents", self.folder / "text-latents",
                       "--steps", self.sizes.classifier_steps, "--seed", seed)  # fmt: skip

    def tune_text_model(self):
        self.train("tune_text_model.py", self.folder / "text-latents", self.tuned.parent, "--student", self.matched,
                   "--finisher", self.distilled, "--classifiers", *(file.parent for file in self.classifiers), "--steps",
                   self.sizes.tuning_steps, "--batch-size", self.sizes.tuning_batch)  # fmt: skip

    def sharpen_text_model(self):
        self.train("sharpen_text_model.py", self.folder / "text-latents", self.sharpened.parent, "--student", self.tuned,
                   "--autoencoder", self.autoencoder, "--steps", self.sizes.sharpening_steps,
                   "--batch-size", self.sizes.sharpening_batch)  # fmt: skip

    def draw_generated_pairs(self):
        held_out = ("generated-held-out", 4, self.sizes.generated_held_out, 0)
        few, many = self.sizes.generated_pairs
        for name, factor, count, seed in (held_out, (GENERATED[0], 2, few, FIRST_SEED), (GENERATED[1], 4, many, FIRST_SEED)):
            self.train("draw_generated_pairs.py", self.autoencoder, self.sharpened, self.folder / name, "--factor", factor,
                       "--count", count, "--seed", seed)  # fmt: skip
        (self.folder / name / "done").touch()

    def train_generated_coupling(self):
        self.flow_training("coupling.toml", self.generated_coupling.parent, self.sizes.generated_coupling_steps, GENERATED,
                           *SMALL_COUPLING, "--crop-size", 32, "--batch-size",
                           self.sizes.generated_coupling_batch, "--lr", 2e-3, held_out="generated-held-out")  # fmt: skip

    def tune_generated_coupling(self):
        self.flow_training("generated_coupling_tuning.toml", self.tuned_generated_coupling.parent,
                           self.sizes.generated_coupling_tuning_steps, GENERATED, "--init", self.generated_coupling,
                           *self.sizes.generated_coupling_tuning_options, held_out="generated-held-out")  # fmt: skip

    def make_bundle(self):
        self.script("make_bundle.py", self.folder / "bundle", "--autoencoder", self.autoencoder, "--coupling",
                    self.tuned_coupling, "--own-coupling", self.tuned_generated_coupling, "--text-model",
                    self.sharpened, "--force")  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--until", metavar="STAGE", help="last stage to run, from autoencoder to bundle")
    parser.add_argument("--threads", type=int, help="CPU threads of every training script")
    arguments = parser.parse_args()
    recipe = Recipe(arguments.folder, TINY if arguments.tiny else Sizes(), arguments.threads)
    if arguments.until not in (None, *recipe.stages()):
        parser.error(f"there is no stage '{arguments.until}'; the stages are {', '.join(recipe.stages())}")
    for name, (work, result) in recipe.stages().items():
        if result.exists():
            print(f"{name}: already done", flush=True)
        else:
            print(f"{name}: started", flush=True)
            began, cpu_began = time.monotonic(), cpu_seconds()
            work()
            print(f"{name}: {time.monotonic() - began:.0f} s, {cpu_seconds() - cpu_began:.0f} CPU s", flush=True)
        if name == arguments.until:
            break


if __name__ == "__main__":
    main()
