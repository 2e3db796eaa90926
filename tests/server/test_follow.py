"""What is done to a catalogue while it is served: the server follows, and no answer mixes two states of it."""

import json
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from server.conftest import ADMIN_KEY
from server.live import Answer, Live, form, start, until
from server.serving import serving
from server.shoppers import Hits, Shop, shopping
from shops import index, other_bundle, shop
from twinset import Catalogue
from twinset.catalogue.upgrade import prepare, rollback, switch
from twinset.cli.main import main
from twinset.client import Client
from twinset.errors import BusyError, DiskFullError, IntegrityError, ReadOnlyError, ServerError, TwinsetError
from twinset.server.app import create_app
from twinset.server.problems import problem
from twinset.settings import ServeSettings

ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
Golden = dict[tuple[int, int, int], Hits]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a shop of eight items, another of one, and a second bundle."""
    folder = tmp_path_factory.mktemp("followed")
    shop(folder / "shop", items=8)
    more = shop(folder / "more", items=9).read_text(encoding="utf-8").splitlines()
    rows = [line.replace(",i008,", ",n008,") for line in more if ",i008," in line]
    (folder / "more/photos.csv").write_text("\n".join([more[0], *rows]) + "\n", encoding="utf-8")
    other_bundle(folder / "middle")
    return folder


@pytest.fixture(scope="module")
def photos(home: Path) -> list[bytes]:
    """A photo of the item i003, and one of the item that comes and goes."""
    return [(home / "shop/003/0.png").read_bytes(), (home / "more/008/0.png").read_bytes()]


@pytest.fixture
def place(home: Path, tmp_path: Path) -> Path:
    """A catalogue of the eight items."""
    index(tmp_path / "c", home / "shop/photos.csv")
    return tmp_path / "c"


@contextmanager
def served(place: Path, **settings: object) -> Iterator[Live]:
    """A server of a catalogue in a process of its own, which stops well."""
    live = start(place, place.parent / "tmp", admin_key=ADMIN_KEY, **settings)
    try:
        yield live
    finally:
        status = live.close()
    assert status == 0
    assert "Traceback" not in "".join(live.log)


class Changes:
    """What is done to a served catalogue, each with what is looked for after it; and the golden answers."""

    def __init__(self, live: Live, place: Path, home: Path, photos: list[bytes]) -> None:
        self.live, self.place, self.home, self.photos = live, place, home, photos
        self.golden: Golden = {}
        self.price = 0
        self.note()

    def note(self) -> None:
        """The answers of the state that stands now, as a program that opens the catalogue finds them."""
        with Catalogue(self.place) as catalogue:
            for number, photo in enumerate(self.photos):
                answer = catalogue.search(photo, 20)
                key = answer.catalogue.version, answer.catalogue.sequence, number
                self.golden[key] = tuple((hit.item_id, hit.score) for hit in answer)

    def follows(self, seen: Callable[[Any], bool]) -> None:
        """Within a second a search finds what is looked for."""
        assert until(lambda: seen(self.live.search(self.photos[1], "k=20").json()), 1.0)
        self.note()

    def run(self, *arguments: str) -> None:
        """A command on the catalogue."""
        assert main([*arguments, "--catalogue", str(self.place), "-q"]) == 0

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Answer:
        """A change by the API."""
        got = self.live.ask(method, path, body, ADMIN | {"Content-Type": kind})
        assert got.status == 200, got
        return got

    def index(self) -> None:
        """A new source brings an item."""
        self.run("index", str(self.home / "more/photos.csv"), "--source", "more")
        self.follows(lambda told: told["hits"][0]["item_id"] == "n008")

    def remove(self) -> None:
        """It goes again."""
        self.run("remove", "n008")
        self.follows(lambda told: "n008" not in items(told))

    def put(self) -> None:
        """The API brings an item, and the next search finds it."""
        body = form([('Content-Disposition: form-data; name="photo"; filename="a.png"', self.photos[1])])
        self.ask("PUT", "/v1/items/put", body, "multipart/form-data; boundary=b")
        self.follows(lambda told: "put" in items(told))

    def patch(self) -> None:
        """A price changes, and the next search tells it."""
        self.price += 1
        self.ask("PATCH", "/v1/items", json.dumps({"i003": {"price": str(self.price)}}).encode())
        self.follows(lambda told: hit_of(told, "i003")["attributes"]["price"] == str(self.price))

    def delete(self) -> None:
        """The item of the API goes again."""
        self.ask("DELETE", "/v1/items/put")
        self.follows(lambda told: "put" not in items(told))

    def upgrade(self) -> None:
        """Another bundle answers, and says so."""
        before = self.live.search(self.photos[0]).json()["catalogue"]
        self.run("upgrade", "--bundle", str(self.home / "middle"))
        self.follows(lambda told: told["catalogue"]["fingerprint"] != before["fingerprint"])

    def back(self) -> None:
        """The first bundle answers again."""
        self.run("upgrade", "--rollback")
        self.follows(lambda told: told["catalogue"]["version"] == 1)

    def check(self, shop: Shop) -> None:
        """No request failed; each answer is that of one version and one state of the catalogue."""
        assert shop.broken == []
        assert {seen.status for seen in shop.seen} == {200}
        fingerprints, states = defaultdict[int, set[str]](set), defaultdict[tuple[int, int, int], set[Hits]](set)
        for seen in shop.seen:
            fingerprints[seen.version].add(seen.fingerprint)
            states[seen.version, seen.sequence, seen.photo].add(seen.hits)
        assert [len(names) for names in fingerprints.values()] == [1] * len(fingerprints)
        assert [key for key, answers in states.items() if len(answers) > 1] == []
        known = self.golden.keys() & states.keys()
        assert {key: states[key] for key in known} == {key: {self.golden[key]} for key in known}
        assert {seen.version for seen in shop.seen} == {version for version, _, _ in self.golden}


def items(told: Any) -> set[str]:
    """The items of an answer."""
    return {hit["item_id"] for hit in told["hits"]}


def hit_of(told: Any, item_id: str) -> Any:
    """An item's hit in an answer."""
    return next(hit for hit in told["hits"] if hit["item_id"] == item_id)


def test_what_is_done_to_the_folder_is_followed(place: Path, home: Path, photos: list[bytes]) -> None:
    """Commands and the API change it under constant searches: each change is seen in a second, none fails one."""
    with served(place) as live, shopping(live, photos, 2, pause=0.01) as shop:
        changes = Changes(live, place, home, photos)
        for change in (
            changes.index,
            changes.put,
            changes.patch,
            changes.upgrade,
            changes.remove,
            changes.delete,
            changes.back,
        ):
            change()
    changes.check(shop)


@pytest.mark.deep
def test_a_hundred_changes_and_twenty_ways_back(
    place: Path, home: Path, photos: list[bytes], record_property: Callable[[str, object], None]
) -> None:
    """Under searches of four threads: none fails, no answer mixes versions, memory and file handles come back."""
    with served(place) as live:
        changes = Changes(live, place, home, photos)
        every = (changes.index, changes.put, changes.upgrade, changes.remove, changes.delete, changes.back)
        with shopping(live, photos, 4) as shop:
            for change in every:  # so that all is loaded that a change needs
                change()
            assert until(lambda: len(shop.seen) > 400, 60)
        before, memory = live.facts(), []
        with shopping(live, photos, 4) as shop:
            for _ in range(20):
                for change in every:
                    change()
                memory.append(round(live.facts().memory, 1))
        changes.check(shop)
        assert until(lambda: live.facts().handles <= before.handles, 10), (before, live.facts())
        after = live.facts()
    slowest = max(shop.seen, key=lambda seen: seen.seconds)
    record_property("answers", len(shop.seen))
    record_property("slowest", round(slowest.seconds, 3))
    record_property("memory", (before.memory, *memory, after.memory))
    remembered = len(shop.seen) * 4 / 1024  # for feedback, in MiB; at most 10,000 of them
    assert after.memory - before.memory - remembered < 32, (before, after)


def test_ready_is_what_answers(
    place: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A catalogue that breaks is not ready, one that is mended is again; each reason is logged once."""
    monkeypatch.setattr("twinset.server.ready._EVERY", 0.1)
    rows = place / "rows.sqlite"
    shutil.copyfile(rows, tmp_path / "whole")

    def look(self: Catalogue) -> tuple[int, int]:
        raise ZeroDivisionError("bramblewick")

    def swap(data: bytes) -> None:
        (tmp_path / "other").write_bytes(data)
        (tmp_path / "other").replace(rows)

    def reasons() -> list[str]:
        return [record.getMessage() for record in caplog.records if "does not answer" in record.getMessage()]

    with Catalogue(place) as catalogue, serving(create_app(catalogue)) as address:
        assert until(lambda: ready(address), 10)
        swap(b"no database" * 500)
        assert until(lambda: not ready(address), 3)
        swap((tmp_path / "whole").read_bytes())
        assert until(lambda: ready(address), 3)
        with monkeypatch.context() as broken:
            broken.setattr(Catalogue, "moment", look)
            assert until(lambda: not ready(address), 3)
            assert not until(lambda: ready(address), 0.4)
        assert until(lambda: ready(address), 3)
    damaged, fault = reasons()
    assert "rows.sqlite is damaged" in damaged
    assert fault == f"catalogue {place.name} does not answer: a fault of this program, ZeroDivisionError"
    assert "asyncio" not in {record.name for record in caplog.records}


def ready(address: str) -> bool:
    """Whether a server says that it is."""
    with closing(HTTPConnection(urlsplit(address).netloc, timeout=20)) as line:
        line.request("GET", "/readyz")
        return line.getresponse().status == 200


def test_the_next_model_is_loaded_before_it_answers(place: Path, home: Path, photos: list[bytes]) -> None:
    """A search after the switch finds it loaded; what will not answer next is let go."""
    with Catalogue(place) as catalogue:
        first = catalogue.search(photos[0])
        version = prepare(place, home / "middle").version
        catalogue.warm()
        switch(place, version)
        shutil.move(place / "bundles" / version.fingerprint, home / "kept")
        try:
            assert catalogue.search(photos[0]).catalogue.fingerprint == version.fingerprint
        finally:
            shutil.move(home / "kept", place / "bundles" / version.fingerprint)
        catalogue.warm()
        rollback(place)
        shutil.move(place / "bundles" / first.catalogue.fingerprint, home / "kept")
        with pytest.raises(IntegrityError, match="is missing or has no"):
            catalogue.search(photos[0])
        shutil.move(home / "kept", place / "bundles" / first.catalogue.fingerprint)


def test_another_catalogue_in_its_place_is_read(place: Path, tmp_path: Path, home: Path) -> None:
    """A folder that comes back from elsewhere, with the same version and sequence number, answers as itself."""
    manifest = shop(tmp_path / "later", items=8)
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace(",i0", ",j0"), encoding="utf-8")
    index(tmp_path / "other", manifest)
    photo = (home / "shop/003/0.png").read_bytes()
    with Catalogue(place) as catalogue:
        assert catalogue.search(photo).hits[0].item_id == "i003"
        before = catalogue.search(photo).catalogue
        place.rename(tmp_path / "gone")
        with pytest.raises(IntegrityError, match="is missing"):
            catalogue.search(photo)
        (tmp_path / "other").rename(place)
        answer = catalogue.search(photo)
        assert (answer.catalogue.version, answer.catalogue.sequence) == (before.version, before.sequence)
        assert answer.hits[0].item_id == "j003"


@pytest.mark.parametrize(
    ("error", "status", "code", "after"),
    [
        (BusyError("/shops/c is being written by process 7", "wait"), 503, "catalogue_busy", "5"),
        (DiskFullError("no space is left to write /shops/c", "free some"), 507, "disk_full", None),
        (ReadOnlyError("/shops/c may not be written", "mend"), 503, "read_only", None),
        (ServerError("/shops/c does not answer", "wait"), 503, "overloaded", "5"),
    ],
)
def test_why_a_change_is_refused(error: TwinsetError, status: int, code: str, after: str | None) -> None:
    """By its own code, without a folder's name; asking again is told where it may help."""
    answer = problem(error, {"request_id": "r"})
    told = json.loads(bytes(answer.body))
    assert (answer.status_code, told["code"], answer.headers.get("retry-after")) == (status, code, after)
    assert "/shops" not in bytes(answer.body).decode()


def test_a_read_only_catalogue_is_not_changed(place: Path, tmp_path: Path) -> None:
    """It is searched, and a change is refused as such."""
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    if subprocess.run(["mount", "--bind", place, mounted], check=False, capture_output=True).returncode:
        pytest.skip("this system does not let us mount")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", mounted], check=True)
        settings = ServeSettings(admin_key=ADMIN_KEY)
        with (
            Catalogue(mounted) as catalogue,
            serving(create_app(catalogue, settings)) as address,
            Client(address, key=ADMIN_KEY) as client,
            pytest.raises(ReadOnlyError, match="may not write to the catalogue"),
        ):
            client.patch_items({"i003": {"price": "3"}})
    finally:
        subprocess.run(["umount", mounted], check=True)
