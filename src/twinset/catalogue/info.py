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
class Summary:
    """What a catalogue holds, and by which model it answers; `built` is the UTC time of the last run."""

    photos: int
    items: int
    fingerprint: str
    bundle: str
    version: int
    built: str


@dataclass(frozen=True, slots=True)
class Info(Summary):
    """What `info` tells besides; `bytes` is the folder's size.

    `index` is `exact` or `hnsw`, `graph` how many vectors the graph is of. `calibration` is None where hits have no
    probability.
    """

    store: str
    bytes: int
    index: str
    graph: int
    sources: tuple[Source, ...]
    versions: tuple[VersionInfo, ...]
    calibration: CalibrationInfo | None


def summarise(rows: Rows) -> Summary:
    """Counts and the version that answers, inside a snapshot of the rows."""
    state, version = rows.state(), rows.live()
    return Summary(state.photos, rows.items(), version.fingerprint, version.bundle, version.number, state.built)


def look(folder: CatalogueFolder, rows: Rows) -> Info:
    """Counts, versions and sources, as of one moment."""
    with rows.snapshot():
        version = rows.live()
        return Info(
            **asdict(summarise(rows)),
            store="local",
            bytes=folder.bytes(),
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
