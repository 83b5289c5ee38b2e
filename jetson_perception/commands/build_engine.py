"""`jetson-perception build-engine`, also `ros2 run jetson_perception build_engine`."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from jetson_perception.commands.build_bar import BuildBar
from jetson_perception.commands.calibration_options import (
    add_picture_options,
    add_written_options,
    check_counts,
    prepared,
)
from jetson_perception.commands.calibration_pictures import calibration_pictures, default_output
from jetson_perception.commands.figures import write_figures
from jetson_perception.commands.opening import make_lacking_twins
from jetson_perception.commands.overrides import read_overrides
from jetson_perception.commands.parser import CommandParser
from jetson_perception.commands.running import run_command
from jetson_perception.engines.image_input import choose_size_wh, sides_wh
from jetson_perception.engines.metadata import (
    METADATA_LIMITS,
    read_onnx_metadata,
    read_sidecar,
    sidecar_path,
)
from jetson_perception.engines.onnx_file.header import read_head
from jetson_perception.engines.onnxruntime.cpu import check_model_file
from jetson_perception.engines.tensorrt.availability import tensorrt_problem
from jetson_perception.engines.tensorrt.builder import (
    PRECISIONS,
    BuildOptions,
    build_engine,
    trtexec_line,
)
from jetson_perception.engines.tensorrt.plan_file import SIDECAR_KEY, join_plan
from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.files.foreign_data import read_yaml
from jetson_perception.files.output_files import require_writable, write_output
from jetson_perception.model_info import merge
from jetson_perception.models import open_model, resolve_model

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.engines.tensorrt.builder import BuiltEngine
    from jetson_perception.model_info import ModelInfo

    Sizes = tuple[tuple[int, int], ...]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.description = _build.__doc__
    parser.add_argument('model', metavar='MODEL', help='ONNX file, or name of a shipped model')
    parser.add_argument(
        '--output',
        type=Path,
        metavar='FILE',
        help='.engine, which includes the metadata, or .plan, which trtexec reads (default: '
        '<name>.engine)',
    )
    parser.add_argument(
        '--precision',
        choices=PRECISIONS,
        default='fp16',
        help='int8 uses FP16 for layers that are not quantized; best is int8 for a quantized '
        'model, otherwise fp16 (default: fp16)',
    )
    parser.add_argument(
        '--size',
        type=_sizes,
        default=(),
        metavar='WxH[:WxH:WxH]',
        help='input size, for a model that leaves it open: one, or smallest, best and largest '
        '(default: the size that it was trained at)',
    )
    parser.add_argument(
        '--batch',
        type=_batch,
        default=(1, 1, 1),
        metavar='N[:N:N]',
        help='batch size, likewise one or three numbers (default: 1)',
    )
    parser.add_argument(
        '--workspace',
        type=int,
        default=0,
        metavar='MIB',
        help="memory that one layer may use, MiB (default: a quarter of the GPU's, at most 4096)",
    )
    parser.add_argument(
        '--timing-cache',
        default='',
        metavar='FILE',
        help='file of kernel timings, read and updated: makes later builds faster',
    )
    parser.add_argument(
        '--dla-core', type=int, default=-1, metavar='N', help='build for this DLA core'
    )
    parser.add_argument(
        '--strongly-typed',
        action='store_true',
        help='take precisions from the types in the file rather than from flags (TensorRT 9.1 to '
        '10; later versions always do)',
    )
    parser.add_argument(
        '--optimization-level',
        type=int,
        default=-1,
        metavar='0-5',
        help='effort of the search; 5 takes longest',
    )
    parser.add_argument(
        '--max-aux-streams',
        type=int,
        default=-1,
        metavar='N',
        help="streams besides the engine's own",
    )
    parser.add_argument(
        '--plugin',
        action='append',
        default=[],
        metavar='LIBRARY',
        help='library with operators that TensorRT lacks; repeatable',
    )
    parser.add_argument(
        '--save-onnx',
        default='',
        metavar='FILE',
        help='also write the FP16 model that TensorRT was given, if it was converted',
    )
    add_picture_options(parser, '--calibration', required=False)
    add_written_options(parser, 'what was built')
    parser.set_defaults(command=_build)


def main(argv: Sequence[str] | None = None) -> int:
    """Run as `ros2 run jetson_perception build_engine`."""
    parser = CommandParser(prog='jetson-perception build-engine')
    configure(parser)
    return run_command(parser, argv)


def _sizes(text: str) -> Sizes:
    sizes = tuple(_size(part) for part in text.split(':'))
    if len(sizes) not in (1, 3):
        raise ValueError
    return sizes * 3 if len(sizes) == 1 else sizes


def _size(text: str) -> tuple[int, int]:
    width, height = text.lower().split('x')
    return int(width), int(height)


def _batch(text: str) -> tuple[int, int, int]:
    numbers = [int(part) for part in text.split(':')]
    low, best, high = numbers * 3 if len(numbers) == 1 else numbers
    return low, best, high


_sizes.__name__, _batch.__name__ = 'size', 'batch'  # as argparse's errors call them


def _build(arguments: argparse.Namespace) -> int:
    """Build a TensorRT engine on the machine that will run it, and print the trtexec equivalent.

    Nodes build and keep their engines themselves. Use this to have an engine beforehand, or for
    settings that nodes have no parameter for. Ctrl-C ends it and leaves no file.
    """
    check_counts(arguments)
    make_lacking_twins(arguments.model)
    path = check_model_file(resolve_model(arguments.model))
    overrides = read_overrides(arguments.set)
    out: Path = arguments.output or default_output(path, '.engine')
    if out.suffix not in ('.engine', '.plan'):
        raise ParameterError(f'--output {out}: expected a .engine or .plan file', 'output')
    require_writable(out, parameter='output')
    require_writable(arguments.json, parameter='json')
    require_writable(arguments.save_onnx or None, parameter='save_onnx')
    options = BuildOptions(
        precision=arguments.precision,
        batch=arguments.batch,
        size_wh=arguments.size,
        workspace_mib=arguments.workspace,
        timing_cache=arguments.timing_cache,
        dla_core=arguments.dla_core,
        strongly_typed=arguments.strongly_typed,
        optimization_level=arguments.optimization_level,
        max_aux_streams=arguments.max_aux_streams,
        plugins=tuple(arguments.plugin),
        save_onnx=arguments.save_onnx,
    )
    options = replace(options, size_wh=_size_of(path, options, overrides))
    console = Console(stderr=True)
    if options.size_wh:  # pictures are fitted to the size that the engine is tuned for
        overrides = replace(overrides, input_size_wh=options.size_wh[1])
    calibration = _tensors(path, arguments, overrides) if arguments.calibration else None
    with BuildBar(console) as bar:
        built = build_engine(path, options, calibration=calibration, progress=bar.show)
    _write(out, built, path)
    shown = arguments.model if Path(arguments.model).is_file() else path
    line = trtexec_line(shown, out, built)
    _report(out, built, line)
    if arguments.json:
        write_figures(arguments.json, _record(path, out, built, line))
    return 0


def _size_of(path: Path, options: BuildOptions, overrides: ModelInfo) -> Sizes:
    """Sizes to build for; the training size if the model leaves it open and none is asked for."""
    head = read_head(path)
    if options.size_wh or len(head.inputs) != 1 or len(head.inputs[0].shape) != 4:
        return options.size_wh
    image = head.inputs[0]
    if -1 not in sides_wh(image.shape):
        return ()
    beside = sidecar_path(path)
    info = read_onnx_metadata(head.metadata)
    if beside:
        info = merge(info, read_sidecar(beside))
    size_wh = choose_size_wh(path, image, info, overrides.input_size_wh)
    return (size_wh,) * 3


def _tensors(
    path: Path, arguments: argparse.Namespace, overrides: ModelInfo
) -> Iterator[NDArray[np.generic]]:
    """Pictures as the model's input, to calibrate on."""
    pictures = calibration_pictures(
        arguments.calibration, topic=arguments.topic, every=arguments.every
    )
    with closing(open_model(path, runtime='onnxruntime_cpu', overrides=overrides)) as model:
        tensors = prepared(model, pictures, lambda: None)
        for _, tensor in zip(range(arguments.count), tensors, strict=False):
            yield tensor


def _write(out: Path, built: BuiltEngine, path: Path) -> None:
    """Write the engine file; readers see the old file or the whole new one."""
    content = built.plan if out.suffix == '.plan' else join_plan(built.plan, _metadata(path))
    write_output(out, content, parameter='output', durable=True)


def _metadata(path: Path) -> dict[str, Any]:
    """Metadata to put in front of the engine: that of the ONNX file and of its YAML file."""
    metadata: dict[str, Any] = dict(read_head(path).metadata)
    beside = sidecar_path(path)
    if beside:
        read_sidecar(beside)  # refuses what cannot be used
        metadata[SIDECAR_KEY] = (
            read_yaml(beside, what='metadata', error=ModelError, limits=METADATA_LIMITS) or {}
        )
    return metadata


def _report(out: Path, built: BuiltEngine, line: str) -> None:
    console = Console()
    gpu = f' for {built.gpu}' if built.gpu else ''
    _say(
        console,
        f'{out}: {out.stat().st_size / 1e6:.2f} MB, {built.options.precision}, '
        f'{built.tensorrt}{gpu}, {built.elapsed_s:.1f} s',
    )
    for name, shapes in built.shapes.items():
        low, best, high = ('×'.join(map(str, shape)) for shape in shapes)
        text = low if low == high else f'{low} to {high}, best at {best}'
        _say(console, f'input {name}: {text}')
    for note in built.notes:
        _say(console, note)
    converted = any('converted' in note for note in built.notes)
    lacking = converted and not built.options.save_onnx
    if converted and not lacking:
        _say(console, f'the converted model is in {built.options.save_onnx}')
    problem = tensorrt_problem(0)
    if problem:
        _say(console, f'this machine cannot run it: {problem}')
    of_what = ', of the converted model that --save-onnx FILE keeps' if lacking else ''
    _say(console, f'the same by trtexec{of_what}: {line}')


def _record(path: Path, out: Path, built: BuiltEngine, line: str) -> dict[str, Any]:
    return {
        'model': str(path),
        'output': str(out),
        'bytes': out.stat().st_size,
        'tensorrt': built.tensorrt,
        'gpu': built.gpu,
        'options': built.options.as_json(),
        'flags': list(built.flags),
        'shapes': dict(built.shapes),
        'layers': built.layers,
        'notes': list(built.notes),
        'seconds': round(built.elapsed_s, 2),
        'built_at': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
        'trtexec': line,
    }


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
