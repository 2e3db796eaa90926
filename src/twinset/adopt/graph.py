"""A published graph → one that takes photos and gives embeddings: what stands before and behind it."""

import copy
from collections.abc import Sequence
from typing import Final, NamedTuple

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from twinset.adopt.file import OWN
from twinset.adopt.nodes import branches, values_read
from twinset.errors import BundleError, first_line
from twinset.prepared import Prepared

_OUTPUTS: Final = ("image_embeds", "pooler_output", "last_hidden_state")
"""What can become an embedding, the best first."""
_CLASS_TOKEN: Final = frozenset(
    ("deit", "dinov2", "dinov2_with_registers", "dinov3_convnext", "dinov3_vit", "vit", "vit_mae", "vit_msn")
)
"""Kinds of model whose first token stands for the photo."""
_UNPOOLED: Final = frozenset(
    ("clip", "clip_vision_model", "convnext", "convnextv2", "siglip", "siglip_vision_model", "siglip2")
)
"""Kinds whose embedding is more than a token or a mean."""
_UNTRAINED: Final = frozenset(("deit", "vit"))
"""Kinds whose pooler few checkpoints have: where it is missing, an export holds random weights."""
_OLDEST: Final = 9
"""The first opset in which the operations that are added here mean what they mean today."""
_FLOATS: Final = (TensorProto.FLOAT, TensorProto.FLOAT16)
_PHOTOS: Final = "photos"
_EMBEDDING: Final = "embedding"
_RESERVED: Final = frozenset((_PHOTOS, _EMBEDDING, "patches", "want_patches"))


class Wrapped(NamedTuple):
    """A model that takes photos, in words what of the published one its embedding is, and whether it holds fp16."""

    model: bytes
    told: str
    halves: bool


def wrap(model: ModelProto, prepared: Prepared, kind: str) -> Wrapped:
    """Puts the normalisation before a model, and pooling and length 1 behind it; `kind` is its `model_type`.

    Raises:
        BundleError: it gives nothing that is an embedding, takes something else than photos, or cannot be checked.

    """
    _check_opset(model)
    graph = model.graph
    output = _chosen(graph, kind)
    _prune(graph, output.name)
    pixels = _pixels(graph, prepared.size)
    before = _before(_moved(pixels.name), pixels.type.tensor_type.elem_type, prepared)
    behind, told = _behind(_moved(output.name), output, kind)
    _move(graph)
    published = [copy.deepcopy(node) for node in graph.node]
    constant = {each.name for each in graph.initializer}
    inputs = [copy.deepcopy(each) for each in graph.input if each.name in constant]  # as older files have them
    del (
        graph.node[:],
        graph.input[:],
        graph.output[:],
        graph.value_info[:],
        model.metadata_props[:],
        model.training_info[:],
    )
    graph.node.extend([*before, *published, *behind])
    shape: list[str | int | None] = ["N", prepared.size, prepared.size, 3]
    graph.input.extend([helper.make_tensor_value_info(_PHOTOS, TensorProto.UINT8, shape), *inputs])
    graph.output.append(helper.make_tensor_value_info(_EMBEDDING, TensorProto.FLOAT, ["N", "D"]))
    imports = [copy.deepcopy(each) for each in model.opset_import if each.domain in OWN]
    del model.opset_import[:]
    model.opset_import.extend(imports)
    halves = any(each.data_type == TensorProto.FLOAT16 for each in graph.initializer)
    try:
        onnx.checker.check_model(model)
        return Wrapped(bytes(model.SerializeToString(deterministic=True)), told, halves)
    except Exception as error:  # the checker's, and protobuf's
        raise BundleError(f"the published graph is faulty: {first_line(error)}", "fetch the model again") from error


def _move(graph: GraphProto) -> None:
    """Frees the names that a bundle's model has, and those of the nodes that are added."""
    for told in (*graph.input, *graph.output, *graph.initializer):
        told.name = _moved(told.name)
    for node in graph.node:
        node.input[:] = [_moved(name) for name in node.input]
        node.output[:] = [_moved(name) for name in node.output]
        for inner in branches(node):
            _move(inner)


def _moved(name: str) -> str:
    return f"published.{name}" if name in _RESERVED or name.startswith("twinset.") else name


def _check_opset(model: ModelProto) -> None:
    found = max((each.version for each in model.opset_import if each.domain in OWN), default=1)
    if not _OLDEST <= found <= onnx.defs.onnx_opset_version():
        raise BundleError(
            f"the published model is of opset {found}",
            f"export it with opset {_OLDEST} to {onnx.defs.onnx_opset_version()}",
        )


def _chosen(graph: GraphProto, kind: str) -> ValueInfoProto:
    """The output that is nearest to an embedding."""
    outputs: dict[str, ValueInfoProto] = {output.name: output for output in graph.output}
    projected, pooled, hidden = _OUTPUTS
    best = (projected, hidden, pooled) if kind in _UNTRAINED else _OUTPUTS
    name = next((name for name in best if name in outputs), None)
    if name is None:
        raise BundleError(
            f"the published model gives {', '.join(outputs)}: none of them is an embedding",
            f"use one that gives {', '.join(_OUTPUTS[:-1])} or {_OUTPUTS[-1]}",
        )
    if outputs[name].type.tensor_type.elem_type not in _FLOATS:
        raise BundleError(f"the published model's {name} is no float", "use a model in float32 or fp16")
    return outputs[name]


def _prune(graph: GraphProto, output: str) -> None:
    """Takes out what the output does not depend on, such as the tower that reads."""
    needed: set[str] = {output}
    for i in reversed(range(len(graph.node))):
        if needed & set(graph.node[i].output):
            needed |= values_read(graph.node[i])
        else:
            del graph.node[i]
    for told in (graph.initializer, graph.input):
        for i in reversed(range(len(told))):
            if told[i].name not in needed:
                del told[i]


def _pixels(graph: GraphProto, size: int) -> ValueInfoProto:
    """The input that takes normalised pixels, the only one that is left."""
    constant = {each.name for each in graph.initializer}
    inputs = [each for each in graph.input if each.name not in constant]
    if len(inputs) != 1:
        raise BundleError(
            f"the published model's photos depend on {', '.join(each.name for each in inputs) or 'no input'}",
            "use its vision model alone, such as onnx/vision_model.onnx",
        )
    pixels: ValueInfoProto = inputs[0]
    kind = pixels.type.tensor_type
    dims = [dim.dim_value for dim in kind.shape.dim]  # 0 where any will do
    fits = len(dims) == 4 and dims[1] in (0, 3) and all(side in (0, size) for side in dims[2:])
    if kind.elem_type not in _FLOATS or not fits:
        raise BundleError(
            f"the published model's {pixels.name} is {_shape(pixels)}, not floats of (N, 3, {size}, {size})",
            "use a preprocessor_config.json that belongs to it",
        )
    return pixels


def _before(name: str, kind: int, prepared: Prepared) -> list[NodeProto]:
    """From uint8 `(N, H, W, 3)` to normalised `(N, 3, H, W)`."""
    return [
        helper.make_node("Cast", [_PHOTOS], ["twinset.floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["twinset.floats"], ["twinset.channels"], perm=[0, 3, 1, 2]),
        _constant("twinset.scale", prepared.scale),
        _constant("twinset.shift", prepared.shift),
        helper.make_node("Mul", ["twinset.channels", "twinset.scale"], ["twinset.scaled"]),
        helper.make_node("Sub", ["twinset.scaled", "twinset.shift"], ["twinset.normalised"]),
        helper.make_node("Cast", ["twinset.normalised"], [name], to=kind),
    ]


def _behind(name: str, output: ValueInfoProto, kind: str) -> tuple[list[NodeProto], str]:
    """From a published output to embeddings of length 1, and what that is in words."""
    nodes = [helper.make_node("Cast", [name], ["twinset.output"], to=TensorProto.FLOAT)]
    pooled, told = "twinset.output", output.name
    if output.name == _OUTPUTS[-1]:
        pooling, how = _pooling(output, kind)
        nodes, pooled, told = [*nodes, *pooling], "twinset.pooled", f"{how} of {output.name}"
    ends = [
        helper.make_node("Flatten", [pooled], ["twinset.flat"], axis=1),
        helper.make_node("LpNormalization", ["twinset.flat"], [_EMBEDDING], axis=1, p=2),
    ]
    return [*nodes, *ends], told


def _pooling(output: ValueInfoProto, kind: str) -> tuple[list[NodeProto], str]:
    """Of places or tokens one vector: the class token where the kind of model has one, else the mean."""
    rank = len(output.type.tensor_type.shape.dim)
    if kind in _UNPOOLED:
        raise BundleError(
            f"the published model gives {output.name} alone, which is no embedding of {kind}",
            f"use one that gives {' or '.join(_OUTPUTS[:-1])}",
        )
    if rank == 3 and kind in _CLASS_TOKEN:
        first = helper.make_tensor("", TensorProto.INT64, [], [0])
        nodes = [
            helper.make_node("Constant", [], ["twinset.first"], value=first),
            helper.make_node("Gather", ["twinset.output", "twinset.first"], ["twinset.pooled"], axis=1),
        ]
        return nodes, "class token"
    if rank == 3:
        turned = helper.make_node("Transpose", ["twinset.output"], ["twinset.turned"], perm=[0, 2, 1])
        mean = helper.make_node("GlobalAveragePool", ["twinset.turned"], ["twinset.pooled"])
        return [turned, mean], "mean of the tokens"
    if rank == 4:
        mean = helper.make_node("GlobalAveragePool", ["twinset.output"], ["twinset.pooled"])
        return [mean], "mean of the places"
    raise BundleError(f"the published model's {output.name} is {_shape(output)}", "use one of 3 or 4 dimensions")


def _constant(name: str, colour: Sequence[float]) -> NodeProto:
    value = helper.make_tensor("", TensorProto.FLOAT, [1, 3, 1, 1], colour)
    return helper.make_node("Constant", [], [name], value=value)


def _shape(value: ValueInfoProto) -> str:
    kind = value.type.tensor_type
    dims = ", ".join(str(dim.dim_value or dim.dim_param or "?") for dim in kind.shape.dim)
    return f"{TensorProto.DataType.Name(kind.elem_type).lower()} of ({dims})"
