"""`calibrate`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import typer

from twinset import bundle as bundles
from twinset import manifest, protocols
from twinset.bundle import Bundle as Opened
from twinset.calibrate import ABSENT, FALSE_ALARMS, Questions, calibrate, check_shares
from twinset.calibrate.shop import changed, one_of_each, questions, simulated
from twinset.calibration import Calibration
from twinset.catalogue import calibrated
from twinset.catalogue.own import OwnShop, own_shop
from twinset.cli.embeds import Origin, Side, unboxed, vectors_of, vectors_of_own
from twinset.cli.output import (
    Bundle,
    Json,
    OnDevice,
    PhotosRoot,
    Quiet,
    Talk,
    print_json,
    print_line,
    print_table,
)
from twinset.cli.protocol import Gallery, Named, Queries, Split, choose
from twinset.embedder import Embedder, embed_photos
from twinset.errors import UsageError
from twinset.evaluate import Embeds
from twinset.manifest import Manifest
from twinset.protocols import Protocol
from twinset.records import Estimate, Fault, Photo
from twinset.runtime import Device

_SHOP: Final = "consumer-to-shop"
_MOST: Final = 0.5
"""Where more customers than this are told that nothing is close though it is there, they hear of it."""
_FIGURES: Final = {
    "ece": "calibration error, first hits",
    "ece_all": "calibration error, all hits",
    "brier": "Brier score, first hits",
    "false_alarms": "false alarms",
    "misses": "misses: nothing close, but the right item first",
    "hushed": "nothing close, but the item is there",
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked, by which protocol, and how many stand-ins are of their item's only photo."""

    questions: Questions
    protocol: str
    lone: int = 0


def add_commands(app: typer.Typer) -> None:
    """Adds this module's command."""
    app.command("calibrate")(calibrate_command)


def calibrate_command(
    source: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A manifest (CSV) or a folder of photos.")],
    catalogue: Annotated[
        Path | None, typer.Option("--catalogue", "-c", help="Calibrate this catalogue: kept in catalogue.json.")
    ] = None,
    bundle: Bundle = None,
    absent: Annotated[
        float, typer.Option("--absent", help="The share of searches for what the shop does not have.")
    ] = ABSENT,
    false_alarm: Annotated[
        float, typer.Option("--false-alarm", help="The share of these that may be told that something is close.")
    ] = FALSE_ALARMS,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Search with shop photos, changed as a phone would: only a stand-in.")
    ] = False,
    split: Split = None,
    protocol: Named = None,
    queries: Queries = None,
    gallery: Gallery = None,
    device: OnDevice = "auto",
    photos_root: PhotosRoot = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Learns how probable hits are, and when nothing is close, from queries whose item is known."""
    talk = Talk(quiet)
    check_shares(absent, false_alarm)
    opened = _opened(catalogue, bundle)
    table = manifest.read(source, photos_root=photos_root)
    table.require_photos()
    named = protocol or (_SHOP if simulate else None)
    shop = None if catalogue is None or simulate else own_shop(catalogue, table)
    chosen, of_split = choose(
        table.photos if shop is None else shop.photos,
        named,
        split,
        queries=queries,
        gallery=gallery,
        relevant=None,
        level="item",
        column=None,
        own=shop is not None,
    )
    run = _Run(opened, catalogue, table, shop, device, talk, list(table.faults))
    asked = run.asked(chosen, of_split, stand_ins=simulate)
    found = calibrate(
        asked.questions,
        source=source.name,
        protocol=asked.protocol,
        fingerprint=opened.fingerprint,
        absent=absent,
        false_alarms=false_alarm,
        simulated=simulate,
        lone=asked.lone,
        progress=talk.progress(),
    )
    run.keep(found)
    if json:
        print_json(found.to_json())
    else:
        _show(found, opened.folder if catalogue is None else catalogue)


@dataclass(frozen=True, slots=True)
class _Run:
    """A bundle, its catalogue where that is calibrated, and photos; `faults` are those that cannot be embedded.

    `shop` is there where the manifest is no source of the catalogue.
    """

    opened: Opened
    catalogue: Path | None
    table: Manifest
    shop: OwnShop | None
    device: Device
    talk: Talk
    faults: list[Fault]

    def asked(self, protocol: Protocol, split: str, *, stand_ins: bool) -> _Asked:
        """The queries of a protocol, or stand-ins for them, in its gallery."""
        side = self._side()
        photos = unboxed(self.table.photos if self.shop is None else self.shop.photos, side.boxes_ignored)
        if stand_ins:
            return self._stand_ins(photos, protocol, split, side.embeds)
        queries, gallery = protocols.select(photos, protocol, split)
        embedded, vectors = side.embeds(list({photo.key: photo for photo in (*queries, *gallery)}.values()))
        return _Asked(questions(queries, gallery, embedded, vectors), f"{protocol.name}, {split}")

    def _side(self) -> Side:
        if self.shop is not None:
            if self.shop.unknown:
                self.talk.say(self.shop.told())
            return vectors_of_own(self.shop, self.table, self.talk, self.faults, device=self.device)
        place = self.opened.folder if self.catalogue is None else self.catalogue
        origin = Origin("bundle" if self.catalogue is None else "catalogue", str(place))
        return vectors_of(origin, self.table, self.talk, self.faults, device=self.device)

    def keep(self, found: Calibration) -> None:
        """Stores a calibration where it belongs, and tells of photos that took no part."""
        if self.catalogue is None:
            bundles.keep_calibration(self.opened, found)
        else:
            calibrated.keep(self.catalogue, found)
        self.talk.skipped(self.faults, self.table.rows, None)

    def _stand_ins(self, photos: Sequence[Photo], protocol: Protocol, split: str, embeds: Embeds) -> _Asked:
        """Changed copies of photos of a protocol's gallery, one of each item, in that gallery."""
        _, gallery = protocols.select(photos, replace(protocol, queries=protocol.gallery), split)
        held, vectors = embeds(gallery)
        embedder, progress = Embedder(self.opened, self.device), self.talk.progress()
        copies = embed_photos(embedder, one_of_each(held), self.table.root, progress, change=changed)
        self.faults.extend(copies.faults)
        asked, lone = simulated(copies.photos, copies.vectors, held, vectors)
        return _Asked(asked, f"simulated, {split}", lone)


def _opened(catalogue: Path | None, bundle: str | None) -> Opened:
    """The bundle that is calibrated, which may be kept in its folder or in the catalogue.

    Raises:
        UsageError: not one of the two is named, or the bundle comes with the package.

    """
    if (catalogue is None) == (bundle is None):
        raise UsageError("calibrate needs a catalogue or a bundle", "name one of --catalogue and --bundle")
    if catalogue is not None:
        return calibrated.live_bundle(catalogue)
    opened = bundles.open_bundle(bundle)
    bundles.check_own(opened)
    return opened


def _show(found: Calibration, place: Path) -> None:
    print_line(
        f"{place}: calibrated by {found.queries:,} queries of {found.query_items:,} items "
        f"({found.source}, {found.protocol}) among {found.items:,} items"
    )
    print_line(
        f"{found.absent:.0%} of searches are taken to be for what is not there; of these, at most "
        f"{found.false_alarms:.0%} are to be false alarms: answers that claim something close"
    )
    if found.simulated:
        print_line(
            "simulated: shop photos, changed as a phone would, stood in for customers', and each answer says so; "
            "of real customers less may hold, see docs/calibration.md"
            + (f"; {found.lone:,} are of their item's only photo, which makes it easy" if found.lone else "")
        )
    print_line("")
    tests = {"at this size": found.tested} | ({"at ten times the size": found.tenfold} if found.tenfold else {})
    rows = [[name, *(_told(getattr(test, key)) for test in tests.values())] for key, name in _FIGURES.items()]
    rows.insert(0, ["fitted on galleries of, items", *(f"{test.fitted_on:,}" for test in tests.values())])
    rows.insert(1, ["tested among, items", *(f"{test.items:,}" for test in tests.values())])
    print_table(["items not used in fitting", *tests], rows, right=list(tests))
    print_line("")
    bins = [
        [f"{each.predicted:.2f}", f"{each.observed:.2f}", f"{each.count:,}"] for each in found.tested.reliability
    ]
    header = ["said of first hits", "came true", "answers"]
    print_table(header, bins, right=header)
    hushed = found.tested.hushed[0]
    if hushed > _MOST:
        print_line(
            f"nothing close is told {hushed:.0%} of customers whose item is there: "
            "a larger --false-alarm, or a better bundle, tells it fewer"
        )


def _told(value: Estimate | float) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "{:.3f} ({:.3f} – {:.3f})".format(*value)
