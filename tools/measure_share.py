#!/usr/bin/env python3
"""Measure what a seg_node still does while other programs take the processor.

    source tools/env.sh && sudo -E env "PATH=$PATH" python tools/measure_share.py

A camera sends 640×480 at 30 Hz, somebody looks at `annotated`, and as many processes as the
machine has cores count without end. Prints masks and pictures a second for each setting: alone;
beside those processes; and with each of `--settings`. Negative nice values and real-time
priorities take CAP_SYS_NICE. The camera has the priority of this command.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'tools')]

from busy_loops import busy_loops  # noqa: E402
from listening_node import listening_node  # noqa: E402

from jetson_perception.bringup import NodeProcess  # noqa: E402
from jetson_perception.ros.processes import running  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACE = 'measure_share'
DRIVER = ROOT / 'tools' / 'transport' / 'programs' / 'cameras_driver.py'
SETTINGS = {
    'no parameter': {},
    'process.nice: -10': {'process.nice': -10},
    'process.real_time_priority: 10': {'process.real_time_priority': 10},
}
SETTLE_S = 3.0


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--model', default='oranges')
    parser.add_argument('--rate', type=float, default=30.0)
    parser.add_argument('--seconds', type=float, default=15.0, help='for each row (15)')
    parser.add_argument('--loops', type=int, default=os.cpu_count(), help='busy processes')
    parser.add_argument('--camera-nice', type=int, default=0, help="the camera's nice value (0)")
    arguments = parser.parse_args()
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ['PYTHONPATH'] = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    print('| beside | parameters | masks | pictures |')
    print('| --- | --- | ---: | ---: |')
    show('nothing', 'no parameter', arguments, 0)
    for name in SETTINGS:
        show(f'{arguments.loops} busy loops', name, arguments, arguments.loops)


def show(beside: str, name: str, arguments: argparse.Namespace, loops: int) -> None:
    """Measure one row, and print it."""
    masks_hz, pictures_hz = measured(SETTINGS[name], arguments, loops)
    print(f'| {beside} | {name} | {masks_hz:.1f} Hz | {pictures_hz:.1f} Hz |', flush=True)


def measured(
    parameters: dict[str, Any], arguments: argparse.Namespace, loops: int
) -> tuple[float, float]:
    """Masks and pictures a second."""
    from jetson_perception.msg import PipelineStats
    from sensor_msgs.msg import Image

    from jetson_perception.ros import qos

    pictures: list[float] = []
    newest: list[Any] = []
    process = NodeProcess(
        'seg_node',
        NAMESPACE,
        parameters={'model': arguments.model, 'annotated.width': 160, **parameters},
    )

    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        listener = stack.enter_context(listening_node('viewer', NAMESPACE))
        # Headers would do, but rclpy makes whole messages: small ones, so that it does not count.
        listener.node.create_subscription(
            Image, 'annotated', lambda _: pictures.append(time.monotonic()), qos.RESULTS
        )
        listener.node.create_subscription(
            PipelineStats, 'stats', lambda msg: newest.__setitem__(slice(None), [msg]), qos.RESULTS
        )
        seg = stack.enter_context(running(process, Path(folder, 'seg_node.log')))
        stack.enter_context(camera(arguments))
        while not newest or not newest[0].frames_processed:
            seg.check()
            listener.spin(0.1)
        stack.enter_context(busy_loops(loops))
        listener.spin(SETTLE_S)
        before, begun = newest[0], time.monotonic()
        pictures.clear()
        listener.spin(arguments.seconds)
        elapsed_s = time.monotonic() - begun
        masks = newest[0].frames_processed - before.frames_processed
        return masks / elapsed_s, len(pictures) / elapsed_s


@contextmanager
def camera(arguments: argparse.Namespace) -> Iterator[None]:
    """The camera, as a process."""
    command = ['nice', '-n', str(arguments.camera_nice), sys.executable, str(DRIVER), '/dev/null']
    command += [f'/{NAMESPACE}/image', '--rate', str(arguments.rate), '--like-ours']
    with subprocess.Popen(command) as driver:
        try:
            yield
        finally:
            driver.terminate()


if __name__ == '__main__':
    main()
