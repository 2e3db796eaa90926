"""What a catalogue holds, in figures."""

from dataclasses import dataclass

from twinset.catalogue.folder import CatalogueFolder
from twinset.store import graph
from twinset.store.rows import Rows, Source


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """A version: how many photos it has, and how many of them were embedded from a copy, their source gone."""

    number: int
    bundle: str
    fingerprint: str
    live: bool
    photos: int
    from_copies: int


@dataclass(frozen=True, slots=True)
class Info:
    """What `info` tells; `bytes` is the folder's size, `built` the UTC time of the last run.

    `index` is `exact` or `hnsw`, `graph` how many vectors the graph is of.
    """

    photos: int
    items: int
    fingerprint: str
    bundle: str
    version: int
    store: str
    bytes: int
    built: str
    index: str
    graph: int
    sources: tuple[Source, ...]
    versions: tuple[VersionInfo, ...]


def look(folder: CatalogueFolder, rows: Rows) -> Info:
    """Counts, versions and sources, as of one moment."""
    with rows.snapshot():
        state, version = rows.state(), rows.live()
        return Info(
            photos=state.photos,
            items=rows.items(),
            fingerprint=version.fingerprint,
            bundle=version.bundle,
            version=version.number,
            store="local",
            bytes=folder.bytes(),
            built=state.built,
            index=folder.index,
            graph=graph.rows_covered(folder.derived(version)),
            sources=tuple(rows.sources()),
            versions=tuple(
                VersionInfo(
                    number=each.number,
                    bundle=each.bundle,
                    fingerprint=each.fingerprint,
                    live=each == version,
                    photos=rows.tally(each)[0],
                    from_copies=len(rows.made_from_copies(each)),
                )
                for each in rows.versions.all()
            ),
        )
