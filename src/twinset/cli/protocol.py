"""The options that choose a protocol, shared by the commands that measure."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import typer

from twinset import protocols, where
from twinset.cli.output import begins
from twinset.errors import UsageError
from twinset.manifest.table import fields
from twinset.protocols import PROTOCOLS, Protocol
from twinset.records import Photo

_NAMES: Final = tuple(PROTOCOLS)
OWN: Final = "consumer-to-shop"
"""The protocol of customers' photos against a catalogue."""
Split = Annotated[
    Literal["train", "val", "test", "all"] | None,
    typer.Option("--split", help="By default test where there is one, else val, else all."),
]
Named = Annotated[
    str | None,
    typer.Option("--protocol", autocompletion=begins(lambda: _NAMES), help=f"One of {', '.join(_NAMES)}."),
]
Queries = Annotated[list[str] | None, typer.Option("--queries", help="FIELD OP VALUE: the queries.")]
Gallery = Annotated[list[str] | None, typer.Option("--gallery", help="FIELD OP VALUE: what is searched in.")]
Relevant = Annotated[str | None, typer.Option("--relevant", help="The column that makes two photos relevant.")]
Level = Annotated[Literal["item", "photo"] | None, typer.Option("--level", help="What is ranked.")]
Held = Annotated[str | None, typer.Option("--hold-out", help="COLUMN=0-7: keep only these queries, by hash.")]


def choose(
    photos: Sequence[Photo],
    name: str | None,
    split: str | None,
    *,
    queries: Sequence[str] | None,
    gallery: Sequence[str] | None,
    relevant: str | None,
    level: Literal["item", "photo"] | None,
    column: str | None,
    own: bool = False,
) -> tuple[Protocol, str]:
    """The protocol and its split, after a look whether some photo has the fields, `column` among them.

    In one's `own` shop customers' photos are searched with, in all shop photos: a split, and filters, choose among
    these.

    Raises:
        UsageError: there is no such protocol, split or field, or a protocol is named for one's own shop.

    """
    named = [f"{field}=" for field in (relevant, column) if field]
    where.parse([*(queries or ()), *(gallery or ()), *named]).check_fields(fields(photos))
    if own:
        if name not in (None, OWN):
            raise UsageError(
                f"--protocol {name} needs a manifest that is a source of the catalogue",
                "leave it out: the manifest's photos are searched in the whole catalogue",
            )
        name = OWN
        queries = None if queries is None else [*PROTOCOLS[OWN].queries, *queries]
        gallery = [*PROTOCOLS[OWN].gallery, *(gallery or ())]
        photos = [photo for photo in photos if photo.domain == "customer"]
    chosen, of_split = protocols.choose(photos, name, split)
    return protocols.override(chosen, queries=queries, gallery=gallery, relevant=relevant, level=level), of_split
