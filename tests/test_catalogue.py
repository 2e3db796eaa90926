"""Catalogues of drawn garments: the stores, the bundle and the search together, in one process and several."""

import base64
import json
import math
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from shops import build, index, picture, rename, shop, write
from twinset import Catalogue, IndexOptions, bundle, photos
from twinset.catalogue.cursor import Cursor
from twinset.embedder import Embedder
from twinset.errors import (
    CatalogueError,
    CursorError,
    FingerprintError,
    IntegrityError,
    ManifestError,
    SourceError,
    TwinsetError,
)
from twinset.group import Ranked
from twinset.records import Answer
from twinset.store.schema import checksum

Shop = tuple[Path, Path]
"""A manifest and a catalogue of it."""


def customers(manifest: Path) -> list[Path]:
    """The wardrobe's customer photos."""
    return sorted(manifest.parent.rglob("customer_*"))


def told(answer: Answer) -> str:
    """All that an answer says of its hits."""
    return json.dumps(answer.to_json()["hits"], sort_keys=True)


def asked(place: Path, query: Path, k: int = 60) -> str:
    """What a catalogue that is opened for it says."""
    with Catalogue(place) as catalogue:
        return told(catalogue.search(query, k))


def table(place: Path, file: str, sql: str) -> list[Any]:
    """What SQLite finds."""
    connection = sqlite3.connect(f"{(place / file).as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def contents(place: Path) -> dict[str, list[Any]]:
    """All that a catalogue's databases hold, less the time of the last run."""
    names = ("photos", "vectors", "sources", "versions", "removed", "items")
    found = {name: table(place, "rows.sqlite", f"SELECT * FROM {name} ORDER BY 1, 2") for name in names}
    found["state"] = table(place, "rows.sqlite", "SELECT sequence, photos, checksum FROM state")
    found["copies"] = table(place, "copies.sqlite", "SELECT * FROM copies ORDER BY 1")
    return found


def child(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """A Python process of its own."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# Answers


def by_hand(place: Path, query: Path) -> list[tuple[str, float, list[tuple[str, float]]]]:
    """Items with their scores and photos, from plain numpy over what SQLite holds."""
    asked = Embedder(bundle.open_bundle("colour")).embed(photos.decode(query.read_bytes())).astype(np.float64)
    sql = "SELECT item_id, photo_id, vector FROM photos JOIN vectors USING (id)"
    items: dict[str, list[tuple[str, float]]] = {}
    for item, name, blob in table(place, "rows.sqlite", sql):
        vector = np.frombuffer(blob, "<f2").astype(np.float64)
        score = float(vector @ asked) / math.sqrt(float(vector @ vector))
        items.setdefault(item, []).append((name, score))
    for found in items.values():
        found.sort(key=lambda photo: (-round(photo[1], 9), photo[0]))
    return sorted(((item, p[0][1], p) for item, p in items.items()), key=lambda f: (-round(f[1], 9), f[0]))


def test_answers_are_those_of_plain_numpy(built: Path, wardrobe: Path) -> None:
    """Items, scores, photos and their order, for every customer photo, and k beyond the items."""
    with Catalogue(built) as catalogue:
        for query in customers(wardrobe):
            answer, expected = catalogue.search(query, 1000), by_hand(built, query)
            assert [hit.item_id for hit in answer] == [item for item, _, _ in expected]
            assert [hit.score for hit in answer] == pytest.approx([s for _, s, _ in expected], abs=1e-6)
            for hit, (_, _, found) in zip(answer, expected, strict=True):
                assert [photo.photo_id for photo in hit.photos] == [name for name, _ in found]
                assert [photo.score for photo in hit.photos] == pytest.approx([s for _, s in found], abs=1e-6)
                assert (hit.photo_id, hit.photo, hit.score) == (
                    hit.photos[0].photo_id, hit.photos[0].photo, hit.photos[0].score
                )  # fmt: skip
                assert -1 <= hit.score <= 1
            by_photo = catalogue.search(query, 1000, by="photo")
            every = sorted((photo for hit in answer for photo in hit.photos), key=lambda p: (-p.score, p.photo_id))
            assert [(hit.photo_id, hit.score) for hit in by_photo] == [(p.photo_id, p.score) for p in every]
            assert all(len(hit.photos) == 1 for hit in by_photo)


def test_ties_are_exact_and_ordered_by_id(tmp_path: Path) -> None:
    """The same bytes under many items and photos score equal to the last bit; items and photos come by id."""
    rows = [{"path": f"{n}.png", "item_id": f"i{n * 7 % 5}"} for n in range(20)]
    manifest = write(tmp_path / "shop", rows, dict.fromkeys((row["path"] for row in rows), 3))
    with build(tmp_path / "c", manifest) as catalogue:
        items = catalogue.search(manifest.parent / "4.png")
        assert [hit.item_id for hit in items] == ["i0", "i1", "i2", "i3", "i4"]
        by_photo = catalogue.search(manifest.parent / "4.png", by="photo")
    assert len({hit.score for hit in (*items, *by_photo)}) == 1
    for hit in items:
        assert [p.photo_id for p in hit.photos] == sorted(p.photo_id for p in hit.photos)
    assert [hit.photo_id for hit in by_photo] == sorted(hit.photo_id for hit in by_photo)


@pytest.mark.parametrize("by", ["item", "photo"])
@pytest.mark.parametrize("size", [1, 7, 24, 48])
def test_pages_join_to_one_call(built: Path, wardrobe: Path, by: Any, size: int) -> None:
    """Pages of any size, joined, are one call; ranks go on; also through another process's eyes."""
    query, found, cursor = customers(wardrobe)[5], [], None
    while not found or cursor:
        with Catalogue(built) as catalogue:
            page = catalogue.search(query, size, by=by, cursor=cursor)
        found += page.hits
        cursor = page.next
    with Catalogue(built) as catalogue:
        whole = catalogue.search(query, 61, by=by)
    assert tuple(found) == whole.hits
    assert [hit.rank for hit in found] == list(range(1, len(found) + 1))
    assert whole.next is None


def test_a_box_is_the_cropped_photo(built: Path, wardrobe: Path, tmp_path: Path) -> None:
    """Every item's score with a query box is within 0.02 of its score for the photo cut to that box."""
    for query in customers(wardrobe)[:6]:
        pixels = photos.read(query)
        height, width = pixels.shape[:2]
        y1, y2, x1, x2 = height // 8, height - height // 10, width // 6, width - width // 5
        Image.fromarray(pixels[y1:y2, x1:x2]).save(tmp_path / "cut.png")
        with Catalogue(built) as catalogue:
            box = (x1 / width, y1 / height, x2 / width, y2 / height)
            boxed, cut = catalogue.search(query, 99, box=box), catalogue.search(tmp_path / "cut.png", 99)
        scores = {hit.item_id: hit.score for hit in cut}
        assert all(abs(hit.score - scores[hit.item_id]) < 0.02 for hit in boxed)
        embedder = Embedder(bundle.open_bundle("colour"))
        one = embedder.embed(photos.decode(query.read_bytes()), box)
        two = embedder.embed(photos.decode((tmp_path / "cut.png").read_bytes()))
        assert float(one @ two) >= 0.98


def test_an_answer_names_its_state(built: Path, wardrobe: Path) -> None:
    """Fingerprint, version, sequence and counts are the catalogue's; each answer has a name of its own."""
    with Catalogue(built) as catalogue:
        info = catalogue.info()
        answers = [catalogue.search(customers(wardrobe)[0], 3) for _ in range(2)]
    state = answers[0].catalogue
    assert (state.fingerprint, state.version, state.photos, state.items) == (info.fingerprint, 1, 48, 24)
    assert table(built, "rows.sqlite", "SELECT sequence FROM state") == [(state.sequence,)]
    assert answers[0].query_id != answers[1].query_id
    assert answers[0].ms["total"] == pytest.approx(
        sum(answers[0].ms[n] for n in ("decode", "embed", "search")), abs=0.01
    )
    assert json.loads(json.dumps(answers[0].to_json())) == json.loads(json.dumps(answers[0].to_json()))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)
FIELDS = st.tuples(st.integers() | st.just(math.inf), st.text(max_size=4), st.integers(), st.text(max_size=6), JSON)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(
    text=st.text(max_size=40)
    | st.one_of(JSON, FIELDS).map(lambda v: base64.urlsafe_b64encode(json.dumps(v).encode()).decode())
)
@example(base64.urlsafe_b64encode(b"[" * 100_000).decode())
@example(base64.urlsafe_b64encode(b'[Infinity, "q", 1, "0x1p0", "i"]').decode())
@example(base64.urlsafe_b64encode(b'[1, "q", 1, "0x1p99999", "i"]').decode())
@example(base64.urlsafe_b64encode(b'[1, "q", 1, "nan", "i"]').decode())
@example("\ud800")
def test_whatever_is_no_cursor_is_refused(built: Path, text: str) -> None:
    """Any text, and any JSON in a cursor's clothes, is one typed error."""
    query = picture(1, 16)
    Image.fromarray(query).save(built.parent / "query.png")
    with pytest.raises(CursorError, match="is no cursor"):
        Cursor.decode(text)


def test_a_cursor_is_what_it_was() -> None:
    """Any item id comes back from a cursor as it was, with the score to the last bit."""
    for key in ("", "é\0\n", "i" * 500, "photo:\u2028"):
        cursor = Cursor(1, 7, "abc", 3, Ranked(key, 0.1 + 0.2))
        assert Cursor.decode(cursor.encode()) == cursor


def test_rows_that_do_not_give_the_ranked_score_are_refused(place: Path, wardrobe: Path) -> None:
    """A stored vector that is whole but not the one that was ranked by is damage, not another answer."""
    query = customers(wardrobe)[0]
    with Catalogue(place) as catalogue:
        best = catalogue.search(query).hits[0]
    connection = sqlite3.connect(place / "rows.sqlite")
    columns = "version, id, v.sequence, made_from, vector"
    sql = f"SELECT {columns} FROM vectors v JOIN photos USING (id) WHERE photo_id {{}} ?"
    stored = connection.execute(sql.format("="), (best.photo_id,)).fetchone()
    (*_, other) = connection.execute(sql.format("<>"), (best.photo_id,)).fetchone()
    values = (other, checksum(*stored[:-1], other), stored[1])
    connection.execute("UPDATE vectors SET vector = ?, checksum = ? WHERE id = ?", values)
    connection.commit()
    connection.close()
    with Catalogue(place) as catalogue:
        with pytest.raises(CatalogueError, match="do not agree"):
            catalogue.search(query)
        assert catalogue.verify() != []


def test_a_cursor_of_another_query_is_refused(built: Path, wardrobe: Path) -> None:
    """A cursor goes on with its own photo, box and `by` only."""
    one, two = customers(wardrobe)[:2]
    with Catalogue(built) as catalogue:
        cursor = catalogue.search(one, 5).next
        assert catalogue.search(one, 5, cursor=cursor).hits[0].rank == 6
        with pytest.raises(CursorError, match="another query"):
            catalogue.search(two, 5, cursor=cursor)
        with pytest.raises(CursorError, match="another query"):
            catalogue.search(one, 5, box=(0, 0, 0.5, 1), cursor=cursor)


def test_an_emptied_catalogue_answers_with_nothing(place: Path, wardrobe: Path) -> None:
    """When every item has been removed there are no hits and no error, and it can be filled again."""
    with Catalogue(place) as catalogue:
        every = [hit.item_id for hit in catalogue.search(customers(wardrobe)[0], 99)]
        assert catalogue.remove(every) == 48
        answer = catalogue.search(customers(wardrobe)[0])
        assert (answer.hits, answer.next, answer.catalogue.items) == ((), None, 0)
        assert catalogue.verify() == []
        assert index(place, wardrobe).added == 48
        assert len(catalogue.search(customers(wardrobe)[0], 99)) == 24
        assert catalogue.verify() == []


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not list open files")
def test_a_closed_catalogue_says_so(built: Path, wardrobe: Path) -> None:
    """After `close` a search is refused, twice closing is no error, and no file stays open."""
    catalogue = Catalogue(built)
    catalogue.search(customers(wardrobe)[0])
    catalogue.close()
    catalogue.close()
    with pytest.raises(TwinsetError, match="has been closed"):
        catalogue.search(customers(wardrobe)[0])
    held = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert not [path for path in held if path.is_relative_to(built)]


# Indexing


def test_a_box_with_many_digits_is_the_same_box_again(tmp_path: Path) -> None:
    """A box that is not a short decimal embeds nothing on a second run."""
    box = '"0.123456789012345,1,30.00000000000001,31"'
    manifest = write(tmp_path / "shop", [{"path": "a.png", "item_id": "a", "box": box}], {"a.png": 1})
    index(tmp_path / "c", manifest)
    report = index(tmp_path / "c", manifest)
    assert (report.unchanged, report.updated, report.embedded) == (1, 0, 0)


def test_another_domain_is_embedded_again(tmp_path: Path) -> None:
    """A photo whose domain changes is embedded again."""
    rows = [{"path": f"{n}.png", "item_id": f"i{n}", "domain": "shop"} for n in range(3)]
    everything = IndexOptions(any_domain=True)
    manifest = write(tmp_path / "shop", rows, {f"{n}.png": n for n in range(3)})
    index(tmp_path / "c", manifest, options=everything)
    write(tmp_path / "shop", [rows[0], rows[1] | {"domain": "customer"}, rows[2]], {})
    report = index(tmp_path / "c", manifest, options=everything)
    assert (report.updated, report.embedded, report.unchanged) == (1, 1, 2)


def test_where_every_box_is_faulty_nothing_is_made(tmp_path: Path) -> None:
    """Readable photos whose boxes all lie outside are no good rows: exit code 3, and no folder appears."""
    rows = [{"path": f"{n}.png", "item_id": "i", "box": '"900,900,950,950"'} for n in range(3)]
    manifest = write(tmp_path / "shop", rows, {f"{n}.png": n for n in range(3)})
    with pytest.raises(ManifestError, match=r"none of 3 photos can be read; .*outside"):
        index(tmp_path / "c", manifest)
    assert not (tmp_path / "c").exists()
    assert index(tmp_path / "c", manifest, options=IndexOptions(ignore_boxes=True)).added == 3


@pytest.mark.parametrize("named", ["1.png", "./1.png", ".//1.png"])
@pytest.mark.parametrize("content", [None, b"", b"no photo"])
def test_a_faulty_photo_keeps_its_row_however_it_is_named(
    tmp_path: Path, named: str, content: bytes | None
) -> None:
    """A photo that has become missing, empty or unreadable is listed and keeps its row, also when mirrored."""
    rows = [{"path": "0.png", "item_id": "a"}, {"path": named, "item_id": "b"}]
    manifest, place = write(tmp_path / "shop", rows, {"0.png": 0, "1.png": 1}), tmp_path / "c"
    index(place, manifest)
    before = contents(place)
    (manifest.parent / "1.png").unlink()
    if content is not None:
        (manifest.parent / "1.png").write_bytes(content)
    report = index(place, manifest, options=IndexOptions(mirror=True))
    assert (report.skipped, report.removed, report.gone, report.photos, report.unchanged) == (1, 0, 0, 2, 1)
    assert contents(place) == before
    assert "1.png" in (place / "skipped.csv").read_text(encoding="utf-8")


def test_two_who_make_the_same_catalogue(tmp_path: Path) -> None:
    """Two processes that begin the same new catalogue at once both succeed, and it is as made by one."""
    manifest = shop(tmp_path / "shop", 10)
    makers = [child(INDEX, tmp_path / "c", manifest) for _ in range(2)]
    for maker in makers:
        _, err = maker.communicate()
        assert maker.returncode == 0, err
    index(tmp_path / "one", manifest)
    assert contents(tmp_path / "c") == contents(tmp_path / "one")


def test_a_first_source_of_another_name_is_known_again(tmp_path: Path) -> None:
    """Without a name the source is the one of that folder; another folder without a name is refused."""
    manifest, other = shop(tmp_path / "a", 3), shop(tmp_path / "b", 3)
    rows = [{"path": "lone.png", "item_id": ""}]
    lone = write(tmp_path / "lone", rows, {"lone.png": 5})
    place = tmp_path / "c"
    index(place, manifest, options=IndexOptions(source="summer"))
    assert index(place, manifest).unchanged == 6
    with pytest.raises(SourceError, match=r"source summer is .*name it: --source NAME"):
        index(place, other)
    index(place, lone, options=IndexOptions(source="extra"))
    report = index(place, lone)
    assert (report.unchanged, report.photos) == (1, 7)
    with Catalogue(place) as catalogue:
        assert [source.name for source in catalogue.info().sources] == ["extra", "summer"]
        hit = catalogue.search(lone.parent / "lone.png", 1).hits[0]
        assert hit.item_id == f"photo:{hit.photo_id}"
        assert catalogue.verify() == []


STAGES: list[tuple[str, ...]] = [
    (),
    ("writer.lock",),
    ("writer.lock", "rows.sqlite.tmp", "rows.sqlite.tmp-wal", "rows.sqlite.tmp-shm"),
    ("writer.lock", "rows.sqlite"),
    ("writer.lock", "rows.sqlite", "copies.sqlite.tmp"),
    ("rows.sqlite", "copies.sqlite"),
    ("rows.sqlite", "copies.sqlite", "bundles"),
    ("rows.sqlite", "copies.sqlite", "bundles", "catalogue.json.tmp"),
]


@pytest.mark.parametrize("left", STAGES, ids=len)
def test_each_stage_of_a_killed_creation_is_taken_up(tmp_path: Path, left: Sequence[str]) -> None:
    """Whatever a creation had made when it was killed, the next run completes it."""
    from twinset.catalogue import folder

    manifest, place = shop(tmp_path / "shop", 3), tmp_path / "c"
    folder.create(place, bundle.open_bundle("colour"))
    for path in place.iterdir():
        if path.name not in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in left:
        if ".tmp" in name:
            (place / name).write_bytes(b"half")
    if "catalogue.json.tmp" not in left and (place / "bundles").exists():
        next((place / "bundles").rglob("bundle.json")).unlink()
    with pytest.raises(TwinsetError, match="there is no catalogue"):
        Catalogue(place)
    assert index(place, manifest).added == 6
    with Catalogue(place) as catalogue:
        assert len(catalogue.search(manifest.parent / "000/0.png")) == 3
        assert catalogue.verify() == []


def test_a_lost_catalogue_json_mixes_no_bundles(tmp_path: Path) -> None:
    """A catalogue that lost only `catalogue.json` keeps its bundle: another is refused, none named goes on."""
    manifest, place = shop(tmp_path / "shop", 3), tmp_path / "c"
    index(place, manifest)
    before = contents(place)
    colour = bundle.open_bundle("colour")
    bundle.save(
        tmp_path / "b", replace(colour.facts, preprocess=replace(colour.facts.preprocess, fit="crop")), colour.model
    )
    (place / "catalogue.json").unlink()
    with pytest.raises(FingerprintError, match=f"fingerprint .*{colour.fingerprint[:12]}") as refused:
        index(place, manifest, bundle=tmp_path / "b")
    assert refused.value.exit_code == 4
    (place / "catalogue.json").unlink()
    assert index(place, manifest, bundle=None).unchanged == 6
    assert contents(place) == before
    with Catalogue(place) as catalogue:
        assert catalogue.verify() == []


def test_rows_from_an_older_copy_are_the_truth(place: Path, wardrobe: Path, tmp_path: Path) -> None:
    """A backup put back beside newer derived files is searched as it is, and can be changed."""
    backup = Path(shutil.copytree(place, tmp_path / "backup"))
    query = customers(wardrobe)[3]
    with Catalogue(place) as catalogue:
        catalogue.remove([catalogue.search(query).hits[0].item_id])
    for name in ("rows.sqlite", "copies.sqlite"):
        shutil.copy(backup / name, place / name)
    assert asked(place, query) == asked(backup, query)
    with Catalogue(place) as catalogue, Catalogue(backup) as other:
        last = catalogue.search(query, 99).hits[-1].item_id
        assert catalogue.remove([last]) == other.remove([last]) == 2
        assert told(catalogue.search(query, 99)) == told(other.search(query, 99))
        assert catalogue.verify() == []


# Kills

INDEX = (
    "import sys; from twinset import Catalogue; Catalogue.build(sys.argv[1], sys.argv[2], bundle='colour').close()"
)


def check_kills(wardrobe: Path, built: Path, folder: Path, seed: int, kills: int) -> int:
    """Builds under kills at random moments, then compares with an uninterrupted run; returns kills that hit."""
    place, hit = folder / f"killed{seed}", 0
    generator = np.random.Generator(np.random.PCG64(seed))
    for _ in range(kills):
        process = child(INDEX, place, wardrobe)
        until = time.monotonic() + 20
        while not place.exists() and time.monotonic() < until and process.poll() is None:
            time.sleep(0.002)
        time.sleep(float(generator.random()) * 0.35)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        hit += process.returncode == -signal.SIGKILL
        if (place / "catalogue.json").exists():
            with Catalogue(place) as catalogue:
                answer = catalogue.search(customers(wardrobe)[0], 99)
                assert sum(len(hit.photos) for hit in answer) == answer.catalogue.photos
    index(place, wardrobe)
    assert contents(place) == contents(built)
    for name in ("vectors.f32", "ids.i64"):
        assert (place / "derived/1" / name).read_bytes() == (built / "derived/1" / name).read_bytes()
    for query in customers(wardrobe)[:4]:
        assert asked(place, query, 10) == asked(built, query, 10)
    with Catalogue(place) as catalogue:
        assert catalogue.verify() == []
    shutil.rmtree(place)
    return hit


def test_killed_builds_end_as_one_uninterrupted(wardrobe: Path, built: Path, tmp_path: Path) -> None:
    """SIGKILL at random moments, then again: rows, copies, vectors and answers, bit by bit those of one run."""
    assert sum(check_kills(wardrobe, built, tmp_path, seed, 2) for seed in range(2)) >= 1


# Damage


def mutants(data: bytes, count: int, generator: np.random.Generator) -> list[tuple[str, bytes]]:
    """Flipped bits, zeroed and swapped pages, cut and lengthened ends."""
    found: list[tuple[str, bytes]] = []
    pages = max(len(data) // 4096, 1)
    for number in range(count):
        at = int(generator.integers(len(data)))
        kind = number % 10
        page, other = (int(p) * 4096 for p in generator.integers(0, pages, 2))
        mutant = bytearray(data)
        if kind == 7:
            mutant[page : page + 4096] = bytes(len(mutant[page : page + 4096]))
        elif kind == 8:
            mutant[page : page + 4096], mutant[other : other + 4096] = (
                data[other : other + 4096], data[page : page + 4096]
            )  # fmt: skip
        elif kind == 9:
            mutant = mutant[:at]
        else:
            mutant[at] ^= 1 << int(generator.integers(8))
        if bytes(mutant) != data:
            found.append((f"mutant {number} (kind {kind}, at {at}, pages {page}, {other})", bytes(mutant)))
    return found


def stands(place: Path, query: Path, expected: str, copied: dict[str, bytes]) -> str:
    """`same` answers, or the `noticed` damage; anything else fails. Then what `verify` says of it."""
    try:
        with Catalogue(place) as catalogue:
            assert told(catalogue.search(query, 99)) == expected
            assert catalogue.copy(list(copied)) == copied
    except IntegrityError:
        return "noticed"
    return "same"


def changed(place: Path, before: dict[str, list[Any]]) -> bool:
    """Whether the databases hold something else, or cannot be read."""
    try:
        return contents(place) != before
    except sqlite3.Error:
        return True


def listed(place: Path) -> bool:
    """Whether `verify` finds something, or refuses the catalogue."""
    try:
        with Catalogue(place) as catalogue:
            return bool(catalogue.verify())
    except IntegrityError:
        return True


def check_damage(place: Path, query: Path, name: str, count: int, seed: int) -> dict[str, int]:
    """Damages one file in many ways; counts noticed and same ones."""
    file, tally = place / name, {"same": 0, "noticed": 0}
    data, expected, before = file.read_bytes(), asked(place, query, 99), contents(place)
    with Catalogue(place) as catalogue:
        names = [p.photo_id for hit in catalogue.search(query, 99) for p in hit.photos]
        copied = catalogue.copy(names)
    for what, mutant in mutants(data, count, np.random.Generator(np.random.PCG64(seed))):
        file.write_bytes(mutant)
        try:
            tally[stands(place, query, expected, copied)] += 1
            if changed(place, before):
                assert listed(place), "verify finds nothing"
        except Exception as error:
            raise AssertionError(f"{name}, {what}: {error!r}") from error
        for leftover in place.glob("*.sqlite-*"):
            leftover.unlink()
    file.write_bytes(data)
    assert asked(place, query, 99) == expected
    return tally


DAMAGED = ["rows.sqlite", "copies.sqlite", "catalogue.json", "derived/1/vectors.f32", "derived/1/state.json"]


@pytest.mark.parametrize("name", [*DAMAGED, "model.onnx", "bundle.json"])
def test_damage_is_noticed_or_changes_nothing(place: Path, wardrobe: Path, name: str) -> None:
    """Whatever happens to a file, a search ends with exit code 4 or the same answer, and `verify` sees changes."""
    if name in ("model.onnx", "bundle.json"):
        name = str(next((place / "bundles").rglob(name)).relative_to(place))
    count = 60 if name == "rows.sqlite" else 20
    tally = check_damage(place, customers(wardrobe)[1], name, count, 11)
    derived = name.startswith("derived")
    assert (tally["noticed"] == 0) if derived else (tally["noticed"] > 0)


# Several at once

SEARCH = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from twinset import Catalogue
data, seconds = Path(sys.argv[2]).read_bytes(), float(sys.argv[3])
import time
until = time.monotonic() + seconds
states = set()
def search(_):
    answer = catalogue.search(data, 60)
    states.add((answer.catalogue.version, answer.catalogue.sequence))
    return repr([(hit.item_id, hit.score, [p.photo_id for p in hit.photos]) for hit in answer])
with Catalogue(sys.argv[1]) as catalogue, ThreadPoolExecutor(8) as pool:
    lists = set(pool.map(search, range(40)))
    while time.monotonic() < until:
        lists |= set(pool.map(search, range(8)))
print(len(states), len({version for version, _ in states}), *sorted(lists), sep="\\n")
"""


def check_readers(place: Path, wardrobe: Path, copy: Path, readers: int, seconds: float) -> int:
    """Processes search while every row's price changes again and again; returns how many runs changed them."""
    manifest = Path(shutil.copytree(wardrobe.parent, copy)) / "photos.csv"
    moved = IndexOptions(source="main")
    index(place, manifest, options=moved)
    query = customers(wardrobe)[2]
    expected = repr(
        [(h["item_id"], h["score"], [p["photo_id"] for p in h["photos"]]) for h in json.loads(asked(place, query))]
    )
    running = [child(SEARCH, place, query, seconds) for _ in range(readers)]
    text, runs = manifest.read_text(encoding="utf-8"), 0
    while any(process.poll() is None for process in running):
        runs += 1
        manifest.write_text(text.replace(",EUR,", f",{runs:03d},"), encoding="utf-8")
        report = index(place, manifest)
        assert (report.embedded, report.updated) == (0, 48)
    for process in running:
        out, err = process.communicate()
        assert process.returncode == 0, err
        states, versions, *lists = out.splitlines()
        assert (int(versions), lists) == (1, [expected])
        assert int(states) >= 1
    return runs


def test_readers_beside_a_writer_give_one_list(place: Path, wardrobe: Path, tmp_path: Path) -> None:
    """Two processes, eight searches at once in each, while a third changes every row: one list, no error."""
    assert check_readers(place, wardrobe, tmp_path / "w", 2, 1.0) > 1


CHANGE = """
import sys
from pathlib import Path
from PIL import Image
from twinset import IndexOptions
from twinset.catalogue import index
from shops import picture
place, manifest, runs = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
for run in range(runs):
    for number in range(0, 12, 2):
        Image.fromarray(picture(run * 100 + number)).save(manifest.parent / f"{number % 6:03d}/0.png")
    index(place, manifest)
"""


def check_verify_beside(tmp_path: Path, runs: int) -> int:
    """Verifies while another process embeds photos again; returns how often."""
    manifest, place, looks = shop(tmp_path / "shop", 6), tmp_path / "c", 0
    index(place, manifest)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", CHANGE, place, manifest, str(runs)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    with Catalogue(place) as catalogue:
        while process.poll() is None:
            assert catalogue.verify() == []
            assert catalogue.info().photos == 12
            looks += 1
        assert catalogue.verify() == []
    process.stdout.close()
    assert process.returncode == 0
    return looks


def test_verify_beside_a_writer_finds_nothing(tmp_path: Path) -> None:
    """While another process changes photos and embeds them again, `verify` sees no problem, and `info` works."""
    assert check_verify_beside(tmp_path, 15) > 1


def test_threads_share_a_catalogue(place: Path, wardrobe: Path) -> None:
    """Eight threads with five searches each, of different photos, answer as one thread does."""
    queries = customers(wardrobe)[:8]
    with Catalogue(place) as catalogue:
        expected = [told(catalogue.search(query)) for query in queries]
    with Catalogue(place) as catalogue, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: told(catalogue.search(queries[n % 8])), range(40)))
    assert found == expected * 5


# Read-only

NAMESPACE = "mount --bind {place} {mounted} && mount -o remount,ro,bind {mounted} && exec {python} -c {code} {rest}"


def on_a_read_only_mount(place: Path, code: str, *arguments: object) -> str:
    """What Python prints where the folder is mounted read-only, in a mount namespace of its own."""
    from shlex import quote

    mounted = place.with_name("mounted")
    mounted.mkdir(exist_ok=True)
    rest = " ".join(quote(str(argument)) for argument in (mounted, *arguments))
    script = NAMESPACE.format(
        place=quote(str(place)),
        mounted=quote(str(mounted)),
        python=quote(sys.executable),
        code=quote(code),
        rest=rest,
    )
    probe = subprocess.run(
        ["sh", "-c", f"unshare -m mount --bind {quote(str(place))} {quote(str(mounted))}"],
        check=False,
        capture_output=True,
    )
    if probe.returncode:
        pytest.skip("this system gives no mount namespace")
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def listing(place: Path) -> list[tuple[str, int, int]]:
    """Every file with its size and time."""
    return sorted((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in place.rglob("*"))


REFUSED = """
import sys
from twinset import Catalogue, TwinsetError
from twinset.catalogue import index
def attempt(what):
    try:
        what()
    except TwinsetError as error:
        print(type(error).__name__, error.exit_code, error.mend)
catalogue = Catalogue(sys.argv[1])
attempt(lambda: index(sys.argv[1], sys.argv[3]))
attempt(lambda: catalogue.remove(["i"]))
attempt(lambda: catalogue.verify(repair=True))
attempt(lambda: catalogue.search(sys.argv[2]))
attempt(lambda: print(len(catalogue.verify())))
catalogue.close()
"""

LEAVE_A_LOG = """
import os, signal, sys
from pathlib import Path
from twinset.store.rows import Rows, Source
rows = Rows(Path(sys.argv[1]), write=True)
with rows.transaction():
    rows.put_source(Source("another", sys.argv[1], False))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_read_only_folder_is_searched_and_left_alone(place: Path, wardrobe: Path) -> None:
    """Forty searches, eight at once, give the list of a writable folder; nothing is written, no writer let in."""
    query, before = customers(wardrobe)[4], listing(place)
    lines = on_a_read_only_mount(place, SEARCH, query, 0).splitlines()
    expected = [
        (h["item_id"], h["score"], [p["photo_id"] for p in h["photos"]]) for h in json.loads(asked(place, query))
    ]
    assert lines == ["1", "1", repr(expected)]
    out = on_a_read_only_mount(place, REFUSED, query, wardrobe).splitlines()
    assert [line.split()[:2] for line in out[:-1]] == [["ReadOnlyError", "5"]] * 3
    assert out[-1] == "0"
    assert listing(place) == before


@pytest.mark.parametrize("lost", ["vectors.f32", "ids.i64", "state.json"])
def test_a_read_only_folder_without_derived_files(place: Path, wardrobe: Path, lost: str) -> None:
    """A reader that may not write makes lost derived files in memory: the same list."""
    query = customers(wardrobe)[4]
    expected = on_a_read_only_mount(place, SEARCH, query, 0)
    (place / "derived/1" / lost).unlink()
    assert on_a_read_only_mount(place, SEARCH, query, 0) == expected


def test_a_log_left_on_a_read_only_folder_is_refused_with_the_mend(place: Path, wardrobe: Path) -> None:
    """A killed writer's log would be passed over there: exit code 5; `verify` where it may be written mends it."""
    query = customers(wardrobe)[4]
    writer = child(LEAVE_A_LOG, place)
    writer.communicate()
    assert writer.returncode == -signal.SIGKILL
    assert (place / "rows.sqlite-wal").stat().st_size > 0
    out = on_a_read_only_mount(place, REFUSED, query, wardrobe).splitlines()
    assert out[-2:] == ["ReadOnlyError 5 run `twinset verify` once where the folder may be written"] * 2
    with Catalogue(place) as catalogue:
        assert catalogue.verify() == []
    assert not (place / "rows.sqlite-wal").exists()
    assert on_a_read_only_mount(place, SEARCH, query, 0).startswith("1\n1\n")


def test_the_id_in_catalogue_json_is_checked(place: Path, wardrobe: Path) -> None:
    """Another id in `catalogue.json` gives the same answers, from the rows, and `verify` sees the derived files."""
    query = customers(wardrobe)[4]
    expected = asked(place, query)
    rename(place, id="another")
    assert asked(place, query) == expected
    assert listed(place)
    for wrong in (0, -1, True, "1", None, 1.0):
        rename(place, format=wrong)
        with pytest.raises(CatalogueError, match="damaged"):
            Catalogue(place)
