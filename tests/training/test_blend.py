"""The blend: what it sees, what trains of it, its gate, its places, and its file."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.blends import PREPARE, SIZE, blend, many, photos
from twinset.errors import BundleError, IntegrityError, UsageError
from twinset.preprocess import Preprocess
from twinset.training import backbone as backbones
from twinset.training import hub
from twinset.training.backbone import Backbone
from twinset.training.blend import COLOUR, GENERAL, GRAIN, LEAST_DIM, Blend, BlendShape, Seen
from twinset.training.directions import START, Directions
from twinset.training.halves import halve
from twinset.training.net import build, rebuild
from twinset.training.recipe import load
from twinset.training.surface import BINS

UNLEARNED = GENERAL + COLOUR + GRAIN
STAGES = [0, 1, 2]


@pytest.fixture(scope="module")
def three() -> Tensor:
    """Three photos; not to be changed."""
    return photos(3)


def state(module: nn.Module) -> dict[str, Tensor]:
    """A copy of everything a module holds."""
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def lengths(embeddings: Tensor) -> tuple[Tensor, Tensor]:
    """The squared length of what is not learned, and of what is."""
    squares = embeddings.square()
    return squares[:, :UNLEARNED].sum(dim=1), squares[:, UNLEARNED:].sum(dim=1)


@pytest.mark.parametrize("stages", STAGES)
def test_what_is_seen_is_all_it_needs(stages: int, lite: Backbone, three: Tensor) -> None:
    """Photos and what was seen of them give the same embeddings, bit by bit, of length 1, unlike each other."""
    net = blend(lite, stages)
    with torch.no_grad():
        seen, direct = net.see(three), net(three)
        assert torch.equal(net(seen), direct)
    widths = {0: (0, 7, 7), 1: (112, 14, 14), 2: (40, 28, 28)}
    assert [tuple(part.shape[1:]) for part in seen] == [widths[stages], (1280,), (BINS,), (176,)]
    assert direct.shape == (3, net.dim)
    assert torch.allclose(direct.norm(dim=1), torch.ones(3), atol=1e-5)
    alike = direct @ direct.T - 2 * torch.eye(3)
    assert alike.max() < 0.99


@pytest.mark.parametrize("stages", STAGES)
def test_the_copy_begins_as_the_backbone(stages: int, lite: Backbone, three: Tensor) -> None:
    """What the copied stages make of what was seen are the backbone's own features, at every place."""
    net = blend(lite, stages)
    if net.tail is not None:
        with torch.no_grad():
            pixels = net.backbone.normalised(three)
            assert torch.allclose(pixels, three.permute(0, 3, 1, 2) / 127.5 - 1, atol=1e-5)
            places = lite(pixels.contiguous(memory_format=torch.channels_last)).places
            assert torch.allclose(net.tail(net.see(three).trunk), places, atol=1e-3)
    assert (net.tail is None) == (stages == 0)


@pytest.mark.parametrize("stages", STAGES)
def test_contributions_average_to_the_embedding(stages: int, lite: Backbone, three: Tensor) -> None:
    """Over 7 × 7 places, for every part of it."""
    net = blend(lite, stages)
    with torch.no_grad():
        embeddings, patches = net.with_patches(three)
        assert torch.allclose(embeddings, net(three), atol=1e-6)
    assert patches.shape == (3, 7, 7, net.dim)
    assert (patches.mean(dim=(1, 2)) - embeddings).abs().max() < 1e-4
    assert all((part.std(dim=(1, 2)) > 0).any() for part in patches.split([GENERAL, COLOUR, GRAIN, 16], dim=3))


@pytest.mark.parametrize("bias", [20.0, -20.0, 200.0, -200.0])
def test_a_gate_far_out_leaves_both_sides(bias: float, lite: Backbone, three: Tensor) -> None:
    """What is not learned has .4 or .9 of the squared length; a step from there is still a step of numbers."""
    net = blend(lite)
    nn.init.zeros_(net.gate.weight)
    nn.init.constant_(net.gate.bias, bias)
    seen = net.see(three)
    embeddings = net(seen)
    unlearned, learned = lengths(embeddings)
    assert torch.allclose(unlearned, torch.full((3,), 0.9 if bias > 0 else 0.4), atol=1e-6)
    assert torch.allclose(learned, torch.full((3,), 0.1 if bias > 0 else 0.6), atol=1e-6)
    (embeddings[0] @ embeddings[1] + net.gate_loss(seen, studio=bias < 0)).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in (*net.gate.parameters(),))
    assert torch.allclose(net.gate_loss(seen, studio=bias < 0), torch.tensor(abs(bias)), atol=1e-3)


def test_the_gate_weighs_by_the_shares(lite: Backbone, three: Tensor) -> None:
    """General features, colour and grain have .25, .60 and .15 of what `unlearned` says, the learned the rest."""
    net = blend(lite)
    with torch.no_grad():
        seen = net.see(three)
        gate, squares = net.unlearned(seen), net(seen).square()
        expected = 0.4 + 0.5 * torch.sigmoid(net.gate(net.learned.standard(seen.general) * START))[:, 0]
    parts = torch.stack([part.sum(dim=1) for part in squares.split([GENERAL, COLOUR, GRAIN, 16], dim=1)])
    assert torch.allclose(gate, expected)
    assert torch.allclose(parts[:3], torch.tensor([[0.25], [0.60], [0.15]]) * gate, atol=1e-5)
    assert torch.allclose(parts[3], 1 - gate, atol=1e-5)


def test_what_is_learned_alone(lite: Backbone, three: Tensor) -> None:
    """The learned part of the embedding at length 1, whatever the gate says; colour and grain take part in it."""
    net = blend(lite, 1)
    with torch.no_grad():
        nn.init.normal_(net.surfaces.weight)
        seen = net.see(three)
        alone, part = net.learned_alone(seen), net(seen)[:, -16:]
        assert torch.allclose(alone, nn.functional.normalize(part), atol=1e-6)
        grey = seen._replace(colour=seen.colour.flip(0))
        assert not torch.allclose(net.learned_alone(grey), alone, atol=1e-2)


@pytest.mark.parametrize("studio", [True, False])
def test_the_gate_learns_what_is_a_studios(studio: bool, lite: Backbone, three: Tensor) -> None:
    """Minus the logarithm of what it gives to what is so; the slope reaches nothing but the gate."""
    net = blend(lite, 1)
    seen = net.see(three)
    loss = net.gate_loss(seen, studio=studio)
    given = (net.unlearned(seen) - 0.4) / 0.5
    assert torch.allclose(loss, -(given if studio else 1 - given).log().mean(), atol=1e-5)
    loss.backward()
    reached = {name for name, parameter in net.named_parameters() if parameter.grad is not None}
    assert reached == {"gate.weight", "gate.bias"}


@pytest.mark.parametrize("stages", STAGES)
def test_frozen_parts_never_change(stages: int, lite: Backbone, three: Tensor) -> None:
    """A step changes every weight of the copy, of the learned layers and of the gate, and nothing else: not the
    backbone, not the directions of what is general, no batch norm's statistics, whatever mode is asked for."""
    net, seen = blend(lite, stages), None
    before = state(net)
    for mode in (True, False, True):
        net.train(mode)
        assert net.training == mode
        assert not any(module.training for module in net.backbone.modules())
        assert net.tail is None or not any(module.training for module in net.tail.modules())
    seen = net.see(three)
    optimizer = torch.optim.SGD([parameter for group in net.groups() for parameter in group], lr=0.1)
    embeddings = net(seen)
    (embeddings[0] @ embeddings[1] + (embeddings[2, -16:] * torch.arange(16)).sum()).backward()
    optimizer.step()
    changed = {name for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])}
    names = {name for name, _ in net.named_parameters()}
    ours = {"learned.weight", "surfaces.weight", "gate.weight", "gate.bias", *(["fine.weight"] if stages else [])}
    assert changed == ours | {name for name in names if name.startswith("tail.")}
    assert any(name.startswith("tail.") for name in changed) == (stages > 0)


@pytest.mark.parametrize("stages", STAGES)
def test_groups_hold_what_trains_once(stages: int, lite: Backbone) -> None:
    """The copied stages, and the layers behind: all that asks for a gradient, and nothing that does not."""
    net = blend(lite, stages)
    tail, layers = net.groups()
    given = [id(parameter) for parameter in (*tail, *layers)]
    assert len(given) == len(set(given))
    assert set(given) == {id(parameter) for parameter in net.parameters() if parameter.requires_grad}
    copied = sum(
        p.numel() for module in lite.stages[len(lite.stages) - stages :] for m in module for p in m.parameters()
    )
    assert sum(parameter.numel() for parameter in tail) == copied
    wide = 16 * (1280 * (2 if stages else 1) + COLOUR + GRAIN)
    assert sum(parameter.numel() for parameter in layers) == wide + 1281


def test_it_begins_from_principal_directions(lite: Backbone) -> None:
    """Each part from those of its own features, both learned layers from the general ones; the strain is 0 there,
    and 1 where one weight has moved by the starting length of a row."""
    net = blend(lite, 1)
    seen = many(net)
    net.begin(seen)
    expected = Directions(1280, 16)
    expected.begin(seen.general)
    assert torch.equal(net.learned.weight, expected.weight)
    assert net.fine is not None
    for name, tensor in net.learned.state_dict().items():
        assert torch.equal(net.fine.state_dict()[name], tensor), name
    for part, features in zip((net.general, net.colour, net.grain), seen[1:], strict=True):
        spread = part(features).std(dim=0)
        assert spread[0] > spread[-1] > 0
    assert net.strain() == 0
    with torch.no_grad():
        net.learned.weight[3, 4] += START
    assert net.strain().item() == pytest.approx(1, abs=1e-4)
    with pytest.raises(UsageError, match=f"{GENERAL - 1} photos cannot tell {GENERAL} principal directions"):
        net.begin(Seen(*(part[: GENERAL - 1] for part in seen)))


@pytest.mark.parametrize("stages", STAGES)
def test_facts_rebuild_an_equal_net(stages: int, lite: Backbone, three: Tensor) -> None:
    """Through JSON, and with the state, outputs are equal bit by bit and the same parts train."""
    net = blend(lite, stages, dim=LEAST_DIM + 5)
    facts = json.loads(json.dumps(net.facts()))
    again = rebuild(facts)
    assert isinstance(again, Blend)
    again.load_state_dict(net.state_dict(), strict=True)
    with torch.no_grad():
        assert torch.equal(again.eval()(three), net(three))
    assert again.facts() == facts
    assert [p.requires_grad for p in again.parameters()] == [p.requires_grad for p in net.parameters()]
    assert "to 21 dimensions" in net.told
    assert ("trained" in net.told) == (stages > 0)


def test_the_recipe_builds_it() -> None:
    """`head` gives a blend of 512 dimensions whose backbone stays as it is."""
    net = build(load("head"))
    assert isinstance(net, Blend)
    assert (net.dim, net.preprocess.size, net.tail, net.groups()[0]) == (512, SIZE, None, [])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"dim": LEAST_DIM - 1}, f"dim = {LEAST_DIM - 1} leaves nothing to learn in head = blend: set {LEAST_DIM}"),
        ({"trainable_stages": 3}, "trainable_stages = 3 does not go with head = blend: set it to 0, 1 or 2"),
        ({"trainable_stages": -1}, "trainable_stages = -1 does not go with head = blend"),
        ({"size": 200}, "size = 200 does not go with head = blend: set size to 224"),
        ({"size": 256}, "size = 256 does not go with head = blend"),
        ({"size": 0, "backbone": "efficientnet-lite1"}, "size = 240 does not go with head = blend"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], match: str) -> None:
    """The setting, its value and what to set."""
    with pytest.raises(UsageError, match=match):
        build(replace(load("head"), **change))


def test_a_tower_is_refused() -> None:
    """A net of transformers has no stages that could be copied."""
    config = {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 1, 1], "embedding_size": 8}
    prepared = hub.Prepared(SIZE, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    found = Backbone("small", hub.remade("resnet", config, prepared))
    with pytest.raises(UsageError, match="head = blend does not go with small: set backbone = efficientnet-lite0"):
        Blend(found, BlendShape(LEAST_DIM, 0), PREPARE)


@pytest.mark.parametrize("change", [{"dim": "x"}, {"dim": 7}, {"trainable_stages": None}, {"preprocess": {}}])
def test_damaged_facts_are_refused(change: dict[str, Any], lite: Backbone) -> None:
    """Facts that make no blend are an integrity error."""
    with pytest.raises(IntegrityError, match="damaged"):
        rebuild(blend(lite).facts() | change)


def stored(**tensors: np.ndarray) -> onnx.GraphProto:
    """A graph of weights alone, in halves."""
    graph = onnx.GraphProto()
    graph.initializer.extend(onnx.numpy_helper.from_array(values, name) for name, values in tensors.items())
    halve(graph)
    return graph


def test_only_large_weights_are_halved() -> None:
    """Lists and small tensors, whole numbers and truth values stay as they are, in place and to the bit."""
    draw = np.random.default_rng(0)
    large = draw.standard_normal((40, 30)).astype(np.float32)
    kept = {
        "deviation": np.full(1280, 1e-9, np.float32),
        "small": np.full((5, 5), 1e-9, np.float32),
        "counts": np.arange(600).reshape(20, 30),
    }
    graph = stored(large=large, **kept)
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    assert found.keys() == {"large.f16", *kept}
    assert found["large.f16"].dtype == np.float16
    assert np.abs(found["large.f16"] - large).max() < 2e-3
    for name, values in kept.items():
        assert np.array_equal(found[name], values), name
    assert [(node.op_type, *node.input, *node.output) for node in graph.node] == [("Cast", "large.f16", "large")]


def test_weights_beyond_halves_are_refused() -> None:
    """With the tensor's name, its largest number, and what to leave out."""
    with pytest.raises(BundleError, match="far holds 70000, and float16 ends at 65504: leave out --halves"):
        stored(far=np.full((20, 20), -70000, np.float32))


def test_a_net_in_halves_trains_alike(lite: Backbone, three: Tensor) -> None:
    """Under bf16 autocast embeddings stay float32 of length 1, near the full ones, and slopes reach all that
    trains."""
    net = blend(lite, 1)
    seen = net.see(three)
    with torch.autocast("cpu", torch.bfloat16):
        half = net.train()(seen)
    (half[0] @ half[1]).backward()
    assert half.dtype == torch.float32
    assert torch.allclose(half.norm(dim=1), torch.ones(3), atol=1e-5)
    assert (functional.cosine_similarity(half, net(seen)) > 0.995).all()
    assert all(parameter.grad is not None for group in net.groups() for parameter in group)


def test_another_preparation_is_kept() -> None:
    """The way in which photos are made square goes into the facts."""
    found = backbones.load("mobilenetv2", pretrained=False)
    net = Blend(found, BlendShape(LEAST_DIM, 0), Preprocess(SIZE, "bilinear", "crop"))
    assert rebuild(net.facts()).preprocess == net.preprocess != PREPARE
