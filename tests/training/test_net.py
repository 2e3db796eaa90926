"""The net: normalisation, what trains and what stays, facts, contributions, precision, export."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from transformers import Dinov2Config, Dinov2Model, ResNetConfig, ResNetModel

from twinset.errors import IntegrityError, UsageError
from twinset.training.net import Net, build, rebuild
from twinset.training.recipe import Recipe

SMALL = ResNetConfig(embedding_size=8, hidden_sizes=[8, 12, 16, 20], depths=[1, 1, 1, 1])
VIT = Dinov2Config(
    hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8
)


@pytest.fixture(scope="session")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """The recipe of a small ResNet with random weights and running statistics, read from its folder."""
    torch.manual_seed(0)
    folder, model = tmp_path_factory.mktemp("resnet"), ResNetModel(SMALL)
    model.train()(torch.randn(8, 3, 64, 64))
    model.save_pretrained(folder)
    return Recipe(str(folder), dim=7, size=64)


@pytest.fixture(scope="session")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """The recipe of a small vision transformer."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("vit")
    Dinov2Model(VIT).save_pretrained(folder)
    return Recipe(str(folder), dim=7, size=32)


def photos(count: int = 3, side: int = 64, seed: int = 0) -> Tensor:
    """Random photos, uint8 `(N, H, W, 3)`."""
    return torch.randint(
        0, 256, (count, side, side, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


def state(module: nn.Module) -> dict[str, Tensor]:
    """A copy of everything a module holds."""
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def step(net: Net) -> None:
    """One step of training with a large rate."""
    parameters = [parameter for group in net.groups() for parameter in group]
    optimizer = torch.optim.SGD(parameters, lr=1.0)
    net.train()(photos(8)).square().mean().backward()
    optimizer.step()


def test_the_founding_net_trains_sixteen_million() -> None:
    """The last stage of ResNet-50 and a dense layer to 512: 16,013,824 parameters."""
    net = build(Recipe("resnet-50", pretrained=False, dim=512, trainable_stages=1))
    backbone, ends = (sum(parameter.numel() for parameter in group) for group in net.groups())
    assert (backbone, ends) == (14_964_736, 2048 * 512 + 512)
    assert backbone + ends == 16_013_824
    assert (net.dim, net.preprocess.size, net.preprocess.filter) == (512, 224, "bilinear")


def test_photos_are_normalised_in_the_net(resnet: Recipe) -> None:
    """uint8 photos give what the backbone, pooling and head give of (photo / 255 - mean) / deviation."""
    net = build(resnet).eval()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (net.backbone.mean, net.backbone.std))
    pixels = (photos().permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.inference_mode():
        expected = net.head(net.backbone(pixels).places.mean(dim=(2, 3)))
        assert torch.allclose(net(photos()), expected, atol=1e-5)
    assert not any("scale" in name or "shift" in name for name in net.state_dict())


@pytest.mark.parametrize("stages", [0, 1, 2, 5, -1])
def test_only_the_last_stages_train(stages: int, resnet: Recipe) -> None:
    """Gradients and changes, of weights and of batch norms' statistics, are in those stages and the head alone."""
    net = build(replace(resnet, trainable_stages=stages))
    kept = len(net.backbone.stages) - stages if stages >= 0 else 0
    before = [[state(module) for module in stage] for stage in net.backbone.stages]
    head = state(net.head)
    step(net)
    for number, (stage, was) in enumerate(zip(net.backbone.stages, before, strict=True)):
        frozen = number < kept
        for module, old in zip(stage, was, strict=True):
            assert all(parameter.grad is None for parameter in module.parameters()) or not frozen
            assert all(parameter.requires_grad != frozen for parameter in module.parameters())
            assert all(part.training != frozen for part in module.modules())
            same = [torch.equal(tensor, old[name]) for name, tensor in module.state_dict().items()]
            assert all(same) if frozen else not any(same)
    assert not any(torch.equal(tensor, head[name]) for name, tensor in net.head.state_dict().items())


def test_frozen_parts_stay_in_inference_mode(resnet: Recipe) -> None:
    """Whatever mode the net is put in; all of it is in inference mode after `eval`."""
    net = build(replace(resnet, trainable_stages=1))
    for mode in (True, False, True):
        net.train(mode)
        *frozen, last = net.backbone.stages
        assert not any(part.training for stage in frozen for module in stage for part in module.modules())
        assert all(part.training == mode for module in last for part in module.modules())
        assert net.head.training == mode


def test_groups_hold_each_trainable_parameter_once(resnet: Recipe) -> None:
    """The backbone's, and those of pooling and head; none that is frozen, as the neck's shift."""
    net = build(replace(resnet, trainable_stages=1, pooling="gem", head="bn", dim=0))
    backbone, ends = net.groups()
    assert net.dim == 20
    assert {id(p) for p in ends} == {id(net.pool.power), id(net.head.norm.weight)}  # type: ignore[union-attr]
    assert {id(p) for p in backbone + ends} == {id(p) for p in net.parameters() if p.requires_grad}


@pytest.mark.parametrize("pooling", ["average", "gem", "attention"])
@pytest.mark.parametrize(("head", "dim"), [("dense", 7), ("bn", 7), ("bn", 0)])
def test_contributions_average_to_the_output(pooling: str, head: str, dim: int, resnet: Recipe) -> None:
    """Over h, w, to 1e-4 of the output, after some training too."""
    net = build(replace(resnet, pooling=pooling, head=head, dim=dim))  # type: ignore[arg-type]
    step(net)
    with torch.inference_mode():
        output, patches = net.eval().with_patches(photos())
        assert torch.equal(output, net(photos()))
    assert net.has_patches
    assert patches.shape == (3, 2, 2, net.dim)
    assert torch.allclose(patches.mean(dim=(1, 2)), output, atol=1e-4 * float(output.abs().max()), rtol=0)


def test_a_class_token_has_no_contributions(vit: Recipe) -> None:
    """The net says so before it is asked, and refuses when it is."""
    net = build(replace(vit, pooling="cls")).eval()
    assert not net.has_patches
    assert net(photos(side=32)).shape == (3, 7)
    with pytest.raises(UsageError, match="nothing to a class token"):
        net.with_patches(photos(side=32))


@pytest.mark.parametrize("pooling", ["average", "gem", "attention"])
def test_facts_rebuild_an_equal_net(pooling: str, resnet: Recipe, tmp_path: Path) -> None:
    """Through JSON, and with the state, outputs are equal bit by bit and the same parts train; no file is read."""
    folder = shutil.copytree(resnet.backbone, tmp_path / "copy")
    net = build(
        replace(resnet, backbone=str(folder), pooling=pooling, head="bn", trainable_stages=2)  # type: ignore[arg-type]
    )
    step(net)
    shutil.rmtree(folder)
    facts = json.loads(json.dumps(net.facts()))
    again = rebuild(facts)
    again.load_state_dict(net.state_dict(), strict=True)
    assert torch.equal(again.eval()(photos()), net.eval()(photos()))
    assert again.facts() == facts
    assert again.preprocess == net.preprocess
    trained = [[name for name, p in one.named_parameters() if p.requires_grad] for one in (net, again)]
    assert trained[0] == trained[1]


@pytest.mark.parametrize("name", ["efficientnet-lite0", "mobilenetv2"])
def test_mobile_nets_train_in_halves(name: str) -> None:
    """Under bf16 autocast outputs are float32 and near the full ones; the photos' memory is channels-last."""
    torch.manual_seed(0)
    net = build(Recipe(name, pretrained=False, dim=7, size=64, trainable_stages=1))
    with torch.autocast("cpu", torch.bfloat16):
        out = net.train()(photos(4))
        out.square().mean().backward()
    assert out.dtype == torch.float32
    assert all(parameter.grad is not None for group in net.groups() for parameter in group)
    with torch.inference_mode():
        full = net.eval()(photos(4))
        with torch.autocast("cpu", torch.bfloat16):
            half = net(photos(4))
    assert torch.allclose(full, half, atol=0.05 * float(full.abs().max()))
    convolution = next(module for module in net.modules() if isinstance(module, nn.Conv2d))
    assert convolution.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"pooling": "cls"}, "has no class token: set pooling to average, gem or attention"),
        ({"trainable_stages": 6}, "has 5 stages, not 6: set trainable_stages to 0 to 5, or -1 for all"),
    ],
)
def test_recipes_that_do_not_fit_the_backbone(change: dict[str, Any], match: str, resnet: Recipe) -> None:
    """What the backbone does not have is said with what it has."""
    with pytest.raises(UsageError, match=match):
        build(replace(resnet, **change))


def test_a_size_between_patches_is_refused(vit: Recipe) -> None:
    """Another multiple of the patches is seen; size 0 is what the backbone was trained on."""
    assert build(replace(vit, size=48))(photos(side=48)).shape == (3, 7)
    assert build(replace(vit, size=0)).preprocess.size == 32
    with pytest.raises(UsageError, match="size 50: its patches are 8 pixels wide; it was trained at 32"):
        build(replace(vit, size=50))


@pytest.mark.parametrize(
    "change", [{"backbone": {}}, {"pooling": "max"}, {"head": "max"}, {"dim": "x"}, {"preprocess": {}}]
)
def test_damaged_facts_are_refused(change: dict[str, Any], resnet: Recipe) -> None:
    """Facts that make no net are an integrity error."""
    with pytest.raises(IntegrityError, match="damaged"):
        rebuild(build(resnet).facts() | change)
    with pytest.raises(IntegrityError, match="damaged"):
        rebuild({})


class Patched(nn.Module):
    """What is exported: embeddings and contributions."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """As `Net.with_patches`."""
        return self.net.with_patches(photos)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize(("kind", "pooling"), [("resnet", "gem"), ("vit", "attention")])
def test_nets_export(kind: str, pooling: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """As one ONNX file for any number of photos, whose outputs are the net's; positions interpolated too."""
    recipe: Recipe = request.getfixturevalue(kind)
    net = build(replace(recipe, pooling=pooling, head="bn", size=64)).eval()  # type: ignore[arg-type]
    batch = {0: torch.export.Dim("batch", min=1, max=1024)}
    program = torch.onnx.export(
        Patched(net), (photos(2),), dynamo=True, external_data=False, dynamic_shapes=(batch,), verbose=False
    )
    assert program is not None
    program.save(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for count in (1, 5):
        found = session.run(None, {session.get_inputs()[0].name: photos(count).numpy()})
        with torch.inference_mode():
            expected = net.with_patches(photos(count))
        for ours, theirs in zip(found, expected, strict=True):
            assert np.abs(ours - theirs.numpy()).max() <= 1e-4 * float(theirs.abs().max())
