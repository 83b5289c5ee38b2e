"""`jetson-perception quantize`: make an INT8 model, and measure what it costs."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from jetson_perception.commands.calibration_options import (
    add_picture_options,
    add_written_options,
    check_counts,
    prepared,
)
from jetson_perception.commands.calibration_pictures import (
    SplitPictures,
    default_output,
)
from jetson_perception.commands.figures import write_figures
from jetson_perception.commands.overrides import read_overrides
from jetson_perception.commands.progress import TerminalProgress, add_open_end
from jetson_perception.commands.sidecars import copy_sidecar
from jetson_perception.engines.onnx_file.quantization import (
    METHODS,
    QuantizationOptions,
    quantize_model,
)
from jetson_perception.errors import ParameterError, PerceptionError
from jetson_perception.evaluation.agreement import Limits, make_agreement
from jetson_perception.evaluation.report import agreement_table
from jetson_perception.files.output_files import require_writable
from jetson_perception.models import open_model, resolve_model
from jetson_perception.printable import counted
from jetson_perception.process.tables import print_table

if TYPE_CHECKING:
    import argparse

    from jetson_perception.commands.calibration_pictures import Pictures
    from jetson_perception.evaluation.agreement import Agreement
    from jetson_perception.models import Model

_ENGINE = 'onnxruntime_cpu'  # gives the same result on every machine


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.description = _quantize.__doc__
    options = QuantizationOptions()
    parser.add_argument('model', metavar='MODEL', help='ONNX file, or name of a shipped model')
    parser.add_argument(
        '--output', type=Path, metavar='FILE', help='the INT8 model (default: <name>_int8.onnx)'
    )
    add_picture_options(parser, '--images', required=True)
    parser.add_argument(
        '--held-out',
        default='',
        metavar='SOURCE',
        help='pictures to compare on (default: every fifth of --images; for a scene, its '
        'evaluation stills)',
    )
    parser.add_argument(
        '--method',
        choices=METHODS,
        default=options.method,
        help=f'how ranges are chosen from the values seen (default: {options.method})',
    )
    parser.add_argument(
        '--float-first',
        type=int,
        default=options.float_first,
        metavar='N',
        help=f'keep the first N convolutions in float (default: {options.float_first})',
    )
    parser.add_argument(
        '--float-nodes',
        action='append',
        default=[],
        metavar='NAME',
        help='also keep these nodes in float; * matches anything; repeatable',
    )
    add_written_options(parser, 'the figures')
    parser.set_defaults(command=_quantize)


def _quantize(arguments: argparse.Namespace) -> int:
    """Make an INT8 model, and compare it with the original on pictures it was not made with.

    It runs on TensorRT 8.5 and later, and on ONNX Runtime. The first convolutions and the ends of
    the heads stay in float.
    """
    check_counts(arguments)
    overrides = read_overrides(arguments.set)
    path = resolve_model(arguments.model)
    out: Path = arguments.output or default_output(path, '_int8.onnx')
    require_writable(out, parameter='output')
    require_writable(arguments.json, parameter='json')
    if out.suffix != '.onnx' or (out.exists() and path.exists() and out.samefile(path)):
        raise ParameterError(
            f'--output {out}: expected another .onnx file than the model', 'output'
        )
    options = QuantizationOptions(
        arguments.method, arguments.float_first, tuple(arguments.float_nodes)
    )
    split = SplitPictures(
        arguments.images,
        arguments.count,
        held_out=arguments.held_out,
        topic=arguments.topic,
        every=arguments.every,
    )
    with closing(open_model(path, runtime=_ENGINE, overrides=overrides)) as model:
        with _progress() as progress:
            counter = progress.add_task('reading pictures', total=arguments.count)
            tensors = prepared(model, split.to_calibrate(), lambda: progress.advance(counter))
            measuring = add_open_end(progress, 'measuring ranges')

            def measured(count: int) -> None:
                progress.update(measuring, completed=count)

            made = quantize_model(path, out, tensors, options, measured)
        copy_sidecar(path, out)
        before, after = path.stat().st_size, out.stat().st_size
        console = Console()
        _say(console, f'{out}: {after / 1e6:.2f} MB, {path.name} is {before / 1e6:.2f} MB')
        _say(
            console,
            f'{counted(made.nodes, "layer")} in INT8, {made.kept} in float; calibrated on '
            f'{counted(made.pictures, "picture")} ({options.method})',
        )
        with closing(open_model(out, runtime=_ENGINE, overrides=overrides)) as quantized:
            try:
                pictures = split.to_compare()
            except ParameterError as err:  # the model is made all the same
                _say(console, f'{err}')
                pictures = iter(())
            agreement = _compare(model, quantized, pictures)
    past = _report(console, agreement)
    record = {
        'model': str(path),
        'output': str(out),
        'bytes': after,
        'layers_int8': made.nodes,
        'layers_float': made.kept,
        'calibrated_on': made.pictures,
        'past': past,
        **agreement.figures(),
    }
    write_figures(arguments.json, record)
    return 0


def _compare(
    model: Model[Any, Any],
    quantized: Model[Any, Any],
    pictures: Pictures,
) -> Agreement:
    agreement = make_agreement(model, quantized)
    with _progress() as progress:
        counter = add_open_end(progress, 'comparing')
        for name, bgr in pictures:
            agreement.add(name, bgr)
            progress.advance(counter)
    return agreement


def _report(console: Console, agreement: Agreement) -> list[str]:
    """Print what INT8 costs; return the limits that are exceeded."""
    if not agreement.picture_count:
        return []
    _say(
        console,
        f'compared with the original on {counted(agreement.picture_count, "other picture")}',
    )
    try:
        checked = agreement.check(Limits())
    except PerceptionError as err:  # nothing on the pictures: the model is made all the same
        _say(console, f'{err}: --held-out takes others')
        return []
    print_table(console, agreement_table(agreement, checked))
    past = [limit for limit in checked if not limit.kept]
    for limit in past:
        _say(console, f'past the limit: {limit.figure} is {limit.value:.4f}, limit {limit}')
    return [limit.figure for limit in past]


def _progress() -> TerminalProgress:
    return TerminalProgress(console=Console(stderr=True))


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
