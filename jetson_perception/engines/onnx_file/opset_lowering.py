"""Rewrites operators as an older opset has them, where onnx's converter knows no way.

Most operators change from opset to opset in what types they take, or by an attribute that says
what used to be fixed. A node that uses nothing of that is kept as it is; what is new is refused.
Semantics below opset 13 differ in more, which is left to onnx's converter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.engines.onnx_file.graph import require_onnx
from jetson_perception.errors import ModelError
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx
    from numpy.typing import NDArray

LOWEST = 13
"""Rules are for this opset and newer ones."""

_REDUCED = {
    'ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceMax', 'ReduceMean',
    'ReduceMin', 'ReduceProd', 'ReduceSumSquare',
}  # fmt: skip
_AXES_ARE_AN_INPUT = 18
_MODES_OF_GRID_SAMPLE = {b'linear': b'bilinear', b'cubic': b'bicubic'}


def lower_opset(model: onnx.ModelProto, opset: int) -> None:
    """Rewrite a model's operators for an older opset, in place.

    Parameters
    ----------
    model : ModelProto
        Without functions of its own.
    opset : int
        `LOWEST` or newer, and older than the model's.

    Raises
    ------
    ModelError
        When a node uses what that opset does not have; the message names the node.
    """
    onnx = require_onnx()
    source = max(each.version for each in model.opset_import if each.domain in ('', 'ai.onnx'))
    shapes = _shapes(model)
    for graph in _graphs(model.graph):
        constants = _constants(graph)
        for node in graph.node:
            if node.domain in ('', 'ai.onnx'):
                _Node(node, source, opset, constants, shapes, graph).lower()
    for each in model.opset_import:
        if each.domain in ('', 'ai.onnx'):
            each.version = opset
    try:
        onnx.checker.check_model(model)
    except Exception as err:  # its error shares no base class with ours
        raise ModelError(f'in opset {opset}, the model is not valid: {printable(err)}') from err


class _Node:
    """One node, and what is known around it."""

    def __init__(
        self,
        node: onnx.NodeProto,
        source: int,
        opset: int,
        constants: dict[str, NDArray[Any]],
        shapes: dict[str, list[int | None]],
        graph: onnx.GraphProto,
    ) -> None:
        self._onnx = require_onnx()
        self._node, self._source, self._opset = node, source, opset
        self._constants, self._shapes, self._graph = constants, shapes, graph

    def lower(self) -> None:
        """Rewrite it as the older opset has it."""
        node, schemas = self._node, self._onnx.defs
        newer = schemas.get_schema(node.op_type, self._source, '')
        try:
            older = schemas.get_schema(node.op_type, self._opset, '')
        except schemas.SchemaError as err:
            raise self._refusal(f'opset {self._opset} has no such operator') from err
        if older.since_version == newer.since_version:
            return
        if node.op_type == 'Split':
            self._lower_split()
        elif node.op_type in _REDUCED and older.since_version < _AXES_ARE_AN_INPUT:
            self._lower_reduction()
        elif node.op_type == 'Reshape':
            self._allow_zero_without_any()
        elif node.op_type == 'GridSample':
            self._rename_modes()
        elif node.op_type == 'RoiAlign' and 'coordinate_transformation_mode' not in (
            older.attributes
        ):
            self._require('coordinate_transformation_mode', b'output_half_pixel')
        self._drop_attributes(newer, older)
        self._drop_inputs(older)

    def _drop_attributes(self, newer: Any, older: Any) -> None:
        for attribute in list(self._node.attribute):
            if attribute.name in older.attributes:
                continue
            value = self._onnx.helper.get_attribute_value(attribute)
            known = newer.attributes.get(attribute.name)
            default = known.default_value if known is not None else None
            is_default = (
                default is not None
                and default.type
                and self._onnx.helper.get_attribute_value(default) == value
            )
            ones = attribute.name == 'dilations' and set(value) == {1}
            if not (is_default or ones):
                raise self._refusal(
                    f'its {attribute.name} is {value!r}, which opset {self._opset} does not have'
                )
            self._node.attribute.remove(attribute)

    def _drop_inputs(self, older: Any) -> None:
        while self._node.input and not self._node.input[-1]:
            del self._node.input[-1]
        if len(self._node.input) > older.max_input:
            raise self._refusal(
                f'it has {len(self._node.input)} inputs, and in opset {self._opset} at most '
                f'{older.max_input}'
            )
        if len(self._node.output) > older.max_output:
            raise self._refusal(f'opset {self._opset} gives fewer outputs')

    def _lower_split(self) -> None:
        """Write the sizes of the parts down where their number alone is given."""
        node = self._node
        counted = next((each for each in node.attribute if each.name == 'num_outputs'), None)
        if counted is None:
            return
        axis = next((each.i for each in node.attribute if each.name == 'axis'), 0)
        shape = self._shapes.get(node.input[0])
        length = None
        if shape is not None and -len(shape) <= axis < len(shape):
            length = shape[axis]
        if length is None:
            raise self._refusal('the length of what it splits is known only as it runs')
        count = counted.i
        each = -(-length // count)
        sizes = [each] * (count - 1) + [length - each * (count - 1)]
        if min(sizes) < 0:
            raise self._refusal(f'it splits {length} into {count} parts')
        name = f'{node.name}_sizes'
        values = self._onnx.helper.make_tensor(name, self._onnx.TensorProto.INT64, [count], sizes)
        self._graph.initializer.append(values)
        del node.input[1:]
        node.input.append(name)
        node.attribute.remove(counted)

    def _lower_reduction(self) -> None:
        """Turn the axes, an input, into an attribute."""
        node = self._node
        axes = node.input[1] if len(node.input) > 1 else ''
        empty = next((each.i for each in node.attribute if each.name == 'noop_with_empty_axes'), 0)
        if axes:
            if axes not in self._constants:
                raise self._refusal('its axes are known only as it runs')
            values = self._constants[axes].ravel().tolist()
            if values:
                node.attribute.append(self._onnx.helper.make_attribute('axes', values))
            elif empty:
                raise self._refusal('it reduces nothing')
            del node.input[1:]
        elif empty:
            raise self._refusal('it reduces nothing')
        for attribute in list(node.attribute):
            if attribute.name == 'noop_with_empty_axes':
                node.attribute.remove(attribute)

    def _allow_zero_without_any(self) -> None:
        """Drop what a zero in the shape means if there is none, as in what PyTorch exports."""
        shape = self._constants.get(self._node.input[1])
        if shape is None or not shape.all():
            return
        for attribute in list(self._node.attribute):
            if attribute.name == 'allowzero':
                self._node.attribute.remove(attribute)

    def _rename_modes(self) -> None:
        for attribute in self._node.attribute:
            if attribute.name == 'mode' and self._opset < 20:
                attribute.s = _MODES_OF_GRID_SAMPLE.get(attribute.s, attribute.s)

    def _require(self, name: str, value: bytes) -> None:
        found = next((each for each in self._node.attribute if each.name == name), None)
        if found is None or found.s != value:
            raise self._refusal(f'its {name} is not {value.decode()}')
        self._node.attribute.remove(found)

    def _refusal(self, why: str) -> ModelError:
        return ModelError(
            f'{printable(self._node.op_type)} {printable(self._node.name)} cannot be written in '
            f'opset {self._opset}: {why}'
        )


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph, and those of the branches and loops in it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from _graphs(inner)


def _constants(graph: onnx.GraphProto) -> dict[str, NDArray[Any]]:
    to_array = require_onnx().numpy_helper.to_array
    found = {each.name: to_array(each) for each in graph.initializer if each.data_type == 7}
    for node in graph.node:
        if node.op_type == 'Constant' and node.attribute and node.attribute[0].name == 'value':
            found[node.output[0]] = to_array(node.attribute[0].t)
    return found


def _shapes(model: onnx.ModelProto) -> dict[str, list[int | None]]:
    """The shape of each tensor as far as it is known; None for a side that is not."""
    onnx = require_onnx()
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception:  # noqa: BLE001 - then no shape is known
        return {}
    return {
        each.name: [
            side.dim_value if side.HasField('dim_value') else None
            for side in each.type.tensor_type.shape.dim
        ]
        for each in (*graph.value_info, *graph.input, *graph.output)
        if each.type.tensor_type.HasField('shape')
    }
