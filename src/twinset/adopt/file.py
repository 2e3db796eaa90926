"""An ONNX file, and the files beside it that hold its tensors → one model in memory."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

import onnx
import onnx.checker
import onnx.inliner
from onnx import GraphProto, ModelProto, TensorProto

from twinset.adopt.nodes import branches
from twinset.errors import BundleError, PathError

MAX_BYTES: Final = 2**31 - 1
"""The limit of one ONNX file, set by its encoding."""
OWN: Final = ("", "ai.onnx")
"""The domains of ONNX's own operations."""
_AGAIN: Final = "fetch the model again"


def load(file: Path, root: Path) -> ModelProto:
    """A model with all its tensors, its local functions written out; links may not lead out of `root`.

    Raises:
        PathError: the file cannot be read.
        BundleError: it is no ONNX model, lies in a file elsewhere, has operations that are not ONNX's, or is larger
            than 2 GiB.

    """
    try:
        size = _fitting(file, file.stat().st_size)
        data = file.read_bytes()
    except OSError as error:
        raise PathError(f"{file} cannot be read: {error.strerror}", _AGAIN) from error
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's, whose class depends on how it was built
        raise BundleError(f"{file} is no ONNX model", _AGAIN) from error
    if not model.graph.node:
        raise BundleError(f"{file} is no ONNX model: it has no operations", _AGAIN)
    if model.functions:
        try:
            model = onnx.inliner.inline_local_functions(model)
        except onnx.checker.ValidationError as error:
            raise BundleError(f"{file} has functions that cannot be written out: {error}", _AGAIN) from error
    _check_operations(file, model.graph)
    _merge(file, root, model.graph, size)
    return model


def _check_operations(file: Path, graph: GraphProto) -> None:
    for node in graph.node:
        if node.domain not in OWN:
            raise BundleError(
                f"{file} has the operation {node.domain}.{node.op_type}, which is not ONNX's own",
                "use the file that was neither fused nor quantised, such as onnx/model.onnx",
            )
        for inner in branches(node):
            _check_operations(file, inner)


def _merge(file: Path, root: Path, graph: GraphProto, size: int) -> None:
    """Takes the tensors that lie in other files into the model."""
    outside = [tensor for tensor in _tensors(graph) if tensor.data_location == TensorProto.EXTERNAL]
    told = [{entry.key: entry.value for entry in tensor.external_data} for tensor in outside]
    places = [_place(file, root, each.get("location", "")) for each in told]
    try:
        spans = [_span(each, place.stat().st_size) for each, place in zip(told, places, strict=True)]
        _fitting(file, size + sum(length for _, length in spans))
        for tensor, place, (offset, length) in zip(outside, places, spans, strict=True):
            with place.open("rb") as data:
                data.seek(offset)
                tensor.raw_data = data.read(length)
            tensor.ClearField("data_location")
            del tensor.external_data[:]
        short = next((p for p, t, (_, n) in zip(places, outside, spans, strict=True) if len(t.raw_data) != n), None)
    except ValueError as error:
        raise BundleError(f"{file} tells no place of a tensor in another file: {error}", _AGAIN) from error
    except OSError as error:
        raise PathError(f"{error.filename}, a part of {file}, cannot be read: {error.strerror}", _AGAIN) from error
    if short is not None:
        raise BundleError(f"{short} is shorter than {file} says", _AGAIN)


def _span(told: Mapping[str, str], size: int) -> tuple[int, int]:
    """Where a tensor's bytes begin in a file of `size`, and how many: all that follow where none is told."""
    offset = int(told.get("offset", 0))
    length = int(told["length"]) if "length" in told else size - offset
    if offset < 0 or length < 0:
        raise ValueError(f"offset {offset}, length {length}")
    return offset, length


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for told in node.attribute:
            yield from (*([told.t] if told.HasField("t") else []), *told.tensors)
        for inner in branches(node):
            yield from _tensors(inner)


def _place(file: Path, root: Path, location: str) -> Path:
    """The file of a tensor, which stays in the model's folder: a model names it, and may be anybody's."""
    named = PurePosixPath(location)
    found = file.parent / location
    leads_out = not location or named.is_absolute() or ".." in named.parts or "\\" in location or "\0" in location
    if leads_out or not found.resolve().is_relative_to(root):
        raise BundleError(f"{file} has a tensor in {location!r}, outside its folder", "use a model that you trust")
    return found


def _fitting(file: Path, size: int) -> int:
    """The size of a model in bytes, where one file can hold it."""
    if size <= MAX_BYTES:
        return size
    raise BundleError(
        f"{file} is {size / 2**30:.1f} GiB large with its data, more than the 2 GiB of one ONNX file",
        f"use fp16: name {file.with_name(file.stem + '_fp16.onnx')}, or another file in fp16",
    )
