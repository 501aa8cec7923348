"""Trains the text encoder and the denoiser of the default model, together, on what draw_latents.py made.

  train_text_model.py LATENTS_FOLDER RUN_FOLDER [--steps N] [--init text_model.safetensors]

Writes RUN_FOLDER/text_model.safetensors: averaged weights, float16. The same command goes on with a training that was
stopped.
"""

import argparse
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import torch
from drawn_pictures import DRAW
from safetensors.torch import load_file
from text_networks import TextModel
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from training import Average, Run, save_half

LENGTH = 48  # tokens of a caption
PAD, NULL = 0, 1
DROPPED_CAPTIONS = 0.1  # replaced by the null word, for guidance


def vocabulary():
    """The words that captions can hold, behind the padding and the null word: the bundle's words.json."""
    words = subprocess.run([DRAW, "words"], capture_output=True, text=True, check=True).stdout.split()
    return ["<pad>", "<null>", *sorted({*words, ","})]


def token_ids(caption, words):
    """As fmboost's word tokenizer: lower case, commas are words, unknown words are left out."""
    known = [words[word] for word in re.findall(r",|[^\s,]+", caption.lower()) if word in words] or [NULL]
    known = known[:LENGTH]
    return known + [PAD] * (LENGTH - len(known))


def signal_shares(steps=1000, first=0.00085, last=0.012):
    """Cumulative products of Stable Diffusion's scaled-linear schedule: the share a of the latent at every timestep."""
    betas = torch.linspace(first**0.5, last**0.5, steps, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0).float()


def loss_of(model, latent, ids, shares):
    timestep = torch.randint(0, len(shares), (len(latent),), device=latent.device)
    a = shares[timestep][:, None, None, None]
    noise = torch.randn_like(latent)
    noised, velocity = a.sqrt() * latent + (1 - a).sqrt() * noise, a.sqrt() * noise - (1 - a).sqrt() * latent
    with torch.autocast(latent.device.type, torch.bfloat16), sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]
                                                                        if latent.is_cuda else SDPBackend.MATH):
        predicted = model.denoiser(noised, timestep.float(), model.text_encoder(ids))
    return F.mse_loss(predicted.float(), velocity)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("latents", type=Path)
    parser.add_argument("folder")
    parser.add_argument("--steps", type=int, default=60000)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--init", help="weights to start from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    words = {word: i for i, word in enumerate(vocabulary())}
    captions = [json.loads(line)["caption"] for line in (arguments.latents / "captions.jsonl").open()]
    ids = torch.tensor([token_ids(caption, words) for caption in captions])
    latents = np.load(arguments.latents / "latents.npy", mmap_mode="r")[: len(captions)]
    some = torch.from_numpy(latents[:: max(1, len(latents) // 1000)].astype(np.float32))
    scale, shift = 1 / some.std().item(), some.mean().item()

    torch.manual_seed(arguments.seed)
    model = TextModel(len(words), latents.shape[1]).to(arguments.device)
    if arguments.init:
        model.load_state_dict(load_file(arguments.init))
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.99), weight_decay=1e-3)
    run = Run(arguments.folder, model, optimizer, Average(model, 0.999), arguments.steps, arguments.lr)
    run.resume()
    torch.manual_seed(arguments.seed + run.step)
    shares = signal_shares().to(arguments.device)
    null = torch.tensor(token_ids("", words))
    for _ in run.rest():
        chosen = torch.randint(0, len(captions), (arguments.batch_size,))
        latent = (torch.from_numpy(latents[chosen.numpy()].astype(np.float32)) - shift) * scale
        told = torch.where(torch.rand(len(chosen), 1) < DROPPED_CAPTIONS, null, ids[chosen])
        loss = loss_of(model, latent.to(arguments.device), told.to(arguments.device), shares)
        optimizer.zero_grad()
        loss.backward()
        run.finish_step(loss, run.taken + len(chosen))

    metadata = {"step": str(run.step), "scale": str(scale), "shift": str(shift), "words": json.dumps(list(words))}
    save_half(run.average.weights, run.folder / "text_model.safetensors", metadata)
    print(f"{run.folder / 'text_model.safetensors'}: {len(words)} words, scale {scale:.4f}, shift {shift:.4f}")
    raise SystemExit(130 if run.stopped else 0)


if __name__ == "__main__":
    main()
