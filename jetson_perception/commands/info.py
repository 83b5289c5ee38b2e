"""`jetson-perception info`: how a model file is interpreted."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from jetson_perception.commands.opening import open_asked
from jetson_perception.commands.options import add_model_options, add_precision_option
from jetson_perception.commands.terminal import print_pairs
from jetson_perception.printable import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from jetson_perception.models import Model
    from jetson_perception.tasks.normalization import Normalization


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.description = _info.__doc__
    add_model_options(parser)
    add_precision_option(parser)
    parser.add_argument(
        'model', metavar='MODEL', help='ONNX or engine file, or name of a shipped model'
    )
    parser.set_defaults(command=_info)


def _info(arguments: argparse.Namespace) -> int:
    """Show how a model is interpreted: its task, input, outputs, classes and normalization."""
    # What is assumed has a line of its own here.
    with closing(open_asked(arguments, tell_assumptions=False)) as model:
        print_pairs(_describe(model), whole=('model',))
    return 0


def _describe(model: Model[Any, Any]) -> Iterator[tuple[str, str]]:
    info, engine = model.info, model.engine
    yield 'model', info.path
    yield from model.task.describe(model)
    for spec in engine.inputs:
        yield 'input', f'{printable(spec.name)}: {spec.dtype} {_shape(spec.shape)}'
        if spec.open_dimensions:
            yield 'left open', f'{", ".join(spec.open_dimensions)}; the input above is in use here'
    for spec in engine.outputs:
        yield 'output', f'{printable(spec.name)}: {spec.dtype} {_shape(spec.shape)}'
    normalization = model.preprocessor.normalization
    yield 'resize', _RESIZES[model.preprocessor.resize]
    yield 'color order', normalization.color_order
    yield 'normalization', _formula(normalization)
    if model.assumed:
        values = ', '.join(f'{name} {value}' for name, value in model.assumed.items())
        yield 'assumed', f'{values}, as nothing says otherwise'
    yield 'runtime', engine.description


_RESIZES = {
    'letterbox': 'letterbox: aspect ratio kept, centered',
    'letterbox_top_left': 'letterbox_top_left: aspect ratio kept, in the corner',
    'stretch': 'stretch: aspect ratio changed',
    'center_crop': 'center_crop: aspect ratio kept, both ends of the longer side cut off',
}


def _formula(normalization: Normalization) -> str:
    scale, mean, std = normalization.scale, normalization.mean, normalization.std
    text = 'value / 255' if scale == 1 / 255 else f'value × {scale:.6g}'
    if (mean, std) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)):
        return text
    return f'({text} - {list(mean)}) / {list(std)}'


def _shape(shape: Sequence[int]) -> str:
    return ' × '.join('?' if size < 0 else str(size) for size in shape) or 'scalar'
