"""The command `jetson-perception`: look at a model, run it on pictures and videos, evaluate it.

Results go to standard output, what is said about them to standard error.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
import time
from contextlib import ExitStack, closing
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import yaml
from rich.console import Console
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table

from jetson_perception.engines import ENGINES, ModelInfo
from jetson_perception.engines.metadata import read_mapping
from jetson_perception.errors import ImageError, ParameterError, PerceptionError, SourceError
from jetson_perception.evaluation import ConfusionMatrix
from jetson_perception.labelled_pictures import open_labelled_pictures
from jetson_perception.models import SegmentationModel, YoloModel, open_model
from jetson_perception.named_frames import named_frames
from jetson_perception.resources import share_directory
from jetson_perception.result_folder import ResultFolder, result_record
from jetson_perception.tasks.segmentation import SegmentationOptions
from jetson_perception.tasks.yolo import DetectionOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from jetson_perception.tasks.preprocess import Normalization
    from jetson_perception.tasks.results import Detections, Segmentation

_log = logging.getLogger('jetson_perception')

_EXAMPLES = """examples:
  jetson-perception info oranges
  jetson-perception run yolov8n.onnx street.jpg photos/ drive.mp4 --output out
  jetson-perception run my.onnx photos/ --json > results.jsonl
  jetson-perception evaluate --model oranges --dataset 'scene://oranges?count=200'
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns its exit code: 0, 1 for an error; argparse exits with 2."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(
        level=logging.INFO if arguments.verbose else logging.WARNING,
        format='%(levelname)s: %(message)s',
        force=True,
    )
    try:
        code: int = arguments.command(arguments)
        sys.stdout.flush()
    except PerceptionError as err:
        print(f'jetson-perception: {" ".join(str(err).split())}', file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of the pipe has gone, as `head` does
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='jetson-perception',
        description='Detections, keypoints and masks from pictures and videos, with ONNX models.',
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action=_PrintVersion)
    commands = parser.add_subparsers(title='commands', required=True, metavar='COMMAND')
    model = _model_options()
    _add_info(commands, model)
    _add_run(commands, model)
    _add_evaluate(commands, model)
    return parser


def _model_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    group = options.add_argument_group('model options')
    group.add_argument(
        '--engine', choices=ENGINES, default='auto', help='runtime (default: the fastest there)'
    )
    group.add_argument(
        '--threads',
        type=int,
        default=0,
        metavar='N',
        help='CPU threads (default: one a core that this process may use)',
    )
    group.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='KEY=VALUE',
        help='what the model does not say or says wrong, in the words of the YAML file beside it: '
        '--set task=detect, --set input_size=[640,480], --set mean=[0.5,0.5,0.5]; repeatable',
    )
    options.add_argument('-v', '--verbose', action='store_true', help='say more on the way')
    return options


def _add_info(commands: Any, model: argparse.ArgumentParser) -> None:
    info = commands.add_parser(
        'info', parents=[model], help='show what a model is taken for', description=_info.__doc__
    )
    info.add_argument('model', metavar='MODEL', help='ONNX file, or name of a shipped model')
    info.set_defaults(command=_info)


def _add_run(commands: Any, model: argparse.ArgumentParser) -> None:
    run = commands.add_parser(
        'run',
        parents=[model],
        help='run a model on pictures, folders, videos or cameras',
        description=_run.__doc__,
    )
    run.add_argument('model', metavar='MODEL', help='ONNX file, or name of a shipped model')
    run.add_argument(
        'sources',
        nargs='+',
        metavar='SOURCE',
        help='picture, folder of pictures, video, or a source URI as rtsp://… or scene://oranges',
    )
    run.add_argument(
        '--output',
        type=Path,
        metavar='DIR',
        help='write annotated pictures and videos, masks of pictures, and results.jsonl',
    )
    run.add_argument(
        '--json', action='store_true', help='print one JSON object a frame to standard output'
    )
    run.add_argument(
        '--frames', type=_positive, metavar='N', help='at most so many frames of each source'
    )
    run.add_argument(
        '--score-threshold', type=float, default=0.25, metavar='S', help='0 to 1 (default: 0.25)'
    )
    run.add_argument(
        '--iou-threshold',
        type=float,
        default=0.7,
        metavar='T',
        help='a box that a better one covers by more is dropped, 0 to 1 (default: 0.7)',
    )
    run.set_defaults(command=_run)


def _add_evaluate(commands: Any, model: argparse.ArgumentParser) -> None:
    evaluate = commands.add_parser(
        'evaluate',
        parents=[model],
        help='measure the IoU of a segmentation model',
        description=_evaluate.__doc__,
    )
    evaluate.add_argument(
        '--model', required=True, metavar='MODEL', help='ONNX file, or name of a shipped model'
    )
    evaluate.add_argument(
        '--dataset',
        required=True,
        metavar='DATASET',
        help='scene://oranges?count=200, or a folder with images/ and masks/',
    )
    evaluate.add_argument('--json', type=Path, metavar='FILE', help='write the figures there too')
    evaluate.set_defaults(command=_evaluate)


class _PrintVersion(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help='print the version and exit')

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f'jetson-perception {_version()}')
        parser.exit()


def _version() -> str:
    try:
        return metadata.version('jetson_perception')
    except metadata.PackageNotFoundError:  # installed by colcon, or a checkout
        manifest = ElementTree.parse(share_directory() / 'package.xml')
        return manifest.findtext('version', default='unknown')


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text} is not 1 or more')
    return value


def _overrides(settings: Sequence[str]) -> ModelInfo:
    """`--set KEY=VALUE` as a ModelInfo; values are YAML."""
    content: dict[str, object] = {}
    for setting in settings:
        key, separator, value = setting.partition('=')
        if not separator:
            raise ParameterError(f'--set {setting}: expected KEY=VALUE, as --set task=detect')
        try:
            content[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as err:
            raise ParameterError(f'--set {setting}: {value!r} is not a YAML value') from err
    return read_mapping(content, '--set')


def _open(arguments: argparse.Namespace) -> SegmentationModel | YoloModel:
    return open_model(
        arguments.model,
        engine=arguments.engine,
        threads=arguments.threads,
        overrides=_overrides(arguments.set),
    )


def _info(arguments: argparse.Namespace) -> int:
    """Show what a model is taken for: its task, input, outputs, classes and normalization."""
    with closing(_open(arguments)) as model:
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column(style='bold', no_wrap=True)
        table.add_column(overflow='fold')
        for name, text in _describe(model):
            table.add_row(name, escape(text))
        Console().print(table)
    return 0


def _describe(model: SegmentationModel | YoloModel) -> Iterator[tuple[str, str]]:
    info, engine, layout = model.info, model.engine, model.layout
    count = 0 if isinstance(model, SegmentationModel) else model.layout.keypoint_count
    yield 'model', info.path
    if isinstance(model, SegmentationModel):
        yield 'task', 'semantic segmentation'
        kind = model.layout.output
    else:
        yield 'task', 'pose' if count else 'detection'
        kind = model.layout.family
    yield 'layout', f'{kind}, {_count(layout.class_count, "class", "es")}'
    yield 'classes', _listed(model.class_names) or 'not named'
    if isinstance(model, YoloModel) and count:
        yield 'keypoints', f'{count}: {_listed(model.keypoint_names)}'
        yield 'skeleton', _count(len(model.skeleton), 'line')
    for spec in engine.inputs:
        yield 'input', f'{spec.name}: {spec.dtype} {_shape(spec.shape)}'
    for spec in engine.outputs:
        yield 'output', f'{spec.name}: {spec.dtype} {_shape(spec.shape)}'
    normalization = model.preprocessor.normalization
    yield 'resize', _RESIZES[model.preprocessor.resize]
    yield 'color order', normalization.color_order
    yield 'normalization', _formula(normalization)
    yield 'engine', engine.description


_RESIZES = {
    'letterbox': 'letterbox: aspect ratio kept, centered',
    'letterbox_top_left': 'letterbox_top_left: aspect ratio kept, in the corner',
    'stretch': 'stretch: aspect ratio changed',
}


def _formula(normalization: Normalization) -> str:
    scale, mean, std = normalization.scale, normalization.mean, normalization.std
    text = 'value / 255' if scale == 1 / 255 else f'value × {scale:.6g}'
    if (mean, std) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)):
        return text
    return f'({text} - {list(mean)}) / {list(std)}'


def _shape(shape: Sequence[int]) -> str:
    return ' × '.join('?' if size < 0 else str(size) for size in shape) or 'scalar'


def _count(number: int, noun: str, plural: str = 's') -> str:
    if not number:
        return f'{noun}{plural} unknown'
    return f'{number} {noun}{plural if number > 1 else ""}'


def _listed(names: Sequence[str], most: int = 20) -> str:
    more = f', … ({len(names)} in all)' if len(names) > most else ''
    return ', '.join(names[:most]) + more


def _run(arguments: argparse.Namespace) -> int:
    """Run a model on pictures, folders, videos or cameras, and time each stage."""
    times: dict[str, list[float]] = {}
    unreadable = 0
    console = Console(stderr=True)
    with ExitStack() as stack:
        model = stack.enter_context(closing(_open(arguments)))
        options = _task_options(model, arguments)
        folder = None
        if arguments.output:
            folder = stack.enter_context(closing(ResultFolder(arguments.output)))
        progress = stack.enter_context(_progress(console))
        counter = progress.add_task('frames', total=None)
        try:
            for source in arguments.sources:
                for frame in named_frames(source, arguments.frames):
                    progress.advance(counter)
                    if isinstance(frame, SourceError):
                        _log.warning('%s', frame)
                        unreadable += 1
                        continue
                    result = _timed(model, frame.bgr, options, times)
                    if arguments.json:
                        print(json.dumps(result_record(frame, model, result)), flush=True)
                    if folder:
                        folder.write(frame, model, result)
        except KeyboardInterrupt:  # how one ends a camera
            pass
    if not times:
        raise SourceError(f'not one frame could be read of {", ".join(arguments.sources)}')
    _print_times(console, times)
    if folder:
        console.print(
            f'results are in {folder.path}', highlight=False, markup=False, soft_wrap=True
        )
    return 1 if unreadable else 0


def _task_options(
    model: SegmentationModel | YoloModel, arguments: argparse.Namespace
) -> SegmentationOptions | DetectionOptions:
    if isinstance(model, SegmentationModel):
        return SegmentationOptions()
    return DetectionOptions(
        score_threshold=arguments.score_threshold, iou_threshold=arguments.iou_threshold
    )


def _progress(console: Console) -> Progress:
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _timed(
    model: SegmentationModel | YoloModel,
    bgr: NDArray[np.uint8],
    options: Any,
    times: dict[str, list[float]],
) -> Segmentation | Detections:
    """Result for a picture; the milliseconds of each stage are added to `times`."""
    begun = time.perf_counter()
    tensor, transform = model.preprocess(bgr)
    preprocessed = time.perf_counter()
    outputs = model.infer(tensor)
    inferred = time.perf_counter()
    result = model.postprocess(outputs, transform, options)
    ended = time.perf_counter()
    for stage, seconds in (
        ('preprocess', preprocessed - begun),
        ('inference', inferred - preprocessed),
        ('postprocess', ended - inferred),
        ('total', ended - begun),
    ):
        times.setdefault(stage, []).append(seconds * 1e3)
    return result


def _print_times(console: Console, times: dict[str, list[float]]) -> None:
    console.print(f'{_count(len(times["total"]), "frame")}, milliseconds a frame', highlight=False)
    table = Table()
    table.add_column('stage')
    table.add_column('median', justify='right')
    table.add_column('p99', justify='right')
    for stage, values in times.items():
        median, p99 = np.percentile(values, (50, 99))
        table.add_row(stage, f'{median:.2f}', f'{p99:.2f}')
    console.print(table)


def _evaluate(arguments: argparse.Namespace) -> int:
    """Compare the masks of a segmentation model with the truth: IoU of each class, and mean."""
    dataset = open_labelled_pictures(arguments.dataset)
    with ExitStack() as stack:
        model = stack.enter_context(closing(_open_segmentation(arguments)))
        progress = stack.enter_context(_progress(Console(stderr=True)))
        confusion = ConfusionMatrix(len(model.class_names))
        pictures = progress.track(dataset.pictures, total=dataset.count, description='pictures')
        for name, bgr, truth in pictures:
            try:
                confusion.add(truth, model(bgr).mask)
            except ValueError as err:
                raise ImageError(f'{name}: {err}') from err
    _report(arguments, dataset.count, model.class_names, confusion)
    return 0


def _open_segmentation(arguments: argparse.Namespace) -> SegmentationModel:
    model = SegmentationModel.open(
        arguments.model,
        engine=arguments.engine,
        threads=arguments.threads,
        overrides=_overrides(arguments.set),
    )
    if not model.class_names:
        model.close()
        raise ParameterError(
            f'{model.info.path} gives class ids and does not say how many classes there are; set '
            'class_names, as --set class_names=[background,ulcer]',
            'class_names',
        )
    return model


def _report(
    arguments: argparse.Namespace,
    count: int,
    class_names: Sequence[str],
    confusion: ConfusionMatrix,
) -> None:
    iou, mean_iou = confusion.iou().tolist(), confusion.mean_iou()
    table = Table()
    table.add_column('class')
    table.add_column('IoU', justify='right')
    for class_name, value in zip(class_names, iou, strict=True):
        table.add_row(escape(class_name), 'absent' if math.isnan(value) else f'{value:.4f}')
    table.add_section()
    table.add_row('mean (mIoU)', f'{mean_iou:.4f}')
    table.add_row('pixels right', f'{confusion.accuracy():.4f}')
    console = Console()
    title = f'{arguments.model} on {_count(count, "picture")} of {arguments.dataset}'
    console.print(title, highlight=False, markup=False, soft_wrap=True)
    console.print(table)
    if arguments.json:
        figures = {
            'model': arguments.model,
            'dataset': arguments.dataset,
            'pictures': count,
            'mean_iou': _or_none(mean_iou),
            'accuracy': _or_none(confusion.accuracy()),
            'iou': {name: _or_none(value) for name, value in zip(class_names, iou, strict=True)},
        }
        try:
            arguments.json.write_text(json.dumps(figures, indent=2) + '\n', encoding='utf-8')
        except OSError as err:
            raise ParameterError(f'{arguments.json} cannot be written: {err.strerror}') from err


def _or_none(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value
