#!/usr/bin/env python3
"""Measure how long a yolo_node takes from its start to the first answer, and where the time goes.

    python tools/measure_startup.py --runtime onnxruntime_cuda --model yolov8n.onnx

A camera is already sending when the node is started, as when a robot's node is restarted. The time
counts from before the process is made until another process has an answer of every engine. First
with an empty cache, in a folder of its own; then again, as after a reboot; then `cleanup` and
`configure` of the running node. Each with one model and with four. Prints tables, with the parts
of each start, then a line a start; with `--json FILE`, also a file to compare with that of another
run. Ends with 1 if a goal is missed on CUDA.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'tools'), str(ROOT / 'test')]

from transport.notes import Notes  # noqa: E402

from jetson_perception.bringup import NodeProcess  # noqa: E402
from jetson_perception.printable import counted  # noqa: E402
from jetson_perception.ros.processes import RunningProcess, running  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DRIVER = ROOT / 'tools' / 'transport' / 'programs' / 'cameras_driver.py'
NAMESPACE = 'measure_startup'
TOPIC = f'/{NAMESPACE}/image'
SIZE, RATE_HZ = '1280x720', 30
RUNTIMES = {'cpu': 'onnxruntime_cpu'}

#: Seconds, by the number of models; none for others.
NEXT_TIME_S = {1: 3.0, 4: 4.0}
FIRST_TIME_S = {1: 8.0}
AGAIN_S = 1.0

_SPAN = re.compile(r'start, ([\d.]+) to ([\d.]+) s: (.*)')


@dataclass
class Start:
    """One start of a node.

    Attributes
    ----------
    what : str
        Which one it was.
    seconds : float
        Until every engine had answered.
    parts : list of tuple
        What the node did: seconds of its beginning and end, and what it was.
    pss_mb : float
        Memory afterwards, with the node's share of what others use too.
    goal_s : float or None
    """

    what: str
    seconds: float
    parts: list[tuple[float, float, str]] = field(default_factory=list)
    pss_mb: float = 0.0
    goal_s: float | None = None

    @property
    def is_missed(self) -> bool:
        """Whether it has a goal that it misses."""
        return self.goal_s is not None and self.seconds > self.goal_s


def main() -> int:
    """Run it; returns the exit code."""
    arguments = parse_arguments()
    # A domain that hardly anybody else uses, on this machine only.
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    if os.environ.get('ROS_DISTRO') == 'humble':
        os.environ['ROS_LOCALHOST_ONLY'] = '1'
    measured: dict[int, list[Start]] = {}
    for count in arguments.models:
        with tempfile.TemporaryDirectory() as folder, camera(Path(folder), arguments):
            starts = measure(count, Path(folder), arguments)
        show(count, starts, arguments)
        measured[count] = starts
        if arguments.json:  # each time, so that a later failure loses nothing
            arguments.json.write_text(json.dumps(as_json(measured, arguments), indent=1) + '\n')
    print()
    for count, starts in measured.items():
        for each in starts:
            print(in_a_line(count, each))
    is_missed = any(each.is_missed for starts in measured.values() for each in starts)
    return int(is_missed and arguments.runtime != 'cpu')


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--runtime', choices=['cpu', 'onnxruntime_cuda', 'tensorrt'], default='cpu'
    )
    parser.add_argument(
        '--model', nargs='+', default=['people_detect'], help='taken in turn by the engines'
    )
    parser.add_argument('--models', nargs='+', type=int, default=[1, 4], help='how many (1 4)')
    parser.add_argument('--rounds', type=int, default=2, help='of starts after the first (2)')
    parser.add_argument('--precision', default='fp16')
    parser.add_argument(
        '--camera', choices=['plain', 'ours'], default='plain',
        help='whether camera and listener announce themselves every 3 s, as others do, or every '
        'second, as our nodes do (plain)',
    )  # fmt: skip
    parser.add_argument('--timeout', type=float, default=120.0, help='seconds, for each start')
    parser.add_argument('--json', type=Path, help='file to write what was measured into')
    parser.add_argument('--log', action='store_true', help="print the node's log too")
    arguments = parser.parse_args()
    file = arguments.json
    if file and not file.parent.is_dir():
        parser.error(f'--json: there is no folder {file.parent} for {file.name}')
    return arguments


def measure(count: int, folder: Path, arguments: argparse.Namespace) -> list[Start]:
    """The starts of a node with so many models: the first, later ones, once configured anew."""
    engines = [f'engine_{index}' for index in range(count)]
    node = yolo_node(engines, folder, arguments)
    starts = []
    with listening(engines, arguments) as ear:
        for number in range(1 + arguments.rounds):
            log = folder / f'node_{number}.log'
            goals = FIRST_TIME_S if number == 0 else NEXT_TIME_S
            ear.forget()
            begun_s = time.monotonic()
            with running(node, log) as process:
                ear.wait_for_answers(process)
                seconds = time.monotonic() - begun_s
                what = 'first time' if number == 0 else 'next time'
                wait_for_parts(log, 1)
                starts.append(
                    Start(what, seconds, parts(log), pss_mb(process.pid), goals.get(count))
                )
                if number == arguments.rounds:
                    starts += again(ear, process, log)
            if arguments.log:
                print(log.read_text(errors='replace'))
    return starts


def again(ear: Ear, process: RunningProcess, log: Path) -> list[Start]:
    """Configure a node anew: how long the transitions take, and how long until it answers."""
    ear.transition('deactivate', process)
    begun_s = time.monotonic()
    for label in ('cleanup', 'configure'):
        ear.transition(label, process)
    transitions = Start('cleanup and configure', time.monotonic() - begun_s, goal_s=AGAIN_S)
    ear.forget()
    ear.transition('activate', process)
    ear.wait_for_answers(process)
    seconds = time.monotonic() - begun_s
    wait_for_parts(log, 2)
    return [transitions, Start('and to the answer', seconds, parts(log), pss_mb(process.pid))]


def yolo_node(engines: Sequence[str], folder: Path, arguments: argparse.Namespace) -> NodeProcess:
    """The process to measure, which says at the first answer what it did until then."""
    parameters: dict[str, Any] = {'engines': list(engines)}
    for index, engine in enumerate(engines):
        model = arguments.model[index % len(arguments.model)]
        parameters[f'{engine}.model'] = str(Path(model).resolve()) if '.' in model else model
        parameters[f'{engine}.runtime'] = RUNTIMES.get(arguments.runtime, arguments.runtime)
        parameters[f'{engine}.precision'] = arguments.precision
    return NodeProcess(
        'yolo_node',
        NAMESPACE,
        parameters=parameters,
        arguments=('--ros-args', '--log-level', f'{NAMESPACE}.yolo_node:=debug'),
        environment={'XDG_CACHE_HOME': str(folder / 'cache')},
    )


@contextmanager
def camera(folder: Path, arguments: argparse.Namespace) -> Iterator[None]:
    """A driver that sends images already."""
    sent = Notes(folder / 'sent')
    command = [sys.executable, str(DRIVER), str(folder / 'sent'), TOPIC]
    command += ['--size', SIZE, '--rate', str(RATE_HZ)]
    command += ['--like-ours'] if arguments.camera == 'ours' else []
    paths = [str(ROOT), os.environ.get('PYTHONPATH', '')]
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(paths)}
    process = subprocess.Popen(command, env=environment)
    try:
        wait(lambda: len(sent.of(TOPIC)) > RATE_HZ, 'images of the camera', 30.0)
        yield
    finally:
        process.terminate()
        process.wait(10)


class Ear:
    """Hears the answers of all engines, and asks for transitions."""

    def __init__(self, node: Any, executor: Any, engines: Sequence[str], timeout_s: float) -> None:
        from lifecycle_msgs.srv import ChangeState
        from vision_msgs.msg import Detection2DArray

        from jetson_perception.ros import qos

        self._executor = executor
        self._engines = set(engines)
        self._answered: set[str] = set()
        self._since_ns = 0
        self._timeout_s = timeout_s
        for engine in engines:
            node.create_subscription(
                Detection2DArray,
                f'{engine}/detections',
                lambda msg, engine=engine: self._hear(engine, msg.header.stamp),
                qos.RESULTS,
            )
        self._client = node.create_client(ChangeState, 'yolo_node/change_state')

    def forget(self) -> None:
        """Wait for answers to images that are taken from now on."""
        self._since_ns = time.time_ns()
        self._answered.clear()

    def _hear(self, engine: str, stamp: Any) -> None:
        if stamp.sec * 10**9 + stamp.nanosec >= self._since_ns:
            self._answered.add(engine)

    def wait_for_answers(self, process: RunningProcess) -> None:
        """Return when every engine has answered."""
        self._wait(lambda: self._answered == self._engines, 'an answer of every engine', process)

    def transition(self, label: str, process: RunningProcess) -> None:
        """Take the node through a transition."""
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        self._wait(self._client.service_is_ready, 'the service', process)
        request = ChangeState.Request(transition=Transition(label=label))
        future = self._client.call_async(request)
        self._wait(future.done, f'an answer to {label}', process)
        if not future.result().success:
            raise SystemExit(f'{label} was refused:\n{process.log.read_text()[-3000:]}')

    def _wait(self, predicate: Callable[[], bool], what: str, process: RunningProcess) -> None:
        def spun() -> bool:
            process.check()
            self._executor.spin_once(timeout_sec=0.1)
            return predicate()

        try:
            wait(spun, what, self._timeout_s, pause_s=0.0)
        except SystemExit as err:
            raise SystemExit(f'{err}; its log:\n{process.log.read_text()[-5000:]}') from None


@contextmanager
def listening(engines: Sequence[str], arguments: argparse.Namespace) -> Iterator[Ear]:
    """Hears a node that is still to be started."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    from jetson_perception.dds import transports

    if arguments.camera == 'ours':
        transports.take(16 * transports.MEBIBYTE)
    rclpy.init()
    node = rclpy.create_node('ear', namespace=NAMESPACE)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        yield Ear(node, executor, engines, arguments.timeout)
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()


def wait(
    predicate: Callable[[], object], what: str, timeout_s: float, pause_s: float = 0.02
) -> None:
    """Return when something is so."""
    deadline_s = time.monotonic() + timeout_s
    while not predicate():
        if time.monotonic() > deadline_s:
            raise SystemExit(f'{what} did not come within {timeout_s:.0f} s')
        time.sleep(pause_s)


def wait_for_parts(log: Path, count: int) -> None:
    """Return when the node has told so often what its start took, and all of it."""
    wait(lambda: log.read_text(errors='replace').count('first answer after') >= count, 'it', 10.0)
    time.sleep(0.5)


def parts(log: Path) -> list[tuple[float, float, str]]:
    """What the node did in its last start, by its log."""
    last = log.read_text(errors='replace').rpartition('first answer after')[2]
    return [
        (float(begun), float(ended), what.strip()) for begun, ended, what in _SPAN.findall(last)
    ]


def pss_mb(pid: int) -> float:
    """The memory of a process, with its share of what others use too."""
    for line in Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines():
        if line.startswith('Pss:'):
            return int(line.split()[1]) / 1e3
    return 0.0


def in_a_line(count: int, start: Start) -> str:
    """One start, with its goal: what a person compares first."""
    goal = '' if start.goal_s is None else f', goal {start.goal_s:g}'
    verdict = '' if start.goal_s is None else ': missed' if start.is_missed else ': kept'
    return f'{counted(count, "model")}, {start.what}: {start.seconds:.2f} s{goal}{verdict}'


def as_json(measured: dict[int, list[Start]], arguments: argparse.Namespace) -> dict[str, Any]:
    """What was measured, and with what, for a file."""
    return {
        'runtime': arguments.runtime,
        'model': arguments.model,
        'precision': arguments.precision,
        'starts': [
            {'models': count, **asdict(each), 'is_missed': each.is_missed}
            for count, starts in measured.items()
            for each in starts
        ],
    }


def show(count: int, starts: list[Start], arguments: argparse.Namespace) -> None:
    """Print the tables."""
    models = f'{counted(count, "model")} ({", ".join(arguments.model)})'
    driver = {'plain': 'a plain driver', 'ours': 'a driver like ours'}[arguments.camera]
    print(f'\n{models}, {arguments.runtime}, images of {SIZE} at {RATE_HZ} Hz of {driver}\n')
    print('| start | seconds | goal | sent by the node after | memory (PSS), MB |')
    print('| --- | --- | --- | --- | --- |')
    for each in starts:
        goal = '' if each.goal_s is None else f'≤ {each.goal_s:g}'
        verdict = '' if each.goal_s is None else ', missed' if each.is_missed else ', kept'
        memory = f'{each.pss_mb:.0f}' if each.pss_mb else ''
        sent = f'{max(ended for _, ended, _ in each.parts):.2f}' if each.parts else ''
        print(f'| {each.what} | {each.seconds:.2f} | {goal}{verdict} | {sent} | {memory} |')
    told = set()
    for each in starts:
        if not each.parts or each.what in told:
            continue
        told.add(each.what)
        print(f'\n{each.what}: seconds since the start of the process\n')
        print('| from | to | took | what |')
        print('| --- | --- | --- | --- |')
        for begun, ended, what in each.parts:
            print(f'| {begun:.2f} | {ended:.2f} | {ended - begun:.2f} | {what} |')
    sys.stdout.flush()


if __name__ == '__main__':
    sys.exit(main())
