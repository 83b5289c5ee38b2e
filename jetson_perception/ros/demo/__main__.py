"""Runs camera_node and a perception node for a while and reports how they did.

The nodes are started as the launch files start them. This process subscribes as another node of a
robot would: first to the results alone, which the table reports, then also to annotated images
and the ground truth, for the pictures and the video.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rich.console import Console
from rich.table import Table

from jetson_perception import bringup
from jetson_perception.camera.shown import shown
from jetson_perception.commands.result_folder import refuse_sources_in
from jetson_perception.errors import PerceptionError
from jetson_perception.files.output_files import unwritable
from jetson_perception.pipeline import STAGES
from jetson_perception.printable import counted, printable
from jetson_perception.process.streams import replace_what_cannot_be_shown
from jetson_perception.process.tables import print_table
from jetson_perception.ros.demo.looking import look
from jetson_perception.ros.demo.observers import NAMESPACE, SegObserver, YoloObserver
from jetson_perception.ros.demo.pictures import remove_old, save
from jetson_perception.ros.demo.stage import Stage
from jetson_perception.ros.log_folder import require_log_folder
from jetson_perception.ros.processes import running

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetson_perception.bringup import NodeProcess
    from jetson_perception.ros.demo.observers import Observer
    from jetson_perception.ros.demo.window import Window

WARM_UP_S = 1.0
_LONGEST_S = 3600
_ENOUGH = 30  # pictures of a video
_RECORD_MORE = 2.0  # times the time that was asked for, where there are fewer
_MAKE = {'seg': 'make demo', 'yolo': 'make demo-yolo'}
SCENES = {'seg': 'scene://oranges', 'yolo': 'scene://people'}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo. Returns the exit code."""
    replace_what_cannot_be_shown()
    args = _parser().parse_args(argv)
    args.output = args.output or Path('demo_output', args.node)
    console = Console()
    try:
        # The demo also removes what it finds under its names.
        refuse_sources_in(args.output, [args.source or SCENES[args.node]])
        try:
            args.output.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise unwritable(args.output, err, 'output') from err
        remove_old(args.output)
        _demo(args, console)
    except PerceptionError as error:
        console.print('[red]demo failed:[/]', end=' ')
        text = f'{error}{_other_demo(args, str(error))}'
        console.print(text, markup=False, highlight=False, soft_wrap=True)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        return 130
    finally:
        rclpy.try_shutdown()
    return 0


def _other_demo(args: argparse.Namespace, error: str) -> str:
    """The command whose node runs the user's model, where the node's error names that one."""
    other = 'yolo' if args.node == 'seg' else 'seg'
    if not args.model or f'use {other}_node' not in error:
        return ''
    return f'. Here: {_MAKE[other]} MODEL={shlex.quote(printable(args.model))}'


def _command(args: argparse.Namespace) -> str:
    """The command that shows the same again."""
    given = {'SOURCE': args.source and printable(shown(args.source)), 'MODEL': args.model}
    settings = (f'{name}={shlex.quote(printable(text))}' for name, text in given.items() if text)
    return ' '.join((_MAKE[args.node], *settings))


def _seconds(text: str) -> float:
    value = float(text)
    if not 1 <= value <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f'{text} is not from 1 to {_LONGEST_S} seconds')
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='demo', description=__doc__.split('\n')[0])
    parser.add_argument('--node', choices=SCENES, default='seg', help='seg_node or yolo_node')
    parser.add_argument('--source', default='', help='what camera_node opens; a scene by default')
    parser.add_argument(
        '--model', default='', help='ONNX file; by default a model that comes with the package'
    )
    parser.add_argument('--duration', type=_seconds, default=10.0, help='seconds to measure over')
    parser.add_argument(
        '--record', type=_seconds, default=4.0, help='seconds to record pictures and a video for'
    )
    parser.add_argument(
        '--output',
        type=Path,
        help='folder for pictures, video and logs; by default demo_output/seg or demo_output/yolo',
    )
    parser.add_argument(
        '--view', action='store_true', help='then go on, and show it in a browser until Ctrl+C'
    )
    parser.add_argument('--view-port', default='8080', help='port of that page')
    return parser


def _demo(args: argparse.Namespace, console: Console) -> None:
    require_log_folder()
    processes = _processes(args)
    view = processes.pop() if args.view else None
    source = args.source or SCENES[args.node]
    console.print(
        f'Starting camera_node ({shown(source)}) and {processes[0].executable} …', highlight=False
    )
    rclpy.init()
    # With a model of the user's own, yolo_node runs that one, under the name det.
    engines = ['det'] if args.model else ['det', 'pose']
    observer: Observer = SegObserver() if args.node == 'seg' else YoloObserver(engines)
    executor = SingleThreadedExecutor()
    executor.add_node(observer)
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(running(process, args.output / f'{process.executable}.log'))
            for process in processes
        ]
        stage = Stage(executor, nodes, observer)
        stage.await_results()
        stage.spin(WARM_UP_S)
        stage.stop_camera()
        console.print(f'Measuring for {args.duration:.0f} s …')
        windows = stage.measure(args.duration)
        findings = observer.findings()
        longest_s = args.record * (1 + _RECORD_MORE)
        console.print(
            f'Recording for {args.record:.0f} s, or up to {longest_s:.0f} s until there are '
            f'{_ENOUGH} pictures …'
        )
        observer.watch_pictures()
        observer.clear()
        stage.start_camera()
        stage.await_results()
        begun = time.monotonic()
        stage.spin(args.record)
        # Where every engine takes long, few frames have all results.
        stage.listen(_RECORD_MORE * args.record, lambda: len(observer.pictures) >= _ENOUGH)
        recorded_s = time.monotonic() - begun
        if view is None:
            stack.close()  # what follows needs no nodes
        _conclude(args, console, observer, windows, findings, recorded_s)
        observer.destroy_node()
        if view is None:
            _say(console, f'To look at it in a browser: {_command(args)} VIEW=true')
            return
        look(
            view,
            args.output / 'view.log',
            nodes,
            lambda address: _say(console, f'Look at it in a browser: {address} (Ctrl+C ends it)'),
        )


def _conclude(
    args: argparse.Namespace,
    console: Console,
    observer: Observer,
    windows: dict[str, Window],
    findings: list[str],
    recorded_s: float,
) -> None:
    """Save the pictures and say what was measured and found."""
    if not observer.pictures:
        raise PerceptionError(f'no annotated image arrived; the logs are in {args.output}')
    rate = len(observer.pictures) / recorded_s
    video, (width, height) = save(observer.pictures, args.output, rate)
    _report(console, f'{width}×{height}', windows)
    for line in (*findings, *observer.agreement()):
        _say(console, line)
    _say(
        console,
        f'Pictures, the video {video.name} ({counted(len(observer.pictures), "picture")}, '
        f'{recorded_s:.0f} s) and logs are in {args.output.resolve()}; the camera was started '
        'three times: to warm up, to measure, to record',
    )


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)


def _processes(args: argparse.Namespace) -> list[NodeProcess]:
    arguments, processes = {
        'seg': (bringup.SEG_ARGUMENTS, bringup.seg),
        'yolo': (bringup.YOLO_ARGUMENTS, bringup.yolo),
    }[args.node]
    values = bringup.defaults(
        arguments,
        source=args.source or SCENES[args.node],
        model=args.model,
        namespace=f'{NAMESPACE}/{args.node}',
        camera_namespace=f'{NAMESPACE}/camera',
        loop='true',
        view='true' if args.view else 'false',
        view_port=args.view_port,
    )
    if values['source'].startswith('scene://') and '?' not in values['source']:
        values |= {'width': '1280', 'height': '720', 'frame_rate': '30.0'}
    return processes(values)


def _report(console: Console, size: str, windows: dict[str, Window]) -> None:
    any_window = next(iter(windows.values()))
    # As a table's title, it would be padded with spaces.
    console.print(
        f'{size}, {counted(any_window.published, "frame")} in {any_window.seconds:.1f} s',
        highlight=False,
    )
    table = Table()
    table.add_column('stage')
    for engine in windows:
        table.add_column(f'{engine}, median', justify='right')
        table.add_column('99 %', justify='right')
    times = {
        engine: {stage.name: stage for stage in window.stages}
        for engine, window in windows.items()
    }
    for name in STAGES:
        cells = [times[engine].get(name) for engine in windows]
        if not any(cells):  # as uploading, where no engine is on a GPU
            continue
        texts = (
            (f'{stage.median_ms:.2f} ms', f'{stage.p99_ms:.2f} ms') if stage else ('', '')
            for stage in cells
        )
        table.add_row(
            name, *(text for pair in texts for text in pair), end_section=name == 'publish'
        )
    print_table(console, table)
    for engine, window in windows.items():
        console.print(
            f'{engine}: results {window.frame_rate():.1f} Hz · frames lost {window.lost} · '
            f'skipped for a newer one {window.skipped} · failed {window.failed}',
            highlight=False,
            soft_wrap=True,
        )


if __name__ == '__main__':
    sys.exit(main())
