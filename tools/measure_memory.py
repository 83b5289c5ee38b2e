#!/usr/bin/env python3
"""Measure whether the memory of a seg_node grows while it works.

    source tools/env.sh && python tools/measure_memory.py

This starts a seg_node with a tiny model and a process that sends it small images, and samples the
node's memory after a warm-up. There are many small images, because leaks mostly happen per event,
whatever its size. With `--lifecycle-rounds N`, the node is deactivated, cleaned up, configured and
activated N times instead. The exit code is 1 if the node's own memory grew by more than the limit.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from listening_node import listening_node  # noqa: E402

from jetson_perception.bringup import NodeProcess  # noqa: E402
from jetson_perception.ros.processes import RunningProcess, running  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAMESPACE = 'measure_memory'
SIZE_WH = (64, 48)
ANSWER_S = 60.0
ROUND = ('deactivate', 'cleanup', 'configure', 'activate')


def main() -> int:
    """Print the figures. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--seconds', type=float, default=1800.0, help='measured time (1800)')
    parser.add_argument(
        '--warm-up', type=float, metavar='N',
        help='seconds that are not measured (120), or rounds (a quarter of those measured)',
    )  # fmt: skip
    parser.add_argument('--rate', type=float, default=200.0, help='images per second (200)')
    parser.add_argument(
        "--lifecycle-rounds", type=int, default=0, metavar="N",
        help="run N rounds of lifecycle states instead",
    )  # fmt: skip
    parser.add_argument(
        '--limit', type=float, default=1.0, metavar='MB', help='allowed growth (1)'
    )
    parser.add_argument('--model', default='', help='model for seg_node (default: a tiny one)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write all samples here')
    parser.add_argument('--publish', action='store_true', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.publish:
        publish(arguments.rate)
        return 0
    # A domain that is probably unused, limited to this machine.
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    if os.environ.get('ROS_DISTRO') == 'humble':
        os.environ['ROS_LOCALHOST_ONLY'] = '1'
    os.environ['PYTHONPATH'] = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        node = stack.enter_context(
            running(seg_node(arguments.model, Path(folder)), Path(folder, 'seg_node.log'))
        )
        stack.enter_context(publishing(arguments.rate))
        watcher = stack.enter_context(watching(node))
        if arguments.lifecycle_rounds:
            rounds = arguments.lifecycle_rounds
            warm_up = max(rounds // 4, 1) if arguments.warm_up is None else int(arguments.warm_up)
            samples = through_states(watcher, warm_up, rounds)
        else:
            warm_up_s = 120.0 if arguments.warm_up is None else arguments.warm_up
            samples = over_time(watcher, warm_up_s, arguments.seconds)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(each) for each in samples], indent=1) + '\n')
    return report(samples, arguments)


@dataclass(frozen=True)
class Sample:
    """The node's memory at one time.

    Attributes
    ----------
    at : float
        Seconds or rounds since the warm-up.
    answers : int
        Masks that the node has published since its last activation.
    resident_kb, own_kb, shared_memory_kb : int
        All pages in memory; those of the process itself, which are heaps and stacks; and those of
        shared-memory segments, which carry images. The rest is files, such as libraries.
    """

    at: float
    answers: int
    resident_kb: int
    own_kb: int
    shared_memory_kb: int


def seg_node(model: str, folder: Path) -> NodeProcess:
    """The process to measure."""
    return NodeProcess(
        'seg_node',
        NAMESPACE,
        parameters={'model': model or str(tiny_model(folder / 'tiny.onnx')), 'threads': 1},
    )


def tiny_model(path: Path) -> Path:
    """Write a segmentation network that costs almost nothing: it finds the largest channel."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    width, height = SIZE_WH
    weight = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
    shape = [1, 3, height, width]
    graph = helper.make_graph(
        [helper.make_node('Conv', ['image', 'weight'], ['logits'])],
        'tiny',
        [helper.make_tensor_value_info('image', TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info('logits', TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weight, 'weight')],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    onnx.save(model, path)
    return path


@contextmanager
def publishing(rate: float) -> Iterator[None]:
    """Send images from a separate process until the block ends."""
    command = [sys.executable, __file__, '--publish', '--rate', str(rate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as sender:
        try:
            yield
        finally:
            sender.kill()


def publish(rate: float) -> None:
    """Send varying images at the given rate, and receive masks, until the process is killed."""
    import numpy as np
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import Image
    from std_msgs.msg import Header

    from jetson_perception.ros import qos
    from jetson_perception.ros.image_messages import ImageMessage

    rclpy.init()
    node = rclpy.create_node('sender', namespace=NAMESPACE)
    publisher = node.create_publisher(Image, 'image', qos_profile_sensor_data)
    node.create_subscription(Image, 'mask', lambda _: None, qos.RESULTS)
    shape = (SIZE_WH[1], SIZE_WH[0], 3)
    noise = np.random.default_rng(0).integers(0, 256, (4, *shape), np.uint8)
    message = ImageMessage()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    begun, count = time.monotonic(), 0
    while True:
        due_s = begun + count / rate - time.monotonic()
        if due_s > 0:
            executor.spin_once(timeout_sec=due_s)
            continue
        header = Header(frame_id='camera', stamp=node.get_clock().now().to_msg())
        publisher.publish(message.fill(noise[count % 4], 'bgr8', header))
        count += 1


class Watcher:
    """Requests transitions of the node, counts its results, and reads its memory."""

    def __init__(self, process: RunningProcess, node: Any, executor: Any) -> None:
        from jetson_perception.msg import PipelineStats
        from lifecycle_msgs.srv import ChangeState
        from rclpy.qos import qos_profile_sensor_data
        from sensor_msgs.msg import Image

        from jetson_perception.ros import qos

        self._process = process
        self._executor = executor
        self._answers = self._masks = 0
        node.create_subscription(PipelineStats, 'stats', self._on_stats, qos.RESULTS)
        self._mask_type, self._node = Image, node
        self._qos = qos_profile_sensor_data
        self._client = node.create_client(ChangeState, 'seg_node/change_state')
        self._wait_for(lambda: self._answers, 'the first mask')

    def spin(self, seconds: float) -> None:
        """Process messages for this long."""
        end = time.monotonic() + seconds
        while (left_s := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)
        self._process.check()

    def sample(self, at: float) -> Sample:
        """The node's memory now."""
        lines = Path(f'/proc/{self._process.pid}/status').read_text().splitlines()
        kb = {
            name: value.split()[0]
            for name, value in (line.split(':', 1) for line in lines if line.endswith(' kB'))
        }
        sizes = (int(kb[name]) for name in ('VmRSS', 'RssAnon', 'RssShmem'))
        return Sample(at, self._answers, *sizes)

    def round(self) -> None:
        """Go through the states once, until the node publishes masks again."""
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        for label in ROUND:
            request = ChangeState.Request(transition=Transition(label=label))
            self._wait_for(self._client.service_is_ready, 'the service')
            future = self._client.call_async(request)
            self._wait_for(future.done, f'an answer to {label}')
            if not future.result().success:
                raise SystemExit(f'{label} was refused')
        self._masks = 0
        masks = self._node.create_subscription(self._mask_type, 'mask', self._on_mask, self._qos)
        self._wait_for(lambda: self._masks, 'a mask')
        self._node.destroy_subscription(masks)

    def _on_stats(self, msg: Any) -> None:
        self._answers = msg.frames_processed

    def _on_mask(self, _: Any) -> None:
        self._masks += 1

    def _wait_for(self, predicate: Any, what: str) -> None:
        deadline = time.monotonic() + ANSWER_S
        while not predicate():
            self._process.check()
            if time.monotonic() > deadline:
                raise SystemExit(f'{what} did not come within {ANSWER_S:.0f} s')
            self._executor.spin_once(timeout_sec=0.1)


@contextmanager
def watching(process: RunningProcess) -> Iterator[Watcher]:
    """A watcher for a node that has processed its first image."""
    with listening_node('watcher', NAMESPACE) as (node, executor):
        yield Watcher(process, node, executor)


def over_time(watcher: Watcher, warm_up_s: float, seconds: float) -> list[Sample]:
    """Take 101 samples, evenly over the time."""
    watcher.spin(warm_up_s)
    begun = time.monotonic()
    samples = []
    for step in range(101):
        watcher.spin(begun + step * seconds / 100 - time.monotonic())
        samples.append(watcher.sample(time.monotonic() - begun))
        if step % 10 == 0:
            show(samples[-1], 's')
    return samples


def through_states(watcher: Watcher, warm_up: int, rounds: int) -> list[Sample]:
    """Take a sample after the warm-up, and one after each further round."""
    samples = []
    for number in range(-warm_up, rounds + 1):
        if number >= 0:
            samples.append(watcher.sample(number))
            if number % max(rounds // 10, 1) == 0:
                show(samples[-1], 'rounds')
        if number < rounds:
            watcher.round()
    return samples


def show(sample: Sample, unit: str) -> None:
    """Print a sample as progress."""
    print(
        f'{sample.at:7.0f} {unit}: resident {sample.resident_kb:7d} kB, '
        f'own {sample.own_kb:7d} kB, shared memory {sample.shared_memory_kb:6d} kB, '
        f'{sample.answers} masks',
        flush=True,
    )


def report(samples: Sequence[Sample], arguments: argparse.Namespace) -> int:
    """Print growth and slope, and compare with the limit."""
    unit = 'round' if arguments.lifecycle_rounds else 's'
    growth_kb = {}
    for name in ('resident', 'own', 'shared_memory'):
        sizes_kb = [getattr(each, f'{name}_kb') for each in samples]
        part = max(len(sizes_kb) // 10, 1)
        growth_kb[name] = statistics.median(sizes_kb[-part:]) - statistics.median(sizes_kb[:part])
        slope, _ = statistics.linear_regression([each.at for each in samples], sizes_kb)
        print(
            f'{name.replace("_", " ")}: {growth_kb[name]:+.0f} kB from the first tenth of the '
            f'samples to the last, {slope:+.3f} kB per {unit}'
        )
    own_mb = growth_kb['own'] / 1000
    verdict = 'good' if own_mb <= arguments.limit else 'too much'
    print(
        f'{verdict}: own memory grew by {own_mb:.2f} MB in {samples[-1].at:.0f} {unit}'
        f'{"s" if unit == "round" else ""} at {arguments.rate:g} Hz; the limit is '
        f'{arguments.limit:g} MB'
    )
    return 0 if verdict == 'good' else 1


if __name__ == '__main__':
    sys.exit(main())
