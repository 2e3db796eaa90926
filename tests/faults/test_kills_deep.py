"""Kills at random and at chosen writes while 5,000 photos come, change, go and are upgraded: nothing is lost."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from PIL import Image

from faults.harness import COUNT, KILL, KILLED, NEVER, TORN, Ran, Server
from faults.look import photos
from shops import age, other_bundle, picture
from twinset import Catalogue
from twinset import photos as photo_files
from twinset.bundle import open_bundle
from twinset.embedder import Embedder
from twinset.records import Vectors
from twinset.store.schema import unpack

pytestmark = pytest.mark.deep
Record = Callable[[str, object], None]
Held = dict[str, list[Any]]
"""Row and vector of each photo by its id."""
PHOTOS: Final = 5000
REOPENS_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Phase:
    """Work that is killed: what the server is asked for, with places in braces, and what it begins with.

    `at_once` tells that readers see all of it together, `resumes` that a run goes on where one was killed; `kills`
    how many come at random moments and at chosen steps.
    """

    work: str
    given: str
    begins: str
    kills: tuple[int, int]
    at_once: bool = False
    resumes: bool = True

    def arguments(self, shops: Path, here: Path) -> list[Any]:
        words = self.given.format(shops=shops, here=here).split()
        return [words] if self.work == "command" else words


PHASES: Final = {
    "index": Phase("index", "{here}/c {shops}/shop/photos.csv", "nothing", (40, 20)),
    "update": Phase("index", "{here}/c {shops}/changed/photos.csv", "shop", (35, 40)),
    "remove": Phase(
        "command", "remove --where price=11 --catalogue {here}/c", "shop", (35, 40), at_once=True, resumes=False
    ),
    "upgrade": Phase(
        "command", "upgrade --catalogue {here}/c --bundle {shops}/middle -q", "shop", (20, 12), at_once=True
    ),
}


@dataclass(slots=True)
class Tally:
    """What was seen: kills that hit, the slowest opening, photos lost, too many, or of no known state."""

    kills: int = 0
    reopened: float = 0.0
    lost: int = 0
    phantoms: int = 0
    unlike: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Site:
    """A server and the folder in which its catalogue is killed."""

    server: Server
    here: Path
    shops: Path
    query: tuple[Path, dict[str, Vectors]]
    begins: dict[str, Path]

    def prepare(self, phase: Phase) -> None:
        shutil.rmtree(self.here, ignore_errors=True)
        shutil.copytree(self.begins[phase.begins], self.here)

    def run(self, phase: Phase, fault: tuple[int, int] = (COUNT, 0), sent: tuple[int, float] = NEVER) -> Ran:
        return self.server.run(phase.work, phase.arguments(self.shops, self.here), self.here, fault, sent)

    def held(self) -> Held:
        """What the catalogue holds, where there is one yet."""
        return photos(self.here / "c") if (self.here / "c/catalogue.json").exists() else {}

    def check(self, phase: Phase, ran: Ran, known: tuple[Held, Held], tally: Tally) -> Held:
        """What must hold after a kill; returns what the catalogue holds."""
        old, new = known
        now = self.held()
        if now:
            tally.reopened = max(tally.reopened, self._answers(now))
        tally.kills += ran.code == KILLED
        tally.lost += len((old.keys() & new.keys()) - now.keys())
        tally.lost += max(0, ran.acknowledged - sum(now.get(name) == facts for name, facts in new.items()))
        tally.phantoms += len(now.keys() - old.keys() - new.keys())
        tally.unlike += [name for name, facts in now.items() if facts not in (old.get(name), new.get(name))]
        assert not phase.at_once or now in (old, new)
        return now

    def _answers(self, now: Held) -> float:
        """The first ten are those of brute force, none is there twice; returns how long opening and asking took.

        `verify` finds nothing, but that a photo which was to be embedded again has its new copy already.
        """
        names = list(now)
        photo, by_bundle = self.query
        began = time.monotonic()
        with Catalogue(self.here / "c") as catalogue:
            query = by_bundle[catalogue.info().bundle]
            hits = list(catalogue.search(photo, 10, by="photo"))
            seconds = time.monotonic() - began
            problems = catalogue.verify()
        vectors = unpack([bytes.fromhex(now[name][-1]) for name in names], len(query))
        scores = vectors.astype(np.float64) @ query.astype(np.float64)
        assert len({hit.photo_id for hit in hits}) == len(hits) == min(10, len(names))
        np.testing.assert_allclose([hit.score for hit in hits], np.sort(scores)[::-1][: len(hits)], atol=1e-6)
        np.testing.assert_allclose([hit.score for hit in hits], [scores[names.index(h.photo_id)] for h in hits])
        assert all(" is missing or of other bytes" in problem.what for problem in problems), problems[:3]
        return seconds

    def complete(self, phase: Phase, known: tuple[Held, Held]) -> None:
        """A later run ends as one that nothing disturbed."""
        _, new = known
        ran = self.run(phase)
        now = self.held()
        assert ran.code == 0 or (phase.at_once and ran.code in (2, 3) and now == new), ran.err
        assert now == new
        with Catalogue(self.here / "c") as catalogue:
            assert catalogue.verify() == []
        assert not list(self.here.rglob("*tmp*"))


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop of 5,000 photos, and the same later: 400 photos changed, 250 gone, 250 new, all prices others."""
    place = tmp_path_factory.mktemp("shops")
    (place / "shop").mkdir()
    for number in range(PHOTOS):
        draw(place / f"shop/{number:04d}.jpg", number)
    write(place / "shop", range(PHOTOS), 10)
    shutil.copytree(place / "shop", place / "changed", copy_function=os.link)
    for number in [*range(500, 4500, 10), *range(PHOTOS, PHOTOS + 250)]:
        (place / f"changed/{number:04d}.jpg").unlink(missing_ok=True)
        draw(place / f"changed/{number:04d}.jpg", number + 7919)
    (place / "changed/photos.csv").unlink()
    write(place / "changed", range(250, PHOTOS + 250), 20)
    return place


def draw(path: Path, seed: int) -> None:
    Image.fromarray(picture(seed, 48)).save(path)
    age(path)


def write(folder: Path, numbers: range, price: int) -> None:
    """A manifest: two photos an item; of every third item the price is one more."""
    lines = [f"{n:04d}.jpg,i{n // 2:04d},{price + (n // 2 % 3 == 0)}" for n in numbers]
    (folder / "photos.csv").write_text("\n".join(["path,item_id,price", *lines]) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory, shim: Path, shops: Path) -> Iterator[list[Site]]:
    """Two of them, for two cores."""
    place = tmp_path_factory.mktemp("sites")
    photo = shops / "shop/0777.jpg"
    bundles = {"colour": open_bundle("colour"), "middle": open_bundle(other_bundle(shops / "middle"))}
    decoded = photo_files.decode(photo.read_bytes())
    query = photo, {name: Embedder(bundle, "cpu").embed(decoded) for name, bundle in bundles.items()}
    begins = {"nothing": place / "nothing", "shop": place / "shop"}
    begins["nothing"].mkdir()
    made = [Site(Server(shim), place / f"here{n}", shops, query, begins) for n in range(2)]
    made[0].prepare(PHASES["index"])
    assert made[0].run(PHASES["index"]).code == 0
    shutil.copytree(made[0].here, begins["shop"])
    yield made
    for site in made:
        site.server.close()


@pytest.mark.parametrize("name", PHASES)
def test_kills(sites: list[Site], name: str, record_property: Record) -> None:
    """It reopens by itself; no acknowledged photo is lost, none is there that should not be, none twice."""
    phase, first = PHASES[name], sites[0]
    first.prepare(phase)
    old = first.held()
    ran = first.run(phase)
    assert ran.code == 0, ran.err
    known = old, first.held()
    tally = Tally()
    with ThreadPoolExecutor(2) as pool:
        work = [
            pool.submit(kill, site, phase, known, ran, tally)
            for kill, site in zip((at_random, chosen), sites, strict=True)
        ]
        for done in work:
            done.result()
    facts = {
        "kills": tally.kills,
        "lost": tally.lost,
        "phantoms": tally.phantoms,
        "seconds": round(tally.reopened, 2),
    }
    for what, value in facts.items():
        record_property(what, value)
    assert (tally.lost, tally.phantoms, tally.unlike) == (0, 0, [])
    assert tally.kills >= sum(phase.kills) * 0.9
    assert tally.reopened < REOPENS_SECONDS


def at_random(site: Site, phase: Phase, known: tuple[Held, Held], whole: Ran, tally: Tally) -> None:
    """Kills at random moments; what is committed bit by bit goes on from kill to kill, until it is done."""
    generator = np.random.Generator(np.random.PCG64(5))
    longest = whole.seconds * (0.15 if phase.resumes else 1.0)
    goal, before, fresh = phase.kills[0], Held(), True
    reached = 0
    while reached < goal:
        if fresh or not phase.resumes:
            site.prepare(phase)
            before = known[0]
        ran = site.run(phase, sent=(signal.SIGKILL, float(generator.random()) * longest))
        now = site.check(phase, ran, known, tally)
        done_before = {n for n, facts in before.items() if facts == known[1].get(n)}
        assert all(now.get(name) == known[1][name] for name in done_before), "what was done is undone"
        before, fresh = now, ran.code == 0
        reached += ran.code == KILLED
    site.complete(phase, known)


def chosen(site: Site, phase: Phase, known: tuple[Held, Held], whole: Ran, tally: Tally) -> None:
    """Kills before and amid steps that lie evenly over an undisturbed run; a later run completes every fifth."""
    count = phase.kills[1]
    for number in range(count):
        site.prepare(phase)
        step = 1 + (number * whole.steps) // count
        ran = site.run(phase, (TORN if number % 2 else KILL, step))
        assert ran.code in (0, KILLED)  # a run may take fewer steps, for batches are cut by time too
        site.check(phase, ran, known, tally)
        if number % 5 == 0:
            site.complete(phase, known)
