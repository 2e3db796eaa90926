"""The model card: what a bundle is, what it was trained on, how well it does, and where it ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import floor
from typing import Final, NamedTuple

from twinset.bundle import Bundle
from twinset.preprocess import Preprocess

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

{training}
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
{checked}
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

    `recipe` is TOML, or `published` whose weights these are, where nothing was trained here; `data` one entry a
    set; `trained_on` those sets in words; `recall` maps a protocol's name to a measured recall@1 (0-1), `queries`
    the same names to how many queries that was; `limits` are sentences.
    """

    name: str
    backbone: str = ""
    backbone_licence: str = ""
    head: str = ""
    recipe: str = ""
    published: str = ""
    data: tuple[Data, ...] = ()
    trained_on: str = ""
    licence: str = ""
    recall: Mapping[str, float] = field(default_factory=dict)
    queries: Mapping[str, int] = field(default_factory=dict)
    limits: tuple[str, ...] = ()


def agreement(cosine: float, photos: int, other: str = "the trained net") -> str:
    """A sentence for the card: the least cosine between a bundle and what it was made from, on so many photos."""
    least = floor(cosine * 1e6) / 1e6
    return f"On {photos} photos this file agrees with {other}: cosine at least {least}."


def of_published(source: str, head: str, own: str, *, name: str, licence: str, limits: tuple[str, ...]) -> Card:
    """The card of a published model: what it is called, its embedding, and the licence it names itself."""
    return Card(
        name=name,
        backbone=source,
        backbone_licence=own,
        head=head,
        published=source,
        trained_on=f"What the authors of {source} tell in its own card.",
        licence=licence or own,
        limits=limits,
    )


def text(card: Card, bundle: Bundle, *, checked: str, patches: bool) -> str:
    """The card of a bundle as Markdown; `checked` tells how it was compared with what it was made from."""
    prepare = bundle.facts.preprocess
    training = f"```toml\n{card.recipe.strip() or '# not told'}\n```\n"
    if card.published:
        training = f"Its weights are those of {card.published}, as they were published: nothing was trained here.\n"
    data = [(each.name, f"{each.photos:,}", f"{each.items:,}", each.licence or "not known") for each in card.data]
    recall = [(name, f"{value:.3f}", str(card.queries.get(name, "?"))) for name, value in card.recall.items()]
    return _TEXT.format(
        card=card,
        bundle=bundle,
        facts=bundle.facts,
        prepare=prepare,
        fit=_fit(prepare),
        checked=checked,
        training=training,
        patches=_PATCHES if patches else "",
        backbone=card.backbone or "not told",
        backbone_licence=card.backbone_licence or "not known",
        head=card.head or "not told",
        trained_on=card.trained_on or "Not told.",
        data="\n" * bool(data) + _table("data | photos | items | licence", data),
        recall=_table("protocol | recall@1 | queries", recall) or "Nothing was measured.\n",
        limits="".join(f"- {limit}\n" for limit in card.limits),
        licence=card.licence or "none was named",
    )


def _fit(prepare: Preprocess) -> str:
    fits = {
        "crop": "the middle square",
        "letterbox": f"the whole on a ground of RGB {prepare.fill}",
        "squash": "the whole, its sides made equal",
    }
    share = "" if prepare.share == 1 else f", {prepare.share:.4g} of each of its sides, around the middle"
    return fits[prepare.fit] + share


def _table(head: str, rows: Sequence[tuple[str, ...]]) -> str:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [head, " | ".join(["---"] * (head.count("|") + 1)), *(" | ".join(row) for row in cells)]
    return "".join(f"| {line} |\n" for line in lines) if rows else ""
