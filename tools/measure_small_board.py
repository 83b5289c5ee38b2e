#!/usr/bin/env python3
"""What the nodes do with the memory and the cores of a small board.

    sudo bash -c 'source tools/env.sh && python tools/measure_small_board.py people_detect'
    … python tools/measure_small_board.py people_detect people_pose --memory-mb 2000 --cores 1

This starts camera_node and yolo_node with these models, one engine each, in a control group that
may have so much memory and no swap, and on so many cores. They run for some time with images of
a rendered scene; then it prints what the group had taken at its peak, what the nodes hold, and how
many results a second each engine gave. The kernel ends a process that wants more than the group
may have; that is reported, and the exit code is 1 then, as it is where an engine gives no result.

A board's own system takes memory too, which is not in these figures. This takes root and control
groups, of version 1 or 2; where systemd runs, put `systemd-run --scope -p Delegate=yes` before it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from listening_node import listening_node  # noqa: E402
from small_board.control_group import ControlGroup, control_group  # noqa: E402

from jetson_perception import bringup  # noqa: E402
from jetson_perception.errors import PerceptionError  # noqa: E402
from jetson_perception.models import resolve_model  # noqa: E402
from jetson_perception.ros.processes import RunningProcess, running  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACE = 'small_board'
START_S = 120.0


def main() -> int:
    """Print the figures. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('models', nargs='+', metavar='MODEL', help='ONNX file or model of a name')
    parser.add_argument('--memory-mb', type=int, default=2000, help='of 10⁶ bytes (%(default)s)')
    parser.add_argument('--cores', type=int, default=1, help='(%(default)s)')
    parser.add_argument('--size', default='1280x720', help='of the images (%(default)s)')
    parser.add_argument('--rate', type=float, default=15.0, help='of the images, Hz (%(default)s)')
    parser.add_argument('--seconds', type=float, default=20.0, help='that it runs (%(default)s)')
    parser.add_argument('--in-process', action='store_true', help='without camera_node')
    parser.add_argument('--node', default='yolo', choices=('yolo', 'seg'), help='(%(default)s)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='append a line of JSON here')
    arguments = parser.parse_args()
    found = measured(arguments)
    if arguments.json:
        with arguments.json.open('a', encoding='utf-8') as file:
            file.write(json.dumps(found) + '\n')
    return report(found, arguments)


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the nodes took and gave, or why they ended."""
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ['PYTHONPATH'] = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    found: dict[str, Any] = {'models': arguments.models, 'limit_mb': arguments.memory_mb}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        engines, processes = prepared(arguments, folder)
        listener = stack.enter_context(listening(engines))
        group = stack.enter_context(control_group(arguments.memory_mb * 10**6))
        nodes = []
        with group.joined(), on_cores(arguments.cores):
            for process in processes:
                log = folder / f'{process.executable}.log'
                nodes.append(stack.enter_context(running(process, log)))
        try:
            listener.wait_for_all(nodes)
            found['rates_hz'] = listener.rates(nodes, arguments.seconds)
            found['pss_mb'] = {node.name: pss_mb(node.pid) for node in nodes}
        except PerceptionError as err:
            found['ended'] = str(err)
        found |= figures_of(group)
        if group.killed():
            found['ended'] = f'the kernel ended a process of the group: {group.killed()} times'
    return found


def figures_of(group: ControlGroup) -> dict[str, Any]:
    """Peak of a group's memory, and of what cannot be dropped."""
    return {'peak_mb': group.peak_bytes() / 1e6, 'now_mb': group.held_bytes() / 1e6}


def prepared(
    arguments: argparse.Namespace, folder: Path
) -> tuple[list[str], list[bringup.NodeProcess]]:
    """Names of the engines, and the processes as a launch file starts them."""
    models = [str(resolve_model(model)) for model in arguments.models]
    width, height = arguments.size.split('x')
    values = {
        'source': 'scene://oranges' if arguments.node == 'seg' else 'scene://people',
        'width': width,
        'height': height,
        'frame_rate': str(arguments.rate),
        'namespace': NAMESPACE,
        'in_process': str(arguments.in_process).lower(),
    }
    if arguments.node == 'seg':
        (model,) = models
        values |= {'model': model}
        return [''], bringup.seg(bringup.defaults(bringup.SEG_ARGUMENTS, **values))
    engines = {f'engine_{number}': model for number, model in enumerate(models, 1)}
    content = {name: {'model': model} for name, model in engines.items()}
    parameters = folder / 'engines.yaml'
    everything = {'/**': {'ros__parameters': {'engines': list(engines), **content}}}
    parameters.write_text(json.dumps(everything), encoding='utf-8')  # JSON is YAML
    values |= {'params_file': str(parameters)}
    return list(engines), bringup.yolo(bringup.defaults(bringup.YOLO_ARGUMENTS, **values))


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Processes that are started in the block run on so many of this one's cores."""
    before = os.sched_getaffinity(0)
    if count > len(before):
        raise SystemExit(f'--cores is {count}; this machine gives {len(before)}')
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Listener:
    """Hears what each engine counts."""

    def __init__(self, node: Any, executor: Any, engines: list[str]) -> None:
        from jetson_perception.msg import PipelineStats

        from jetson_perception.ros import qos

        self._executor = executor
        self._processed = dict.fromkeys(engines, 0)
        for engine in engines:
            topic = f'{engine}/stats'.lstrip('/')
            node.create_subscription(
                PipelineStats, topic, lambda msg, name=engine: self._heard(name, msg), qos.RESULTS
            )

    def _heard(self, engine: str, msg: Any) -> None:
        self._processed[engine] = msg.frames_processed

    def wait_for_all(self, nodes: list[RunningProcess]) -> None:
        """Return when every engine has given a result.

        Raises
        ------
        PerceptionError
            When a node ended, or one did not in time.
        """
        deadline_s = time.monotonic() + START_S
        while not all(self._processed.values()):
            self._spin(nodes)
            if time.monotonic() > deadline_s:
                silent = [name for name, count in self._processed.items() if not count]
                logs = '\n'.join(node.log.read_text(errors='replace')[-1500:] for node in nodes)
                raise PerceptionError(
                    f'nothing came of {", ".join(silent) or "the engine"} in {START_S:.0f} s',
                    printed=logs,
                )

    def rates(self, nodes: list[RunningProcess], seconds: float) -> dict[str, float]:
        """Results a second, by engine."""
        before, begun_s = dict(self._processed), time.monotonic()
        while time.monotonic() - begun_s < seconds:
            self._spin(nodes)
        took_s = time.monotonic() - begun_s
        return {
            name or 'segmentation': (count - before[name]) / took_s
            for name, count in self._processed.items()
        }

    def _spin(self, nodes: list[RunningProcess]) -> None:
        self._executor.spin_once(timeout_sec=0.1)
        for node in nodes:
            node.check()


@contextmanager
def listening(engines: list[str]) -> Iterator[Listener]:
    """A listener, outside of the group."""
    with listening_node('listener', NAMESPACE) as (node, executor):
        yield Listener(node, executor, engines)


def pss_mb(pid: int) -> float:
    """Proportional set size of a process, MB of 10⁶ bytes."""
    text = Path(f'/proc/{pid}/smaps_rollup').read_text(encoding='ascii')
    (kilobytes,) = (line.split()[1] for line in text.splitlines() if line.startswith('Pss:'))
    return int(kilobytes) * 1024 / 1e6


def report(found: dict[str, Any], arguments: argparse.Namespace) -> int:
    """Print the figures; returns the exit code."""
    print(
        f'{" + ".join(Path(model).name for model in arguments.models)}, {arguments.size} at '
        f'{arguments.rate:g} Hz, {arguments.cores} core(s), limit {arguments.memory_mb} MB'
    )
    print(
        f'  the group: {found["peak_mb"]:.0f} MB at its peak, {found["now_mb"]:.0f} MB then held'
    )
    for name, size in found.get('pss_mb', {}).items():
        print(f'  {name}: {size:.0f} MB')
    for name, rate in found.get('rates_hz', {}).items():
        print(f'  {name}: {rate:.1f} results a second')
    if 'ended' in found:
        print(f'  FAILED: {found["ended"]}')
        return 1
    silent = [name for name, rate in found['rates_hz'].items() if not rate]
    if silent:
        print(f'  FAILED: nothing more came of {", ".join(silent)}')
    return 1 if silent else 0


if __name__ == '__main__':
    sys.exit(main())
