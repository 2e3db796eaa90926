"""The options that choose a protocol, shared by the commands that measure."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import typer

from twinset import protocols, where
from twinset.cli.output import begins
from twinset.manifest import Manifest
from twinset.protocols import Protocol

_NAMES: Final = tuple(protocols.PROTOCOLS)
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
    table: Manifest,
    name: str | None,
    split: str | None,
    *,
    queries: Sequence[str] | None,
    gallery: Sequence[str] | None,
    relevant: str | None,
    level: Literal["item", "photo"] | None,
    column: str | None,
) -> tuple[Protocol, str]:
    """The protocol and its split, after a look whether the manifest has the fields, `column` among them.

    Raises:
        UsageError: there is no such protocol, split or field.

    """
    named = [f"{field}=" for field in (relevant, column) if field]
    where.parse([*(queries or ()), *(gallery or ()), *named]).check_fields(table.fields())
    chosen, of_split = protocols.choose(table.photos, name, split)
    return protocols.override(chosen, queries=queries, gallery=gallery, relevant=relevant, level=level), of_split
