"""Converts an ONNX file to another opset, for runtimes that are too old for it, and says how."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jetson_perception.engines.onnx_file.graph import load_model, name_nodes, require_onnx
from jetson_perception.engines.onnx_file.opset_lowering import LOWEST, lower_opset
from jetson_perception.engines.onnx_file.precision import convert_opset, opset_of
from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.printable import counted, printable

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

OLDEST_OPSET = 7
BY_RULES = "onnx's converter knows no way; operators were rewritten one by one"
"""What is said of a model that our own rules converted."""
_DEEPEST = 4  # how often bodies are looked for in bodies


@dataclass(frozen=True)
class Conversion:
    """A converted model.

    Attributes
    ----------
    content : bytes
        Of the new file, its weights included.
    opsets, ir_versions : tuple of (int, int)
        Before and after.
    changes : tuple of str
        What is different, for people, operator by operator.
    """

    content: bytes
    opsets: tuple[int, int]
    ir_versions: tuple[int, int]
    changes: tuple[str, ...]


def convert_file(path: Path, opset: int, ir_version: int | None = None) -> Conversion:
    """Convert a file to another opset.

    Parameters
    ----------
    path : Path
        The ONNX file.
    opset : int
        Version of the standard operators.
    ir_version : int, optional
        Version of the file format; by default the lowest with which the opset may be used.

    Raises
    ------
    PerceptionError
        When onnx is not installed.
    ModelError
        When the file cannot be used, has that opset already, or cannot be converted.
    ParameterError
        When a version is not one that the installed onnx knows.
    """
    onnx = require_onnx()
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise ParameterError(
            f'--opset {opset}: onnx {onnx.__version__} converts to {OLDEST_OPSET} to {newest}',
            'opset',
        )
    lowest_ir = onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid('', opset)])
    wanted_ir = lowest_ir if ir_version is None else ir_version
    if not lowest_ir <= wanted_ir <= onnx.IR_VERSION:
        raise ParameterError(
            f'--ir-version {wanted_ir}: with opset {opset}, {lowest_ir} to {onnx.IR_VERSION} can '
            'be had',
            'ir_version',
        )
    model = load_model(path)
    before = opset_of(model)
    if (before, model.ir_version) == (opset, wanted_ir):
        raise ModelError(f'{path} has opset {opset} and IR version {wanted_ir} already')
    if not before:
        raise ModelError(f'{path} uses no standard operator, so there is no opset to convert')
    changes: list[str] = []
    ir_before = model.ir_version
    if before == opset:
        converted = model
        converted.ir_version = wanted_ir
        _check(converted, path)
    else:
        converted, changes = convert_model(model, opset, wanted_ir)
    try:
        content = converted.SerializeToString()
    except Exception as err:  # protobuf's: more than 2 GB
        raise ModelError(f'{path} is too large for one file: {printable(err)}') from err
    return Conversion(content, (before, opset), (ir_before, wanted_ir), tuple(changes))


def convert_model(
    model: onnx.ModelProto, opset: int, ir_version: int
) -> tuple[onnx.ModelProto, list[str]]:
    """The model in another opset, and what is different, for people.

    Parameters
    ----------
    model : ModelProto
        With its weights; may be changed.
    opset : int
        Version of the standard operators.
    ir_version : int
        Version of the file format.

    Raises
    ------
    ModelError
        When it cannot be converted; the message names the operator or node.
    """
    onnx = require_onnx()
    before = opset_of(model)
    notes = _inline(model, opset)
    original = onnx.ModelProto()
    original.CopyFrom(model)
    try:
        converted = convert_opset(model, opset, ir_version)
    except ModelError as err:
        if opset >= before:
            raise
        try:
            converted = _lowered(original, opset, ir_version, err)
        except ModelError as second:
            if second is err:
                raise
            raise ModelError(
                f'the model has opset {before}, and cannot be converted to opset {opset}: '
                f'{str(second).rstrip(".")}. Export it with opset {opset}'
            ) from second
        notes.append(BY_RULES)
    return converted, [*notes, *_differences(original, converted, before, opset)]


def _lowered(
    model: onnx.ModelProto, opset: int, ir_version: int, first: ModelError
) -> onnx.ModelProto:
    """By rules of our own down to the lowest opset that they are for, and by onnx's from there."""
    if opset_of(model) <= LOWEST:
        raise first
    lowered = require_onnx().ModelProto()
    lowered.CopyFrom(model)
    lowered.ir_version = max(ir_version, 7)
    lower_opset(lowered, max(opset, LOWEST))
    if opset >= LOWEST:
        return lowered
    return convert_opset(lowered, opset, ir_version)


def _inline(model: onnx.ModelProto, opset: int) -> list[str]:
    """Write the bodies of functions in place of their calls, in place.

    Of the model's own functions, and of operators that the opset does not have yet.
    """
    onnx = require_onnx()
    done = [each.name for each in model.functions]
    try:
        from onnx import inliner

        if done:
            model.CopyFrom(inliner.inline_local_functions(model))
        for _ in range(_DEEPEST):  # a body may have newer operators too
            newer = _newer(model, opset)
            if not newer:
                break
            _tell_types(model)
            ids = [('', name) for name in newer]
            inlined = inliner.inline_selected_functions(model, ids, inline_schema_functions=True)
            model.CopyFrom(inlined)
            done += newer
    except Exception as err:  # of an older onnx, or one that fails
        names = ', '.join(map(printable, (*done, *_newer(model, opset))))
        raise ModelError(
            f'opset {opset} has no {names}, and onnx {onnx.__version__} cannot replace it: '
            f'{printable(err)[:200]}; export the model without it'
        ) from err
    left = _newer(model, opset)
    if left:
        raise ModelError(
            f'opset {opset} has no {", ".join(map(printable, left))}, and older operators cannot '
            'replace it; export the model without it'
        )
    name_nodes(model)
    return [f'{printable(name)}: replaced by what it consists of' for name in dict.fromkeys(done)]


def _newer(model: onnx.ModelProto, opset: int) -> list[str]:
    """Operators that the opset does not have yet, sorted."""
    names = {node.op_type for node in model.graph.node if node.domain in ('', 'ai.onnx')}
    return sorted(name for name in names if not _has(name, opset))


def _tell_types(model: onnx.ModelProto) -> None:
    """Write the type of each tensor into the model, as far as it is known: bodies need it."""
    onnx = require_onnx()
    model.CopyFrom(onnx.shape_inference.infer_shapes(model))
    known = {each.name for each in (*model.graph.value_info, *model.graph.input)}
    for each in model.graph.initializer:
        if each.name not in known:
            info = onnx.helper.make_tensor_value_info(each.name, each.data_type, each.dims)
            model.graph.value_info.append(info)


def _has(op_type: str, opset: int) -> bool:
    defs = require_onnx().defs
    try:
        defs.get_schema(op_type, opset, '')
    except defs.SchemaError:
        return False
    return True


def _differences(
    original: onnx.ModelProto, converted: onnx.ModelProto, before: int, after: int
) -> list[str]:
    """Which operators have another version, and how many nodes there are more or fewer."""
    defs = require_onnx().defs
    counts = [
        Counter(node.op_type for node in each.graph.node if node.domain in ('', 'ai.onnx'))
        for each in (original, converted)
    ]
    lines = []
    for op_type in sorted(counts[0] | counts[1]):
        was, is_now = counts[0][op_type], counts[1][op_type]
        versions = [
            defs.get_schema(op_type, opset, '').since_version if _has(op_type, opset) else None
            for opset in (before, after)
        ]
        if was != is_now:
            lines.append(f'{printable(op_type)}: {counted(was, "node")} before, {is_now} now')
        elif versions[0] != versions[1]:
            lines.append(
                f'{printable(op_type)} ({was}): version {versions[1]} instead of {versions[0]}'
            )
    return lines


def _check(model: onnx.ModelProto, path: Path) -> None:
    try:
        require_onnx().checker.check_model(model)
    except Exception as err:  # its error shares no base class with ours
        raise ModelError(f'{path}: {printable(err)[:300]}') from err
