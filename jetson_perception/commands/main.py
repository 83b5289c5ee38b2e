"""The command `jetson-perception`: look at a model, run it on pictures and videos, evaluate it.

Results go to standard output, what is said about them to standard error.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import logging
import os
import sys
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table

from jetson_perception.camera.named_frames import named_frames
from jetson_perception.camera.shown import shown
from jetson_perception.commands.bench import add_bench, run_bench
from jetson_perception.commands.build_engine import add_build_engine
from jetson_perception.commands.build_status import BuildStatus
from jetson_perception.commands.cache import add_cache
from jetson_perception.commands.doctor import add_doctor
from jetson_perception.commands.quantize import add_quantize
from jetson_perception.commands.result_folder import ResultFolder, result_record
from jetson_perception.commands.selftest import add_selftest
from jetson_perception.engines.metadata import read_mapping
from jetson_perception.errors import ParameterError, PerceptionError, SourceError
from jetson_perception.evaluation.agreement import Limits, make_agreement
from jetson_perception.evaluation.average_precision import require_pycocotools
from jetson_perception.evaluation.datasets import ObjectDataset
from jetson_perception.evaluation.evaluators import (
    EVALUATION_OPTIONS,
    make_evaluator,
)
from jetson_perception.evaluation.opening import open_dataset
from jetson_perception.evaluation.plot import require_matplotlib, write_plot
from jetson_perception.evaluation.report import agreement_table, class_table, side_by_side
from jetson_perception.evaluation.scenes import open_scene
from jetson_perception.evaluation.yolo_folder import SPLITS
from jetson_perception.files.foreign_data import parse_yaml
from jetson_perception.files.output_files import NO_ROOM, write_output
from jetson_perception.model_info import PRECISIONS, RUNTIMES, ModelInfo
from jetson_perception.models import open_model
from jetson_perception.models.describing import counted, listed
from jetson_perception.printable import PrintableFormatter, printable, printable_line
from jetson_perception.process.executable import INTERRUPTED
from jetson_perception.resources import share_directory
from jetson_perception.tasks.yolo import DetectionOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from jetson_perception.models import Model
    from jetson_perception.tasks.preprocess import Normalization

_log = logging.getLogger('jetson_perception')

_EXAMPLES = """examples:
  jetson-perception info oranges
  jetson-perception run yolov8n.onnx street.jpg photos/ drive.mp4 --output out
  jetson-perception run my.onnx photos/ --json > results.jsonl
  jetson-perception evaluate --model oranges --dataset 'scene://oranges?count=200'
  jetson-perception evaluate --model yolov8n.onnx --dataset coco/annotations/instances_val2017.json
  jetson-perception compare my.onnx my-int8.onnx --images photos/
  jetson-perception quantize my.onnx --images photos/
  jetson-perception build-engine my.onnx --precision fp16
  jetson-perception bench people_detect people_pose --baseline seed
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns its exit code: 0, 1 for an error, 130 for Ctrl-C; argparse's is 2.

    `compare` has 1 for engines that do not agree, and 2 for errors.
    """
    arguments = _parser().parse_args(argv)
    error_code: int = arguments.error_code
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter('%(levelname)s: %(message)s'))
    logging.basicConfig(
        level=logging.INFO if arguments.verbose else logging.WARNING,
        handlers=[handler],
        force=True,
    )
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file's name need not be UTF-8; as standard error does it by itself.
        sys.stdout.reconfigure(errors='backslashreplace')
    try:
        code: int = arguments.command(arguments)
        sys.stdout.flush()
    except PerceptionError as err:
        print(f'jetson-perception: {" ".join(str(err).split())}', file=sys.stderr)
        return error_code
    except BrokenPipeError:  # the reader of the pipe has gone, as `head` does
        _drop_output()
        return error_code
    except OSError as err:
        if err.errno not in NO_ROOM:
            raise
        _drop_output()
        where = printable(err.filename or 'the output, or a temporary file,')
        print(f'jetson-perception: {where} cannot be written: {err.strerror}', file=sys.stderr)
        return error_code
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _drop_output() -> None:
    """Throw away what is left in the buffer: it would be written at exit, and fail aloud."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='jetson-perception',
        description='Detections, keypoints and masks from pictures and videos, with ONNX models.',
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action=_PrintVersion)
    parser.set_defaults(error_code=1)
    commands = parser.add_subparsers(title='commands', required=True, metavar='COMMAND')
    model = _model_options()
    precision = _precision_options()
    _add_info(commands, model, precision)
    _add_run(commands, model, precision)
    _add_evaluate(commands, model, precision)
    _add_compare(commands)
    add_bench(commands, model, precision).set_defaults(command=_bench)
    add_quantize(commands, _overrides)
    add_build_engine(commands, _overrides)
    add_doctor(commands)
    add_selftest(commands, _version)
    add_cache(commands)
    return parser


def _model_options(runtimes: Sequence[str] = ('--runtime',)) -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    group = options.add_argument_group('model options')
    for runtime in runtimes:
        group.add_argument(
            runtime,
            choices=RUNTIMES,
            default='auto',
            help='library that runs it (default: the fastest there)',
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


def _precision_options(options: Sequence[str] = ('--precision',)) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    for option in options:
        parser.add_argument(
            option,
            choices=PRECISIONS,
            default='fp16',
            help='of an engine that TensorRT builds (default: fp16); ONNX Runtime converts FP32 '
            'files for it on CUDA where onnx is there, and rounds to TF32 unless it is fp32',
        )
    return parser


def _add_info(commands: Any, *model: argparse.ArgumentParser) -> None:
    info = commands.add_parser(
        'info', parents=model, help='show what a model is taken for', description=_info.__doc__
    )
    info.add_argument(
        'model', metavar='MODEL', help='ONNX or engine file, or name of a shipped model'
    )
    info.set_defaults(command=_info)


def _add_run(commands: Any, *model: argparse.ArgumentParser) -> None:
    run = commands.add_parser(
        'run',
        parents=model,
        help='run a model on pictures, folders, videos or cameras',
        description=_run.__doc__,
    )
    run.add_argument(
        'model', metavar='MODEL', help='ONNX or engine file, or name of a shipped model'
    )
    run.add_argument(
        'sources',
        nargs='+',
        metavar='SOURCE',
        help='picture, folder of pictures, video, bag, or a source URI as scene://oranges',
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
    run.add_argument(
        '--classes',
        type=lambda text: text.split(','),
        metavar='NAME,…',
        help='only objects of these classes (default: all)',
    )
    run.set_defaults(command=_run)


def _add_evaluate(commands: Any, *model: argparse.ArgumentParser) -> None:
    evaluate = commands.add_parser(
        'evaluate',
        parents=model,
        help='measure how good models are on a dataset',
        description=_evaluate.__doc__,
    )
    evaluate.add_argument(
        '--model',
        required=True,
        nargs='+',
        metavar='MODEL',
        help='ONNX or engine file, or name of a shipped model; several are put side by side',
    )
    evaluate.add_argument(
        '--dataset',
        required=True,
        metavar='DATASET',
        help="a JSON file in COCO's format, a data.yaml as YOLO trainers read it, or a folder "
        'with one of them; a folder with images/ and masks/, or with a folder of pictures for '
        'each class; scene://oranges?count=200',
    )
    evaluate.add_argument(
        '--images', type=Path, metavar='DIR', help='the pictures that a JSON file lists'
    )
    evaluate.add_argument(
        '--split', choices=SPLITS, help='of a data.yaml (default: the first that it has)'
    )
    evaluate.add_argument(
        '--ignore',
        type=int,
        metavar='ID',
        help='class id in the masks whose pixels do not count, as 255 in many datasets',
    )
    _add_thresholds(evaluate, EVALUATION_OPTIONS)
    evaluate.add_argument('--json', type=Path, metavar='FILE', help='write the figures there too')
    evaluate.add_argument(
        '--plot', type=Path, metavar='FILE', help='draw bars and curves: a PNG, PDF or SVG file'
    )
    evaluate.set_defaults(command=_evaluate)


def _add_compare(commands: Any) -> None:
    limits = Limits()
    compare = commands.add_parser(
        'compare',
        parents=[
            _model_options(('--runtime-a', '--runtime-b')),
            _precision_options(('--precision-a', '--precision-b')),
        ],
        help='hold two engines or files of one model against each other',
        description=_compare.__doc__,
    )
    for name in ('a', 'b'):
        compare.add_argument(
            name, metavar=name.upper(), help='ONNX or engine file, or name of a shipped model'
        )
    compare.add_argument(
        '--images',
        required=True,
        metavar='SOURCE',
        help='folder of pictures, picture, video, bag, or scene://oranges?count=200',
    )
    compare.add_argument('--frames', type=_positive, metavar='N', help='at most so many pictures')
    _add_thresholds(compare, DetectionOptions())
    compare.add_argument(
        '--match-iou',
        type=float,
        default=0.5,
        metavar='T',
        help='boxes that overlap so much are the same object (default: 0.5)',
    )
    for option, field, text in (
        ('--min-matched', 'matched', 'share of boxes that the other engine must find too'),
        ('--max-score-drift', 'score_drift', '99th percentile of score differences'),
        ('--max-corner-drift', 'corner_drift', 'the same of corners, pixels of the picture'),
        ('--max-keypoint-drift', 'keypoint_drift', 'the same of keypoints, pixels'),
        (
            '--min-mask-agreement',
            'mask_agreement',
            'share of equal pixels of class masks; mean IoU of instance masks',
        ),
    ):
        default = getattr(limits, field)
        compare.add_argument(
            option,
            dest=field,
            type=float,
            default=default,
            metavar='X',
            help=f'{text} (default: {default:g})',
        )
    compare.add_argument('--json', type=Path, metavar='FILE', help='write the figures there too')
    compare.set_defaults(command=_compare, error_code=2)


def _add_thresholds(parser: argparse.ArgumentParser, defaults: DetectionOptions) -> None:
    parser.add_argument(
        '--score-threshold',
        type=float,
        default=defaults.score_threshold,
        metavar='S',
        help=f'boxes that score less do not count, 0 to 1 (default: {defaults.score_threshold:g})',
    )
    parser.add_argument(
        '--iou-threshold',
        type=float,
        default=defaults.iou_threshold,
        metavar='T',
        help='a box that a better one covers by more is dropped, 0 to 1 '
        f'(default: {defaults.iou_threshold:g})',
    )
    parser.add_argument(
        '--max-detections',
        type=_positive,
        default=defaults.max_detections,
        metavar='N',
        help=f'at most so many boxes a picture (default: {defaults.max_detections})',
    )


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
            raise ParameterError(
                f'--set {printable(setting)}: expected KEY=VALUE, as --set task=detect'
            )
        where = f'--set {printable(setting)}: the value'
        content[key.strip()] = parse_yaml(value, where=where, error=ParameterError)
    return read_mapping(content, '--set')


def _open(
    arguments: argparse.Namespace,
    path: str | None = None,
    runtime: str | None = None,
    precision: str | None = None,
) -> Model[Any, Any]:
    path = path or arguments.model
    console = Console(stderr=True)
    with BuildStatus(console, Path(path).stem) as progress:
        model = open_model(
            path,
            runtime=runtime or arguments.runtime,
            threads=arguments.threads,
            overrides=_overrides(arguments.set),
            precision=precision or arguments.precision,
            progress=progress,
        )
    # `info` has a line of its own for it, and with -v the log has it.
    if model.assumed and arguments.command is not _info and not arguments.verbose:
        _say(console, f'{model.assumption_text} (here: --set NAME=VALUE)')
    return model


def _info(arguments: argparse.Namespace) -> int:
    """Show what a model is taken for: its task, input, outputs, classes and normalization."""
    with closing(_open(arguments)) as model:
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column(style='bold', no_wrap=True)
        table.add_column(overflow='fold')
        for name, text in _describe(model):
            table.add_row(name, escape(printable_line(text)))
        Console().print(table)
    return 0


def _describe(model: Model[Any, Any]) -> Iterator[tuple[str, str]]:
    info, engine = model.info, model.engine
    yield 'model', info.path
    yield from model.task.describe(model)
    for spec in engine.inputs:
        yield 'input', f'{printable(spec.name)}: {spec.dtype} {_shape(spec.shape)}'
    for spec in engine.outputs:
        yield 'output', f'{printable(spec.name)}: {spec.dtype} {_shape(spec.shape)}'
    normalization = model.preprocessor.normalization
    yield 'resize', _RESIZES[model.preprocessor.resize]
    yield 'color order', normalization.color_order
    yield 'normalization', _formula(normalization)
    if model.assumed:
        values = ', '.join(f'{name} {value}' for name, value in model.assumed.items())
        yield 'assumed', f'{values}, as nothing says otherwise'
    yield 'engine', engine.description


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


def _run(arguments: argparse.Namespace) -> int:
    """Run a model on pictures, folders, videos or cameras, and time each stage."""
    times: dict[str, list[float]] = {}
    unreadable = 0
    interrupted = False
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
        except KeyboardInterrupt:  # how one ends a camera: what there is so far is told
            interrupted = True
    if interrupted and not times:
        return INTERRUPTED
    if not times:
        raise SourceError(
            f'not one frame could be read of {", ".join(map(shown, arguments.sources))}'
        )
    _print_times(console, times)
    if folder:
        _say(console, f'results are in {folder.path}')
    if interrupted:
        return INTERRUPTED
    return 1 if unreadable else 0


def _task_options(model: Model[Any, Any], arguments: argparse.Namespace) -> Any:
    task = model.task
    params = task.params_with(
        score_threshold=arguments.score_threshold,
        iou_threshold=arguments.iou_threshold,
        classes=tuple(arguments.classes or ()),
    )
    if arguments.classes and not hasattr(params, 'classes'):
        raise ParameterError(
            f'--classes is for detectors; {model.info.path} is {task.noun}', 'classes'
        )
    return task.options(model, params)


def _progress(console: Console) -> Progress:
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _timed(
    model: Model[Any, Any],
    bgr: NDArray[np.uint8],
    options: Any,
    times: dict[str, list[float]],
) -> Any:
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
    console.print(
        f'{counted(len(times["total"]), "frame")}, milliseconds a frame', highlight=False
    )
    table = Table()
    table.add_column('stage')
    table.add_column('median', justify='right')
    table.add_column('p99', justify='right')
    for stage, values in times.items():
        median, p99 = np.percentile(values, (50, 99))
        table.add_row(stage, f'{median:.2f}', f'{p99:.2f}')
    console.print(table)


def _evaluate(arguments: argparse.Namespace) -> int:
    """Measure how good models are: precision of objects, IoU of class masks, right classes."""
    dataset = open_dataset(arguments.dataset, images=arguments.images, split=arguments.split)
    if isinstance(dataset, ObjectDataset):
        require_pycocotools()
    if arguments.plot:
        require_matplotlib()
    with ExitStack() as stack:
        evaluators = []
        for path in arguments.model:
            model = stack.enter_context(closing(_open(arguments, path)))
            options = _detection_options(arguments)
            evaluators.append(make_evaluator(model, dataset, options, arguments.ignore))
        progress = stack.enter_context(_progress(Console(stderr=True)))
        pictures: Any = progress.track(
            dataset.pictures, total=dataset.count, description='pictures'
        )
        for picture in pictures:
            for evaluator in evaluators:
                evaluator.add(picture)
    console = Console()
    for path, evaluator in zip(arguments.model, evaluators, strict=True):
        _say(console, f'{path} on {counted(dataset.count, "picture")} of {arguments.dataset}')
        console.print(class_table(evaluator))
        left_out = evaluator.classes_left_out()
        if left_out:
            _say(console, f'not known to the model, and left out: {listed(left_out)}')
    if len(evaluators) > 1:
        console.print(side_by_side(arguments.model, evaluators))
    records = [
        {'model': path, 'dataset': arguments.dataset, **evaluator.figures()}
        for path, evaluator in zip(arguments.model, evaluators, strict=True)
    ]
    _write_json(arguments.json, records[0] if len(records) == 1 else records)
    if arguments.plot:
        title = f'{arguments.dataset}, {counted(dataset.count, "picture")}'
        write_plot(arguments.plot, title, arguments.model, evaluators)
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    """Hold two engines or files of one model against each other: exits with 1 past a limit."""
    limits = Limits(**{field.name: getattr(arguments, field.name) for field in fields(Limits)})
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(closing(_open(arguments, path, engine, precision)))
            for path, engine, precision in (
                (arguments.a, arguments.runtime_a, arguments.precision_a),
                (arguments.b, arguments.runtime_b, arguments.precision_b),
            )
        )
        options = _detection_options(arguments)
        agreement = make_agreement(one, other, options, arguments.match_iou)
        progress = stack.enter_context(_progress(Console(stderr=True)))
        counter = progress.add_task('pictures', total=None)
        for name, bgr in itertools.islice(_pictures(arguments.images), arguments.frames):
            agreement.add(name, bgr)
            progress.advance(counter)
        engines = [model.engine.description for model in (one, other)]
    checked = agreement.check(limits)
    console = Console()
    _say(console, f'A  {arguments.a}: {engines[0]}')
    _say(console, f'B  {arguments.b}: {engines[1]}')
    _say(console, f'{counted(agreement.picture_count, "picture")} of {shown(arguments.images)}')
    console.print(agreement_table(agreement, checked))
    for figure, drift in agreement.drifts().items():
        _say(console, f'largest {figure}: {drift.largest:.4f} in {drift.where}')
    past = [limit for limit in checked if not limit.kept]
    figures = {
        'a': {'model': arguments.a, 'engine': engines[0]},
        'b': {'model': arguments.b, 'engine': engines[1]},
        'images': arguments.images,
        'past': [limit.figure for limit in past],
        **agreement.figures(),
    }
    _write_json(arguments.json, figures)
    for limit in past:
        _say(console, f'past the limit: {limit.figure} is {limit.value:.4f}, limit {limit}')
    return 1 if past else 0


def _bench(arguments: argparse.Namespace) -> int:
    return run_bench(arguments, _overrides(arguments.set))


def _say(console: Console, text: str) -> None:
    """Print text as it is: paths keep their brackets and are not broken."""
    console.print(printable_line(text), highlight=False, markup=False, soft_wrap=True)


def _pictures(source: str) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Names and pictures: of scenes the stills of the evaluation, else any source's frames."""
    if source.startswith('scene://'):
        for picture in open_scene(source).pictures:
            yield picture.name, picture.bgr
        return
    for frame in named_frames(source):
        if isinstance(frame, SourceError):
            raise frame
        name = f'{frame.name}, frame {frame.index}' if frame.rate_hz else frame.source
        yield name, frame.bgr


def _detection_options(arguments: argparse.Namespace) -> DetectionOptions:
    return DetectionOptions(
        score_threshold=arguments.score_threshold,
        iou_threshold=arguments.iou_threshold,
        max_detections=arguments.max_detections,
    )


def _write_json(path: Path | None, content: object) -> None:
    if path is not None:
        write_output(path, json.dumps(content, indent=2) + '\n', parameter='json')
