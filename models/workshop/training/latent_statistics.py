"""Statistical distances between generated and drawn images, without learned parts."""

import torch
from torch.nn import functional as F

PERIOD = 8  # latent pixels: the largest stride of the denoiser, which works on patches of 2x2
FAINT = 0.3  # in scaled latents: larger deviations from the surroundings belong to the image, not to a pattern
SCALES = (1, 2)  # side in latent pixels of the cells whose roughness is compared
SMOOTH = 1e-3  # variance of scaled latents that is ignored: a tenth of that of the smoothest generated regions
WINDOW = 8  # side in latent pixels of the windows in which patches are compared
FAINTEST = 0.01  # variance of scaled latents: directions that vary less count less


def pattern_of(latent):
    """Strength of a fine pattern of PERIOD shared by all latents (B, C, h, w): the mean square, over the positions in the
    period, of the mean deviation from the surroundings. Drawn images have such a pattern only by chance."""
    around = F.avg_pool2d(F.pad(latent, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    fine = (latent - around).clamp(-FAINT, FAINT)
    mean = fine.unflatten(3, (-1, PERIOD)).unflatten(2, (-1, PERIOD)).mean((0, 2, 4))  # (C, PERIOD, PERIOD)
    return (mean - mean.mean((1, 2), keepdim=True)).square().mean()


def roughness(latent, scale):
    """Log variance within 3x3 cells of `scale` latent pixels a side, mean over the channels: (B, h', w')."""
    places = F.avg_pool2d(latent, scale)
    variance = F.avg_pool2d(places.square(), 3, stride=1) - F.avg_pool2d(places, 3, stride=1).square()
    return (variance.clamp(min=0).mean(1) + SMOOTH).log()


def grain_distance(latent, drawn):
    """Wasserstein-1 distance between the log roughness of latents (B, C, h, w) and that of equally many drawn ones. Drawn
    images have regions without grain, to which squared errors are nearly blind."""
    made, wanted = ([roughness(latents, scale).flatten().sort().values for scale in SCALES] for latents in (latent, drawn))
    return torch.stack([(one - other).abs().mean() for one, other in zip(made, wanted, strict=True)]).mean()


def whitening_of(latents):
    """(C, C, 1, 1), for F.conv2d: whitens latents (N, C, h, w), which mostly encode brightness and color, so that outlines and
    textures count as much."""
    variances, directions = torch.linalg.eigh(torch.cov(latents.transpose(0, 1).flatten(1)))
    return (directions / (variances + FAINTEST).sqrt()).T[:, :, None, None]


def patches_in_windows(latents, size, corner):
    """All patches of `size` x `size` latent pixels (odd) in each WINDOW: (B windows, patches, values). `latents` (B, C, h, w),
    h and w multiples of WINDOW; `corner` (2,), integers below WINDOW: the start of the first window."""
    channels = F.unfold(latents, size, padding=size // 2).unflatten(2, latents.shape[2:])
    for dimension in (2, 3):
        inside = torch.arange(latents.shape[dimension] - WINDOW, device=latents.device) + corner[dimension - 2]
        channels = channels.index_select(dimension, inside)
    windows = channels.unflatten(3, (-1, WINDOW)).unflatten(2, (-1, WINDOW))  # (B, numbers, rows, WINDOW, columns, WINDOW)
    return windows.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(0, 2)


def distances(one, other):
    """Distances between all rows of both: (B, N, values), (B, M, values) -> (B, N, M), divided by the square root of the
    number of values."""
    squares = one.square().sum(2)[:, :, None] + other.square().sum(2)[:, None] - 2 * one @ other.transpose(1, 2)
    return (squares.clamp(min=0) / one.shape[2] + 1e-5).sqrt()  # the slope of the square root at 0 is infinite


def patch_energy(latents, drawn, size, corner):
    """Energy distance (Szekely and Rizzo 2013) between the patch distributions of latents and drawn latents (B, C, h, w), both
    whitened, within each WINDOW, mean over the windows:
      E d(x, z) - E d(x, x') / 2 - E d(z, z') / 2     x, x' patches of the one, z, z' of the other
    It is minimal if both have the same patches anywhere in the window: equally sharp outlines, equally flat regions. The
    posterior mean, which minimizes the squared error, has patches that no drawn image has. Negative if the patches equal the
    drawn ones at the same positions."""
    made, wanted = (patches_in_windows(x, size, corner) for x in (latents, drawn))
    middle = wanted.mean(1, keepdim=True)  # centering keeps the precision of small distances
    made, wanted = made - middle, wanted - middle
    count = made.shape[1]

    def among(x):
        return distances(x, x).sum((1, 2)).mean() / (count * (count - 1))

    return distances(made, wanted).mean() - (among(made) + among(wanted)) / 2


def differences(one, other):
    """Distances, as in `distances`, between latents (B, C, h, w) at the same positions: (B, h, w)."""
    return ((one - other).square().mean(1) + 1e-5).sqrt()


def marginal_distance(made, drawn):
    """Distance between the marginal distributions of images or latents (B, C, h, w) and equally many drawn ones: the mean of
    the Wasserstein-1 and Wasserstein-2 distances of every channel, for the values and for their horizontal and vertical
    differences. Strong outlines are few, and the patch energy is insensitive to a loss of a sixth of their strength; comparing
    sorted values is not."""
    distances = []
    for numbers in (lambda x: x, lambda x: x.diff(dim=2), lambda x: x.diff(dim=3)):
        one, other = (numbers(x).transpose(0, 1).flatten(1).sort(1).values for x in (made, drawn))
        distances += [(one - other).abs().mean(1), ((one - other).square().mean(1) + 1e-12).sqrt()]
    return torch.stack(distances).mean()
