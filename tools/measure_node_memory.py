#!/usr/bin/env python3
"""What memory yolo_node takes, beside what its libraries take without it.

    source tools/env.sh && python tools/measure_node_memory.py people_detect --runtime cpu

This measures, each in a process of its own: a bare rclpy node; the same with ONNX Runtime and a
session of each model that has run, and nothing of this package; and yolo_node with these models,
after some time with 1280×720 images at 30 Hz. The figures are proportional set sizes, MB of 10⁶
bytes: shared pages count by their share, and those in /dev/shm too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from jetson_perception import bringup  # noqa: E402
from jetson_perception.models import resolve_model  # noqa: E402

#: Rows of /proc/PID/smaps_rollup, and what they hold.
SHARES = {
    'Pss': 'all',
    'Pss_Anon': 'heap',
    'Pss_File': 'files',
    'Pss_Shmem': 'shared',
}
RATE_HZ = 30.0
START_S = 60.0
NAMESPACE = 'measured'
#: How often a baseline runs its sessions before it is measured.
RUNS = 10
PROVIDERS = {'cpu': 'CPUExecutionProvider', 'cuda': 'CUDAExecutionProvider'}


def main() -> int:
    """Print the table. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('models', nargs='+', metavar='MODEL', help='ONNX file or model of a name')
    parser.add_argument('--runtime', default='cpu', choices=PROVIDERS, help='(%(default)s)')
    parser.add_argument('--seconds', type=float, default=60.0, help='of frames (%(default)s)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the figures here')
    parser.add_argument('--idle', choices=('rclpy', 'runtime'), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    models = [str(resolve_model(model)) for model in arguments.models]
    if arguments.idle:
        idle(arguments.idle, models, PROVIDERS[arguments.runtime])
        return 0
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ['PYTHONPATH'] = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    common = [*models, '--runtime', arguments.runtime]
    found = {
        'bare rclpy node': of_idle('rclpy', common),
        'that and ONNX Runtime': of_idle('runtime', common),
        'yolo_node': of_node(models, arguments.runtime, arguments.seconds),
    }
    report(found)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + '\n', encoding='utf-8')
    return 0


def shares_mb(pid: int) -> dict[str, float]:
    """Proportional set size of a process and its parts, MB of 10⁶ bytes."""
    text = Path(f'/proc/{pid}/smaps_rollup').read_text(encoding='ascii')
    fields = (line.split() for line in text.splitlines()[1:])
    kilobytes = {field[0].rstrip(':'): int(field[1]) for field in fields}
    return {name: kilobytes[name] * 1024 / 1e6 for name in SHARES}


def idle(what: str, models: list[str], provider: str) -> None:
    """Be the process of a baseline: say when everything is loaded, then do nothing."""
    import rclpy
    from sensor_msgs.msg import Image
    from vision_msgs.msg import Detection2DArray

    rclpy.init()
    node = rclpy.create_node('idle')
    node.create_publisher(Detection2DArray, 'detections', 1)
    node.create_subscription(Image, 'image', lambda _: None, 1)
    sessions = [session_that_ran(model, provider) for model in models if what == 'runtime']
    print('ready', flush=True)
    sys.stdin.read()
    del sessions


def session_that_ran(model: str, provider: str) -> Any:
    """A session of ONNX Runtime as its users make it, after some runs with zeros."""
    import numpy as np
    import onnxruntime

    if hasattr(onnxruntime, 'preload_dlls'):
        onnxruntime.preload_dlls()
    session = onnxruntime.InferenceSession(model, providers=[provider])
    if session.get_providers()[0] != provider:
        raise SystemExit(f'{provider} cannot be used here: {session.get_providers()}')
    feeds = {
        each.name: np.zeros(
            [side if isinstance(side, int) else 1 for side in each.shape], np.float32
        )
        for each in session.get_inputs()
    }
    for _ in range(RUNS):
        session.run(None, feeds)
    return session


def of_idle(what: str, common: list[str]) -> dict[str, float]:
    """The memory of a baseline, in a process of its own."""
    command = [sys.executable, __file__, *common, '--idle', what]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        if b'ready' not in process.stdout.readline():
            raise SystemExit(f'the baseline {what} ended; see above')
        return shares_mb(process.pid)


def of_node(models: list[str], runtime: str, seconds: float) -> dict[str, float]:
    """The memory of yolo_node after some time with images."""
    from jetson_perception.ros.processes import running

    names = [f'engine_{number}' for number in range(1, len(models) + 1)]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        nodes = [
            stack.enter_context(running(process, Path(folder, f'{process.executable}.log')))
            for process in processes(dict(zip(names, models, strict=True)), runtime, Path(folder))
        ]
        wait_for_results(names[-1])
        time.sleep(seconds)  # what is measured is the state after this time
        (node,) = (each for each in nodes if each.name == 'yolo_node')
        return shares_mb(node.pid)


def processes(engines: dict[str, str], runtime: str, folder: Path) -> list[bringup.NodeProcess]:
    """camera_node and yolo_node as the launch file starts them."""
    of_engines = {
        name: {'model': model, 'runtime': f'onnxruntime_{runtime}'}
        for name, model in engines.items()
    }
    content = {'/**': {'ros__parameters': {'engines': list(engines), **of_engines}}}
    parameters = folder / 'engines.yaml'
    parameters.write_text(json.dumps(content), encoding='utf-8')  # JSON is YAML
    values = bringup.defaults(
        bringup.YOLO_ARGUMENTS,
        params_file=str(parameters),
        source='scene://people',
        width='1280',
        height='720',
        frame_rate=str(RATE_HZ),
        namespace=NAMESPACE,
    )
    return bringup.yolo(values)


def wait_for_results(engine: str) -> None:
    """Return when the engine has published."""
    import rclpy
    from jetson_perception.msg import PipelineStats

    heard: list[PipelineStats] = []
    rclpy.init()
    node = rclpy.create_node('listener')
    topic = f'/{NAMESPACE}/{engine}/stats'
    node.create_subscription(PipelineStats, topic, heard.append, 1)
    deadline_s = time.monotonic() + START_S
    while not any(msg.frames_processed for msg in heard):
        rclpy.spin_once(node, timeout_sec=0.1)
        if time.monotonic() > deadline_s:
            raise SystemExit(f'nothing came on {topic} in {START_S:.0f} s')
    rclpy.shutdown()


def report(found: dict[str, dict[str, float]]) -> None:
    """Print a table, and what the node takes beyond its libraries."""
    table = Table('MB', *SHARES.values(), highlight=False)
    for name, shares in found.items():
        table.add_row(name, *(f'{shares[share]:.0f}' for share in SHARES))
    Console().print(table)
    _, runtime, node = (shares['Pss'] for shares in found.values())
    print(f'yolo_node takes {node - runtime:+.0f} MB beside its libraries with the same models')


if __name__ == '__main__':
    sys.exit(main())
