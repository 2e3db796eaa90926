"""`compare` pairs queries: the same figures as two evaluations, differences with intervals, origins told apart."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from shops import build
from twinset import manifest, metrics
from twinset.bundle import open_bundle
from twinset.cli.compare import told
from twinset.cli.embeds import Origin, recognise
from twinset.cli.main import main
from twinset.errors import PathError, UsageError
from twinset.evaluate import Embeds, measure
from twinset.paired import compare
from twinset.protocols import PROTOCOLS
from twinset.records import Photo
from twinset.vectors_file import save

C2S = PROTOCOLS["consumer-to-shop"]
PHOTOS = [
    Photo(f"{domain}/{i}-{n}", f"item {i:02}", domain=domain)
    for i in range(30)
    for domain, count in (("shop", 1), ("customer", 3))
    for n in range(count)
]


def noisy(noise: float, lost: tuple[str, ...] = ()) -> Embeds:
    """Vectors that are the item, more or less."""
    generator = np.random.default_rng(int(noise * 100))
    items = np.eye(30)[[int(photo.item_id[-2:]) for photo in PHOTOS]]
    vectors = items + noise * generator.normal(size=items.shape)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    row = {photo.path: i for i, photo in enumerate(PHOTOS) if photo.path not in lost}

    def embeds(photos: list[Photo]) -> tuple[list[Photo], np.ndarray]:
        good = [photo for photo in reversed(photos) if photo.path in row]
        return good, vectors[[row[photo.path] for photo in good]]

    return embeds


def test_differences_are_those_of_two_evaluations() -> None:
    """Each figure is what `evaluate` gives, the interval that of the paired differences, the counts add up."""
    found = compare(PHOTOS, noisy(0.4), noisy(0.2), C2S, "all")
    a, b = (measure(PHOTOS, noisy(noise), C2S, "all").values for noise in (0.4, 0.2))
    intervals = metrics.bootstrap(b - a, [photo.item_id for photo in PHOTOS if photo.domain == "customer"])
    for i, (name, figure) in enumerate(found.figures.items()):
        assert name == metrics.FIGURES[i]
        assert (figure.a, figure.b) == pytest.approx((a[:, i].mean(), b[:, i].mean()))
        assert figure.difference == pytest.approx(figure.b - figure.a)
        assert figure.ci95 == pytest.approx(intervals[i])
    assert found.only_b > found.only_a
    assert (found.both + found.only_a + found.only_b + found.neither, found.left_out) == (90, 0)
    assert found.both + found.only_a == a[:, 0].sum()
    assert f"B finds {found.only_b - found.only_a} more of 90 queries first" in told(found)
    assert "leaves out 0" in told(found)


def test_one_compared_with_itself() -> None:
    """There is no difference, and its interval is 0."""
    found = compare(PHOTOS, noisy(0.3), noisy(0.3), C2S, "all")
    assert {(figure.difference, figure.ci95) for figure in found.figures.values()} == {(0, (0, 0))}
    assert told(found).startswith("B finds as many as A of 90 queries first: 0 that A does not")


def test_photos_that_one_side_lacks_leave_both() -> None:
    """They are counted once, and both sides are measured on the rest."""
    found = compare(PHOTOS, noisy(0.3, ("customer/1-0", "shop/2-0")), noisy(0.2, ("customer/1-0",)), C2S, "all")
    assert (found.left_out, found.queries, found.queries_without_positive, found.gallery) == (2, 86, 3, 29)
    kept = compare(PHOTOS, noisy(0.3), noisy(0.2), C2S, "all", keep=lambda photo: photo.item_id < "item 10")
    assert (kept.queries, kept.gallery, kept.left_out) == (30, 30, 0)


def test_what_a_name_stands_for(tmp_path: Path) -> None:
    """A bundle, a run, a catalogue, a vectors file or a shipped name; a folder that is two of them is refused."""
    for mark in ("bundle", "run", "catalogue"):
        (tmp_path / mark).mkdir()
        (tmp_path / mark / f"{mark}.json").touch()
        assert recognise(str(tmp_path / mark)) == Origin(mark, str(tmp_path / mark))
    (tmp_path / "v.npz").touch()
    assert recognise(str(tmp_path / "v.npz")).kind == "vectors"
    assert recognise("colour") == Origin("bundle", "colour")
    (tmp_path / "run/bundle.json").touch()
    with pytest.raises(UsageError, match=r"run is a bundle and a run: name a folder that is one of them"):
        recognise(str(tmp_path / "run"))
    with pytest.raises(PathError, match=r"nothing is no bundle, run, catalogue or vectors file: name one.* colour"):
        recognise("nothing")


def test_compare_on_the_command_line(wardrobe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bundle, its copy, a catalogue and vectors of it agree; a vectors file may lack photos."""
    build(tmp_path / "c", wardrobe).close()
    bundle = shutil.copytree(open_bundle("colour").folder, tmp_path / "copied")
    vectors = tmp_path / "v.npz"
    arguments = ["compare", str(wardrobe), "colour"]
    options = ["--split", "all", "--json", "-q"]
    assert main(["embed", str(wardrobe), "--out", str(vectors), "--bundle", "colour", "-q"]) == 0
    for other in (bundle, tmp_path / "c", vectors):
        capsys.readouterr()
        assert main([*arguments, str(other), *options]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["a"], found["b"], found["queries"], found["left_out"]) == ("colour", str(other), 24, 0)
        assert found["figures"]["map"]["difference"] == pytest.approx(0, abs=1e-3)
    photos = manifest.read(wardrobe).photos
    save(vectors, photos[3:], np.ones((len(photos) - 3, 2), np.float32), "", boxes=False)
    capsys.readouterr()
    assert main([*arguments, str(vectors), *options[:2], "-q"]) == 0
    said = capsys.readouterr().out
    assert "3 photos left out, since A or B has no vector of them" in said
    assert "boxes were ignored for B only" in said
    assert "fewer of 23 queries first" in said
    assert main(["compare", str(wardrobe), str(vectors), str(vectors), "--ignore-boxes"]) == 2
    assert "--ignore-boxes is for bundles and runs" in capsys.readouterr().err
