"""A net as a bundle: checked against torch, refused where it differs, opened and used; its model card."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from twinset import bundle
from twinset.bundle import Bundle, Facts, open_bundle
from twinset.card import Card, Data
from twinset.catalogue import Catalogue, index
from twinset.embedder import Embedder
from twinset.errors import BundleError, InputError, PathError
from twinset.manifest import read
from twinset.photos import Decoded, decode, encode_jpeg, in_fractions
from twinset.preprocess import Preprocess
from twinset.records import Photo
from twinset.training.export import compare, drift, equality, export
from twinset.training.graph import inference_copy, to_onnx
from twinset.training.run import evenly

PREPARE = Preprocess(32, "bicubic", "letterbox")
CARD = Card(
    name="small",
    backbone="efficientnet-lite0",
    backbone_licence="Apache-2.0",
    head="average, dense",
    recipe='backbone = "efficientnet-lite0"\nsize = 32\n',
    data=(Data("phones", 1200, 81, "MIT"), Data("a|b", 7, 3)),
    trained_on="phones and a|b",
    licence="CC-BY-4.0",
    recall={"consumer-to-shop": 0.6125, "views": 0.5},
    queries={"consumer-to-shop": 480},
    limits=("No shoes.",),
)


class Small(nn.Module):
    """Two convolutions, a mean, and what each place adds to it."""

    has_patches = True

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 12, 4, 4), nn.BatchNorm2d(12), nn.Hardswish(), nn.Conv2d(12, 24, 2, 2)
        )
        self.dense, self.dropout = nn.Linear(24, 16), nn.Dropout(0.5)

    def forward(self, photos: Tensor) -> Tensor:
        """(N, D)."""
        return self.with_patches(photos)[0]

    def with_patches(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """(N, D) and (N, h, w, D)."""
        places = self.body(photos.permute(0, 3, 1, 2).float() / 255)
        return self.dense(self.dropout(places.mean((2, 3)))), self.dense(places.permute(0, 2, 3, 1))


class Unlike(Small):
    """Something else than itself where it is exported."""

    def with_patches(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """(N, D) and (N, h, w, D)."""
        out, patches = super().with_patches(photos)
        if torch.compiler.is_exporting():
            return out.roll(1, dims=1), patches.roll(1, dims=3)
        return out, patches


class Adrift(Small):
    """Its patches are not what its embedding is made of."""

    def with_patches(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """(N, D) and (N, h, w, D)."""
        out, patches = super().with_patches(photos)
        return out, patches.square()


class Blind(Small):
    """Gives nothing for any photo but a grey one."""

    has_patches = False

    def forward(self, photos: Tensor) -> Tensor:
        """(N, D)."""
        mean = photos.float().mean((1, 2))
        return torch.where((mean - 128).abs() < 0.5, mean, torch.nan)


def made(kind: type[nn.Module] = Small) -> nn.Module:
    torch.manual_seed(0)
    return kind().train()


def listed(manifest: Path) -> list[tuple[Path, Photo]]:
    """A manifest's files, with their rows."""
    found = read(manifest)
    return [(found.root / photo.path, photo) for photo in found.photos]


@pytest.fixture
def photos(wardrobe: Path) -> list[tuple[Path, Photo]]:
    return listed(wardrobe)


@pytest.fixture(scope="module")
def done(wardrobe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path, float]:
    """A net, its bundle's folder, and the least cosine between the two."""
    net, out = made(), tmp_path_factory.mktemp("exported") / "new" / "small"
    exported = export(net, PREPARE, listed(wardrobe)[:32], out, CARD, box_margin=0.1)
    assert exported.photos == 32
    assert exported.bundle.fingerprint == open_bundle(out).fingerprint
    assert net.training
    return net, out, exported.cosine


def test_a_bundle_embeds_as_its_net(done: tuple[nn.Module, Path, float], wardrobe: Path) -> None:
    """The written bundle opens, and gives drawn photos what torch gives them; the least cosine was told."""
    net, out, cosine = done
    assert 0.999999 < cosine <= 1 + 1e-9
    opened = open_bundle(out)
    embedder = Embedder(opened)
    assert embedder.dim == opened.facts.dim == 16
    cosines = compare(inference_copy(net), embedder, listed(wardrobe))
    assert len(cosines) == 72
    assert min(cosines) > 0.999999


def test_the_facts_are_those_of_the_card(done: tuple[nn.Module, Path, float]) -> None:
    """`bundle.json` names what the model was made of and how photos are prepared."""
    facts = open_bundle(done[1]).facts
    assert facts == Facts(
        name="small",
        dim=16,
        preprocess=PREPARE,
        sha256=facts.sha256,
        box_margin=0.1,
        backbone="efficientnet-lite0",
        head="average, dense",
        trained_on="phones and a|b",
        licence="CC-BY-4.0",
        recall={"consumer-to-shop": 0.6125, "views": 0.5},
    )


def test_a_catalogue_is_indexed_with_it(
    done: tuple[nn.Module, Path, float], wardrobe: Path, tmp_path: Path
) -> None:
    """A catalogue takes the bundle; a shop's photo scores 1 against itself."""
    assert index(tmp_path / "c", wardrobe, bundle=done[1]).embedded == 48
    path, photo = next(row for row in listed(wardrobe) if row[1].domain == "shop")
    with Catalogue(tmp_path / "c") as catalogue:
        answer = catalogue.search(path, k=48, box=in_fractions(photo.box, decode(path.read_bytes())))
    assert answer.catalogue.fingerprint == open_bundle(done[1]).fingerprint
    scores = {found.photo: found.score for hit in answer for found in hit.photos}
    assert scores[photo.path] > 0.9999


def test_the_card_tells_all_in_plain_words(done: tuple[nn.Module, Path, float]) -> None:
    """What it is, takes and gives, how and on what it was trained, licences, recall, limits, fingerprint."""
    text = (done[1] / "README.md").read_text(encoding="utf-8")
    for told in (
        "# small\n",
        "grown by 0.1 of its width",
        "32 × 32 pixels: the whole on a ground of RGB (255, 255, 255), filter bicubic",
        "uint8 `(N, 32, 32, 3)`",
        "`embedding`: float32 `(N, 16)`",
        "`want_patches`",
        "Backbone: efficientnet-lite0; the licence of its weights: Apache-2.0. Head: average, dense.",
        '```toml\nbackbone = "efficientnet-lite0"\nsize = 32\n```',
        "phones and a|b\n\n| data | photos | items | licence |\n| --- | --- | --- | --- |\n",
        "| phones | 1,200 | 81 | MIT |\n| a\\|b | 7 | 3 | not known |\n\n",
        "The licences of these photos bind whoever uses this model",
        "| consumer-to-shop | 0.613 | 480 |\n| views | 0.500 | ? |\n",
        "- No shoes.\n- It was tested on nothing but",
        "Licence: CC-BY-4.0",
        open_bundle(done[1]).fingerprint,
        "On 32 photos this file agrees with the trained net: cosine at least 0.999999",
    ):
        assert told in text


def test_a_card_that_knows_little_says_so(photos: list[tuple[Path, Photo]], tmp_path: Path) -> None:
    """Nothing is made up, and no empty table is drawn."""
    export(made(), Preprocess(32, fit="crop"), photos[:2], tmp_path, Card(name="bare"))
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    for told in ("Backbone: not told", "Nothing was measured.", "not known", "none was named", "the middle square"):
        assert told in text
    assert "| --- |" not in text


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Unlike, r"gives \S+\.jpg cosine -?0\.\d{6} to what the net gives, at least 0\.9999 is asked"),
        (Adrift, r"gives \S+\.jpg patches that are 0\.\d+ away from their embedding"),
        (Blind, r"gives \S+\.jpg cosine nan"),
    ],
)
def test_a_file_that_differs_is_refused(
    kind: type[nn.Module], message: str, photos: list[tuple[Path, Photo]], tmp_path: Path
) -> None:
    """The photo and its cosine are named, and nothing is written."""
    with pytest.raises(BundleError, match=message):
        export(made(kind), PREPARE, photos, tmp_path / "out", CARD)
    assert not (tmp_path / "out").exists()


def test_an_older_bundle_is_replaced_by_what_passes_alone(photos: list[tuple[Path, Photo]], tmp_path: Path) -> None:
    """A refused export leaves the bundle that was there; another one takes its place."""
    export(made(), PREPARE, photos[:2], tmp_path, CARD)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert before.keys() == {"model.onnx", "bundle.json", "README.md"}
    with pytest.raises(BundleError, match="cosine"):
        export(made(Unlike), PREPARE, photos[:2], tmp_path, CARD)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    export(made(), Preprocess(48), photos[:2], tmp_path, CARD)
    assert open_bundle(tmp_path).facts.preprocess.size == 48


def test_a_foreign_place_is_refused(photos: list[tuple[Path, Photo]], tmp_path: Path) -> None:
    """A file, a folder with other things, or one with a README alone; nothing is touched."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(PathError, match="file is a file"):
        export(made(), PREPARE, photos, tmp_path / "file", CARD)
    with pytest.raises(PathError, match=r"is no bundle and holds other things \(file\)"):
        export(made(), PREPARE, photos, tmp_path, CARD)
    (tmp_path / "project").mkdir()
    (tmp_path / "project/README.md").write_text("mine")
    with pytest.raises(PathError, match=r"holds other things \(README.md\)"):
        export(made(), PREPARE, photos, tmp_path / "project", CARD)
    assert (tmp_path / "project/README.md").read_text() == "mine"


def test_what_a_killed_export_left_is_taken_up(photos: list[tuple[Path, Photo]], tmp_path: Path) -> None:
    """A card and half a model, without `bundle.json`, are written over."""
    (tmp_path / "README.md").write_text("half")
    (tmp_path / "model.onnx.tmp").write_bytes(b"half")
    export(made(), PREPARE, photos[:1], tmp_path, CARD)
    assert open_bundle(tmp_path).facts.name == "small"


def test_bundle_json_comes_last(
    photos: list[tuple[Path, Photo]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that sees it sees the whole bundle, its card too."""
    seen = []

    def watched(path: Path, data: bytes) -> None:
        seen.append(path.name)
        path.write_bytes(data)

    monkeypatch.setattr(bundle, "write_whole", watched)
    export(made(), PREPARE, photos[:1], tmp_path, CARD)
    assert seen == ["README.md", "model.onnx", "bundle.json"]


def test_a_photo_that_cannot_be_decoded_is_named(photos: list[tuple[Path, Photo]], tmp_path: Path) -> None:
    """A bundle is compared on all photos or not written."""
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no photo")
    for name, match in (("broken.jpg", r"broken\.jpg: the JPEG"), ("gone.jpg", r"gone\.jpg cannot be read")):
        with pytest.raises(InputError, match=match):
            export(made(), PREPARE, [photos[0], (tmp_path / name, Photo(name, "x"))], tmp_path / "out", CARD)
    with pytest.raises(InputError, match="there is no photo to compare"):
        export(made(), PREPARE, [], tmp_path / "out", CARD)
    assert not (tmp_path / "out").exists()


def test_boxes_count(tmp_path: Path) -> None:
    """A photo is compared as it will be embedded: from its box, grown by the margin."""
    pixels = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    (tmp_path / "a.jpg").write_bytes(encode_jpeg(pixels))
    boxed = Photo("a.jpg", "a", box=(10.0, 10.0, 30.0, 30.0))
    found = export(made(), PREPARE, [(tmp_path / "a.jpg", boxed)], tmp_path / "out", CARD, box_margin=0.25)
    assert found.cosine > 0.999999
    outside = Photo("a.jpg", "a", box=(100.0, 100.0, 130.0, 130.0))
    with pytest.raises(InputError, match=r"a\.jpg: the box .* lies outside"):
        export(made(), PREPARE, [(tmp_path / "a.jpg", outside)], tmp_path / "out", CARD)


def test_progress_counts_each_photo(photos: list[tuple[Path, Photo]], tmp_path: Path) -> None:
    """Begun with their number, advanced by one each, finished."""

    class Counting:
        def __init__(self) -> None:
            self.calls: list[object] = []

        def start(self, what: str, total: int) -> None:
            self.calls.append((what, total))

        def advance(self, count: int = 1) -> None:
            self.calls.append(count)

        def finish(self) -> None:
            self.calls.append("done")

    progress = Counting()
    export(made(), PREPARE, photos[:3], tmp_path, CARD, progress=progress)
    assert progress.calls == [("comparing", 3), 1, 1, 1, "done"]


def test_equality_and_drift_measure() -> None:
    """1 and nearly 0 for a net and its own file; less than 1 for another net."""
    model = to_onnx(made(), 32)
    embedder = Embedder(Bundle(Facts("x", 16, PREPARE, ""), model, Path("x")))
    pixels = np.random.default_rng(2).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    photo = Decoded(pixels, 40, 50)
    assert equality(inference_copy(made()), embedder, photo) == pytest.approx(1, abs=1e-6)
    torch.manual_seed(1)
    assert equality(Small().eval(), embedder, photo) < 0.99
    assert drift(embedder, photo) < 1e-6


def test_the_photos_are_chosen_evenly() -> None:
    """From the first on, over the whole list, each once."""
    assert evenly(0, 32) == []
    assert evenly(5, 32) == [0, 1, 2, 3, 4]
    chosen = evenly(1000, 32)
    assert len(set(chosen)) == 32
    assert (chosen[0], chosen[-1]) == (0, 968)
    assert {b - a for a, b in pairwise(chosen)} == {31, 32}


def test_the_card_stands_in_json_free_of_machine_paths(done: tuple[nn.Module, Path, float]) -> None:
    """Neither facts nor card nor model name a folder of this machine."""
    for name in ("bundle.json", "README.md", "model.onnx"):
        data = (done[1] / name).read_bytes()
        assert str(Path.cwd()).encode() not in data
        assert str(done[1].parent).encode() not in data
    assert json.loads((done[1] / "bundle.json").read_text())["format"] == 1
