"""A model's weights stored in half the bytes, and computed in full precision."""

from typing import Final

import numpy as np
from onnx import GraphProto, TensorProto, helper, numpy_helper

from twinset.errors import BundleError

_SMALL: Final = 256
"""Tensors of fewer numbers stay as they are, and lists (means, scales, biases): they weigh nothing and may lie far
from 1."""


def halve(graph: GraphProto) -> None:
    """Stores the large float32 tensors of a graph as float16, and turns them back where the model is loaded.

    The runtime does so once, not at every photo.

    Raises:
        BundleError: a weight is too large for float16.

    """
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2 or np.prod(tensor.dims) < _SMALL:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        if not np.isfinite(halves).all():
            raise BundleError(
                f"{tensor.name} holds {np.abs(values).max():g}, and float16 ends at 65504", "leave out --halves"
            )
        full = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(halves, f"{full}.f16"))
        casts.append(helper.make_node("Cast", [f"{full}.f16"], [full], f"Cast_{full}", to=TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
