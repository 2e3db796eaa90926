"""The real EfficientNet-Lite0 with random weights, alive enough to tell photos apart, and blends of it."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from twinset.preprocess import Preprocess
from twinset.training import backbone as backbones
from twinset.training.backbone import Backbone
from twinset.training.blend import LEAST_DIM, Blend, BlendShape, Seen

SIZE = 224
PREPARE = Preprocess(SIZE, "bicubic", "letterbox")


def photos(count: int = 3, seed: int = 0, side: int = SIZE) -> Tensor:
    """Random clouds of colour, coarse and fine: uint8 `(N, side, side, 3)`."""
    draw = torch.Generator().manual_seed(seed)
    clouds = torch.zeros(count, 3, side, side)
    for cells, weight in ((2, 0.5), (8, 0.3), (28, 0.2)):
        noise = torch.rand(count, 3, cells, cells, generator=draw)
        clouds += weight * functional.interpolate(noise, size=(side, side), mode="bilinear")
    return (clouds.permute(0, 2, 3, 1) * 255).to(torch.uint8).contiguous()


def lively() -> Backbone:
    """Random weights, and the batch statistics of a few photos: without them features fade to nothing."""
    torch.manual_seed(0)
    found = backbones.load("efficientnet-lite0", pretrained=False)
    norms = [module for module in found.modules() if isinstance(module, nn.BatchNorm2d)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        found.train()(photos(8, seed=99).permute(0, 3, 1, 2).float() / 127.5 - 1)
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum
    return found.eval()


def blend(lite: Backbone, stages: int = 0, dim: int = LEAST_DIM, seed: int = 0) -> Blend:
    """A blend of a copy of the backbone, by default with 16 learned dimensions, and a gate that says something."""
    torch.manual_seed(seed)
    net = Blend(copy.deepcopy(lite), BlendShape(dim, stages), PREPARE)
    nn.init.normal_(net.gate.weight, std=0.1)
    nn.init.constant_(net.gate.bias, 0.3)
    return net.eval()


def many(net: Blend, count: int = 150) -> Seen:
    """What might be seen of many photos: a few photos' features, each changed a little."""
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        few = net.see(photos(6, seed=7))
    chosen = torch.randint(6, (count,), generator=draw)
    return Seen(*(part[chosen] * (1 + 0.3 * torch.randn(part[chosen].shape, generator=draw)) for part in few))
