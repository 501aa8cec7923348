"""Inception v3 as used for FID, with the published weight names, and a module from images to features.

The weights come from the TensorFlow network of 2015 (Szegedy et al. 2015, arXiv 1512.00567). It differs from torchvision's
network in three ways: average pooling inside the blocks excludes padding, the last block uses max pooling, and the
classifier has 1008 outputs. See
https://github.com/mseitzer/pytorch-fid/blob/master/src/pytorch_fid/inception.py
"""

import torch
from torch import nn
from torch.nn import functional as F

FEATURES, CLASSES, SIDE = 2048, 1008, 299


class Conv(nn.Module):
    """Convolution, batch normalization, ReLU."""

    def __init__(self, inputs, outputs, size, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class Branches(nn.Module):
    """Parallel chains of convolutions whose results are concatenated along the channels."""

    def chain(self, name, *layers, first=1):
        """Registers layers as name_1, name_2, ..., or a single layer as name; returns their names."""
        names = [name] if len(layers) == 1 else [f"{name}_{i}" for i in range(first, first + len(layers))]
        for layer_name, layer in zip(names, layers, strict=True):
            self.add_module(layer_name, layer)
        return names

    def run(self, x, names):
        for name in names:
            x = getattr(self, name)(x)
        return x


def mean_pool(x):
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


class BlockA(Branches):
    """35x35."""

    def __init__(self, inputs, pooled):
        super().__init__()
        self.one = self.chain("branch1x1", Conv(inputs, 64, 1))
        self.five = self.chain("branch5x5", Conv(inputs, 48, 1), Conv(48, 64, 5, padding=2))
        self.three = self.chain(
            "branch3x3dbl", Conv(inputs, 64, 1), Conv(64, 96, 3, padding=1), Conv(96, 96, 3, padding=1)
        )
        self.pool = self.chain("branch_pool", Conv(inputs, pooled, 1))

    def forward(self, x):
        parts = [self.run(x, names) for names in (self.one, self.five, self.three)]
        return torch.cat([*parts, self.run(mean_pool(x), self.pool)], 1)


class BlockB(Branches):
    """35x35 to 17x17."""

    def __init__(self, inputs):
        super().__init__()
        self.three = self.chain("branch3x3", Conv(inputs, 384, 3, 2))
        self.double = self.chain("branch3x3dbl", Conv(inputs, 64, 1), Conv(64, 96, 3, padding=1), Conv(96, 96, 3, 2))

    def forward(self, x):
        return torch.cat([self.run(x, self.three), self.run(x, self.double), F.max_pool2d(x, 3, 2)], 1)


class BlockC(Branches):
    """17x17, with 7x7 kernels taken apart into rows and columns."""

    def __init__(self, inputs, width):
        super().__init__()
        row, column = {"size": (1, 7), "padding": (0, 3)}, {"size": (7, 1), "padding": (3, 0)}
        self.one = self.chain("branch1x1", Conv(inputs, 192, 1))
        self.seven = self.chain(
            "branch7x7", Conv(inputs, width, 1), Conv(width, width, **row), Conv(width, 192, **column)
        )
        self.double = self.chain(
            "branch7x7dbl",
            Conv(inputs, width, 1),
            Conv(width, width, **column),
            Conv(width, width, **row),
            Conv(width, width, **column),
            Conv(width, 192, **row),
        )
        self.pool = self.chain("branch_pool", Conv(inputs, 192, 1))

    def forward(self, x):
        parts = [self.run(x, names) for names in (self.one, self.seven, self.double)]
        return torch.cat([*parts, self.run(mean_pool(x), self.pool)], 1)


class BlockD(Branches):
    """17x17 to 8x8."""

    def __init__(self, inputs):
        super().__init__()
        self.three = self.chain("branch3x3", Conv(inputs, 192, 1), Conv(192, 320, 3, 2))
        self.seven = self.chain(
            "branch7x7x3",
            Conv(inputs, 192, 1),
            Conv(192, 192, (1, 7), padding=(0, 3)),
            Conv(192, 192, (7, 1), padding=(3, 0)),
            Conv(192, 192, 3, 2),
        )

    def forward(self, x):
        return torch.cat([self.run(x, self.three), self.run(x, self.seven), F.max_pool2d(x, 3, 2)], 1)


class BlockE(Branches):
    """8x8, with 3x3 kernels that end in a row and a column."""

    def __init__(self, inputs, max_pooling):
        super().__init__()
        self.max_pooling = max_pooling
        row, column = {"size": (1, 3), "padding": (0, 1)}, {"size": (3, 1), "padding": (1, 0)}
        self.one = self.chain("branch1x1", Conv(inputs, 320, 1))
        self.branch3x3_1 = Conv(inputs, 384, 1)
        self.branch3x3_2a, self.branch3x3_2b = Conv(384, 384, **row), Conv(384, 384, **column)
        self.double = self.chain("branch3x3dbl", Conv(inputs, 448, 1), Conv(448, 384, 3, padding=1))
        self.branch3x3dbl_3a, self.branch3x3dbl_3b = Conv(384, 384, **row), Conv(384, 384, **column)
        self.pool = self.chain("branch_pool", Conv(inputs, 192, 1))

    def forward(self, x):
        three, double = self.branch3x3_1(x), self.run(x, self.double)
        pooled = F.max_pool2d(x, 3, 1, 1) if self.max_pooling else mean_pool(x)
        parts = [
            self.run(x, self.one),
            self.branch3x3_2a(three),
            self.branch3x3_2b(three),
            self.branch3x3dbl_3a(double),
            self.branch3x3dbl_3b(double),
            self.run(pooled, self.pool),
        ]
        return torch.cat(parts, 1)


class Inception(nn.Module):
    """(B, 3, 299, 299) in [-1, 1] to the (B, 2048) features of the last average pooling.

    `fc`, the classifier, is part of the weights but not used.
    """

    def __init__(self):
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3)
        self.Mixed_5b = BlockA(192, 32)
        self.Mixed_5c = BlockA(256, 64)
        self.Mixed_5d = BlockA(288, 64)
        self.Mixed_6a = BlockB(288)
        self.Mixed_6b = BlockC(768, 128)
        self.Mixed_6c = BlockC(768, 160)
        self.Mixed_6d = BlockC(768, 160)
        self.Mixed_6e = BlockC(768, 192)
        self.Mixed_7a = BlockD(768)
        self.Mixed_7b = BlockE(1280, max_pooling=False)
        self.Mixed_7c = BlockE(2048, max_pooling=True)
        self.fc = nn.Linear(FEATURES, CLASSES)

    def forward(self, x):
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        x = F.max_pool2d(x, 3, 2)
        for name, block in self.named_children():
            if name.startswith("Mixed"):
                x = block(x)
        return x.mean((2, 3))


class ImageFeatures(nn.Module):
    """Images (B, 3, H, W), uint8 or floating-point in [0, 1], of any size, to features.

    Resizing is bilinear without antialiasing, as in pytorch-fid; other resizing changes the FID.
    """

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.register_buffer("peak", torch.tensor(255.0))

    def forward(self, images):
        x = images.to(self.peak.dtype)
        if not images.is_floating_point():
            x = x / self.peak
        x = torch._C._nn.upsample_bilinear2d(x, [299, 299], False)
        return self.network(2.0 * x - 1.0)
