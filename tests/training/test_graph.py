"""One ONNX file of a net: what it takes and gives, when it computes patches, and what it keeps to itself."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from twinset.errors import BundleError
from twinset.preprocess import Preprocess
from twinset.records import Pixels, Vectors
from twinset.runtime import Runtime
from twinset.training import backbone, hub
from twinset.training.backbone import Backbone
from twinset.training.graph import inference_copy, to_onnx
from twinset.training.net import Net, Shape

SIDE = 32
VIT = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "image_size": SIDE, "patch_size": 8,
}  # fmt: skip
CONFIGS: dict[str, dict[str, Any]] = {
    "resnet": {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 1, 1], "embedding_size": 8},
    "dinov2": VIT,
    "clip_vision_model": VIT,
}


class Plain(nn.Module):
    """Convolution, average pooling, dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.dense = nn.Conv2d(3, 8, 4, 4), nn.BatchNorm2d(8), nn.Linear(8, 5)

    def places(self, photos: Tensor) -> Tensor:
        """(N, 8, h, w)."""
        found: Tensor = self.norm(self.conv(photos.permute(0, 3, 1, 2).float() / 255)).relu()
        return found

    def forward(self, photos: Tensor) -> Tensor:
        """(N, D)."""
        out: Tensor = self.dense(self.places(photos).mean((2, 3)))
        return out


class Placed(Plain):
    """The same with what each place contributes."""

    has_patches = True

    def with_patches(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """(N, D) and (N, h, w, D)."""
        places = self.places(photos)
        return self.dense(places.mean((2, 3))), self.dense(places.permute(0, 2, 3, 1))


class Powered(Placed):
    """The generalised mean."""

    def with_patches(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """(N, D) and (N, h, w, D)."""
        powers = self.places(photos).clamp(min=1e-6).pow(3)
        pooled = powers.mean((2, 3), keepdim=True).pow(1 / 3)
        contributions = powers * pooled.pow(-2)
        return self.dense(pooled.flatten(1)), self.dense(contributions.permute(0, 2, 3, 1))

    def forward(self, photos: Tensor) -> Tensor:
        """(N, D)."""
        return self.with_patches(photos)[0]


class Derived(Placed):
    """The embedding is computed from the contributions."""

    def with_patches(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """(N, D) and (N, h, w, D)."""
        patches = self.dense(self.places(photos).permute(0, 2, 3, 1))
        return patches.mean((1, 2)), patches


class Branching(Placed):
    """The contributions come through branches of their own."""

    def with_patches(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """(N, D) and (N, h, w, D)."""
        places = self.places(photos)
        out = self.dense(places.mean((2, 3)))
        moved = places.permute(0, 2, 3, 1)
        return out, torch.cond(
            out.sum() > 0, lambda m: self.dense(m) * 1.0, lambda m: self.dense(m * 1.0), (moved,)
        )


class Token(Plain):
    """A class token before the places, which contribute nothing by themselves."""

    has_patches = False

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Embedding(1, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, photos: Tensor) -> Tensor:
        """(N, D)."""
        places = self.places(photos).flatten(2).transpose(1, 2)
        token = self.token(torch.zeros(1, 1, dtype=torch.int64)).expand(photos.shape[0], -1, -1)
        out: Tensor = self.dense(self.layer(torch.cat([token, places], 1))[:, 0])
        return out


def lively(net: nn.Module) -> nn.Module:
    """The net with random statistics in its batch norms, in training mode."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.running_mean is not None:
            module.running_mean.normal_(std=0.1)
    return net.train()


def made(kind: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return lively(kind())


def real(name: str, pooling: Any, head: Any) -> nn.Module:
    """A net of the training, small and with random weights."""
    torch.manual_seed(0)
    prepared = hub.Prepared(SIDE, "bilinear", (0.5, 0.4, 0.3), (0.2, 0.3, 0.2))
    found = (
        Backbone(name, hub.remade(name, CONFIGS[name], prepared))
        if name in CONFIGS
        else backbone.load(name, pretrained=False)
    )
    return lively(Net(found, Shape(pooling, head, 12, 0.2, -1), Preprocess(SIDE)))


def squares(count: int = 3) -> Pixels:
    return np.random.default_rng(3).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def wanted(net: nn.Module, photos: Pixels) -> Vectors:
    """What torch itself makes of photos, at length 1."""
    with torch.inference_mode():
        found: Vectors = functional.normalize(inference_copy(net)(torch.from_numpy(photos))).numpy()
    return found


def check(net: nn.Module) -> Runtime:
    """The net's file gives what the net gives, for one photo and for three, and patches where it has them."""
    runtime = Runtime(to_onnx(net, SIDE))
    photos = squares()
    for some in (photos[:1], photos):
        vectors = runtime.embed(some)
        assert vectors.dtype == np.float32
        assert np.abs(vectors - wanted(net, some)).max() < 1e-5
        assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6
    assert runtime.has_patches == bool(getattr(net, "has_patches", False))
    if runtime.has_patches:
        vectors, patches = runtime.patches(photos)
        assert patches.dtype == np.float32
        assert patches.ndim == 4
        assert patches.shape[0] == 3
        assert patches.shape[3] == vectors.shape[1]
        mean = patches.astype(float).mean((1, 2))
        mean /= np.linalg.norm(mean, axis=1, keepdims=True)
        assert np.abs(mean - runtime.embed(photos)).max() < 1e-4
    return runtime


@pytest.mark.parametrize("kind", [Plain, Placed, Powered, Derived, Branching, Token])
def test_any_net_becomes_a_file_that_gives_the_same(kind: type[nn.Module]) -> None:
    """Whatever module it is: `embedding` of length 1, `patches` where it has them, for any number of photos."""
    check(made(kind))


@pytest.mark.parametrize(
    ("name", "pooling", "head"),
    [
        ("resnet", "average", "bn"),
        ("resnet", "gem", "dense"),
        ("dinov2", "attention", "dense"),
        ("dinov2", "cls", "bn"),
        ("clip_vision_model", "cls", "dense"),
        ("efficientnet-lite0", "gem", "dense"),
    ],
)
def test_the_nets_of_the_training_become_files(name: str, pooling: str, head: str) -> None:
    """Every pooling and head, on convolutions and transformers."""
    check(real(name, pooling, head))


def test_the_net_stays_as_it_was() -> None:
    """Mode, parts in another mode, weights and gradients are untouched."""
    net = made(Placed)
    net.get_submodule("norm").eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    to_onnx(net, SIDE)
    assert [m.training for m in net.modules()] == [m is not net.get_submodule("norm") for m in net.modules()]
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())


def test_patches_wait_in_the_if() -> None:
    """Outside the `If` stands what the embedding needs, inside all else; its else-branch gives nothing."""
    model = onnx.load_from_string(to_onnx(made(Placed), SIDE))
    (choice,) = [node for node in model.graph.node if node.op_type == "If"]
    branches = {told.name: [node.op_type for node in told.g.node] for told in choice.attribute}
    assert "MatMul" in branches["then_branch"]
    assert [node.op_type for node in model.graph.node].count("Gemm") == 1
    assert "MatMul" not in [node.op_type for node in model.graph.node]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert session.run(["patches"], {"photos": squares(2)})[0].shape == (2, 0, 0, 5)
    asked = session.run(["patches"], {"photos": squares(2), "want_patches": np.array(True)})[0]
    assert asked.shape == (2, SIDE // 4, SIDE // 4, 5)


def test_embedding_computes_no_patches(tmp_path: Path) -> None:
    """The runtime's own profile counts the work of the then-branch only where it was asked for."""

    def ran(**feed: Any) -> set[str]:
        options = onnxruntime.SessionOptions()
        options.enable_profiling, options.profile_file_prefix = True, str(tmp_path / "profile")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        session.run(["embedding", "patches"], {"photos": squares(2), **feed})
        events = json.loads(Path(session.end_profiling()).read_text())
        return {event["args"]["op_name"] for event in events if "op_name" in event.get("args", {})}

    data = to_onnx(made(Placed), SIDE)
    assert {"Conv", "Gemm"} <= ran()
    assert "MatMul" not in ran()
    assert "MatMul" in ran(want_patches=np.array(True))


def test_equal_nets_give_equal_bytes_that_tell_nothing_of_the_machine() -> None:
    """Twice the same file: no folder, no source file, no trace, no external data."""
    net = made(Powered)
    data = to_onnx(net, SIDE)
    assert data == to_onnx(inference_copy(net), SIDE)
    for told in (str(Path.cwd()), str(Path.home()), str(Path(torch.__file__).parent), __file__):
        assert told.encode() not in data
    for told in ("site-packages", ".py", "Traceback", "stack_trace", "Powered", "torch"):
        assert told.encode() not in data
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    assert {opset.domain for opset in model.opset_import} == {""}
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)


def test_batch_norm_is_folded_into_the_convolution() -> None:
    """No operation is left of a batch norm that follows a convolution."""
    model = onnx.load_from_string(to_onnx(made(Plain), SIDE))
    assert [node.op_type for node in model.graph.node].count("BatchNormalization") == 0


def test_the_exporter_is_quiet(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """Nothing on stdout or stderr, no warning, no log of one; and the logger is as it was."""
    level = logging.getLogger("torch").level
    to_onnx(made(Plain), SIDE)
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert logging.getLogger("torch").level == level


class Two(Plain):
    """Knows two photos only."""

    def forward(self, photos: Tensor) -> Tensor:
        """(2, D)."""
        return super().forward(photos).reshape(2, 5)


class Wide(Plain):
    """Gives places for embeddings."""

    def forward(self, photos: Tensor) -> Tensor:
        """(N, C, h, w)."""
        return self.places(photos)


class Asking(Plain):
    """Does one thing or another, as the photos are."""

    def forward(self, photos: Tensor) -> Tensor:
        """(N, D)."""
        out = super().forward(photos)
        return out * 2 if out.sum() > 0 else out


class Narrow(Placed):
    """Its patches have another width than its embedding."""

    def with_patches(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """(N, D) and (N, h, w, C)."""
        return self(photos), self.places(photos).permute(0, 2, 3, 1)


class Lacking(Plain):
    """Uses what ONNX has not."""

    def forward(self, photos: Tensor) -> Tensor:
        """(N, D)."""
        return torch.linalg.svdvals(self.places(photos).flatten(2))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Two, "the net takes 2 photos only: use photos.shape"),
        (Wide, r"at 32 pixels the net gives \(N, 8, 8, 8\): give \(N, D\)"),
        (Narrow, r"at 32 pixels the net gives \(N, 5\) and \(N, 8, 8, 8\): give"),
        (Asking, "the net cannot be written as ONNX: Could not guard on data-dependent expression"),
        (Lacking, "the net cannot be written as ONNX: No ONNX function found for .*svd"),
    ],
)
def test_what_cannot_be_a_file_is_refused(
    kind: type[nn.Module], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """With the reason in one line, and no dump beside it."""
    with pytest.raises(BundleError, match=message) as error:
        to_onnx(made(kind), SIDE)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_a_net_too_large_for_one_file_is_refused() -> None:
    """Before anything is written: ONNX files end at 2 GiB."""
    with torch.device("meta"):
        net = nn.Linear(2**15, 2**14 + 1)
    with pytest.raises(BundleError, match="larger than 2 GiB"):
        to_onnx(net, SIDE)
