"""Branches of an ONNX graph, of which only the chosen one runs.

A trace holds both sides of a choice that falls when the program runs, and a `Where` that takes one of two whole
maps. Each such choice becomes an `If`, with what only one side needs in that side.
"""

from collections.abc import Collection

import onnx_ir as ir


def choose_branches(graph: ir.Graph) -> None:
    """Replace every `Where` whose condition is one value, and the nodes that only one of its sides needs."""
    while (node := next(filter(_is_choice, reversed(graph)), None)) is not None:
        sides = {"then_branch": _side(graph, node, 1), "else_branch": _side(graph, node, 2)}
        for side in sides.values():
            choose_branches(side)
        attributes = [ir.AttrGraph(name, side) for name, side in sides.items()]
        choice = ir.Node("", "If", [node.inputs[0]], attributes, name=f"{node.name}_if")
        before, after = node.outputs[0], choice.outputs[0]
        after.name, after.type, after.shape = before.name, before.type, before.shape
        ir.convenience.replace_nodes_and_values(graph, node, [node], [choice], [before], [after])


def _is_choice(node: ir.Node) -> bool:
    """Return whether a node takes one of two maps of the same shape, of which one is computed for it alone."""
    if node.op_type != "Where" or node.domain:
        return False
    condition, first, second = (_input(node, index).shape for index in range(3))
    if condition is None or first is None or second is None or len(condition) > 0 or len(first) != len(second):
        return False
    # A map that is broadcast has a length of 1; lengths that are known only later are those of the result.
    alike = all(a == b or 1 not in (a, b) for a, b in zip(first, second, strict=True))
    return alike and any(one.op_type != "Constant" for index in (1, 2) for one in _needed_for(node, index))


def _input(node: ir.Node, index: int) -> ir.Value:
    value = node.inputs[index]
    assert value is not None, "a choice has no optional inputs"
    return value


def _needed_for(node: ir.Node, index: int) -> list[ir.Node]:
    """Return the nodes that are needed for one input of a node and for nothing else, in their order."""
    found: dict[ir.Node, None] = {}
    waiting = [_input(node, index).producer()]
    while waiting:
        one = waiting.pop()
        if one is not None and one.graph is node.graph and one not in found and _serves(one, found, node, index):
            found[one] = None
            waiting += [value.producer() for value in one.inputs if value is not None]
    return [one for one in node.graph or () if one in found]


def _serves(one: ir.Node, found: Collection[ir.Node], node: ir.Node, index: int) -> bool:
    """Return whether all uses of a node are among those found, or are that input."""
    uses = [use for value in one.outputs for use in value.uses()]
    outputs = any(value.is_graph_output() for value in one.outputs)
    return not outputs and all(use.node in found or (use.node is node and use.idx == index) for use in uses)


def _side(graph: ir.Graph, node: ir.Node, index: int) -> ir.Graph:
    """Move the nodes of one side of a choice to a graph of its own."""
    nodes, result = _needed_for(node, index), _input(node, index)
    if nodes:
        node.replace_input_with(index, None)
        graph.remove(nodes)
    else:  # the side is needed elsewhere, too
        nodes, outer = [ir.Node("", "Identity", [result])], result
        result = nodes[0].outputs[0]
        result.name, result.type, result.shape = f"{node.name}_side_{index}", outer.type, outer.shape
    name = f"{node.name}_{index}"
    return ir.Graph([], [result], nodes=nodes, name=name, opset_imports=dict(graph.opset_imports))
