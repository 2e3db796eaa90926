"""A net → one ONNX file: photos in, embeddings of length 1 out, and on demand what each place contributes."""

import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from itertools import count
from typing import Any, Final, cast

import onnx
import torch
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper
from torch import Tensor, nn

from twinset.adopt.nodes import branches, values_read
from twinset.errors import BundleError
from twinset.training.halves import halve

_OPSET: Final = 18
"""What torch's exporter writes without converting, and every ONNX Runtime since 1.14 reads."""
_IR_VERSION: Final = 8
_MAX_BYTES: Final = 2**31 - 1
_TINY: Final = 1e-12
_PLACES: Final = "places"
"""The value that is given out as `patches`; never computed but in the `If`."""
_NAMES: Final = {"in.photos": "photos", "out.embedding": "embedding", "out.places": _PLACES}
"""What the exporter calls inputs and outputs, with a dot as no operation has one, and what they become."""
_PARAMETERS: Final = "net."


def to_onnx(net: nn.Module, size: int, *, halves: bool = False) -> bytes:
    """A net as a model file without external data; equal nets give equal bytes.

    Its input `photos` is uint8 `(N, size, size, 3)`, any N; its output `embedding` float32 `(N, D)` of length 1.
    Where the net has a true `has_patches`, its `with_patches` gives a second output, `patches`, float32
    `(N, h, w, D)`: empty, `(N, 0, 0, D)`, unless the input `want_patches` is true. With `halves` the weights
    are stored in float16, and computed in float32. The net stays as it is.

    Raises:
        BundleError: the net has an operation that ONNX lacks, depends on how many photos there are, gives
            something else than `(N, D)` and `(N, h, w, D)`, or is larger than 2 GiB.

    """
    if sum(t.numel() for t in (*net.parameters(), *net.buffers())) * 4 > _MAX_BYTES:
        raise BundleError("the net is larger than 2 GiB, the limit of one ONNX file", "use a smaller backbone")
    patches = bool(getattr(net, "has_patches", False))
    model = _exported(_Unit(inference_copy(net), patches=patches).eval(), size)
    _check_shapes(model.graph.output, size, _photos_axis(model))
    _strip(model)
    if patches:
        _on_demand(model.graph)
    if halves:
        halve(model.graph)
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:
        raise BundleError(f"the graph of the net is faulty: {_reason(error)}", "use another backbone") from error
    return bytes(model.SerializeToString(deterministic=True))


def inference_copy(net: nn.Module) -> nn.Module:
    """A copy of the net as it is exported: on the CPU, in float32 and in inference mode."""
    return copy.deepcopy(net).to("cpu", torch.float32).eval()


class _Unit(nn.Module):
    """The net with embeddings of length 1, and contributions where `patches`."""

    def __init__(self, net: nn.Module, *, patches: bool) -> None:
        super().__init__()
        self.net, self.patches = net, patches

    def forward(self, photos: Tensor) -> tuple[Tensor, ...]:
        """`(N, D)`, and perhaps `(N, h, w, D)`."""
        outputs: tuple[Tensor, ...] = (
            cast(Any, self.net).with_patches(photos) if self.patches else (self.net(photos),)
        )
        out, *contributions = outputs
        length = torch.linalg.vector_norm(out.float(), dim=1, keepdim=True)
        return out.float() / length.clamp(min=_TINY), *(each.float() for each in contributions)


def _exported(unit: _Unit, size: int) -> ModelProto:
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                unit,
                (example,),
                dynamo=True,
                external_data=False,
                verbose=False,
                optimize=True,
                opset_version=_OPSET,
                input_names=["in.photos"],
                output_names=["out.embedding", "out.places"] if unit.patches else ["out.embedding"],
                dynamic_shapes=({0: torch.export.Dim("N")},),
            )
            return cast(ModelProto, cast(Any, program).model_proto)
    except Exception as error:
        raise BundleError(
            f"the net cannot be written as ONNX: {_reason(error)}", "use layers that torch can export"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch says meanwhile: missing libraries, its own deprecations, dumps where it fails."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _reason(error: BaseException) -> str:
    """The first line of what an error began with."""
    while error.__cause__ is not None:
        error = error.__cause__
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _dims(value: ValueInfoProto) -> list[int | str]:
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") else dim.dim_param for dim in dims]


def _photos_axis(model: ModelProto) -> int | str:
    return _dims(model.graph.input[0])[0]


def _check_shapes(outputs: Sequence[ValueInfoProto], size: int, axis: int | str) -> None:
    """Accepts `(N, D)` and perhaps `(N, h, w, D)`, N a name and the others numbers."""
    if not isinstance(axis, str):
        raise BundleError(f"the net takes {axis} photos only", "use photos.shape[0], not len(photos)")
    found = [_dims(output) for output in outputs]
    width = found[0][-1] if found[0] else 0
    for dims, rank in zip(found, (2, 4), strict=False):
        sound = len(dims) == rank and dims[0] == axis and dims[-1] == width
        if not (sound and all(isinstance(dim, int) and dim > 0 for dim in dims[1:])):
            raise BundleError(
                f"at {size} pixels the net gives {' and '.join(_shape(d) for d in found)}",
                "give (N, D), and patches (N, h, w, D)",
            )


def _shape(dims: list[int | str]) -> str:
    return f"({', '.join(str(dim) for dim in dims)})"


def _strip(model: ModelProto) -> None:
    """Takes out all that tells where the graph came from (stack traces, paths), and numbers nodes and values."""
    model.producer_name, model.producer_version, model.doc_string = "twinset", "", ""
    model.ir_version = _IR_VERSION
    model.graph.name = "net"
    del model.metadata_props[:]
    _strip_graph(model.graph, dict(_NAMES), count())


def _strip_graph(graph: GraphProto, names: dict[str, str], numbers: Iterator[int]) -> None:
    graph.doc_string = ""
    del graph.metadata_props[:], graph.value_info[:]
    for told in (*graph.input, *graph.initializer, *graph.output):
        told.name, told.doc_string = _renamed(told.name, names), ""
        del told.metadata_props[:]
    for node in graph.node:
        node.name, node.doc_string = f"{node.op_type}_{next(numbers)}", ""
        del node.metadata_props[:]
        node.input[:] = [_renamed(name, names) for name in node.input]
        for branch in branches(node):
            _strip_graph(branch, names, numbers)
        node.output[:] = [_renamed(name, names) for name in node.output]


def _renamed(name: str, names: dict[str, str]) -> str:
    """Parameters keep their names; the others, which the exporter takes from operations, are numbered."""
    return name if not name or name.startswith(_PARAMETERS) else names.setdefault(name, f"v{len(names)}")


def _on_demand(graph: GraphProto) -> None:
    """Moves the nodes that only `places` needs into the `If` that gives `patches`."""
    nodes = [copy.deepcopy(node) for node in graph.node]
    always = _needed(nodes, "embedding")
    wanted = [nodes[i] for i in sorted(_needed(nodes, _PLACES) - always)]
    embedding, places = (copy.deepcopy(output) for output in graph.output)
    width = cast(int, _dims(places)[-1])
    shape = [_dims(embedding)[0], "h", "w", width]
    then = _branch([*wanted, helper.make_node("Identity", [_PLACES], ["then_patches"])], shape)
    other = _branch(_no_patches(width), shape)
    choice = helper.make_node("If", ["want_patches"], ["patches"], "If", then_branch=then, else_branch=other)
    del graph.node[:], graph.output[:]
    graph.node.extend([*(nodes[i] for i in sorted(always)), choice])
    graph.input.append(helper.make_tensor_value_info("want_patches", TensorProto.BOOL, []))
    graph.initializer.append(helper.make_tensor("want_patches", TensorProto.BOOL, [], [False]))
    graph.output.extend([embedding, helper.make_tensor_value_info("patches", TensorProto.FLOAT, shape)])


def _no_patches(width: int) -> list[NodeProto]:
    """Zeros of `(N, 0, 0, D)`."""
    return [
        helper.make_node("Shape", ["photos"], ["photo_count"], start=0, end=1),
        helper.make_node("Constant", [], ["no_places"], value_ints=[0, 0, width]),
        helper.make_node("Concat", ["photo_count", "no_places"], ["no_shape"], axis=0),
        helper.make_node("ConstantOfShape", ["no_shape"], ["else_patches"]),
    ]


def _branch(nodes: list[NodeProto], shape: list[int | str]) -> GraphProto:
    name = nodes[-1].output[0]
    return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)])


def _needed(nodes: Sequence[NodeProto], output: str) -> set[int]:
    """The places, in nodes that stand in the order of their work, of those that `output` depends on."""
    names, found = {output}, set()
    for i in reversed(range(len(nodes))):
        if names & set(nodes[i].output):
            found.add(i)
            names |= values_read(nodes[i])
    return found
