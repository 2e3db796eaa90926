"""Published models of transformers as bundles: their authors' embedding, their preparation, none of their code."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from training.checkpoints import WHOLE, saved
from twinset import card
from twinset.bundle import Bundle, open_bundle
from twinset.datasets import wardrobe
from twinset.embedder import Embedder
from twinset.errors import BundleError, IntegrityError, PathError, UsageError
from twinset.photos import Decoded
from twinset.prepared import HALF, IMAGENET, Prepared, prepared
from twinset.preprocess import Preprocess
from twinset.records import Pixels
from twinset.runtime import Runtime
from twinset.training import encoder
from twinset.training.release import export_published

SIDE = 32
PATCHES = ("resnet", "mobilenet", "convnext")
SAME = ("clip-vision", "clip-projection", "siglip-vision")
"""Those of the same graph as another: they are compared as nets alone."""
DIMS = {"resnet": 20, "mobilenet": 1280, "convnext": 20, "dinov3-convnext": 20, "clip": 8, "clip-projection": 8}
LARGE = {"height": 224, "width": 224}
PROCESSORS = {
    "CLIPImageProcessorPil": {"size": {"shortest_edge": 224}, "crop_size": LARGE},
    "BitImageProcessorPil": {"size": {"shortest_edge": 256}, "crop_size": LARGE},
    "MobileNetV2ImageProcessorPil": {"size": {"shortest_edge": 256}, "crop_size": LARGE},
    "ConvNextImageProcessorPil": {"size": {"shortest_edge": 224}, "crop_pct": 0.875},
    "SiglipImageProcessorPil": {"size": LARGE},
    "ViTImageProcessorPil": {"size": LARGE},
}


def noise(count: int = 3) -> Pixels:
    """Photos of noise, each of another light, already as the model sees them."""
    draw = np.random.default_rng(5)
    light = draw.uniform(0.2, 1, (count, 1, 1, 3))
    return (draw.integers(0, 256, (count, SIDE, SIDE, 3)) * light).astype(np.uint8)


def published(name: str, model: Any, photos: Pixels, mean: list[float], std: list[float]) -> Tensor:
    """What the library's own method gives for photos, normalised by hand."""
    pixels = (torch.from_numpy(photos).permute(0, 3, 1, 2).float() / 255 - colour(mean)) / colour(std)
    with torch.inference_mode():
        match name:
            case "clip" | "siglip":
                found = model.get_image_features(pixels)
                out: Tensor = found if isinstance(found, Tensor) else found.pooler_output
            case "clip-projection":
                out = model(pixels).image_embeds
            case _:
                body = getattr(model, model.base_model_prefix) if "ForImage" in type(model).__name__ else model
                out = body(pixels).pooler_output.flatten(1)
    return out


def colour(values: list[float]) -> Tensor:
    return torch.tensor(values).view(1, 3, 1, 1)


def prepared_like(folder: Path, mean: list[float], std: list[float]) -> None:
    """A `preprocessor_config.json` for photos that are `SIDE` pixels square already."""
    told = {"size": {"height": SIDE, "width": SIDE}, "image_mean": mean, "image_std": std, "resample": 2}
    (folder / "preprocessor_config.json").write_text(json.dumps(told))


def cosines(found: Any, wanted: Tensor) -> list[float]:
    return functional.cosine_similarity(torch.as_tensor(found).double(), wanted.double()).tolist()


@pytest.mark.parametrize("name", WHOLE)
def test_a_bundle_gives_what_the_authors_publish(name: str, tmp_path: Path) -> None:
    """The embedding is the library's own, at length 1, through the written bundle; photos are told apart."""
    model = saved(name, tmp_path / "model", vivid=True)
    mean, std = [0.4, 0.5, 0.6], [0.3, 0.25, 0.2]
    prepared_like(tmp_path / "model", mean, std)
    photos = noise()
    wanted = published(name, model, photos, mean, std)
    with torch.inference_mode():
        given = encoder.load(tmp_path / "model").eval()(torch.from_numpy(photos))
    assert torch.allclose(given, wanted, atol=1e-4, rtol=1e-4)
    assert cosines(wanted[:1], wanted[1:2])[0] < 0.99, "these photos say nothing"
    if name in SAME:
        return
    done = export_published(tmp_path / "model", tmp_path / "bundle")
    assert done.cosine >= 0.9999
    opened = open_bundle(tmp_path / "bundle")
    runtime = Runtime(opened.model, "cpu")
    found = runtime.embed(photos)
    assert found.shape == (3, DIMS.get(name, 16))
    assert min(cosines(found, wanted)) > 0.99999
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert runtime.has_patches == (name in PATCHES)
    if runtime.has_patches:
        embedding, patches = runtime.patches(photos)
        together = patches.mean((1, 2))
        assert np.allclose(together / np.linalg.norm(together, axis=1, keepdims=True), embedding, atol=1e-5)


@pytest.mark.parametrize("name", PROCESSORS)
@pytest.mark.parametrize("shape", [(480, 384), (300, 401), (256, 256)])
def test_photos_are_prepared_as_the_library_does(name: str, shape: tuple[int, int], tmp_path: Path) -> None:
    """The square is the one that the library's processor makes, but for roundings at the edge of a pixel."""
    processor = getattr(transformers, name)(**PROCESSORS[name])
    processor.save_pretrained(tmp_path)
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    waves = [np.sin(rows / 40), np.cos(columns / 30), np.sin((rows + columns) / 50)]
    photo = np.stack([(wave * 127 + 128).astype(np.uint8) for wave in waves], axis=2)
    wanted = processor(Image.fromarray(photo), return_tensors="np")["pixel_values"][0]
    seen = prepared(tmp_path, Prepared(8, "box", *IMAGENET))
    square = seen.preprocess().apply(photo).astype(np.float64)
    found = square * np.array(seen.scale) - np.array(seen.shift)
    assert found.shape == (*wanted.shape[1:], 3)
    away = np.abs(found.transpose(2, 0, 1) - wanted) * np.array(seen.std)[:, None, None] * 255
    assert away.mean() < 1


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"size": 224, "crop_size": 224}, (224, "crop", 1.0)),
        ({"size": 224}, (224, "squash", 1.0)),
        ({"size": 224, "crop_pct": 0.875}, (224, "crop", 0.875)),
        ({"size": {"shortest_edge": 384}, "crop_pct": 1.0}, (384, "squash", 1.0)),
        ({"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}}, (224, "crop", 0.875)),
        (
            {"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, "do_center_crop": False},
            (256, "crop", 1.0),
        ),
        ({"size": {"height": 256, "width": 256}, "crop_size": 224}, (224, "squash", 0.875)),
        ({}, (8, "squash", 0.5)),
    ],
)
def test_size_and_crop_are_read(told: dict[str, Any], expected: tuple[int, str, float], tmp_path: Path) -> None:
    """Both sides named are squashed, a shortest side is cropped, and a smaller crop leaves a share."""
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(told))
    seen = prepared(tmp_path, Prepared(8, "box", *HALF, "squash", 0.5))
    assert (seen.size, seen.fit, seen.share) == expected


def test_a_crop_larger_than_the_photo_is_refused(tmp_path: Path) -> None:
    """It would need a ground that nothing tells of."""
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": 200, "crop_size": 224}))
    with pytest.raises(PathError, match="cannot be followed: crop_size 224 is more than size 200"):
        prepared(tmp_path, Prepared(8, "box", *HALF))


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Path]:
    """A model, its library's processor, and the bundle's folder."""
    folder = tmp_path_factory.mktemp("siglip")
    model = saved("siglip", folder / "model", vivid=True)
    processor = transformers.SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    processor.save_pretrained(folder / "model")
    (folder / "model/README.md").write_text("---\nlicense: mit\n---\n# A net\n")
    export_published(folder / "model", folder / "bundle", source="owner/siglip")
    return model, processor, folder / "bundle"


def test_a_photo_goes_the_published_way(siglip: tuple[Any, Any, Path]) -> None:
    """From a drawn photo on, processor and model give the embedding of the bundle."""
    model, processor, folder = siglip
    embedder = Embedder(open_bundle(folder), "cpu")
    for photo in wardrobe.photos(1, seed=3):
        pixels = processor(Image.fromarray(photo.pixels), return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            wanted = model.vision_model(pixels).pooler_output
        height, width, _ = photo.pixels.shape
        found = embedder.embed(Decoded(photo.pixels, width, height))
        assert cosines(found[None], wanted)[0] > 0.9999


def test_the_card_tells_whose_weights_these_are(siglip: tuple[Any, Any, Path]) -> None:
    """Source, licence, which output, how photos are prepared, and that nothing was trained."""
    facts = open_bundle(siglip[2]).facts
    assert (facts.name, facts.backbone, facts.licence) == ("bundle", "owner/siglip", "MIT")
    text = (siglip[2] / "README.md").read_text(encoding="utf-8")
    for said in (
        "Backbone: owner/siglip; the licence of its weights: MIT.",
        "Head: pooler_output of SiglipVisionModel.",
        "Its weights are those of owner/siglip, as they were published: nothing was trained here.",
        "32 × 32 pixels: the whole, its sides made equal, filter bicubic",
        "On 6 photos this file agrees with the published model: cosine at least 0.9999",
    ):
        assert said in text
    assert "```toml" not in text
    shared = replace(facts, preprocess=Preprocess(SIDE, fit="crop", share=0.875))
    seen = card.text(card.Card("x"), Bundle(shared, b"", siglip[2]), checked="", patches=False)
    assert "the middle square, 0.875 of each of its sides, around the middle, filter bilinear" in seen


def test_code_in_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    """A config that names a class of its own, and the file that holds it, change nothing and are not imported."""
    saved("dinov2", tmp_path / "model")
    plain = encoder.load(tmp_path / "model").eval()
    config = json.loads((tmp_path / "model/config.json").read_text())
    config |= {"auto_map": {"AutoModel": "modeling_own.Own", "AutoConfig": "modeling_own.OwnConfig"}}
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    trace = tmp_path / "it-was-run"
    (tmp_path / "model/modeling_own.py").write_text(f"open({str(trace)!r}, 'w').close()\nraise SystemExit\n")
    other = encoder.load(tmp_path / "model").eval()
    photos = torch.from_numpy(noise())
    assert torch.equal(plain(photos), other(photos))
    assert not trace.exists()


def test_pickles_are_refused(tmp_path: Path) -> None:
    """A folder whose weights are a pickle is no model, and the pickle is not opened."""
    saved("clip", tmp_path / "model")
    (tmp_path / "model/model.safetensors").unlink()
    (tmp_path / "model/pytorch_model.bin").write_bytes(b"\x80\x04cposix\nsystem\n")
    with pytest.raises(PathError, match=r"holds no model\.safetensors: .*pickles are never read"):
        export_published(tmp_path / "model", tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("name", "key"),
    [("clip", "visual_projection.weight"), ("siglip", "vision_model.head.probe"), ("dinov3", "norm.weight")],
)
def test_what_the_embedding_needs_must_be_there(name: str, key: str, tmp_path: Path) -> None:
    """A projection or pooling that is missing is an error that names it, not a random one."""
    saved(name, tmp_path)
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    del tensors[key]
    save_file(tensors, file, {"format": "pt"})
    with pytest.raises(IntegrityError, match=f"1 keys are missing: {key.removeprefix('vision_model.')}"):
        encoder.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"vision_config": [1]}, r"the vision_config of a clip is \[1\], no object: mend its config\.json"),
        ({"vision_config": {"image_size": [32, 32]}}, "makes no clip_vision_model: unsupported operand"),
        ({"vision_config": {"hidden_act": "none"}}, "makes no clip_vision_model: 'none'"),
        ({"vision_config": {"num_attention_heads": 0}}, "no config of clip_vision_model: integer modulo"),
    ],
)
def test_a_config_that_makes_no_model_is_told(changes: dict[str, Any], match: str, tmp_path: Path) -> None:
    """In one line, never in a traceback."""
    saved("clip", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    if isinstance(changes["vision_config"], dict):
        changes = {"vision_config": config["vision_config"] | changes["vision_config"]}
    (tmp_path / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(PathError, match=match):
        encoder.load(tmp_path)


@pytest.mark.parametrize("deviations", [[0, 0, 0], [0.5, 0.5, -0.5], [0.5, 0.5], 0.5])
def test_deviations_are_three_above_nothing(deviations: Any, tmp_path: Path) -> None:
    """Others divide by nothing, or turn a colour round."""
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": 8, "image_std": deviations}))
    with pytest.raises(PathError, match=r"preprocessor_config\.json cannot be followed: "):
        prepared(tmp_path, Prepared(8, "box", *HALF))


def test_weights_of_another_size_are_named(tmp_path: Path) -> None:
    """A config that asks for other sizes than the weights have gets no random ones."""
    saved("clip", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"projection_dim": 9}))
    with pytest.raises(IntegrityError, match=r"1 keys are of another size: visual_projection\.weight"):
        encoder.load(tmp_path)


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_photos_of_another_size_than_the_positions_are_refused(name: str, tmp_path: Path) -> None:
    """CLIP's and SigLIP's positions are for one size; a preparation that tells another belongs to another model."""
    saved(name, tmp_path)
    (tmp_path / "preprocessor_config.json").write_text('{"size": {"height": 48, "width": 48}}')
    with pytest.raises(PathError, match="are prepared at 48 pixels, and its model takes 32: mend the size"):
        encoder.load(tmp_path)


def test_a_siglip_without_its_pooling_is_refused(tmp_path: Path) -> None:
    """It gives no embedding."""
    saved("siglip-vision", tmp_path)
    file = tmp_path / "model.safetensors"
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"vision_use_head": False}))
    left = {key: tensor for key, tensor in load_file(file).items() if "head." not in key}
    save_file(left, file, {"format": "pt"})
    with pytest.raises(UsageError, match=r"without its pooling \(vision_use_head is false\)"):
        encoder.load(tmp_path)


@pytest.mark.parametrize("name", ["do_flip_channel_order", "do_grayscale", "rescale_offset"])
def test_a_preparation_that_is_unknown_is_refused(name: str, tmp_path: Path) -> None:
    """Colours in another order are not embedded as if they were not."""
    file = tmp_path / "preprocessor_config.json"
    file.write_text(json.dumps({"size": 8, name: False}))
    assert prepared(tmp_path, Prepared(8, "box", *HALF)).size == 8
    file.write_text(json.dumps({"size": 8, name: True}))
    with pytest.raises(PathError, match=rf"asks for {name} = True, which is unknown here"):
        prepared(tmp_path, Prepared(8, "box", *HALF))


def test_what_is_too_large_is_told_to_use_fp16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model above the limit of one ONNX file is refused before it is written."""
    saved("resnet", tmp_path)
    monkeypatch.setattr(encoder, "_MAX_BYTES", 1000)
    with pytest.raises(BundleError, match=r"larger than 2 GiB .*use its ONNX file in fp16"):
        encoder.load(tmp_path)


def test_a_clip_beside_openclips_config_is_transformers_own(tmp_path: Path) -> None:
    """A folder for both libraries, whose one file of weights has the names of transformers."""
    saved("clip", tmp_path)
    (tmp_path / "open_clip_config.json").write_text('{"model_cfg": {}}')
    assert encoder.load(tmp_path).told == "image_embeds of CLIPVisionModelWithProjection"


def test_what_is_unknown_is_refused(tmp_path: Path) -> None:
    """Another kind of model, and a folder that is none."""
    with pytest.raises(PathError, match=r"holds neither config\.json nor open_clip_config\.json"):
        encoder.load(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UsageError, match="'bert' is unknown: use one of resnet, "):
        encoder.load(tmp_path)
