"""MobileNetV2 and EfficientNet-Lite 0-2: inverted residuals."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from twinset.prepared import IMAGENET

_STEM: Final = 32
_WIDTH: Final = 1280
_EARLY: Final = 3
"""Scales that are told of beside the last."""


class _Group(NamedTuple):
    """Blocks of one width: how far they expand, channels, how many, the first one's stride, kernel."""

    expand: int
    width: int
    depth: int
    stride: int
    kernel: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A net's blocks, how its photos were prepared, and its conventions.

    `same` pads as TensorFlow does: where the padding is odd, the pixel more comes after, not before.
    """

    groups: tuple[_Group, ...]
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    filter: Literal["bilinear", "bicubic"]
    eps: float
    momentum: float
    same: bool


def _groups(widths: tuple[int, ...], depths: tuple[int, ...], kernels: tuple[int, ...]) -> tuple[_Group, ...]:
    """Expansions and strides are the same in both families."""
    columns = ((1, 6, 6, 6, 6, 6, 6), widths, depths, (1, 2, 2, 2, 1, 2, 1), kernels)
    return tuple(_Group(*row) for row in zip(*columns, strict=True))


def _eighths(width: float) -> int:
    """The nearest multiple of 8 that is not more than a tenth below."""
    near = max(8, int(width + 4) // 8 * 8)
    return near if near >= 0.9 * width else near + 8


def _lite(width: float, depth: float, size: int) -> Plan:
    """Widths and depths are scaled, but not those of stem and head, nor the depth of the first and last group."""
    groups = _groups((16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1), (3, 3, 5, 3, 5, 5, 3))
    first, *middle, last = (group._replace(width=_eighths(group.width * width)) for group in groups)
    deeper = (group._replace(depth=math.ceil(group.depth * depth)) for group in middle)
    half = (0.5, 0.5, 0.5)
    return Plan((first, *deeper, last), size, half, half, "bicubic", eps=1e-3, momentum=0.01, same=True)


_MOBILE: Final = _groups((16, 24, 32, 64, 96, 160, 320), (1, 2, 3, 4, 3, 3, 1), (3, 3, 3, 3, 3, 3, 3))
MOBILENET: Final = "mobilenetv2"
PLANS: Final[Mapping[str, Plan]] = {
    MOBILENET: Plan(_MOBILE, 224, *IMAGENET, "bilinear", eps=1e-5, momentum=0.1, same=False),
    "efficientnet-lite0": _lite(1.0, 1.0, 224),
    "efficientnet-lite1": _lite(1.0, 1.1, 240),
    "efficientnet-lite2": _lite(1.1, 1.2, 260),
}
"""The nets by name (Sandler et al., 2018; Tan and Le, 2019)."""


class _Conv(nn.Module):
    """A convolution without bias and its batch norm."""

    def __init__(self, plan: Plan, ends: tuple[int, int], kernel: int = 1, stride: int = 1, groups: int = 1):
        super().__init__()
        self._pads = plan.same and stride > 1
        padding = 0 if self._pads else kernel // 2
        self.conv = nn.Conv2d(*ends, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(ends[1], eps=plan.eps, momentum=plan.momentum)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H / stride, W / stride), rounded up."""
        if self._pads:
            x = functional.pad(x, (*self._around(x.shape[3]), *self._around(x.shape[2])))
        if self.conv.groups > 1 and _slow_in_halves(x):
            with torch.autocast("cpu", enabled=False):
                return self._normed(x.float())
        return self._normed(x)

    def _normed(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(x))
        return out

    def _around(self, side: int) -> tuple[int, int]:
        kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
        total = max(0, kernel - (side % stride or stride))
        return total // 2, total - total // 2


def _slow_in_halves(x: Tensor) -> bool:
    """Whether depthwise filters would be trained in halves on a CPU: there it takes several times as long."""
    return x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()


class _Block(nn.Module):
    """An inverted residual (Sandler et al., 2018): expand, filter each channel, project; the input is added."""

    def __init__(self, plan: Plan, ends: tuple[int, int], group: _Group, stride: int) -> None:
        super().__init__()
        inside = ends[0] * group.expand
        self.expand = _Conv(plan, (ends[0], inside)) if group.expand > 1 else None
        self.depthwise = _Conv(plan, (inside, inside), group.kernel, stride, groups=inside)
        self.project = _Conv(plan, (inside, ends[1]))
        self.stride = stride
        self._adds = stride == 1 and ends[0] == ends[1]

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H / stride, W / stride)."""
        inner = x if self.expand is None else functional.relu6(self.expand(x), inplace=True)
        out: Tensor = self.project(functional.relu6(self.depthwise(inner), inplace=True))
        return x + out if self._adds else out


class Mobile(nn.Module):
    """One of `PLANS` with random weights; 1280 channels at a thirty-second of the side.

    `folded` says that the weights' batch norms hold no statistics but were folded into scales and shifts: they are
    never measured anew in training, for the first batch would undo what was learned.
    """

    has_cls: Final = False
    width: Final = _WIDTH

    def __init__(self, architecture: str, *, folded: bool = False) -> None:
        super().__init__()
        plan = PLANS[architecture]
        self.architecture, self.folded = architecture, folded
        self.size, self.filter, self.mean, self.std = plan.size, plan.filter, plan.mean, plan.std
        self.stem = _Conv(plan, (3, _STEM), 3, 2)
        self.blocks = nn.ModuleList(_blocks(plan))
        self.head = _Conv(plan, (plan.groups[-1].width, _WIDTH))

    def forward(self, pixels: Tensor) -> tuple[Tensor, None]:
        """Places (N, 1280, h, w) of normalised pixels (N, 3, H, W); there is no class token."""
        x = functional.relu6(self.stem(pixels), inplace=True)
        for block in self.blocks:
            x = block(x)
        return functional.relu6(self.head(x), inplace=True), None

    def scales(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Places at a quarter, an eighth, a sixteenth and a thirty-second of the side, of normalised pixels."""
        halved: list[Tensor] = []
        x = functional.relu6(self.stem(pixels), inplace=True)
        for number, block in enumerate(self.blocks):
            if number in self.begins:
                halved.append(x)
            x = block(x)
        return *halved[-_EARLY:], functional.relu6(self.head(x), inplace=True)

    @property
    def begins(self) -> tuple[int, ...]:
        """The numbers of the blocks that halve the side."""
        return tuple(i for i, block in enumerate(self.blocks) if isinstance(block, _Block) and block.stride > 1)

    @property
    def widths(self) -> tuple[int, ...]:
        """The channels of all scales but the last."""
        norms = (self.blocks[i - 1].get_submodule("project.norm") for i in self.begins[-_EARLY:])
        return tuple(cast(nn.BatchNorm2d, norm).num_features for norm in norms)

    def train(self, mode: bool = True) -> "Mobile":
        """Training mode, but for batch norms that were folded."""
        super().train(mode)
        if self.folded:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    @property
    def stages(self) -> tuple[tuple[nn.Module, ...], ...]:
        """The stem, then the blocks of each resolution; the head belongs to the last."""
        stages: list[list[nn.Module]] = [[]]
        for block in self.blocks:
            if isinstance(block, _Block) and block.stride > 1:
                stages.append([])
            stages[-1].append(block)
        stages[-1].append(self.head)
        return ((self.stem,), *(tuple(stage) for stage in stages))


def _blocks(plan: Plan) -> Iterator[_Block]:
    width = _STEM
    for group in plan.groups:
        for number in range(group.depth):
            yield _Block(plan, (width, group.width), group, group.stride if number == 0 else 1)
            width = group.width
