#!/usr/bin/env python3
"""Run two cameras, seg_node and yolo_node for long, at twice what the machine can do.

    source tools/env.sh && python tools/soak.py --minutes 10 --plot soak.png

The cameras first send as fast as they can, to learn what the engines do; then at twice that rate,
so frames are skipped all the time. Memory, threads, file handles, latency and what is dropped are
sampled every second after a warm-up, of which other programs take all cores for two thirds: queues
are then as full as they may be, and what grows later grows without bound. In the end each image
that was sent has to be accounted for. The exit code is 1 if a node's own memory grows by more than
`--limit`, if its threads or handles do, if one ends, complains, or if a frame is missing in its
counts.
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
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'tools')]

from busy_loops import busy_loops  # noqa: E402
from soaking import plot  # noqa: E402
from soaking.camera import NAMES  # noqa: E402
from soaking.samples import Sample, imbalance, sample, slope  # noqa: E402

from jetson_perception.bringup import NodeProcess  # noqa: E402
from jetson_perception.ros.processes import RunningProcess, running  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NAMESPACE = 'soak'
CAMERA = ROOT / 'tools' / 'soaking' / 'camera.py'
TOPICS = [f'/{NAMESPACE}/{name}/image_raw' for name in NAMES]
NODES = {
    'seg_node': {'model': 'oranges', 'image_topics': TOPICS},
    'yolo_node': {
        'engines': ['det', 'pose'],
        'det.model': 'people_detect',
        'pose.model': 'people_pose',
        'image_topics': TOPICS,
    },
}
CALIBRATION_S, FASTEST_HZ = 20.0, 200.0
ANSWER_S = 120.0
_LAST_S = 30.0
_BUSY_SHARE = 2 / 3  # of the warm-up


def main() -> int:
    """Print the figures. Returns the exit code."""
    arguments = parse_arguments()
    if arguments.plot:
        plot.require_matplotlib()
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    if os.environ.get('ROS_DISTRO') == 'humble':
        os.environ['ROS_LOCALHOST_ONLY'] = '1'
    os.environ['PYTHONPATH'] = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    with tempfile.TemporaryDirectory() as folder:
        rate_hz = 2 * highest_rate(Path(folder))
        print(f'each camera sends {rate_hz:.1f} images a second', flush=True)
        with running_nodes(Path(folder)) as (nodes, listener):
            soaked = Soak(nodes, listener, arguments)
            soaked.run(rate_hz)
            problems = soaked.problems()
    if arguments.plot:
        plot.write(arguments.plot, soaked.samples)
    if arguments.json:
        found = {name: [asdict(each) for each in taken] for name, taken in soaked.samples.items()}
        arguments.json.write_text(json.dumps(found) + '\n')
    for each in problems:
        print(f'bad: {each}')
    if not problems:
        print('good')
    return int(bool(problems))


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--minutes', type=float, default=120.0, help='measured time (120)')
    parser.add_argument('--warm-up', type=float, metavar='MINUTES', help='before that (a quarter, '
                        'and 10 at most)')  # fmt: skip
    parser.add_argument(
        '--limit', type=float, default=3.0, metavar='MB', help='growth an hour that is allowed (3)'
    )
    parser.add_argument('--plot', type=Path, metavar='FILE', help='a PNG, PDF or SVG file')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all samples here')
    arguments = parser.parse_args()
    if arguments.warm_up is None:
        arguments.warm_up = min(arguments.minutes / 4, 10.0)
    return arguments


class Listener:
    """Hears the stats of all engines, and results as others do."""

    def __init__(self, node: Any, executor: Any) -> None:
        from jetson_perception.msg import PipelineStats
        from sensor_msgs.msg import Image
        from vision_msgs.msg import Detection2DArray

        from jetson_perception.ros import qos

        self._executor = executor
        self.stats: dict[str, dict[str, Any]] = {name: {} for name in NODES}
        for camera in NAMES:
            for owner, engine, kind in (
                ('seg_node', '', Image),
                ('yolo_node', 'det/', Detection2DArray),
                ('yolo_node', 'pose/', Detection2DArray),
            ):
                prefix = f'{camera}/{engine}'
                key = f'{engine or "seg/"}{camera}'
                node.create_subscription(
                    PipelineStats,
                    f'{prefix}stats',
                    lambda msg, owner=owner, key=key: self.stats[owner].update({key: msg}),
                    qos.RESULTS,
                )
                topic = f'{prefix}mask' if kind is Image else f'{prefix}detections'
                node.create_subscription(kind, topic, lambda _: None, qos.RESULTS)

    @property
    def all_stats(self) -> dict[str, Any]:
        """The newest of each engine and camera."""
        return {key: msg for each in self.stats.values() for key, msg in each.items()}

    def spin(self, seconds: float) -> None:
        """Hear messages for this long."""
        end = time.monotonic() + seconds
        while (left_s := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)

    def wait_for_last(self) -> None:
        """Return when no frame is under way any more, or will not be done."""
        deadline = time.monotonic() + _LAST_S
        while time.monotonic() < deadline:
            self.spin(2.0)  # stats come once a second
            if not any(map(imbalance, self.all_stats.values())):
                return

    def wait_for_all(self) -> None:
        """Return when every engine has answered each camera."""
        deadline = time.monotonic() + ANSWER_S
        while len(self.all_stats) < 3 * len(NAMES) or not all(
            each.frames_processed for each in self.all_stats.values()
        ):
            if time.monotonic() > deadline:
                raise SystemExit(f'not all engines answered within {ANSWER_S:.0f} s')
            self.spin(0.1)


@contextmanager
def running_nodes(folder: Path) -> Iterator[tuple[dict[str, RunningProcess], Listener]]:
    """The nodes, and a listener."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    rclpy.init()
    node = rclpy.create_node('listener', namespace=NAMESPACE)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    with ExitStack() as stack:
        stack.callback(rclpy.try_shutdown)
        stack.callback(node.destroy_node)
        stack.callback(executor.shutdown)
        nodes = {
            name: stack.enter_context(
                running(
                    NodeProcess(name, NAMESPACE, parameters=parameters), folder / f'{name}.log'
                )
            )
            for name, parameters in NODES.items()
        }
        yield nodes, Listener(node, executor)


@contextmanager
def cameras(rate_hz: float) -> Iterator[subprocess.Popen[str]]:
    """The cameras, as a process."""
    command = [sys.executable, str(CAMERA), NAMESPACE, str(rate_hz), str(len(NODES))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def highest_rate(folder: Path) -> float:
    """Results a second of the fastest engine, for each camera, where images come without end."""
    with running_nodes(folder) as (_, listener), cameras(FASTEST_HZ):
        listener.wait_for_all()
        listener.spin(CALIBRATION_S / 2)
        before = {key: each.frames_processed for key, each in listener.all_stats.items()}
        begun = time.monotonic()
        listener.spin(CALIBRATION_S)
        elapsed_s = time.monotonic() - begun
        after = listener.all_stats
        return max((after[key].frames_processed - before[key]) / elapsed_s for key in before)


class Soak:
    """The run, and what is found."""

    def __init__(
        self,
        nodes: Mapping[str, RunningProcess],
        listener: Listener,
        arguments: argparse.Namespace,
    ) -> None:
        self._nodes, self._listener, self._arguments = nodes, listener, arguments
        self.samples: dict[str, list[Sample]] = {name: [] for name in nodes}
        self._missing: list[str] = []

    def run(self, rate_hz: float) -> None:
        """Send images, and take samples."""
        listener, arguments = self._listener, self._arguments
        with cameras(rate_hz) as camera:
            listener.wait_for_all()
            with busy_loops(len(os.sched_getaffinity(0))):
                listener.spin(60 * arguments.warm_up * _BUSY_SHARE)
            listener.spin(60 * arguments.warm_up * (1 - _BUSY_SHARE))
            begun, told_s = time.monotonic(), 0.0
            while (at_s := time.monotonic() - begun) < 60 * arguments.minutes:
                listener.spin(1.0)
                for name, node in self._nodes.items():
                    node.check()
                    self.samples[name].append(sample(node.pid, at_s, listener.stats[name]))
                if at_s - told_s >= 60:
                    told_s = at_s
                    self._show(at_s)
            assert camera.stdin is not None
            assert camera.stdout is not None
            camera.stdin.close()
            sent = dict(zip(NAMES, map(int, camera.stdout.readline().split()), strict=True))
            listener.wait_for_last()
        self._account(sent)

    def _show(self, at_s: float) -> None:
        found = '; '.join(
            f'{name} {taken[-1].own_kb / 1000:.1f} MB of its own, {taken[-1].threads} threads, '
            f'{taken[-1].handles} handles'
            for name, taken in self.samples.items()
        )
        print(f'{at_s / 60:5.0f} min: {found}', flush=True)

    def _account(self, sent: Mapping[str, int]) -> None:
        """See that every image was answered, dropped or lost, and is counted so."""
        for key, stats in sorted(self._listener.all_stats.items()):
            of_camera = sent[key.rpartition('/')[2]]
            unknown = of_camera - stats.frames_received - stats.frames_lost
            print(
                f'{key}: {of_camera} images sent, {stats.frames_lost} lost, '
                f'{stats.frames_received} received, {stats.frames_processed} processed, '
                f'{stats.frames_skipped} skipped, {stats.frames_failed} failed'
            )
            if imbalance(stats):
                self._missing.append(f'{key}: {imbalance(stats)} received frames are not counted')
            if unknown:
                self._missing.append(f'{key}: {unknown} sent images are neither received nor lost')

    def problems(self) -> list[str]:
        """What should not be; prints how memory grew."""
        found = list(self._missing)
        for name, taken in self.samples.items():
            grown, error = slope([s.at_s for s in taken], [s.own_kb / 1000 for s in taken])
            print(f'{name}: own memory {grown:+.2f} ± {error:.2f} MB an hour')
            if not grown <= self._arguments.limit:
                found.append(f'{name} grows by {grown:.2f} MB an hour; the limit is '
                             f'{self._arguments.limit:g} MB')  # fmt: skip
            found += _more(name, 'threads', [each.threads for each in taken])
            found += _more(name, 'handles', [each.handles for each in taken])
            log = self._nodes[name].log.read_text(errors='replace')
            found += [f'{name}: {line}' for line in log.splitlines() if _ERROR.search(line)]
        return found


_ERROR = re.compile(r'\[(ERROR|FATAL)\]|Traceback')


def _more(name: str, what: str, counts: Sequence[int]) -> list[str]:
    """A problem where there are more of something at the end than ever in the first half."""
    first, last = max(counts[: len(counts) // 2]), min(counts[-len(counts) // 10 :])
    return [f'{name} has {last} {what}, {first} at most before'] if last > first else []


if __name__ == '__main__':
    sys.exit(main())
