"""Bundles: what opens, what is refused, what the fingerprint stands for; and the shipped `colour`."""

import dataclasses
import hashlib
import json
import runpy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from twinset import bundle
from twinset.bundle import Bundle, Facts, open_bundle
from twinset.datasets import wardrobe
from twinset.embedder import Embedder
from twinset.errors import BundleError, PathError
from twinset.photos import Decoded
from twinset.preprocess import Preprocess
from twinset.records import Pixels
from twinset.runtime import Runtime

SCRIPT = Path(__file__).parent.parent / "scripts" / "make_colour_bundle.py"


@pytest.fixture(scope="module")
def colour() -> Bundle:
    return open_bundle("colour")


@pytest.fixture(scope="module")
def squares(colour: Bundle) -> Pixels:
    """Drawn photos and noise as the model sees them, `(8, 96, 96, 3)`."""
    drawn = [photo.pixels for photo in wardrobe.photos(2, seed=7)]
    noise = np.random.default_rng(4).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    black = np.zeros((5, 9, 3), np.uint8)
    return np.stack([colour.facts.preprocess.apply(p) for p in [*drawn, noise, black]])


def value(name: str, kind: int, shape: list[Any]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def model(
    *, source: str = "photos", kind: int = TensorProto.UINT8, shape: tuple[int, ...] = (8, 8, 3), scale: float = 1.0
) -> onnx.ModelProto:
    """A tiny model: the mean colour, at length `scale`."""
    nodes = [
        helper.make_node("Cast", [source], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "places"], ["mean"], keepdims=0),
        helper.make_node("ReduceL2", ["mean", "last"], ["length"], keepdims=1),
        helper.make_node("Div", ["mean", "length"], ["unit"]),
        helper.make_node("Mul", ["unit", "scale"], ["embedding"]),
    ]
    weights = [
        numpy_helper.from_array(np.array([1, 2]), "places"),
        numpy_helper.from_array(np.array([-1]), "last"),
        numpy_helper.from_array(np.float32(scale), "scale"),
    ]
    graph = helper.make_graph(
        nodes,
        "mean",
        [value(source, kind, ["N", *shape])],
        [value("embedding", TensorProto.FLOAT, ["N", 3])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def saved(folder: Path, data: bytes, **facts: Any) -> Path:
    given = {"name": "tiny", "dim": 3, "preprocess": Preprocess(8), "sha256": hashlib.sha256(data).hexdigest()}
    bundle.save(folder, Facts(**(given | facts)), data)
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return saved(tmp_path / "tiny", model().SerializeToString())


def edited(folder: Path, **changes: Any) -> Path:
    path = folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


# The shipped bundles


@pytest.mark.parametrize("name", bundle.shipped_names())
def test_what_ships_embeds(name: str) -> None:
    """Each shipped bundle opens, fits its facts, and sees the same photo as itself and another as another."""
    embedder = Embedder(open_bundle(name))
    photos = [Decoded(p.pixels, p.pixels.shape[1], p.pixels.shape[0]) for p in wardrobe.photos(2, seed=9)]
    first, again, other = (embedder.embed(photo) for photo in (photos[0], photos[0], photos[-1]))
    assert np.array_equal(first, again)
    assert float(first @ other) < 0.99 < float(first @ first)


def test_the_default_ships() -> None:
    """Where no bundle is named, the shipped one that is the default opens."""
    assert bundle.DEFAULT in bundle.shipped_names()
    opened, named = open_bundle(), open_bundle(bundle.DEFAULT)
    assert (opened.fingerprint, opened.folder) == (named.fingerprint, named.folder)


def histogram(square: Pixels) -> npt.NDArray[np.float64]:
    """512 joint RGB bins, square root, length 1, counted pixel by pixel."""
    counts = [0] * 512
    for r, g, b in square.reshape(-1, 3).tolist():
        counts[r // 32 * 64 + g // 32 * 8 + b // 32] += 1
    roots = np.sqrt(np.array(counts, float))
    return roots / np.linalg.norm(roots)


def test_colour_is_a_histogram(colour: Bundle, squares: Pixels) -> None:
    """`colour` gives the square-rooted joint histogram of what it sees, 512 numbers of length 1."""
    vectors = Runtime(colour.model).embed(squares)
    assert vectors.dtype == np.float32
    assert vectors.shape == (8, 512) == (len(squares), colour.facts.dim)
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6
    assert np.abs(vectors - np.stack([histogram(s) for s in squares])).max() < 1e-6


def test_colour_patches_add_up_to_the_embedding(colour: Bundle, squares: Pixels) -> None:
    """The mean of the contributions over the places, at length 1, is the embedding."""
    runtime = Runtime(colour.model)
    assert runtime.has_patches
    vectors, patches = runtime.patches(squares)
    assert patches.shape == (8, 12, 12, 512)
    assert np.array_equal(vectors, runtime.embed(squares))
    mean = patches.astype(float).mean((1, 2))
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    assert np.abs(mean - vectors).max() < 1e-4


def test_colour_patches_lie_where_the_colour_lies(colour: Bundle) -> None:
    """A colour in one cell contributes from that cell only."""
    square = np.full((1, 96, 96, 3), 255, np.uint8)
    square[0, 16:24, 40:48] = (200, 0, 0)
    _, patches = Runtime(colour.model).patches(square)
    assert np.argwhere(patches[0, :, :, 200 // 32 * 64]).tolist() == [[2, 5]]


def test_an_embedding_does_not_depend_on_its_neighbours(colour: Bundle) -> None:
    """Singly, twice, and from 8 threads on one runtime, the vectors are equal bit by bit."""
    embedder = Embedder(colour)
    photos = [Decoded(p.pixels, p.pixels.shape[1], p.pixels.shape[0]) for p in wardrobe.photos(3, seed=9)]
    alone = np.stack([embedder.embed(photo) for photo in photos])
    with ThreadPoolExecutor(8) as pool:
        together = np.stack(list(pool.map(embedder.embed, photos * 12))).reshape(12, len(photos), -1)
    assert all(np.array_equal(turn, alone) for turn in together)


def test_the_script_makes_the_shipped_model(colour: Bundle, squares: Pixels) -> None:
    """The script's graph is the shipped one: the same answers, bit by bit."""
    data = runpy.run_path(str(SCRIPT))["graph"]().SerializeToString(deterministic=True)
    made, shipped = Runtime(data).patches(squares), Runtime(colour.model).patches(squares)
    assert np.array_equal(made[0], shipped[0])
    assert np.array_equal(made[1], shipped[1])


# Opening


def test_a_saved_bundle_opens(tmp_path: Path) -> None:
    """What is saved comes back fact by fact and byte by byte."""
    data = model().SerializeToString()
    facts = Facts(
        name="tiny",
        dim=3,
        preprocess=Preprocess(8, "lanczos", "crop", (1, 2, 3)),
        sha256=hashlib.sha256(data).hexdigest(),
        box_margin=0.25,
        backbone="none",
        head="mean",
        trained_on="nothing",
        licence="Apache-2.0",
        recall={"luma, views": 0.5},
    )
    bundle.save(tmp_path / "a" / "b", facts, data)
    opened = open_bundle(tmp_path / "a" / "b")
    assert (opened.facts, opened.model, opened.folder) == (facts, data, tmp_path / "a" / "b")
    assert opened.fingerprint == Bundle(facts, data, tmp_path).fingerprint
    assert sorted(p.name for p in opened.folder.iterdir()) == ["bundle.json", "model.onnx"]


def test_an_unknown_name_lists_the_shipped_ones(tmp_path: Path) -> None:
    """A name that is neither a folder nor shipped says which are, or the one that is near; so does a folder."""
    assert "colour" in bundle.shipped_names()
    for name, says in (
        ("color", "did you mean colour"),
        ("red", "one that ships: .*colour"),
        (tmp_path, "that ships"),
    ):
        with pytest.raises(PathError, match=f"there is no bundle .*{says}") as caught:
            open_bundle(name)
        assert caught.value.exit_code == 3


def test_one_byte_more_is_refused(tiny: Path) -> None:
    """A model that is not the one bundle.json names does not open."""
    path = tiny / "model.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(BundleError, match=r"is not the file that bundle\.json names") as caught:
        open_bundle(tiny)
    assert (caught.value.exit_code, caught.value.code) == (4, "bad_bundle")


def test_a_missing_model_is_refused(tiny: Path) -> None:
    """A bundle without its model is damaged."""
    (tiny / "model.onnx").unlink()
    with pytest.raises(BundleError, match=r"model.onnx cannot be read"):
        open_bundle(tiny)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"text"', "\udcff", "[" * 100_000, '{"format": 1}', '{"format": 1, "preprocess": 3}'],
)
def test_a_damaged_bundle_json_is_refused(tiny: Path, text: str) -> None:
    """Whatever stands in bundle.json, the refusal is one line about that file."""
    (tiny / "bundle.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(BundleError, match=r"bundle.json (is|has)") as caught:
        open_bundle(tiny)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "has format 2, this program reads up to 1"),
        ({"format": 0}, "has format 0"),
        ({"format": None}, "has format None"),
        ({"format": True}, "has format True"),
        ({"format": "1"}, "has format '1'"),
        ({"colour_space": "Lab"}, r"unknown facts \['colour_space'\]"),
        ({"name": 5}, "has name 5"),
        ({"sha256": None}, "has sha256 None"),
        ({"licence": ["MIT"]}, r"has licence \['MIT'\]"),
        ({"precision": "bf16"}, "has precision 'bf16'"),
        ({"dim": 0}, "has dimension 0"),
        ({"dim": 512.0}, r"has dimension 512\.0"),
        ({"dim": True}, "has dimension True"),
        ({"box_margin": -0.1}, "has box margin -0.1"),
        ({"box_margin": 1.5}, "has box margin 1.5"),
        ({"box_margin": float("nan")}, "has box margin nan"),
        ({"box_margin": "0"}, "has box margin '0'"),
        ({"recall": [0.5]}, r"has recall \[0.5\]"),
        ({"recall": {"luma": "good"}}, "has recall"),
        ({"preprocess": {"size": 4}}, "size 4 is out of range"),
        ({"preprocess": {"size": "8"}}, "size '8' is out of range"),
        ({"preprocess": {"size": 8, "filter": []}}, "is damaged"),
        ({"preprocess": {"size": 8, "fill": 255}}, "is damaged"),
        ({"preprocess": {"size": 8, "mean": 0}}, "is damaged"),
        ({"preprocess": {}}, "is damaged"),
    ],
)
def test_wrong_facts_are_refused(tiny: Path, changes: dict[str, Any], said: str) -> None:
    """A newer format, an unknown fact and a fact of another type or range are all refused, never guessed."""
    with pytest.raises(BundleError, match=said) as caught:
        open_bundle(edited(tiny, **changes))
    assert caught.value.mend


# The fingerprint


def test_the_fingerprint_of_a_bundle_stays(colour: Bundle) -> None:
    """Catalogues keep it: a later version of the program must find the same one for the same bundle."""
    assert colour.fingerprint == "be97fd1272e9b935572b37849313176764809fb8e53251dfdefb505a165fef00"
    shared = dataclasses.replace(colour.facts.preprocess, fit="crop", share=0.875)
    whole = dataclasses.replace(shared, share=1)
    other = [
        dataclasses.replace(colour, facts=dataclasses.replace(colour.facts, preprocess=prepare))
        for prepare in (shared, whole)
    ]
    assert len({bundle.fingerprint for bundle in (colour, *other)}) == 3


def test_the_fingerprint_follows_what_changes_an_embedding(colour: Bundle) -> None:
    """Each decisive fact, and none of the others, changes the fingerprint."""

    def changed(**facts: Any) -> str:
        return dataclasses.replace(colour, facts=dataclasses.replace(colour.facts, **facts)).fingerprint

    prepare = colour.facts.preprocess
    decisive = [
        changed(sha256="0" * 64),
        changed(dim=511),
        changed(precision="bf16"),
        changed(box_margin=0.1),
        changed(preprocess=dataclasses.replace(prepare, size=97)),
        changed(preprocess=dataclasses.replace(prepare, filter="box")),
        changed(preprocess=dataclasses.replace(prepare, fit="crop")),
        changed(preprocess=dataclasses.replace(prepare, fill=(255, 255, 254))),
    ]
    assert len({colour.fingerprint, *decisive}) == 9
    for name in ("name", "backbone", "head", "trained_on", "licence"):
        assert changed(**{name: "other"}) == colour.fingerprint
    assert changed(recall={}) == colour.fingerprint
    assert changed(box_margin=0) == colour.fingerprint


def test_the_fingerprint_survives_the_file(tiny: Path) -> None:
    """A margin written as 0 or 0.0 is one fingerprint."""
    assert (
        open_bundle(edited(tiny, box_margin=0)).fingerprint == open_bundle(edited(tiny, box_margin=0.0)).fingerprint
    )


# The runtime


def test_a_tiny_model_runs(tiny: Path) -> None:
    """A model without patches embeds, and says that it has none."""
    runtime = Runtime(open_bundle(tiny).model)
    square = np.full((2, 8, 8, 3), (30, 40, 0), np.uint8)
    assert np.allclose(runtime.embed(square), [0.6, 0.8, 0.0], atol=1e-6)
    assert not runtime.has_patches
    with pytest.raises(BundleError, match="this bundle has no patches"):
        runtime.patches(square)


def test_external_data_is_refused(tmp_path: Path) -> None:
    """A model that keeps tensors in another file is refused."""
    made = model()
    onnx.external_data_helper.convert_model_to_external_data(made, location="other.bin", size_threshold=0)
    onnx.save(made, str(tmp_path / "model.onnx"))
    with pytest.raises(BundleError, match="keeps tensors in other files"):
        Runtime((tmp_path / "model.onnx").read_bytes())


@pytest.mark.parametrize("data", [b"", b"text", b"\x80\x04}\x94."])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    """Bytes that are no model are an error of the bundle."""
    with pytest.raises(BundleError, match=r"model.onnx (does not load|takes)"):
        Runtime(data)


def test_wrong_inputs_are_refused() -> None:
    """A model whose input has another name does not load."""
    with pytest.raises(BundleError, match=r"takes \['pixels'\] and gives \['embedding'\]"):
        Runtime(model(source="pixels").SerializeToString())


@pytest.mark.parametrize(
    ("made", "facts", "said"),
    [
        ({}, {"dim": 4}, r"float32\(1, 3\), not float32\(1, 4\)"),
        ({"scale": 2.0}, {}, "another length than 1"),
        ({"scale": float("nan")}, {}, "another length than 1"),
        ({"shape": (9, 9, 3)}, {}, "model.onnx failed"),
        ({"kind": TensorProto.FLOAT}, {}, "model.onnx failed"),
    ],
)
def test_a_model_that_does_not_fit_its_facts_is_refused(
    tmp_path: Path, made: dict[str, Any], facts: dict[str, Any], said: str
) -> None:
    """Another dimension, length, size or type than promised shows before the first photo."""
    opened = open_bundle(saved(tmp_path, model(**made).SerializeToString(), **facts))
    with pytest.raises(BundleError, match=said) as caught:
        Embedder(opened)
    assert "\n" not in str(caught.value)
