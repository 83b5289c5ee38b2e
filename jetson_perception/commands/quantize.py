"""`jetson-perception quantize`: an INT8 model from a model and pictures, and what it costs."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress

from jetson_perception.commands.calibration_pictures import (
    DEFAULT_COUNT,
    SplitPictures,
    default_output,
)
from jetson_perception.engines.metadata import sidecar_path
from jetson_perception.engines.onnx_file.quantization import (
    METHODS,
    QuantizationOptions,
    quantize_model,
)
from jetson_perception.errors import ParameterError, PerceptionError
from jetson_perception.evaluation.agreement import Limits, make_agreement
from jetson_perception.evaluation.report import agreement_table
from jetson_perception.files.output_files import write_output
from jetson_perception.models import open_model, resolve_model

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.commands.calibration_pictures import Pictures
    from jetson_perception.evaluation.agreement import Agreement
    from jetson_perception.model_info import ModelInfo
    from jetson_perception.models import Model

    Overrides = Callable[[Sequence[str]], ModelInfo]

_ENGINE = 'onnxruntime_cpu'  # gives the same on every machine


def add_quantize(commands: Any, overrides: Overrides) -> None:
    """Add the command to those of `jetson-perception`; `overrides` reads `--set`."""
    options = QuantizationOptions()
    quantize = commands.add_parser(
        'quantize',
        help='make an INT8 model (Q/DQ nodes) from a model and pictures',
        description=_quantize.__doc__,
    )
    quantize.add_argument('model', metavar='MODEL', help='ONNX file, or name of a shipped model')
    quantize.add_argument(
        '--output', type=Path, metavar='FILE', help='the INT8 model (default: <name>_int8.onnx)'
    )
    add_picture_options(quantize, '--images', required=True)
    quantize.add_argument(
        '--held-out',
        default='',
        metavar='SOURCE',
        help='pictures to compare on (default: every fifth of --images; of a scene, those of '
        'its evaluation)',
    )
    quantize.add_argument(
        '--method',
        choices=METHODS,
        default=options.method,
        help=f'how a range is chosen from the values seen (default: {options.method})',
    )
    quantize.add_argument(
        '--float-first',
        type=int,
        default=options.float_first,
        metavar='N',
        help=f'keep the first N convolutions in float (default: {options.float_first})',
    )
    quantize.add_argument(
        '--float-nodes',
        action='append',
        default=[],
        metavar='NAME',
        help='keep these nodes in float too, * for anything; repeatable',
    )
    add_model_options(quantize, 'the figures')
    quantize.set_defaults(command=_quantize, overrides=overrides)


def add_model_options(parser: argparse.ArgumentParser, written: str) -> None:
    """Options for what the model does not say, and for what is told besides."""
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='KEY=VALUE',
        help='what the model does not say, in the words of the YAML file beside it; repeatable',
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help=f'write {written} there too')
    parser.add_argument('-v', '--verbose', action='store_true', help='say more on the way')


def add_picture_options(parser: argparse.ArgumentParser, name: str, *, required: bool) -> None:
    """Options that say which pictures to calibrate on."""
    parser.add_argument(
        name,
        required=required,
        default='',
        metavar='SOURCE',
        help='pictures as the camera will see them: a folder, a video, a bag, a camera, '
        'scene://oranges or scene://people',
    )
    parser.add_argument(
        '--count',
        type=int,
        default=DEFAULT_COUNT,
        metavar='N',
        help=f'calibrate on at most so many (default: {DEFAULT_COUNT})',
    )
    parser.add_argument(
        '--every',
        type=int,
        default=0,
        metavar='N',
        help='only each Nth picture (default: all of a folder, two a second of a video or camera, '
        'each 15th of a bag)',
    )
    parser.add_argument('--topic', default='', metavar='TOPIC', help='of a bag with several')


def _quantize(arguments: argparse.Namespace) -> int:
    """Make an INT8 model, and compare it with the original on pictures it was not made with.

    It runs on every TensorRT from 8.5 on, and on ONNX Runtime. The first convolutions and the
    ends of the heads stay in float.
    """
    check_counts(arguments)
    overrides = arguments.overrides(arguments.set)
    path = resolve_model(arguments.model)
    out: Path = arguments.output or default_output(path, '_int8.onnx')
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
            measuring = progress.add_task('measuring ranges', total=None)

            def measured(count: int) -> None:
                progress.update(measuring, completed=count)

            made = quantize_model(path, out, tensors, options, measured)
        _copy_sidecar(path, out)
        before, after = path.stat().st_size, out.stat().st_size
        console = Console()
        _say(console, f'{out}: {after / 1e6:.2f} MB, {path.name} is {before / 1e6:.2f} MB')
        _say(
            console,
            f'{made.nodes} layers compute in INT8, {made.kept} stay in float; calibrated on '
            f'{made.pictures} pictures ({options.method})',
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
    if arguments.json:
        write_json(arguments.json, record)
    return 0


def check_counts(arguments: argparse.Namespace) -> None:
    """Refuse numbers of pictures that are none."""
    if arguments.count < 1:
        raise ParameterError(f'--count is {arguments.count}; expected 1 or more', 'count')
    if arguments.every < 0:
        raise ParameterError(f'--every is {arguments.every}; expected 1 or more', 'every')


def prepared(
    model: Model[Any, Any], pictures: Pictures, taken: Callable[[], None]
) -> Iterator[NDArray[np.generic]]:
    """Input tensors of pictures, as the model's nodes would make them."""
    for _, bgr in pictures:
        tensor, _ = model.preprocess(bgr)
        taken()
        yield tensor


def write_json(path: Path, content: object) -> None:
    """Write figures to a file.

    Raises
    ------
    ParameterError
        When it cannot be written.
    """
    write_output(path, json.dumps(content, indent=2) + '\n', parameter='json')


def _copy_sidecar(path: Path, out: Path) -> None:
    """The YAML file beside the model holds for the INT8 model too; one that is there stays."""
    beside = sidecar_path(path)
    if beside and not sidecar_path(out):
        write_output(out.with_suffix('.yaml'), beside.read_bytes(), parameter='output')


def _compare(
    model: Model[Any, Any],
    quantized: Model[Any, Any],
    pictures: Pictures,
) -> Agreement:
    agreement = make_agreement(model, quantized)
    with _progress() as progress:
        counter = progress.add_task('comparing', total=None)
        for name, bgr in pictures:
            agreement.add(name, bgr)
            progress.advance(counter)
    return agreement


def _report(console: Console, agreement: Agreement) -> list[str]:
    """Print what INT8 costs; names of the limits that are passed."""
    if not agreement.picture_count:
        return []
    _say(console, f'held against the original on {agreement.picture_count} other pictures')
    try:
        checked = agreement.check(Limits())
    except PerceptionError as err:  # nothing on the pictures: the model is made all the same
        _say(console, f'{err}')
        return []
    console.print(agreement_table(agreement, checked))
    past = [limit for limit in checked if not limit.kept]
    for limit in past:
        _say(console, f'past the limit: {limit.figure} is {limit.value:.4f}, limit {limit}')
    return [limit.figure for limit in past]


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
