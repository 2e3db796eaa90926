"""The net of the recipes `head` and `default`: what is learned, what is general, and a gate between the two."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from twinset.errors import UsageError
from twinset.preprocess import Preprocess
from twinset.training import surface
from twinset.training.backbone import Backbone
from twinset.training.directions import START, Directions
from twinset.training.mobile import Mobile
from twinset.training.surface import Colour

GENERAL: Final = 96
COLOUR: Final = 128
GRAIN: Final = 48
LEAST_DIM: Final = GENERAL + COLOUR + GRAIN + 16
_SHARES: Final = (0.25, 0.60, 0.15)
"""How much general features, colour and grain count beside each other: the best on luma's styles 8-f."""
_LEAST, _MOST = 0.4, 0.9
"""What of the squared length is not learned: for a customer's photo, and for a studio's."""
_TINY: Final = 1e-6


class Seen(NamedTuple):
    """What the frozen part of the net sees of photos: all that depends on pixels.

    `trunk` is what the trained stages begin from, `(N, C, h, w)`, or empty; `general` the pooled features
    `(N, 1280)`; `colour` and `grain` the raised histogram and the deviations.
    """

    trunk: Tensor
    general: Tensor
    colour: Tensor
    grain: Tensor

    def to(self, device: torch.device) -> "Seen":
        """The same on another device, in float32."""
        return Seen(*(part.to(device, torch.float32) for part in self))


class Tail(nn.Module):
    """A copy of the last stages of a mobile net, its batch norms in inference mode, and its head."""

    def __init__(self, body: Mobile, stages: int) -> None:
        super().__init__()
        self.blocks = copy.deepcopy(nn.ModuleList(body.blocks[body.begins[-stages] :]))
        self.head = copy.deepcopy(body.head)
        self.requires_grad_(True)  # the copy of what is frozen is frozen too

    def forward(self, trunk: Tensor) -> Tensor:
        """Places (N, 1280, h, w)."""
        for block in self.blocks:
            trunk = block(trunk)
        out: Tensor = functional.relu6(self.head(trunk))
        return out

    def train(self, mode: bool = True) -> "Tail":  # noqa: ARG002 - the mode of its parts never changes
        """Never: a batch of one category would tell the norms that the world is shoes."""
        return super().train(False)


@dataclass(frozen=True, slots=True)
class BlendShape:
    """What a blend is beside its backbone: dimensions of the whole embedding, and how many last stages train."""

    dim: int
    trainable_stages: int
    head: str = "blend"


class Blend(nn.Module):
    """Photos to embeddings of length 1: a learned part, and beside it general features, colour and grain.

    The backbone stays as it is. A copy of its last `trainable_stages` trains beside it, and a linear layer over the
    features of both, colour and grain; it starts from the features' principal directions. The gate, linear in the
    general features, tells a studio's photo, of which more is left to what is not learned.

    Raises:
        UsageError: the backbone is no mobile net, or the sizes do not fit.

    """

    has_patches: Final = True

    def __init__(self, backbone: Backbone, shape: BlendShape, preprocess: Preprocess) -> None:
        super().__init__()
        body = _checked(backbone, shape, preprocess)
        self.shape, self.preprocess, self.dim = shape, preprocess, shape.dim
        learned = shape.dim - GENERAL - COLOUR - GRAIN
        self.backbone = backbone.requires_grad_(False)
        self.tail = Tail(body, shape.trainable_stages) if shape.trainable_stages else None
        self.seen_colour = Colour()
        self.general = Directions(backbone.width, GENERAL, alike=False, whiten=0.25).requires_grad_(False)
        self.colour = Directions(surface.BINS, COLOUR, alike=False).requires_grad_(False)
        self.grain = Directions(sum(body.widths), GRAIN, alike=False, whiten=0.5).requires_grad_(False)
        self.learned = Directions(backbone.width, learned)
        self.fine = Directions(backbone.width, learned) if self.tail is not None else None
        self.surfaces = nn.Linear(COLOUR + GRAIN, learned, bias=False)
        nn.init.zeros_(self.surfaces.weight)
        self.gate = nn.Linear(backbone.width, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)
        self.register_buffer("start", self.learned.weight.detach().clone())
        self.train(self.training)

    def begin(self, seen: Seen) -> None:
        """Starts every part from the principal directions of photos."""
        self.general.begin(seen.general)
        self.colour.begin(seen.colour)
        self.grain.begin(seen.grain)
        self.learned.begin(seen.general)
        if self.fine is not None:
            self.fine.load_state_dict(self.learned.state_dict())
        self.get_buffer("start").copy_(self.learned.weight.detach())

    def see(self, photos: Tensor) -> Seen:
        """What the frozen part sees of photos, uint8 `(N, H, W, 3)`."""
        return self._see(photos)[0]

    def forward(self, photos: Tensor | Seen) -> Tensor:
        """Embeddings, float32 `(N, D)` of length 1, of photos, uint8 `(N, H, W, 3)`, or of what was seen."""
        seen = photos if isinstance(photos, Seen) else self.see(photos)
        fine = self._fine(seen)
        with torch.autocast(seen.general.device.type, enabled=False):
            parts = self._parts(seen.general, fine, seen.colour, seen.grain)
            return torch.cat(
                [part * root for part, root in zip(_unit(parts), self._roots(seen.general), strict=True)], dim=1
            )

    def with_patches(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings `(N, D)`, and contributions `(N, h, w, D)` whose mean over h, w they are."""
        seen, general, colour, grain = self._see(photos)
        fine = self.tail(seen.trunk) if self.tail is not None else None
        whole = self._parts(seen.general, None if fine is None else fine.mean(dim=(2, 3)), seen.colour, seen.grain)
        each = self._parts(
            general.permute(0, 2, 3, 1), None if fine is None else fine.permute(0, 2, 3, 1), colour,
            grain.permute(0, 2, 3, 1),
        )  # fmt: skip
        roots = self._roots(seen.general)
        out = torch.cat([part * root for part, root in zip(_unit(whole), roots, strict=True)], dim=1)
        patches = [
            part * (root / _length(total))[:, None, None]
            for part, total, root in zip(each, whole, roots, strict=True)
        ]
        return out, torch.cat(patches, dim=3)

    def learned_alone(self, seen: Seen) -> Tensor:
        """Embeddings of length 1 by what is learned alone, `(N, D)` of the learned dimensions."""
        fine = self._fine(seen)
        with torch.autocast(seen.general.device.type, enabled=False):
            return _unit(self._parts(seen.general, fine, seen.colour, seen.grain))[-1]

    def unlearned(self, seen: Seen) -> Tensor:
        """How much of the squared length what is not learned has, `(N,)`, in 0.4-0.9."""
        return self._share(seen.general)[:, 0]

    def gate_loss(self, seen: Seen, *, studio: bool) -> Tensor:
        """How wrong the gate is of photos that are all a studio's, or none of them: the cross-entropy."""
        with torch.autocast(seen.general.device.type, enabled=False):
            gate = self._gate(seen.general)
            return functional.binary_cross_entropy_with_logits(gate, torch.full_like(gate, float(studio)))

    def strain(self) -> Tensor:
        """How far the learned layer has gone from its start: the squared distance, in starting weights."""
        return ((self.learned.weight - self.get_buffer("start")) / START).square().sum()

    def train(self, mode: bool = True) -> "Blend":
        """Training mode, but for what is frozen."""
        super().train(mode)
        self.backbone.eval()
        return self

    def groups(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """The parameters that train: of the copied stages, and of the layers behind."""
        tail = [] if self.tail is None else list(self.tail.parameters())
        ours = [self.learned, self.surfaces, self.gate, *([] if self.fine is None else [self.fine])]
        return tail, [parameter for module in ours for parameter in module.parameters()]

    @property
    def told(self) -> str:
        """The head in words, for a model card."""
        stages = self.shape.trainable_stages
        last = "last stage" if stages == 1 else f"last {stages} stages"
        copied = f"a copy of its {last}, trained, and " if stages else ""
        learned = self.dim - GENERAL - COLOUR - GRAIN
        return (
            f"{copied}a linear layer over features, colours and grain to {learned} dimensions; beside it {GENERAL} "
            f"principal directions of its features, {COLOUR} of the photo's colours and {GRAIN} of its grain; a "
            "gate between the two"
        )

    def facts(self) -> dict[str, Any]:
        """JSON from which `net.rebuild` makes an equal net, but for its weights."""
        prepared = asdict(self.preprocess) | {"fill": list(self.preprocess.fill)}
        return {"backbone": self.backbone.facts(), **asdict(self.shape), "preprocess": prepared}

    def _see(self, photos: Tensor) -> tuple[Seen, Tensor, Tensor, Tensor]:
        """What is seen, and the contributions of places to general features, colour and grain."""
        body = cast(Mobile, self.backbone.body)
        *early, places = body.scales(self.backbone.normalised(photos))
        with torch.autocast(photos.device.type, enabled=False):
            grid = (places.shape[2], places.shape[3])
            colour, colours = surface.raised(self.seen_colour(photos, grid))
            grains = [surface.grain(each, grid) for each in early]
            trunk = early[-self.shape.trainable_stages] if self.tail is not None else places[:, :0]
            seen = Seen(
                trunk.float(),
                places.float().mean(dim=(2, 3)),
                colour,
                torch.cat([whole for whole, _ in grains], dim=1),
            )
            return seen, places.float(), colours, torch.cat([each for _, each in grains], dim=1)

    def _parts(self, general: Tensor, fine: Tensor | None, colour: Tensor, grain: Tensor) -> list[Tensor]:
        """The four parts, each of any length: general, colour, grain, learned."""
        colour, grain = self.colour(colour), self.grain(grain)
        learned = self.learned(general) + self.surfaces(torch.cat([colour, grain], dim=-1) / START)
        if self.fine is not None:
            learned = learned + self.fine(fine)
        return [self.general(general), colour, grain, learned]

    def _fine(self, seen: Seen) -> Tensor | None:
        """Pooled features of the copied stages, where there are some."""
        return self.tail(seen.trunk).float().mean(dim=(2, 3)) if self.tail is not None else None

    def _gate(self, general: Tensor) -> Tensor:
        """What the gate says, `(N, 1)`: above 0 it takes a photo for a studio's."""
        gate: Tensor = self.gate(self.learned.standard(general) * START)
        return gate

    def _roots(self, general: Tensor) -> list[Tensor]:
        """The length of each part, `(N, 1)`; their squares add up to 1."""
        unlearned = self._share(general)
        return [*((unlearned * share).sqrt() for share in _SHARES), (1 - unlearned).sqrt()]

    def _share(self, general: Tensor) -> Tensor:
        return _LEAST + (_MOST - _LEAST) * self._gate(general).sigmoid()


def _length(vectors: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return length.clamp(min=_TINY)


def _unit(parts: Sequence[Tensor]) -> list[Tensor]:
    return [part / _length(part) for part in parts]


def _checked(backbone: Backbone, shape: BlendShape, preprocess: Preprocess) -> Mobile:
    body = backbone.body
    if not isinstance(body, Mobile):
        raise UsageError(f"head = blend does not go with {backbone.name}", "set backbone = efficientnet-lite0")
    if not 0 <= shape.trainable_stages <= 2:
        raise UsageError(
            f"trainable_stages = {shape.trainable_stages} does not go with head = blend", "set it to 0, 1 or 2"
        )
    if shape.dim < LEAST_DIM:
        raise UsageError(f"dim = {shape.dim} leaves nothing to learn in head = blend", f"set {LEAST_DIM} or more")
    if preprocess.size % 32 or not surface.fits(preprocess.size, preprocess.size // 32):
        raise UsageError(f"size = {preprocess.size} does not go with head = blend", "set size to 224")
    return body


def of_facts(facts: Mapping[str, Any], backbone: Backbone, preprocess: Preprocess) -> Blend:
    """The blend that facts tell of, with random weights."""
    return Blend(backbone, BlendShape(facts["dim"], facts["trainable_stages"]), preprocess)
