"""NIQE (Mittal, Soundararajan and Bovik 2013) in NumPy: the features, the distance, and the fit of the model to photographs."""

import numpy as np
from PIL import Image
from scipy import ndimage, special

BLOCK = 96
SHAPES = np.arange(200, 10001) / 1000
RATIOS = special.gamma(2 / SHAPES) ** 2 / (special.gamma(1 / SHAPES) * special.gamma(3 / SHAPES))
SHARP_SHARE = 0.75  # blocks with at least this share of the sharpest block's deviation enter the fit


def luma(rgb):
    """(H, W, 3) in 0 .. 255 to (H, W) in 16 .. 235."""
    return 16 + rgb.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255


def window():
    x = np.arange(-3, 4)
    w = np.exp(-(x**2) / (2 * (7 / 6) ** 2))
    return np.outer(w, w) / np.outer(w, w).sum()


def normalize(y):
    """The samples less their local mean over their local deviation, and that deviation."""
    mean = ndimage.correlate(y, window(), mode="nearest")
    deviation = np.sqrt(np.abs(ndimage.correlate(y * y, window(), mode="nearest") - mean**2))
    return (y - mean) / (deviation + 1), deviation


def fit_gaussian(x):
    """Shape, left and right scale of an asymmetric generalized Gaussian."""
    with np.errstate(all="ignore"):
        left, right = np.sqrt(np.mean(x[x < 0] ** 2)), np.sqrt(np.mean(x[x > 0] ** 2))
        g = left / right
        ratio = np.mean(np.abs(x)) ** 2 / np.mean(x**2) * (g**3 + 1) * (g + 1) / (g**2 + 1) ** 2
    if not np.isfinite(ratio):
        return np.nan, np.nan, np.nan
    shape = SHAPES[np.argmin((RATIOS - ratio) ** 2)]
    scale = np.sqrt(special.gamma(1 / shape) / special.gamma(3 / shape))
    return shape, left * scale, right * scale


def block_features(block):
    shape, left, right = fit_gaussian(block.ravel())
    features = [shape, (left + right) / 2]
    for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
        shape, left, right = fit_gaussian((block * np.roll(block, shift, axis=(0, 1))).ravel())
        mean = (right - left) * special.gamma(2 / shape) / special.gamma(1 / shape)
        features += [shape, mean, left, right]
    return features


def blocks(y, side):
    return [y[r : r + side, c : c + side] for r in range(0, y.shape[0], side) for c in range(0, y.shape[1], side)]


def features(y):
    """(blocks, 36), and the mean deviation of each block."""
    height, width = (side // BLOCK * BLOCK for side in y.shape)
    y = y[:height, :width]
    half = np.asarray(Image.fromarray(y.astype(np.float32)).resize((width // 2, height // 2), Image.BICUBIC), np.float64)
    result = []
    for scale, side in ((y, BLOCK), (half, BLOCK // 2)):
        normal, deviation = normalize(scale)
        result.append(np.array([block_features(block) for block in blocks(normal, side)]))
        if side == BLOCK:
            sharpness = np.array([block.mean() for block in blocks(deviation, side)])
    return np.concatenate(result, axis=1), sharpness


def distance(y, mean, covariance):
    found, _ = features(y)
    complete = found[np.isfinite(found).all(axis=1)]
    own = np.cov(complete, rowvar=False) if len(complete) > 1 else np.zeros_like(covariance)
    difference = np.nanmean(found, axis=0) - mean
    return float(np.sqrt(difference @ np.linalg.pinv((own + covariance) / 2) @ difference))


def fit(images):
    """Mean and covariance of the features of the sharp blocks of (H, W, 3) images."""
    chosen = []
    for rgb in images:
        found, sharpness = features(luma(rgb))
        chosen.append(found[sharpness > SHARP_SHARE * sharpness.max()])
    chosen = np.concatenate(chosen)
    chosen = chosen[np.isfinite(chosen).all(axis=1)]
    return chosen.mean(axis=0), np.cov(chosen, rowvar=False)
