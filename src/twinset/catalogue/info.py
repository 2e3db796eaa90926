"""What a catalogue holds, in figures."""

from contextlib import suppress
from dataclasses import asdict, dataclass

from twinset.catalogue.folder import CatalogueFolder
from twinset.errors import IntegrityError
from twinset.records import Calibrated
from twinset.store import graph
from twinset.store.rows import Rows, Source
from twinset.store.versions import Version


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
class CalibrationInfo(Calibrated):
    """What the live version's probabilities come from: the `catalogue`'s own calibration, or its `bundle`'s."""

    of: str


@dataclass(frozen=True, slots=True)
class Info:
    """What `info` tells; `bytes` is the folder's size, `built` the UTC time of the last run.

    `index` is `exact` or `hnsw`, `graph` how many vectors the graph is of. `calibration` is None where hits have no
    probability.
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
    calibration: CalibrationInfo | None


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
            calibration=_calibration(folder, version),
        )


def _calibration(folder: CatalogueFolder, version: Version) -> CalibrationInfo | None:
    own = folder.calibrations.get(version.fingerprint)
    with suppress(IntegrityError):  # `verify` tells of a damaged bundle
        found = own or folder.bundle(version).facts.calibration
        if found is not None:
            of = "bundle" if own is None else "catalogue"
            return CalibrationInfo(**asdict(found.told), of=of)
    return None
