#!/usr/bin/env python3
"""Measure what a yolo_node does in a crowd: many cameras, subscribers, other nodes, large results.

    source tools/env.sh && python tools/measure_load.py

Each row is a yolo_node whose network costs nearly nothing and finds a given number of objects, so
that what is measured is the way of images and results. Prints results a second for each camera,
the time from an image's stamp to its result, and which share of the images was dropped.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'tools'), str(ROOT / 'test')]

from listening_node import listening_node  # noqa: E402
from onnx_models import detector  # noqa: E402

from jetson_perception.bringup import NodeProcess  # noqa: E402
from jetson_perception.ros.processes import running  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAMESPACE = 'measure_load'
DRIVER = ROOT / 'tools' / 'transport' / 'programs' / 'cameras_driver.py'
SETTLE_S, ANSWER_S = 3.0, 120.0


@dataclass(frozen=True)
class Situation:
    """What is around the node.

    Attributes
    ----------
    what : str
        For people.
    cameras, rate : int, float
        How many send, and how many images a second each.
    size : str
        Of the images, such as 640x480.
    objects : int
        How many are found in each image.
    subscribers : int
        Of the results, each with a node of its own.
    others : int
        Nodes that have nothing to do with it, five to a participant.
    """

    what: str
    cameras: int = 1
    rate: float = 30.0
    size: str = '640x480'
    objects: int = 1
    subscribers: int = 1
    others: int = 0


SITUATIONS = [
    Situation('one camera'),
    Situation('16 cameras, 10 Hz each', cameras=16, rate=10.0),
    Situation('16 cameras, 30 Hz each', cameras=16),
    Situation('64 subscribers', subscribers=64),
    Situation('200 other nodes', others=200),
    Situation('1000 objects', objects=1000),
    Situation('1000 objects, 16 subscribers', objects=1000, subscribers=16),
    Situation('3840×2160', size='3840x2160'),
]

#: Subscribes to results in so many nodes of as many participants as five nodes share one.
CROWD = """
import sys, threading
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from vision_msgs.msg import Detection2DArray

count, topic = int(sys.argv[1]), sys.argv[2]
nodes = []
for index in range(count):
    if index % 5 == 0:
        context = Context()
        rclpy.init(context=context)
    node = rclpy.create_node(f'crowd_{sys.argv[3]}_{index}', context=context)
    if topic:
        node.create_subscription(Detection2DArray, topic, lambda msg: None, 10, raw=True)
    nodes.append(node)

def spin(context, own):
    executor = SingleThreadedExecutor(context=context)
    for node in own:
        executor.add_node(node)
    executor.spin()

for context in {id(node.context): node.context for node in nodes}.values():
    own = [node for node in nodes if node.context is context]
    threading.Thread(target=spin, args=(context, own), daemon=True).start()
print('ready', flush=True)
sys.stdin.read()
"""
_NODES_A_PROCESS = 40


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--seconds', type=float, default=15.0, help='for each row (15)')
    parser.add_argument('--only', default='', help='only rows with this in their name')
    arguments = parser.parse_args()
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ['PYTHONPATH'] = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    print('| situation | results, each camera | median | 99 % | lost | skipped |')
    print('| --- | ---: | ---: | ---: | ---: | ---: |')
    for each in SITUATIONS:
        if arguments.only in each.what:
            print(measured(each, arguments.seconds), flush=True)


def measured(situation: Situation, seconds: float) -> str:
    """The row of a situation."""
    from jetson_perception.msg import PipelineStats

    from jetson_perception.ros import qos

    topics = [f'/{NAMESPACE}/camera_{index}/image_raw' for index in range(situation.cameras)]

    newest: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        listener = stack.enter_context(listening_node('listener', NAMESPACE))
        for index in range(situation.cameras):
            listener.node.create_subscription(
                PipelineStats,
                f'camera_{index}/det/stats',
                lambda msg: newest.update({msg.input: msg}),
                qos.RESULTS,
            )
        boxes = [(i % 50 * 5 + 3, i // 50 * 5 + 3, 3, 3, 0, 0.9) for i in range(situation.objects)]
        model = detector(Path(folder, 'tiny.onnx'), boxes, size_wh=(256, 256))
        parameters = {
            'det.model': str(model),
            'det.max_detections': 1000,
            'image_topics': topics,
        }
        process = NodeProcess('yolo_node', NAMESPACE, parameters=parameters)
        yolo = stack.enter_context(running(process, Path(folder, 'yolo_node.log')))
        result = f'/{NAMESPACE}/camera_0/det/detections'
        stack.enter_context(crowd(situation.subscribers, result))
        stack.enter_context(crowd(situation.others, ''))
        stack.enter_context(driver(situation, topics))
        deadline = time.monotonic() + ANSWER_S
        while len(newest) < len(topics) or not all(m.frames_processed for m in newest.values()):
            yolo.check()
            if time.monotonic() > deadline:
                raise SystemExit(f'{situation.what}: no results within {ANSWER_S:.0f} s')
            listener.spin(0.1)
        listener.spin(SETTLE_S)
        before, begun = dict(newest), time.monotonic()
        listener.spin(seconds)
        return row(situation, before, newest, time.monotonic() - begun)


def row(
    situation: Situation, before: dict[str, Any], after: dict[str, Any], elapsed_s: float
) -> str:
    """What the stats of all cameras come to."""

    def more(field: str) -> int:
        return sum(getattr(after[each], field) - getattr(before[each], field) for each in after)

    sent = more('frames_received') + more('frames_lost')
    latency = [stage for each in after.values() for stage in each.stages if stage.name == 'total']
    median_ms = sum(each.median_ms for each in latency) / max(len(latency), 1)
    late_ms = max((each.p99_ms for each in latency), default=float('nan'))
    return (
        f'| {situation.what} | {more("frames_processed") / elapsed_s / len(after):.1f} Hz '
        f'| {median_ms:.1f} ms | {late_ms:.1f} ms | {more("frames_lost") / max(sent, 1):.1%} '
        f'| {more("frames_skipped") / max(sent, 1):.1%} |'
    )


@contextmanager
def driver(situation: Situation, topics: Sequence[str]) -> Iterator[None]:
    """The cameras, as a process."""
    command = [sys.executable, str(DRIVER), '/dev/null', *topics, '--like-ours']
    command += ['--size', situation.size, '--rate', str(situation.rate)]
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.terminate()


@contextmanager
def crowd(count: int, topic: str) -> Iterator[None]:
    """Nodes of others, which subscribe to a topic of results if one is given."""
    with ExitStack() as stack:
        while count > 0:
            command = [sys.executable, '-c', CROWD, str(min(count, _NODES_A_PROCESS)), topic]
            process = subprocess.Popen(
                [*command, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            while process.stdout.readline() not in ('ready\n', ''):
                pass
            count -= _NODES_A_PROCESS
        yield


if __name__ == '__main__':
    main()
