"""The model card: what a bundle is, what it was trained on, how well it does, and where it ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import floor
from typing import Final, NamedTuple

from twinset.bundle import Bundle

_TEXT: Final = """# {card.name}

A model that embeds photos of products, so that photos of the same product lie close to each other: a customer's
photo finds the shop's. A bundle of twinset: `twinset index photos.csv --catalogue shop.catalogue --bundle FOLDER`.

## Input and output

- A photo, or its box grown by {facts.box_margin:g} of its width and height on every side, becomes
  {prepare.size} × {prepare.size} pixels: {fit}, filter {prepare.filter}.
- Input `photos` of `model.onnx`: uint8 `(N, {prepare.size}, {prepare.size}, 3)`, RGB, 0-255.
- Output `embedding`: float32 `(N, {facts.dim})`, each of length 1; compare them by their product.
{patches}
## How it was trained

Backbone: {backbone}; the licence of its weights: {backbone_licence}. Head: {head}.

```toml
{recipe}
```

## What it was trained on

{trained_on}
{data}
The licences of these photos bind whoever uses this model: see that they permit your use.

## Measured recall

Recall@1 is the share of queries whose first hit is right.

{recall}
## Limits

{limits}- It was tested on nothing but what stands above: measure it on photos of your own before you rely on it.

## Licence and fingerprint

Licence: {licence}. Fingerprint: `{bundle.fingerprint}`.
On {photos} photos this file agrees with the trained net: cosine at least {cosine}.
"""
_PATCHES: Final = """- Output `patches`, where `want_patches` is true: float32 `(N, h, w, D)`, what each place
  contributes; their mean, at length 1, is `embedding`.
"""


class Data(NamedTuple):
    """A set of photos that a net was trained on."""

    name: str
    photos: int
    items: int
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """What a bundle's model card tells beside the model.

    `recipe` is TOML; `data` one entry a set; `trained_on` those sets in words; `recall` maps a protocol's name to a
    measured recall@1 (0-1), `queries` the same names to how many queries that was; `limits` are sentences.
    """

    name: str
    backbone: str = ""
    backbone_licence: str = ""
    head: str = ""
    recipe: str = ""
    data: tuple[Data, ...] = ()
    trained_on: str = ""
    licence: str = ""
    recall: Mapping[str, float] = field(default_factory=dict)
    queries: Mapping[str, int] = field(default_factory=dict)
    limits: tuple[str, ...] = ()


def text(card: Card, bundle: Bundle, *, cosine: float, photos: int, patches: bool) -> str:
    """The card of a bundle as Markdown; `cosine` is the least between it and the net, on so many photos."""
    prepare = bundle.facts.preprocess
    fits = {"crop": "the middle square", "letterbox": f"the whole on a ground of RGB {prepare.fill}"}
    data = [(each.name, f"{each.photos:,}", f"{each.items:,}", each.licence or "not known") for each in card.data]
    recall = [(name, f"{value:.3f}", str(card.queries.get(name, "?"))) for name, value in card.recall.items()]
    return _TEXT.format(
        card=card,
        bundle=bundle,
        facts=bundle.facts,
        photos=photos,
        prepare=prepare,
        fit=fits[prepare.fit],
        patches=_PATCHES if patches else "",
        backbone=card.backbone or "not told",
        backbone_licence=card.backbone_licence or "not known",
        head=card.head or "not told",
        recipe=card.recipe.strip() or "# not told",
        trained_on=card.trained_on or "Not told.",
        data="\n" * bool(data) + _table("data | photos | items | licence", data),
        recall=_table("protocol | recall@1 | queries", recall) or "Nothing was measured.\n",
        limits="".join(f"- {limit}\n" for limit in card.limits),
        licence=card.licence or "none was named",
        cosine=floor(cosine * 1e6) / 1e6,
    )


def _table(head: str, rows: Sequence[tuple[str, ...]]) -> str:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [head, " | ".join(["---"] * (head.count("|") + 1)), *(" | ".join(row) for row in cells)]
    return "".join(f"| {line} |\n" for line in lines) if rows else ""
