"""Puts trained weights into a bundle, as float16.

  make_bundle.py BUNDLE --autoencoder AUTOENCODER [--coupling cfm-2x-4x.safetensors --factors 2 4]
                 [--text-model text_model.safetensors] [--name NAME]
"""

import argparse
import copy
import json
import sys
from pathlib import Path

import torch
from networks import FACTOR, LATENT_CHANNELS, load_autoencoder
from safetensors import safe_open
from safetensors.torch import load_file
from text_networks import TextModel
from train_text_model import LENGTH, NULL, PAD

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from fmboost_export.export import write_couplings  # noqa: E402
from fmboost_export.files import refuse_existing, sha256, whole_folder  # noqa: E402
from fmboost_export.parts import CHECKED_SIZES, TRACED_SIZE, Part, export_part  # noqa: E402


def random_inputs(*shapes):
    generator = torch.Generator().manual_seed(len(shapes))
    return tuple(torch.randn(shape, generator=generator) for shape in shapes)


def part(file, module, make, traced, checked):
    """`make(batch, height, width)` gives inputs for latents of that size."""
    module = module.eval().requires_grad_(False)
    return Part(file, copy.deepcopy, module, module, make(2, *traced), [make(*size) for size in checked], torch.float16)


def autoencoder_entry(path, folder):
    model, mean, deviation = load_autoencoder(path)
    pixels = lambda b, h, w: random_inputs((b, 3, FACTOR * h, FACTOR * w))  # noqa: E731
    latent = lambda b, h, w: random_inputs((b, LATENT_CHANNELS, h, w))  # noqa: E731
    sizes = (TRACED_SIZE, CHECKED_SIZES)
    encoder, _ = export_part(part("autoencoder_encoder.pt", model.encoder, pixels, *sizes), folder, print)
    decoder, _ = export_part(part("autoencoder_decoder.pt", model.decoder, latent, *sizes), folder, print)
    return {
        "encoder": encoder, "decoder": decoder, "factor": FACTOR, "latent_channels": LATENT_CHANNELS,
        "scale": 1 / deviation, "shift": mean,
    }  # fmt: skip


def text_entries(path, folder):
    with safe_open(path, framework="pt") as file:
        words = json.loads(file.metadata()["words"])
    model = TextModel(len(words))
    model.load_state_dict(load_file(path))
    text_width = model.text_encoder.embedding.embedding_dim
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "words.json").write_text(json.dumps(words))

    def ids(batch, *_):
        return (torch.randint(0, len(words), (batch, LENGTH), generator=torch.Generator().manual_seed(batch)),)

    def denoiser_inputs(batch, height, width):
        x, text = random_inputs((batch, LATENT_CHANNELS, 8 * height, 8 * width), (batch, LENGTH, text_width))
        return x, torch.linspace(1, 998, batch), text

    text, _ = export_part(part("text_encoder.pt", model.text_encoder, ids, (0, 0), CHECKED_SIZES), folder, print)
    denoiser, _ = export_part(
        part("denoiser.pt", model.denoiser, denoiser_inputs, (3, 5), ((1, 4, 4), (3, 3, 2), (2, 5, 1))), folder, print
    )
    schedule = {
        "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "train_steps": 1000,
        "timestep_spacing": "trailing", "set_alpha_to_one": True,
    }  # fmt: skip
    return {
        "tokenizer": {
            "type": "words", "words": "tokenizer/words.json", "sha256": sha256(folder / "tokenizer" / "words.json"),
            "max_length": LENGTH, "pad": PAD, "null": NULL,
        },
        "text_encoder": {**text, "width": text_width},
        "denoiser": {
            **denoiser, "prediction": "v_prediction", "schedule": schedule, "latent_channels": LATENT_CHANNELS,
            "native_size": 128, "size_multiple": 32, "guidance_embedding": None, "default_sampler": "ddim",
            "default_steps": 25, "default_guidance": 4.0,
        },
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--autoencoder", required=True)
    parser.add_argument("--text-model")
    parser.add_argument("--coupling", type=Path)
    parser.add_argument("--factors", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--flow-steps", type=int, default=2)
    parser.add_argument("--name", default="fmboost default")
    parser.add_argument("--force", action="store_true", help="replace a bundle of this name")
    arguments = parser.parse_args()
    refuse_existing(arguments.bundle, arguments.force, "bundle.json")
    with whole_folder(arguments.bundle) as folder:
        description = {
            "format": "fmboost-bundle", "version": 1, "name": arguments.name, "license": "MIT",
            "source": "trained only on pictures that fmboost-draw makes; see models/README.md",
        }  # fmt: skip
        if arguments.text_model:
            description |= text_entries(arguments.text_model, folder)
        description["autoencoder"] = autoencoder_entry(arguments.autoencoder, folder)
        if arguments.coupling:
            entries = write_couplings(
                arguments.coupling, arguments.factors, None, LATENT_CHANNELS, torch.float16, folder
            )
            description["couplings"] = [{**entry, "steps": arguments.flow_steps} for entry in entries]
        (folder / "bundle.json").write_text(json.dumps(description, indent=1) + "\n")


if __name__ == "__main__":
    main()
