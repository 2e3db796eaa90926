"""`/v1/versions`: what a catalogue keeps, and the way back while it is served."""

from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from server.live import until
from server.serving import serving
from shops import build, index, other_bundle, shop
from twinset import Catalogue, Client
from twinset.catalogue.build import IndexOptions
from twinset.catalogue.upgrade import prepare, prune, switch
from twinset.errors import BusyError, RequestError, UsageError
from twinset.served import ServedVersion
from twinset.server.app import create_app
from twinset.settings import ServeSettings
from twinset.store.lock import writing

ADMIN, KEY = "a" * 16, "k" * 16


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A catalogue of four items that was upgraded once."""
    manifest = shop(tmp_path / "shop", items=4, views=1)
    build(tmp_path / "c", manifest).close()
    switch(tmp_path / "c", prepare(tmp_path / "c", other_bundle(tmp_path / "middle")).version)
    return tmp_path / "c"


@pytest.fixture
def url(place: Path) -> Iterator[str]:
    """A server of it."""
    settings = ServeSettings(key=KEY, admin_key=ADMIN)
    with Catalogue(place) as catalogue, serving(create_app(catalogue, settings)) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    """Its admin."""
    with Client(url, key=ADMIN) as made:
        yield made


def more(place: Path, folder: Path) -> None:
    """Six photos of another source come."""
    manifest = shop(folder / "more", items=6, views=1)
    index(place, manifest, bundle=None, options=IndexOptions(source="more"))


def said(versions: tuple[ServedVersion, ...]) -> list[tuple[int, str, bool, int]]:
    """Number, bundle, whether it answers, and photos of each."""
    return [(one.number, one.bundle, one.live, one.photos) for one in versions]


def test_what_a_catalogue_keeps(place: Path) -> None:
    """Each version with its photos, the one that answers marked; the time is that of the last run."""
    with Catalogue(place) as catalogue:
        told = catalogue.versions()
        assert said(told.versions) == [(1, "colour", False, 4), (2, "middle", True, 4)]
        live = catalogue.summary()
        assert (told.built, told.versions[1].fingerprint) == (live.built, live.fingerprint)
        assert told.versions[0].fingerprint != live.fingerprint


def test_the_way_back_is_followed(place: Path, url: str, client: Client, tmp_path: Path) -> None:
    """What came since is embedded first; the next search tells it, and within a second the metrics do."""
    more(place, tmp_path)
    photo = tmp_path / "shop/003/0.png"
    assert client.search(photo).catalogue.version == 2
    assert said(client.versions().versions) == [(1, "colour", False, 4), (2, "middle", True, 10)]
    told = client.roll_back()
    assert said(told.versions) == [(1, "colour", True, 10), (2, "middle", False, 10)]
    assert told == client.versions()
    answer = client.search(photo)
    assert (answer.catalogue.version, answer.hits[0].item_id) == (1, "i003")
    assert until(lambda: b'twinset_catalogue{catalogue="c",what="version"} 1.0' in metrics(url), 1.0)
    with pytest.raises(UsageError, match=r"^the catalogue has no version that answered before"):
        client.roll_back()


def metrics(url: str) -> bytes:
    """The page for Prometheus."""
    with urlopen(Request(f"{url}/metrics", headers={"Authorization": f"Bearer {ADMIN}"})) as answer:
        return bytes(answer.read())


def test_there_may_be_no_way_back(
    place: Path, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not while another process writes, nor where too many photos came since, nor without a version before."""
    with writing(place, 0), pytest.raises(BusyError, match="another process writes"):
        client.roll_back()
    more(place, tmp_path)
    with monkeypatch.context() as few:
        few.setattr("twinset.server.routes.versions._MOST_EMBEDDED", 5)
        with pytest.raises(UsageError, match=r"^6 photos came since, .*: run `twinset upgrade --rollback`"):
            client.roll_back()
    prune(place)
    with pytest.raises(UsageError, match="has no version that answered before"):
        client.roll_back()
    assert said(client.versions().versions) == [(2, "middle", True, 10)]


def test_only_the_admin_sees_and_changes_versions(url: str) -> None:
    """The search key does neither."""
    with Client(url, key=KEY) as shopper:
        for ask in (shopper.versions, shopper.roll_back):
            with pytest.raises(RequestError, match="admin key is needed") as refused:
                ask()
            assert refused.value.code == "wrong_key"
