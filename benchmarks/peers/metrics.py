"""PSNR and SSIM of the luma as `fmboost eval` defines them (docs/evaluation.md), computed independently of it."""

import numpy as np

PEAK = 255.0
WINDOW, SIGMA = 11, 1.5


def luma(image):
    """ITU-R BT.601 luma, 16 to 235 and not rounded, of (H, W, 3) uint8."""
    red, green, blue = np.moveaxis(image.astype(np.float64), -1, 0)
    return 16.0 + (65.481 * red + 128.553 * green + 24.966 * blue) / PEAK


def psnr(a, b):
    mse = np.mean((a - b) ** 2)
    return float("inf") if mse == 0 else 10.0 * np.log10(PEAK**2 / mse)


def ssim(a, b):
    """Wang et al. 2004: Gaussian windows, population variances, only windows that lie within the image."""
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    mean_a, mean_b = _blur(a), _blur(b)
    variances = _blur(a * a) - mean_a**2 + _blur(b * b) - mean_b**2
    covariance = _blur(a * b) - mean_a * mean_b
    score = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float(np.mean(score / ((mean_a**2 + mean_b**2 + c1) * (variances + c2))))


def _blur(x):
    weights = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
    weights /= weights.sum()
    for axis in (0, 1):
        x = np.apply_along_axis(np.convolve, axis, x, weights, mode="valid")
    return x
