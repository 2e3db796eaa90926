"""Makes the bundle `colour`: a colour histogram as an ONNX graph, no training.

512 joint RGB bins (8 a channel) of the photo at 96²; the square root of each bin's share is the embedding,
whose length is then 1. Comparing such embeddings by cosine is the Bhattacharyya coefficient of the two
histograms. `patches` are the shares of 12 × 12 cells divided by the square root of the whole photo's share,
so that their mean is the embedding.
"""

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from twinset import bundle
from twinset.preprocess import Preprocess

SIDE, CELLS, BINS = 96, 12, 512
CELL = SIDE // CELLS
PLACES = ["N", "h", "w", BINS]
OUT = Path(__file__).parent.parent / "src/twinset/models/colour"


def constant(name: str, value: np.ndarray) -> onnx.TensorProto:
    """An initializer."""
    return numpy_helper.from_array(np.asarray(value), name)


def branches() -> tuple[onnx.GraphProto, onnx.GraphProto]:
    """The two sides of the `If`: the contributions of 12 × 12 cells, and nothing."""
    node = helper.make_node
    wanted = [
        node("Add", ["bins", "cell_offsets"], ["cell_bins"]),
        node("Shape", ["photos"], ["shape_"]),
        node("Slice", ["shape_", "zero", "one"], ["n_"]),
        node("Concat", ["n_", "cell_total"], ["flat_shape"], axis=0),
        node("Expand", ["f_zero", "flat_shape"], ["cell_zeros"]),
        node("ScatterElements", ["cell_zeros", "cell_bins", "ones"], ["flat"], axis=1, reduction="add"),
        node("Concat", ["n_", "grid"], ["grid_shape"], axis=0),
        node("Reshape", ["flat", "grid_shape"], ["counts"]),
        node("Max", ["embedding", "tiny"], ["safe"]),
        node("Unsqueeze", ["safe", "grid_axes"], ["divisor"]),
        node("Mul", ["counts", "cell_share"], ["shares"]),
        node("Div", ["shares", "divisor"], ["then_patches"]),
    ]
    nothing = [
        node("Shape", ["photos"], ["shape__"]),
        node("Slice", ["shape__", "zero", "one"], ["n__"]),
        node("Concat", ["n__", "no_grid"], ["none_shape"], axis=0),
        node("Expand", ["f_zero", "none_shape"], ["else_patches"]),
    ]
    value = helper.make_tensor_value_info
    then = helper.make_graph(wanted, "wanted", [], [value("then_patches", TensorProto.FLOAT, PLACES)])
    other = helper.make_graph(nothing, "nothing", [], [value("else_patches", TensorProto.FLOAT, PLACES)])
    return then, other


def graph() -> onnx.ModelProto:
    """The whole model."""
    node = helper.make_node
    then, other = branches()
    nodes = [
        node("Cast", ["photos"], ["ints"], to=TensorProto.INT64),
        node("Div", ["ints", "width"], ["levels"]),
        node("Mul", ["levels", "places"], ["weighed"]),
        node("ReduceSum", ["weighed", "last"], ["joint"], keepdims=0),
        node("Reshape", ["joint", "flat_photo"], ["bins"]),
        node("Shape", ["bins"], ["shape"]),
        node("Expand", ["f_one", "shape"], ["ones"]),
        node("Slice", ["shape", "zero", "one"], ["n"]),
        node("Concat", ["n", "total"], ["histogram_shape"], axis=0),
        node("Expand", ["f_zero", "histogram_shape"], ["zeros"]),
        node("ScatterElements", ["zeros", "bins", "ones"], ["histogram"], axis=1, reduction="add"),
        node("Mul", ["histogram", "share"], ["shares_of_photo"]),
        node("Sqrt", ["shares_of_photo"], ["roots"]),
        node("ReduceL2", ["roots", "last"], ["length"], keepdims=1),
        node("Div", ["roots", "length"], ["embedding"]),
        node("If", ["want_patches"], ["patches"], then_branch=then, else_branch=other),
    ]
    cell = np.arange(SIDE) // CELL
    offsets = (cell[:, None] * CELLS + cell[None, :]).reshape(1, -1) * BINS
    initializers = [
        constant("want_patches", np.array(False)),
        constant("width", np.int64(32)),
        constant("places", np.array([64, 8, 1], np.int64)),
        constant("last", np.array([-1], np.int64)),
        constant("flat_photo", np.array([0, SIDE * SIDE], np.int64)),
        constant("zero", np.array([0], np.int64)),
        constant("one", np.array([1], np.int64)),
        constant("total", np.array([BINS], np.int64)),
        constant("cell_total", np.array([BINS * CELLS * CELLS], np.int64)),
        constant("grid", np.array([CELLS, CELLS, BINS], np.int64)),
        constant("no_grid", np.array([0, 0, BINS], np.int64)),
        constant("grid_axes", np.array([1, 2], np.int64)),
        constant("cell_offsets", offsets.astype(np.int64)),
        constant("f_zero", np.float32(0)),
        constant("f_one", np.float32(1)),
        constant("tiny", np.float32(1e-12)),
        constant("share", np.float32(1 / SIDE**2)),
        constant("cell_share", np.float32(CELLS**2 / SIDE**2)),
    ]
    value = helper.make_tensor_value_info
    inputs = [
        value("photos", TensorProto.UINT8, ["N", SIDE, SIDE, 3]),
        value("want_patches", TensorProto.BOOL, []),
    ]
    outputs = [
        value("embedding", TensorProto.FLOAT, ["N", BINS]),
        value("patches", TensorProto.FLOAT, PLACES),
    ]
    body = helper.make_graph(nodes, "colour", inputs, outputs, initializers)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Writes the bundle."""
    data = graph().SerializeToString(deterministic=True)
    facts = bundle.Facts(
        name="colour",
        dim=BINS,
        preprocess=Preprocess(size=SIDE, filter="bicubic", fit="letterbox"),
        sha256=hashlib.sha256(data).hexdigest(),
        head="512 joint RGB bins, square root",
        trained_on="nothing",
        licence="Apache-2.0",
        recall={"luma, views": 0.595, "luma, views, styles never trained on": 0.615},
    )
    bundle.save(OUT, facts, data)
    print(f"{OUT}: {len(data):,} bytes")


if __name__ == "__main__":
    main()
