"""How the pictures of a batch differ from drawn ones as a crowd, by measurements that nothing has to learn."""

import torch
from torch.nn import functional as F

PERIOD = 8  # latents: the longest stride of the denoiser, which works on sites of 2x2
FAINT = 0.3  # of scaled latents: what stands out more from its surroundings belongs to the picture, not to a pattern
SCALES = (1, 2)  # latents a side of the places whose roughness is compared
SMOOTH = 1e-3  # variance of scaled latents that makes no difference: a tenth of what the smoothest generated places have


def pattern_of(latent):
    """How much all the latents (B, C, h, w) share a fine pattern of PERIOD: the mean square, over its places, of the mean of
    what stands out from its surroundings. What is drawn has none but by chance, since it is nowhere tied to such places."""
    around = F.avg_pool2d(F.pad(latent, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    fine = (latent - around).clamp(-FAINT, FAINT)
    mean = fine.unflatten(3, (-1, PERIOD)).unflatten(2, (-1, PERIOD)).mean((0, 2, 4))  # (C, PERIOD, PERIOD)
    return (mean - mean.mean((1, 2), keepdim=True)).square().mean()


def roughness(latent, scale):
    """Logarithms of the variance within 3x3 places of `scale` latents a side, mean of the channels: (B, h', w')."""
    places = F.avg_pool2d(latent, scale)
    variance = F.avg_pool2d(places.square(), 3, stride=1) - F.avg_pool2d(places, 3, stride=1).square()
    return (variance.clamp(min=0).mean(1) + SMOOTH).log()


def grain_distance(latent, drawn):
    """How far the roughness of latents (B, C, h, w) is, as a crowd, from that of as many drawn ones: the Wasserstein-1
    distance of its logarithms. Drawn pictures have places without any grain, which squared errors hardly see."""
    made, wanted = ([roughness(latents, scale).flatten().sort().values for scale in SCALES] for latents in (latent, drawn))
    return torch.stack([(one - other).abs().mean() for one, other in zip(made, wanted, strict=True)]).mean()
