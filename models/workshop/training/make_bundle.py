"""Writes trained weights into a bundle as float16.

  make_bundle.py BUNDLE --autoencoder AUTOENCODER [--coupling cfm-2x-4x.safetensors --factors 2 4]
                 [--own-coupling cfm-2x.safetensors] [--generated-fidelity 0.5]
                 [--text-model text_model.safetensors [--examples FILE]] [--name NAME]
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from captioned_latents import LENGTH, NULL, PAD, betas_of, native_size_of
from networks import FACTOR, LATENT_CHANNELS, load_autoencoder
from safetensors import safe_open
from text_networks import load_text_model
from training import save_half

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "scripts"))
from fmboost_export.export import write_couplings  # noqa: E402
from fmboost_export.files import refuse_existing, sha256, whole_folder  # noqa: E402

# For a text model that was not distilled; others store their own in the weight file.
TEACHER_SAMPLING = {"default_sampler": "ddim", "default_steps": 25, "default_guidance": 3.0}


def native(component, module, config, folder):
    """Writes a network's weights as float16; returns its entry of bundle.json."""
    file = folder / f"{component}.safetensors"
    save_half(module.state_dict(), file)
    return {"backend": "native", "file": file.name, "sha256": sha256(file), "config": config}


def autoencoder_entry(path, folder):
    model, mean, deviation = load_autoencoder(path)
    entry = native("autoencoder", model, {"_class_name": "ConvAutoencoder", **model.configuration}, folder)
    return {**entry, "factor": FACTOR, "latent_channels": LATENT_CHANNELS, "scale": 1 / deviation, "shift": mean}


def read_examples(path, words):
    """Reads prompts, one per line. All words must be in the vocabulary, and no prompt may be truncated."""
    examples = path.read_text().splitlines()
    for prompt in examples:
        tokens = prompt.replace(",", " , ").split()
        unknown = sorted(set(tokens) - set(words))
        if unknown or len(tokens) > LENGTH:
            reason = f"not in the vocabulary: {', '.join(unknown)}" if unknown else f"longer than {LENGTH} tokens"
            sys.exit(f"'{path}', '{prompt}': {reason}")
    return examples


def text_entries(path, examples, folder):
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    words = json.loads(metadata["words"])
    sampling = json.loads(metadata.get("sampling", "null")) or TEACHER_SAMPLING
    model = load_text_model(path, len(words))
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "words.json").write_text(json.dumps(words))
    text = {"_class_name": "WordTransformer", **model.text_encoder.configuration}
    denoiser = {"_class_name": "PatchUnet", **model.denoiser.configuration}
    first, last = betas_of(path)
    schedule = {
        "beta_start": first, "beta_end": last, "beta_schedule": "linear", "train_steps": 1000,
        "timestep_spacing": "trailing", "set_alpha_to_one": True,
    }  # fmt: skip
    return {
        "examples": read_examples(examples, words),
        "tokenizer": {
            "type": "words", "words": "tokenizer/words.json", "sha256": sha256(folder / "tokenizer" / "words.json"),
            "max_length": LENGTH, "pad": PAD, "null": NULL,
        },
        "text_encoder": {**native("text_encoder", model.text_encoder, text, folder), "width": text["width"]},
        "denoiser": {
            **native("denoiser", model.denoiser, denoiser, folder), "prediction": "v_prediction", "schedule": schedule,
            "latent_channels": LATENT_CHANNELS, "native_size": native_size_of(path), "size_multiple": 32,
            "guidance_embedding": None, **sampling,
        },
    }  # fmt: skip


def coupling_entries(arguments, folder):
    """Generated images use --own-coupling if there is one."""
    defaults = {"steps": arguments.flow_steps}
    if arguments.generated_fidelity is not None:
        defaults["generated_fidelity"] = arguments.generated_fidelity
    external = {"applies_to": "external"} if arguments.own_coupling else {}
    return [
        entry | defaults | source
        for file, name, source in (
            (arguments.coupling, "cfm", external),
            (arguments.own_coupling, "cfm-own", {"applies_to": "generated"}),
        ) if file
        for entry in write_couplings(file, arguments.factors, None, LATENT_CHANNELS, torch.float16, folder, name)
    ]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--autoencoder", required=True)
    parser.add_argument("--text-model")
    parser.add_argument(
        "--examples", type=Path, default=Path(__file__).with_name("examples.txt"), metavar="FILE",
        help="prompts for `generate --example`, one per line (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--coupling", type=Path)
    parser.add_argument("--own-coupling", type=Path, help="coupling for generated images; --coupling is then only for others")
    parser.add_argument("--factors", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--flow-steps", type=int, default=2)
    parser.add_argument("--generated-fidelity", type=float, help="default fidelity of generated images, 0 to 1")
    parser.add_argument("--name", default="fmboost default")
    parser.add_argument("--force", action="store_true", help="replace an existing bundle")
    arguments = parser.parse_args()
    refuse_existing(arguments.bundle, arguments.force, "bundle.json")
    with whole_folder(arguments.bundle) as folder:
        description = {
            "format": "fmboost-bundle", "version": 1, "name": arguments.name, "license": "MIT",
            "source": "trained only on images that fmboost-draw makes; see models/workshop/README.md",
        }  # fmt: skip
        if arguments.text_model:
            description |= text_entries(arguments.text_model, arguments.examples, folder)
        description["autoencoder"] = autoencoder_entry(arguments.autoencoder, folder)
        couplings = coupling_entries(arguments, folder)
        if couplings:
            description["couplings"] = couplings
        (folder / "bundle.json").write_text(json.dumps(description, indent=1) + "\n")


if __name__ == "__main__":
    main()
