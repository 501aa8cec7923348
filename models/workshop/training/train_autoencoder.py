"""Trains the autoencoder of the default model on images of fmboost-draw.

  train_autoencoder.py RUN_FOLDER [--steps N] [--init AUTOENCODER]

Writes RUN_FOLDER/autoencoder.safetensors: averaged float16 weights and the mean and standard deviation of the latents.
Running the same command again resumes an interrupted training.
"""

import argparse

import torch
from drawn_images import ImageMix
from networks import Autoencoder, load_autoencoder
from torch.nn import functional as F
from training import Average, Run, autocast, save_half

LATENT_NOISE = 0.05  # standard deviation during training: similar latents must decode to similar images
LATENT_PENALTY = 2e-4  # on squared latents: keeps their scale near 1 relative to the noise


def luma_ssim(a, b, window=7, stride=3):
    """Mean SSIM of the channel mean with box windows, for values in [-1, 1]."""
    a, b = a.mean(1, keepdim=True), b.mean(1, keepdim=True)
    mean = lambda x: F.avg_pool2d(x, window, stride)  # noqa: E731
    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    value = (2 * ma * mb + c1) / (ma * ma + mb * mb + c1) * (2 * cov + c2) / (va.clamp(min=0) + vb.clamp(min=0) + c2)
    return value.mean()


def image_loss(made, original):
    """MSE for PSNR; L1 at four scales, and L1 of the gradients for edges; SSIM for texture."""
    difference = made - original
    loss, coarse = difference.abs().mean() + 4 * difference.square().mean(), difference
    for _ in range(3):
        coarse = F.avg_pool2d(coarse, 2)
        loss = loss + 0.5 * coarse.abs().mean()
    steps = difference.diff(dim=2).abs().mean() + difference.diff(dim=3).abs().mean()
    return loss + 0.5 * steps + 0.15 * (1 - luma_ssim(made, original))


def loss_of(model, images):
    with autocast(images):
        latent = model.encoder(images)
        made = model.decoder(latent + LATENT_NOISE * torch.randn_like(latent))
    return image_loss(made.float(), images) + LATENT_PENALTY * latent.float().square().mean()


@torch.no_grad()
def latent_statistics(encoder, images, batches=32, batch_size=16):
    """Mean and standard deviation over all channels, for the bundle's shift and scale."""
    device = next(encoder.parameters()).device
    latents = torch.cat([encoder(images.batch(batch_size).to(device)).flatten() for _ in range(batches)])
    return latents.mean().item(), latents.std().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--side", type=int, default=96, help="side of the images, a multiple of 4")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--init", help="initial weights: a file of this script, or a bundle")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--landscapes", type=float, default=0.2, help="share of landscapes among the images")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)

    model = load_autoencoder(arguments.init)[0] if arguments.init else Autoencoder()
    model = model.to(arguments.device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.99), weight_decay=1e-4)
    run = Run(arguments.folder, model, optimizer, Average(model, 0.999), arguments.steps, arguments.lr)
    run.resume(arguments.seed)
    images = ImageMix(arguments.side, arguments.landscapes, seed=arguments.seed, taken=run.taken)
    for _ in run.rest():
        batch = images.batch(arguments.batch_size).to(arguments.device)
        loss = loss_of(model, batch)
        run.take_step(loss, images.taken)

    if run.stopped:
        raise SystemExit(130)
    model.load_state_dict(run.average.weights)
    mean, deviation = latent_statistics(model.encoder, images)
    images.close()
    metadata = {"step": str(run.step), "latent_mean": str(mean), "latent_deviation": str(deviation)}
    save_half(run.average.weights, run.folder / "autoencoder.safetensors", metadata)
    print(f"{run.folder / 'autoencoder.safetensors'}: latents have mean {mean:.3f} and deviation {deviation:.3f}")


if __name__ == "__main__":
    main()
