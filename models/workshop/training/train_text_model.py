"""Trains the text encoder and the denoiser of the default model jointly on the output of draw_latents.py.

  train_text_model.py LATENTS_FOLDER RUN_FOLDER [--steps N] [--init text_model.safetensors]

Writes RUN_FOLDER/text_model.safetensors: averaged float16 weights. Running the same command again resumes an interrupted
training.
"""

import argparse
import json
from pathlib import Path

import torch
from captioned_latents import BETAS, CaptionedLatents, betas_of, signal_shares
from muon import MuonAdamW
from sampling import share_at, velocity_of
from text_networks import OUTER_LAYERS, WIDTHS, TextModel, load_text_model
from torch.nn import functional as F
from training import Average, Run, compile_on_gpu, save_half

DROPPED_CAPTIONS = 0.1
GROWS_EVERY = 100  # steps


def loss_of(model, latent, ids, shares):
    timestep = torch.randint(0, len(shares), (len(latent),), device=latent.device)
    a = share_at(shares, timestep)
    noise = torch.randn_like(latent)
    noised, velocity = a.sqrt() * latent + (1 - a).sqrt() * noise, a.sqrt() * noise - (1 - a).sqrt() * latent
    return F.mse_loss(velocity_of(model, noised, timestep, model.text_encoder(ids)), velocity)


def training_parser(text, steps, batch_size, learning_rate):
    """The options that all training scripts of the text model share."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("latents", type=Path)
    parser.add_argument("folder")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--minutes", type=float, help="time limit; the learning rate schedule ends with it")
    parser.add_argument("--batch-size", type=int, default=batch_size)
    parser.add_argument("--lr", type=float, default=learning_rate)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int)
    return parser


def load_for(data, file):
    """Loads a text model with the vocabulary of `data` and the schedule BETAS onto the device of `data`."""
    if betas_of(file) != BETAS:
        raise SystemExit(f"'{file}' was sharpened and has another schedule: only sharpen_text_model.py can continue from it")
    return load_sharpened(data, file)


def load_sharpened(data, file):
    """Same as load_for, for any schedule."""
    return load_text_model(file, len(data.words), data.channels).to(data.device)


def finish(run, data, sampling=None, betas=BETAS):
    """Writes the averaged weights with the metadata for the bundle; after a signal, exits without writing. `sampling`: the
    bundle's sampling defaults if they differ from the teacher's; `betas`: the schedule."""
    if run.stopped:
        raise SystemExit(130)
    metadata = {"step": str(run.step), "betas": json.dumps(betas)} | run.module.metadata() | data.metadata()
    if sampling:
        metadata["sampling"] = json.dumps(sampling)
    save_half(run.average.weights, run.folder / "text_model.safetensors", metadata)


def main():
    parser = training_parser(__doc__.splitlines()[0], steps=20000, batch_size=64, learning_rate=2e-3)
    parser.add_argument("--init", help="initial weights")
    parser.add_argument("--widths", type=int, nargs=3, default=WIDTHS, help="channels of the denoiser's levels (multiples of 32)")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    data = CaptionedLatents(arguments.latents, DROPPED_CAPTIONS, arguments.device)
    torch.manual_seed(arguments.seed)
    init = arguments.init
    model = load_for(data, init) if init else TextModel(len(data.words), data.channels, arguments.widths).to(data.device)
    compile_on_gpu(*model.children())
    run = Run(arguments.folder, model, MuonAdamW(model, OUTER_LAYERS), Average(model, 0.999), arguments.steps, arguments.lr,
              arguments.minutes)  # fmt: skip
    run.resume(arguments.seed)
    shares = signal_shares().to(arguments.device)
    batch_loss = lambda: (loss_of(model, *data.batch(arguments.batch_size), shares), {})  # noqa: E731
    step = run.stepper(batch_loss, arguments.batch_size, every=50)
    for _ in run.rest():
        if run.step % GROWS_EVERY == 0:
            data.grow()
        step()

    finish(run, data)


if __name__ == "__main__":
    main()
