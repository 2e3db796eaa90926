"""ONNX models as hubs publish them, as bundles: the same embedding, without torch; what is refused."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from twinset.adopt import adopt, file
from twinset.bundle import open_bundle
from twinset.embedder import Embedder
from twinset.errors import BundleError, MissingExtraError, PathError
from twinset.photos import Decoded
from twinset.records import Pixels, Vectors
from twinset.runtime import Runtime

SIDE, WIDTH, DIM = 32, 8, 5
MEAN, STD = [0.4, 0.5, 0.6], [0.3, 0.25, 0.2]
TOLD = {"size": {"height": SIDE, "width": SIDE}, "image_mean": MEAN, "image_std": STD, "resample": 3}
SHAPES = {
    "image_embeds": ["N", DIM],
    "pooler_output": ["N", WIDTH, 1, 1],
    "last_hidden_state": ["N", "tokens", WIDTH],
    "logits": ["N", DIM],
}
Nodes = list[NodeProto]


def vision(
    outputs: Sequence[str] = ("last_hidden_state", "image_embeds"),
    *,
    opset: int = 17,
    kind: int = TensorProto.FLOAT,
    batch: int | str = "N",
    nodes: Nodes | None = None,
    inputs: Sequence[onnx.ValueInfoProto] = (),
    shapes: dict[str, Any] | None = None,
    weights: dict[str, Any] | None = None,
) -> ModelProto:
    """A small vision model: patches, places as tokens, their mean, a projection."""
    draw = np.random.default_rng(1)
    of = helper.tensor_dtype_to_np_dtype(kind)
    values = {
        "conv": draw.normal(0, 0.3, (WIDTH, 3, 4, 4)).astype(of),
        "bias": draw.normal(0, 0.3, WIDTH).astype(of),
        "project": draw.normal(0, 1, (WIDTH, DIM)).astype(of),
        "flat": np.array([0, WIDTH, -1]),
    } | (weights or {})
    own = [
        helper.make_node("Conv", ["pixel_values", "conv", "bias"], ["patches_out"], strides=[4, 4]),
        helper.make_node("Tanh", ["patches_out"], ["places"]),
        helper.make_node("Reshape", ["places", "flat"], ["lines"]),
        helper.make_node("Transpose", ["lines"], ["last_hidden_state"], perm=[0, 2, 1]),
        helper.make_node("GlobalAveragePool", ["places"], ["pooler_output"]),
        helper.make_node("Flatten", ["pooler_output"], ["mean"]),
        helper.make_node("MatMul", ["mean", "project"], ["image_embeds"]),
        helper.make_node("Identity", ["image_embeds"], ["logits"]),
    ]
    dims = SHAPES | (shapes or {})
    pixels = helper.make_tensor_value_info("pixel_values", kind, [batch, 3, "height", "width"])
    graph = helper.make_graph(
        [*own, *(nodes or [])],
        "vision",
        [pixels, *inputs],
        [helper.make_tensor_value_info(name, kind, dims[name]) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def folder(path: Path, model: ModelProto, told: dict[str, Any] | None = None, model_type: str = "clip") -> Path:
    """A model's folder as hubs keep it."""
    (path / "onnx").mkdir(parents=True, exist_ok=True)
    onnx.save(model, path / "onnx/vision_model.onnx")
    (path / "preprocessor_config.json").write_text(json.dumps(TOLD if told is None else told))
    (path / "config.json").write_text(json.dumps({"model_type": model_type}))
    return path


def photos() -> Pixels:
    draw = np.random.default_rng(5)
    return (draw.integers(0, 256, (3, SIDE, SIDE, 3)) * draw.uniform(0.2, 1, (3, 1, 1, 3))).astype(np.uint8)


def original(model: ModelProto, output: str) -> npt.NDArray[np.float64]:
    """What the published file gives for photos that are normalised by hand."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    half = session.get_inputs()[0].type == "tensor(float16)"
    pixels = ((photos() / 255 - MEAN) / STD).transpose(0, 3, 1, 2).astype(np.float16 if half else np.float32)
    return np.asarray(session.run([output], {"pixel_values": pixels})[0], np.float64)


def agree(found: Vectors, wanted: npt.NDArray[np.float64]) -> None:
    """Of length 1, and in the direction that is wanted; and the photos are told apart."""
    wanted = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert (found * wanted).sum(1).min() > 0.9999
    assert wanted[0] @ wanted[1] < 0.99, "these photos say nothing"


def embedded(bundle: Path) -> Vectors:
    return Runtime(open_bundle(bundle).model, "cpu").embed(photos())


def first(tokens: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return tokens[:, 0]


@pytest.mark.parametrize(
    ("outputs", "model_type", "told", "wanted"),
    [
        (("last_hidden_state", "image_embeds"), "clip", "image_embeds", lambda x: x),
        (("last_hidden_state", "pooler_output"), "resnet", "pooler_output", lambda x: x[:, :, 0, 0]),
        (("last_hidden_state",), "dinov2", "class token of last_hidden_state", first),
        (("last_hidden_state", "pooler_output"), "dinov2", "pooler_output", lambda x: x[:, :, 0, 0]),
        (("last_hidden_state", "pooler_output"), "vit", "class token of last_hidden_state", first),
        (("pooler_output",), "vit", "pooler_output", lambda x: x[:, :, 0, 0]),
        (("last_hidden_state",), "swin", "mean of the tokens of last_hidden_state", lambda x: x.mean(1)),
    ],
)
def test_the_embedding_is_the_best_that_is_given(
    outputs: tuple[str, ...],
    model_type: str,
    told: str,
    wanted: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]],
    tmp_path: Path,
) -> None:
    """The projection before the pooled output before the tokens, of which the kind of model tells what counts.

    A ViT's pooler is often one that no checkpoint held: there the class token goes first.
    """
    model = vision(outputs)
    adopted = adopt(folder(tmp_path / "m", model, model_type=model_type), tmp_path / "b")
    assert adopted.told == told == open_bundle(tmp_path / "b").facts.head
    agree(embedded(tmp_path / "b"), wanted(original(model, told.rsplit(maxsplit=1)[-1])))


def test_a_map_of_places_is_averaged(tmp_path: Path) -> None:
    """An output of four dimensions is the mean of its places."""
    turn = helper.make_node("Identity", ["places"], ["map"])
    model = vision(("last_hidden_state",), nodes=[turn])
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("map", TensorProto.FLOAT, ["N", WIDTH, "h", "w"]))
    for node in model.graph.node:
        node.output[:] = ["tokens" if name == "last_hidden_state" else name for name in node.output]
        node.output[:] = ["last_hidden_state" if name == "map" else name for name in node.output]
    model.graph.output[0].name = "last_hidden_state"
    adopted = adopt(folder(tmp_path / "m", model, model_type="resnet"), tmp_path / "b")
    assert adopted.told == "mean of the places of last_hidden_state"
    agree(embedded(tmp_path / "b"), original(model, "last_hidden_state").mean((2, 3)))


@pytest.mark.parametrize("opset", [9, 11, 13, 18, 21])
def test_any_opset_will_do(opset: int, tmp_path: Path) -> None:
    """What is added means the same in all of them."""
    model = vision(opset=opset)
    adopt(folder(tmp_path / "m", model), tmp_path / "b")
    agree(embedded(tmp_path / "b"), original(model, "image_embeds"))


def test_halves_are_taken(tmp_path: Path) -> None:
    """A model in fp16 takes photos, and gives float32, as any other; its card says so."""
    model = vision(kind=TensorProto.FLOAT16)
    adopt(folder(tmp_path / "m", model), tmp_path / "b")
    assert embedded(tmp_path / "b").dtype == np.float32
    agree(embedded(tmp_path / "b"), original(model, "image_embeds"))
    assert "Its weights are halves (fp16)" in (tmp_path / "b/README.md").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore")  # of the exporter, about itself
def test_a_model_of_transformers_as_it_is_exported(tmp_path: Path) -> None:
    """A tiny random CLIP tower, written with external data by torch's exporter, embeds a photo as torch does."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.CLIPVisionConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=SIDE,
        patch_size=8, projection_dim=6, initializer_range=0.2,
    )  # fmt: skip
    net = transformers.CLIPVisionModelWithProjection(config).eval()
    torch.nn.init.normal_(net.vision_model.embeddings.patch_embedding.weight, std=0.3)

    class Named(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
            return self.net(pixel_values).image_embeds

    (tmp_path / "m/onnx").mkdir(parents=True)
    out = tmp_path / "m/onnx/model.onnx"
    torch.onnx.export(
        Named().eval(), (torch.zeros(2, 3, SIDE, SIDE),), out, dynamo=True, external_data=True, verbose=False,
        input_names=["pixel_values"], output_names=["image_embeds"],
        dynamic_shapes=({0: torch.export.Dim("N")},),
    )  # fmt: skip
    assert (tmp_path / "m/onnx/model.onnx.data").is_file()
    (tmp_path / "m/preprocessor_config.json").write_text(json.dumps(TOLD))
    adopt(tmp_path / "m", tmp_path / "b")
    pixels = torch.from_numpy(((photos() / 255 - MEAN) / STD).transpose(0, 3, 1, 2).astype(np.float32))
    with torch.inference_mode():
        wanted = net(pixels).image_embeds.double().numpy()
    agree(embedded(tmp_path / "b"), wanted)


def test_photos_are_prepared_as_the_folder_says(tmp_path: Path) -> None:
    """A crop of a resized photo; licence and source stand in facts and card; a photo is seen from its middle."""
    told = TOLD | {"size": {"shortest_edge": 40}, "crop_size": {"height": SIDE, "width": SIDE}}
    model = folder(tmp_path / "m", vision(), told)
    (model / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    bundle = adopt(model, tmp_path / "b", source="owner/m").bundle
    facts = bundle.facts
    assert (facts.preprocess.fit, facts.preprocess.share, facts.preprocess.filter) == ("crop", 0.8, "bicubic")
    assert (facts.name, facts.backbone, facts.licence, facts.dim) == ("b", "owner/m", "Apache-2.0", DIM)
    text = (tmp_path / "b/README.md").read_text(encoding="utf-8")
    assert "Its weights are those of owner/m, as they were published: nothing was trained here." in text
    assert "The published graph stands in this file as it was" in text
    assert "the same embedding alone and beside others: cosine at least 0.99999" in text or "at least 1.0." in text
    embedder = Embedder(open_bundle(tmp_path / "b"), "cpu")
    framed = np.full((40, 40, 3), 255, np.uint8)
    framed[4:36, 4:36] = photos()[0]
    assert np.allclose(embedder.embed(Decoded(framed, 40, 40)), embedded(tmp_path / "b")[0], atol=1e-6)


def test_equal_files_give_equal_bytes(tmp_path: Path) -> None:
    """With their data beside them or within, in whatever folder."""
    adopt(folder(tmp_path / "m", vision()), tmp_path / "b", name="n", source="s")
    other = folder(tmp_path / "n", vision())
    onnx.save(
        vision(),
        other / "onnx/vision_model.onnx",
        save_as_external_data=True,
        location="d.onnx_data",
        size_threshold=0,
    )
    assert (other / "onnx/d.onnx_data").stat().st_size > 1000
    adopt(other, tmp_path / "c", name="n", source="s")
    assert (tmp_path / "b/model.onnx").read_bytes() == (tmp_path / "c/model.onnx").read_bytes()
    assert open_bundle(tmp_path / "b").fingerprint == open_bundle(tmp_path / "c").fingerprint


def beside(path: Path, location: str, **span: str) -> Path:
    """A model whose weights are said to lie elsewhere, by default the whole of a file."""
    model = vision()
    tensor = model.graph.initializer[0]
    data = numpy_helper.to_array(tensor).tobytes()
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **(span or {"offset": "0", "length": str(len(data))})}.items():
        tensor.external_data.add(key=key, value=value)
    made = folder(path, vision())
    (made / "onnx/vision_model.onnx").write_bytes(model.SerializeToString())
    (path.parent / "weights").write_bytes(data)
    return made


@pytest.mark.parametrize("location", ["../../weights", "/etc/hostname", "", "..\\weights", "link"])
def test_data_outside_the_folder_is_not_read(location: str, tmp_path: Path) -> None:
    """A path that leads out, or a link that does."""
    model = beside(tmp_path / "m", location)
    (model / "onnx/link").symlink_to(tmp_path / "weights")
    with pytest.raises(BundleError, match=r"has a tensor in .*, outside its folder"):
        adopt(model, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_links_of_a_hubs_cache_are_followed(tmp_path: Path) -> None:
    """There a snapshot's files are links to blobs beside the snapshots."""
    cache = tmp_path / "models--owner--m"
    model = beside(cache / "snapshots/abc", "vision_model.onnx_data")
    (cache / "blobs").mkdir()
    (cache / "snapshots/weights").rename(cache / "blobs/1")
    (model / "onnx/vision_model.onnx_data").symlink_to("../../../blobs/1")
    adopt(model, tmp_path / "b")
    agree(embedded(tmp_path / "b"), original(vision(), "image_embeds"))


def test_data_that_is_cut_short_or_missing_is_told(tmp_path: Path) -> None:
    """The file is named."""
    model = beside(tmp_path / "m", "data")
    with pytest.raises(PathError, match=r"onnx/data, a part of .*vision_model\.onnx, cannot be read"):
        adopt(model, tmp_path / "b")
    (model / "onnx/data").write_bytes(b"12")
    with pytest.raises(BundleError, match=r"onnx/data is shorter than .*vision_model\.onnx says"):
        adopt(model, tmp_path / "b")


def test_data_without_a_length_goes_to_the_end(tmp_path: Path) -> None:
    """ONNX leaves offset and length to choice; what begins or ends before its file does is no place."""
    model = beside(tmp_path / "m", "data", offset="16")
    (model / "onnx/data").write_bytes(bytes(16) + (tmp_path / "weights").read_bytes())
    adopt(model, tmp_path / "b")
    agree(embedded(tmp_path / "b"), original(vision(), "image_embeds"))
    for span in ({"offset": "-5"}, {"length": "-1"}, {"offset": "x"}, {"offset": "99999"}):
        model = beside(tmp_path / "n", "data", **span)
        (model / "onnx/data").write_bytes((tmp_path / "weights").read_bytes())
        with pytest.raises(BundleError, match=r"vision_model\.onnx tells no place of a tensor in another file"):
            adopt(model, tmp_path / "c")


def test_above_two_gigabytes_fp16_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its data counted, before that is read."""
    model = beside(tmp_path / "m", "data")
    (model / "onnx/data").write_bytes((tmp_path / "weights").read_bytes())
    monkeypatch.setattr(file, "MAX_BYTES", (model / "onnx/vision_model.onnx").stat().st_size + 10)
    with pytest.raises(BundleError, match=r"more than the 2 GiB of one ONNX file: use fp16: name .*_fp16\.onnx"):
        adopt(model, tmp_path / "b")


def test_one_file_may_be_named(tmp_path: Path) -> None:
    """Another than the folder's first, such as the one in fp16."""
    model = folder(tmp_path / "m", vision())
    onnx.save(vision(kind=TensorProto.FLOAT16), model / "onnx/vision_model_fp16.onnx")
    adopted = adopt(model / "onnx/vision_model_fp16.onnx", tmp_path / "b")
    assert adopted.file.name == "vision_model_fp16.onnx"
    assert adopted.bundle.facts.backbone == "m"
    assert len(adopted.bundle.model) < len(adopt(model, tmp_path / "c").bundle.model)


def test_the_tower_that_reads_is_left_out(tmp_path: Path) -> None:
    """Of a model of two towers what the embedding needs is kept, and no input but the photos."""
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["N", "words"])
    words = helper.make_node("Gather", ["table", "input_ids"], ["text_embeds"])
    table = np.zeros((500, 40), np.float32)
    model = vision(("text_embeds", "image_embeds"), nodes=[words], inputs=[ids],
                   shapes={"text_embeds": ["N", "words", 40]}, weights={"table": table})  # fmt: skip
    adopt(folder(tmp_path / "m", model), tmp_path / "b")
    assert (tmp_path / "b/model.onnx").stat().st_size < table.nbytes
    agree(embedded(tmp_path / "b"), original(vision(), "image_embeds"))


def test_names_that_a_bundle_has_are_freed(tmp_path: Path) -> None:
    """Values that are called as its own are renamed, inside branches too."""
    model = vision(("image_embeds",))
    taken = {"places": "photos", "mean": "embedding", "conv": "twinset.scale", "lines": "want_patches"}
    for node in model.graph.node:
        node.input[:] = [taken.get(name, name) for name in node.input]
        node.output[:] = [taken.get(name, name) for name in node.output]
    model.graph.initializer[0].name = "twinset.scale"
    inner = helper.make_node("Identity", ["embedding"], ["patches"])
    branch = helper.make_graph(
        [inner], "b", [], [helper.make_tensor_value_info("patches", TensorProto.FLOAT, None)]
    )
    choice = helper.make_node("If", ["yes"], ["chosen"], then_branch=branch, else_branch=branch)
    model.graph.node.insert(6, choice)
    model.graph.node[7].input[0] = "chosen"
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    adopt(folder(tmp_path / "m", model), tmp_path / "b")
    agree(embedded(tmp_path / "b"), original(vision(), "image_embeds"))


def test_local_functions_are_written_out(tmp_path: Path) -> None:
    """Functions that the file itself defines are ONNX; the bundle has none."""
    body = [helper.make_node("Identity", ["x"], ["y"])]
    function = helper.make_function("own", "Same", ["x"], ["y"], body, [helper.make_opsetid("", 17)])
    model = vision(("image_embeds",))
    model.graph.node[-2].input[0] = "same"
    model.graph.node.insert(6, helper.make_node("Same", ["mean"], ["same"], domain="own"))
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("own", 1))
    adopt(folder(tmp_path / "m", model), tmp_path / "b")
    assert not onnx.load(tmp_path / "b/model.onnx").functions
    agree(embedded(tmp_path / "b"), original(vision(), "image_embeds"))


def test_a_function_that_calls_itself_is_refused(tmp_path: Path) -> None:
    """It has no end."""
    body = [helper.make_node("Round", ["x"], ["y"], domain="own")]
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model = vision(("image_embeds",))
    model.functions.append(helper.make_function("own", "Round", ["x"], ["y"], body, imports))
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.graph.node.insert(0, helper.make_node("Round", ["bias"], ["q"], domain="own"))
    with pytest.raises(BundleError, match=r"has functions that cannot be written out: Cycle"):
        adopt(folder(tmp_path / "m", model), tmp_path / "b")


def test_a_batch_of_one_is_made_free_where_it_can_be(tmp_path: Path) -> None:
    """A model exported for one photo takes any number, or is refused."""
    adopt(folder(tmp_path / "m", vision(batch=1)), tmp_path / "b")
    agree(embedded(tmp_path / "b"), original(vision(), "image_embeds"))
    fixed = vision(("last_hidden_state",), batch=1, weights={"flat": np.array([1, WIDTH, 64])})
    with pytest.raises(BundleError, match=r"embeds one photo at a time only.*dynamic batch axis"):
        adopt(folder(tmp_path / "n", fixed, model_type="swin"), tmp_path / "c")


def test_photos_that_mix_are_refused(tmp_path: Path) -> None:
    """An embedding that depends on its neighbours is none."""
    total = helper.make_node("ReduceMean", ["logits"], ["all"], axes=[0], keepdims=1)
    mixed = helper.make_node("Sub", ["logits", "all"], ["half"])
    added = helper.make_node("Add", ["half", "bias5"], ["pooled"])
    model = vision(("logits",), nodes=[total, mixed, added], weights={"bias5": np.ones(DIM, np.float32)})
    model.graph.output[0].name = "pooled"
    for node in model.graph.node:
        node.output[:] = [{"pooled": "image_embeds", "image_embeds": "x"}.get(name, name) for name in node.output]
        node.input[:] = [{"image_embeds": "x"}.get(name, name) for name in node.input]
    model.graph.output[0].name = "image_embeds"
    with pytest.raises(BundleError, match="mixes photos"):
        adopt(folder(tmp_path / "m", model), tmp_path / "b")


def fused() -> ModelProto:
    model = vision()
    model.graph.node[1].domain = "com.microsoft"
    return model


ASKED = [helper.make_tensor_value_info("scale", TensorProto.FLOAT, [1])]


@pytest.mark.parametrize(
    ("model", "model_type", "match"),
    [
        (
            vision(("logits",)),
            "resnet",
            r"gives logits: none of them is an embedding: use one that gives image_emb",
        ),
        (
            vision(("last_hidden_state",)),
            "siglip",
            "gives last_hidden_state alone, which is no embedding of siglip",
        ),
        (fused(), "clip", r"has the operation com\.microsoft\.Tanh, which is not ONNX's own"),
        (vision(opset=8), "clip", "is of opset 8: export it with opset 9 to"),
    ],
)
def test_what_is_no_vision_model_is_refused(model: ModelProto, model_type: str, match: str, tmp_path: Path) -> None:
    """What it gives or is made of is named, and how to mend it; nothing is written."""
    with pytest.raises(BundleError, match=match):
        adopt(folder(tmp_path / "m", model, model_type=model_type), tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_an_input_beside_the_photos_is_refused(tmp_path: Path) -> None:
    """Nothing would give it."""
    model = vision(("image_embeds",), inputs=ASKED)
    model.graph.node[-2].output[0] = "unscaled"
    model.graph.node.insert(7, helper.make_node("Mul", ["unscaled", "scale"], ["image_embeds"]))
    with pytest.raises(BundleError, match="photos depend on pixel_values, scale: use its vision model alone"):
        adopt(folder(tmp_path / "m", model), tmp_path / "b")


def test_another_size_than_it_was_made_for_is_refused(tmp_path: Path) -> None:
    """Where the file has fixed sides."""
    model = vision()
    model.graph.input[0].CopyFrom(
        helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["N", 3, 48, 48])
    )
    with pytest.raises(
        BundleError, match=r"pixel_values is float of \(N, 3, 48, 48\), not floats of \(N, 3, 32, 32\)"
    ):
        adopt(folder(tmp_path / "m", model), tmp_path / "b")


def test_what_is_no_onnx_is_refused(tmp_path: Path) -> None:
    """Bytes of something else, a folder without a model, one without its preparation."""
    model = folder(tmp_path / "m", vision())
    (model / "onnx/vision_model.onnx").write_bytes(b"\x80\x04 a pickle")
    with pytest.raises(BundleError, match=r"vision_model\.onnx is no ONNX model"):
        adopt(model, tmp_path / "b")
    (model / "onnx/vision_model.onnx").write_bytes(b"")
    with pytest.raises(BundleError, match=r"vision_model\.onnx is no ONNX model: it has no operations"):
        adopt(model, tmp_path / "b")
    (model / "onnx/vision_model.onnx").unlink()
    with pytest.raises(PathError, match=r"holds no onnx/vision_model\.onnx, no onnx/model\.onnx, no vision_model"):
        adopt(model, tmp_path / "b")
    onnx.save(vision(), model / "onnx/model.onnx")
    (model / "preprocessor_config.json").unlink()
    with pytest.raises(PathError, match=r"m holds no preprocessor_config\.json"):
        adopt(model, tmp_path / "b")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/mine.txt").write_text("x")
    with pytest.raises(PathError, match=r"is no bundle and holds other things \(mine\.txt\)"):
        adopt(model, tmp_path / "b")


@pytest.mark.parametrize("name", ["size", "image_mean", "image_std"])
def test_a_preparation_that_is_not_told_is_not_guessed(name: str, tmp_path: Path) -> None:
    """Size, mean and deviation have to stand there."""
    told = {key: value for key, value in TOLD.items() if key != name}
    with pytest.raises(PathError, match=rf"preprocessor_config\.json does not tell {name}"):
        adopt(folder(tmp_path / "m", vision(), told), tmp_path / "b")


def test_without_onnx_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the exact command."""
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r'pip install "twinset\[onnx\]"'):
        adopt(tmp_path, tmp_path / "b")


def test_torch_is_not_needed(tmp_path: Path) -> None:
    """The command works where neither torch nor transformers nor a hub's client can be imported."""
    folder(tmp_path / "m", vision())
    code = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'huggingface_hub', 'safetensors', 'onnxscript'):\n"
        "    sys.modules[name] = None\n"
        "from twinset.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["export", str(tmp_path / "m"), "--out", str(tmp_path / "b")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "vision_model.onnx of m was adopted as it is: the embedding is its image_embeds" in done.stderr
    agree(embedded(tmp_path / "b"), original(vision(), "image_embeds"))
