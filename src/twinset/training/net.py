"""The net: photos → normalised → backbone → pooling → head; and which of its parts train."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from twinset.errors import BundleError, IntegrityError, MissingExtraError, UsageError
from twinset.preprocess import Preprocess
from twinset.training import backbone as backbones
from twinset.training import blend
from twinset.training.backbone import Backbone
from twinset.training.blend import Blend, BlendShape
from twinset.training.head import ClassToken, HeadName, PoolName, check, head, pooling
from twinset.training.recipe import Recipe

_ALL: Final = -1


@dataclass(frozen=True, slots=True)
class Shape:
    """What a net is beside its backbone; `dim` 0 is the backbone's width, `trainable_stages` -1 all of them."""

    pooling: PoolName
    head: HeadName
    dim: int
    dropout: float
    trainable_stages: int


class Net(nn.Module):
    """Photos to embeddings that are not yet of length 1.

    The last `trainable_stages` of the backbone's stages train; the others stay as they are, their batch norms in
    inference mode whatever mode the net is in.

    Raises:
        UsageError: the backbone has no class token to pool, too few stages, or cannot see photos of that size.

    """

    def __init__(self, backbone: Backbone, shape: Shape, preprocess: Preprocess) -> None:
        super().__init__()
        _check(backbone, shape, preprocess)
        self.shape, self.preprocess = shape, preprocess
        self.dim = shape.dim or backbone.width
        self.backbone = backbone
        self.pool = pooling(shape.pooling, backbone.width)
        self.head = head(shape.head, backbone.width, shape.dim, shape.dropout)
        for module in self._frozen():
            module.requires_grad_(False)
        self.train(self.training)

    @property
    def has_patches(self) -> bool:
        """Whether `with_patches` can tell what each place contributes: not for a class token."""
        return not isinstance(self.pool, ClassToken)

    def forward(self, photos: Tensor) -> Tensor:
        """Embeddings, float32 `(N, D)` of any length, of photos, uint8 `(N, H, W, 3)` RGB."""
        features = self.backbone(self.backbone.normalised(photos))
        with _in_full(photos.device.type):
            out: Tensor = self.head(self.pool(features))
        return out.float()

    def with_patches(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings `(N, D)`, and contributions `(N, h, w, D)` whose mean over h, w they are in inference mode.

        Raises:
            UsageError: the net pools a class token.

        """
        if isinstance(self.pool, ClassToken):
            raise UsageError("places contribute nothing to a class token", "use another pooling")
        features = self.backbone(self.backbone.normalised(photos))
        contributions = self.pool.contributions(features)
        out, patches = self.head(self.pool(features)), self.head(contributions.permute(0, 2, 3, 1))
        return out.float(), patches.float()

    def train(self, mode: bool = True) -> "Net":
        """Training mode, but for the parts that are frozen."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def groups(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """The parameters that train: of the backbone, and of pooling and head."""
        ends = [*self.pool.parameters(), *self.head.parameters()]
        return _trained(list(self.backbone.parameters())), _trained(ends)

    @property
    def told(self) -> str:
        """The head in words, for a model card."""
        return f"{self.shape.pooling} pooling, {self.shape.head}, {self.shape.dim}"

    def facts(self) -> dict[str, Any]:
        """JSON from which `rebuild` makes an equal net, but for its weights."""
        prepared = asdict(self.preprocess) | {"fill": list(self.preprocess.fill)}
        return {"backbone": self.backbone.facts(), **asdict(self.shape), "preprocess": prepared}

    def _frozen(self) -> list[nn.Module]:
        if self.shape.trainable_stages == _ALL:
            return []
        stages = self.backbone.stages
        return [module for stage in stages[: len(stages) - self.shape.trainable_stages] for module in stage]


Built = Net | Blend
"""The nets that a recipe can name."""


def build(recipe: Recipe) -> Built:
    """The net of a recipe, with pretrained weights in its backbone where the recipe says so.

    Raises:
        UsageError, PathError, MissingExtraError, IntegrityError: as `backbone.load`, or the parts do not fit.

    """
    backbone = backbones.load(recipe.backbone, pretrained=recipe.pretrained)
    prepare = Preprocess(recipe.size or backbone.size, backbone.filter, recipe.fit)
    if recipe.head == "blend":
        return Blend(backbone, BlendShape(recipe.dim, recipe.trainable_stages), prepare)
    shape = Shape(recipe.pooling, recipe.head, recipe.dim, recipe.dropout, recipe.trainable_stages)
    return Net(backbone, shape, prepare)


def rebuild(facts: Mapping[str, Any]) -> Built:
    """A net with random weights from what `Net.facts` told; its `state_dict` fits strictly. No file is read.

    Raises:
        IntegrityError: the facts are damaged.
        MissingExtraError: transformers is needed and not installed.

    """
    try:
        backbone = backbones.rebuild(facts["backbone"])
        prepare = Preprocess.of(facts["preprocess"])
        if facts["head"] == "blend":
            return blend.of_facts(facts, backbone, prepare)
        check(facts["pooling"], facts["head"])
        shape = Shape(facts["pooling"], facts["head"], facts["dim"], facts["dropout"], facts["trainable_stages"])
        return Net(backbone, shape, prepare)
    except MissingExtraError:
        raise
    except (KeyError, TypeError, ValueError, UsageError, BundleError) as error:
        raise IntegrityError(f"the facts of a net are damaged: {error!r}", "start from a sound file") from error


def _in_full(device: str) -> AbstractContextManager[None]:
    """Pooling and head in float32 also where the backbone is in halves: the loss compares what they give."""
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext()


def _check(backbone: Backbone, shape: Shape, preprocess: Preprocess) -> None:
    stages = len(backbone.stages)
    if shape.trainable_stages > stages:
        raise UsageError(
            f"{backbone.name} has {stages} stages, not {shape.trainable_stages}",
            f"set trainable_stages to 0 to {stages}, or -1 for all",
        )
    if shape.pooling == "cls" and not backbone.has_cls:
        raise UsageError(f"{backbone.name} has no class token", "set pooling to average, gem or attention")
    backbone.check(preprocess.size)


def _trained(parameters: list[nn.Parameter]) -> list[nn.Parameter]:
    return [parameter for parameter in parameters if parameter.requires_grad]
