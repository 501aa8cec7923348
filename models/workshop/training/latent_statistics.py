"""How images differ from drawn ones as a crowd, by measurements that nothing has to learn."""

import torch
from torch.nn import functional as F

PERIOD = 8  # latents: the longest stride of the denoiser, which works on patches of 2x2
FAINT = 0.3  # of scaled latents: what stands out more from its surroundings belongs to the image, not to a pattern
SCALES = (1, 2)  # latents a side of the places whose roughness is compared
SMOOTH = 1e-3  # variance of scaled latents that makes no difference: a tenth of what the smoothest generated places have
WINDOW = 8  # latents a side of the places in which patches are compared
FAINTEST = 0.01  # variance of scaled latents: what varies less does not count as much as the rest


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
    distance of its logarithms. Drawn images have places without any grain, which squared errors hardly see."""
    made, wanted = ([roughness(latents, scale).flatten().sort().values for scale in SCALES] for latents in (latent, drawn))
    return torch.stack([(one - other).abs().mean() for one, other in zip(made, wanted, strict=True)]).mean()


def whitening_of(latents):
    """(C, C, 1, 1), for F.conv2d: turns latents (N, C, h, w), which mostly tell brightness and colour, into channels that all
    vary alike, so that what tells outlines and textures counts as much."""
    variances, directions = torch.linalg.eigh(torch.cov(latents.transpose(0, 1).flatten(1)))
    return (directions / (variances + FAINTEST).sqrt()).T[:, :, None, None]


def patches_in_windows(latents, size, corner):
    """All patches of `size` latents a side (odd) in each WINDOW: (B windows, patches, numbers). `latents` (B, C, h, w), h and w
    multiples of WINDOW; `corner` (2), integers below WINDOW: where the first window begins."""
    channels = F.unfold(latents, size, padding=size // 2).unflatten(2, latents.shape[2:])
    for dimension in (2, 3):
        inside = torch.arange(latents.shape[dimension] - WINDOW, device=latents.device) + corner[dimension - 2]
        channels = channels.index_select(dimension, inside)
    windows = channels.unflatten(3, (-1, WINDOW)).unflatten(2, (-1, WINDOW))  # (B, numbers, rows, WINDOW, columns, WINDOW)
    return windows.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(0, 2)


def distances(one, other):
    """Of every row of one to every row of the other: (B, N, numbers), (B, M, numbers) -> (B, N, M), divided by the root of the
    numbers."""
    squares = one.square().sum(2)[:, :, None] + other.square().sum(2)[:, None] - 2 * one @ other.transpose(1, 2)
    return (squares.clamp(min=0) / one.shape[2] + 1e-5).sqrt()  # the slope of a root at 0 is infinite


def patch_energy(latents, drawn, size, corner):
    """How differently the patches of latents and of drawn ones (B, C, h, w), whitened, are distributed within each WINDOW: the
    energy distance (Szekely and Rizzo 2013), mean of the windows,
      E d(x, z) - E d(x, x') / 2 - E d(z, z') / 2     x, x' patches of the one, z, z' of the other
    It is least where both have the same patches there, wherever in the window: outlines as sharp, flat places as flat. A mean
    of what is possible, which has the least squared error, has patches that no drawn image has. Below 0 where patches
    are like the drawn ones at their very places."""
    made, wanted = (patches_in_windows(x, size, corner) for x in (latents, drawn))
    middle = wanted.mean(1, keepdim=True)  # near 0, small distances keep their digits
    made, wanted = made - middle, wanted - middle
    count = made.shape[1]

    def among(x):
        return distances(x, x).sum((1, 2)).mean() / (count * (count - 1))

    return distances(made, wanted).mean() - (among(made) + among(wanted)) / 2


def differences(one, other):
    """Of the latents (B, C, h, w) of one to those at the same places of the other, as `distances` measures them: (B, h, w)."""
    return ((one - other).square().mean(1) + 1e-5).sqrt()


def crowd_distance(made, drawn):
    """How far the numbers of images or latents (B, C, h, w), and their differences to the right and below, are, as a crowd,
    from those of as many drawn ones: the Wasserstein-1 and Wasserstein-2 distances, of every channel, and their mean. Strong
    outlines are few, and the energy of patches hardly misses a sixth of their strength; among numbers that are sorted each has
    its place."""
    distances = []
    for numbers in (lambda x: x, lambda x: x.diff(dim=2), lambda x: x.diff(dim=3)):
        one, other = (numbers(x).transpose(0, 1).flatten(1).sort(1).values for x in (made, drawn))
        distances += [(one - other).abs().mean(1), ((one - other).square().mean(1) + 1e-12).sqrt()]
    return torch.stack(distances).mean()
