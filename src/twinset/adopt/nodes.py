"""Nodes of an ONNX graph: what lies inside one, and what it reads."""

from onnx import GraphProto, NodeProto


def branches(node: NodeProto) -> list[GraphProto]:
    """The graphs inside a node: of an `If`, a `Loop`."""
    return [graph for told in node.attribute for graph in (*([told.g] if told.HasField("g") else []), *told.graphs)]


def values_read(node: NodeProto) -> set[str]:
    """The values that a node reads, those of its branches too."""
    inner = [values_read(each) for graph in branches(node) for each in graph.node]
    outputs = {output.name for graph in branches(node) for output in graph.output}
    return set(node.input).union(outputs, *inner) - {""}
