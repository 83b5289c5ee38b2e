"""yolo_node as users run it: an image topic in, every engine's topics out, over DDS."""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpu_checks.checks import say
from jetson_perception import bringup
from jetson_perception.errors import PerceptionError

if TYPE_CHECKING:
    from gpu_checks.checks import Checks, Options

_RATE_HZ = 30.0
_LEAST_RATE_HZ = 29.0
_END_S = 20.0


def run(options: Options, checks: Checks) -> None:
    """Start camera_node and yolo_node, listen, and end them with SIGINT."""
    missing = what_is_missing()
    if missing:
        checks.holds('ROS 2 and the built package', False, '; '.join(missing))
        return
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
    with tempfile.TemporaryDirectory() as folder:
        _run(options, checks, Path(folder))


def what_is_missing() -> list[str]:
    """What is missing for nodes to run, with what to do about each."""
    missing = []
    if importlib.util.find_spec('rclpy') is None:
        return ['rclpy cannot be imported: source the setup file of a ROS 2 distribution']
    for name in ('sensor_msgs', 'vision_msgs', 'lifecycle_msgs', 'diagnostic_msgs'):
        if importlib.util.find_spec(name) is None:
            missing.append(f'{name} cannot be imported: install or build it, and source its setup')
    if importlib.util.find_spec('jetson_perception.msg') is None:
        missing.append(
            'the messages of jetson_perception cannot be imported: build it with colcon, and '
            'source install/setup.bash'
        )
    from ament_index_python.packages import PackageNotFoundError, get_package_prefix

    try:
        prefix = Path(get_package_prefix('jetson_perception'))
    except PackageNotFoundError:
        missing.append(
            'no prefix in AMENT_PREFIX_PATH has jetson_perception: source install/setup.bash'
        )
    else:
        for node in ('yolo_node', 'camera_node'):
            executable = prefix / 'lib/jetson_perception' / node
            if not executable.is_file():
                missing.append(f'there is no {executable}: build the package again')
    return missing


def _run(options: Options, checks: Checks, folder: Path) -> None:
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    from jetson_perception.ros.demo.stage import Stage
    from jetson_perception.ros.processes import RunningProcess

    names = _engine_names(options.models)
    width, height = options.sizes[-1]
    processes = _processes(options, names, folder, width, height)
    rclpy.init()
    executor = SingleThreadedExecutor()
    nodes: list[Any] = []
    codes: dict[str, int] = {}
    try:
        observer = _observer(names)
        executor.add_node(observer)
        say(f'camera_node at {width}×{height}, {_RATE_HZ:.0f} Hz; yolo_node with {names}')
        for process in processes:
            nodes.append(RunningProcess(process, folder / f'{process.executable}.log'))
        stage = Stage(executor, nodes, observer)
        stage.await_results()
        stage.spin(2.0)
        stage.stop_camera()
        observer.latencies_ms.clear()
        say(f'measuring for {options.node_seconds:.0f} s')
        windows = stage.measure(options.node_seconds)
        memory = {node.name: _resident_mb(node.pid) for node in nodes}
        say('SIGINT')
    except PerceptionError:
        for node in nodes:
            print(f'--- {node.name}\n{node.log.read_text(errors="replace")[-3000:]}', flush=True)
        raise
    finally:
        for node in nodes:
            codes[node.name] = node.end(_END_S)
        logs = {node.name: node.log.read_text(errors='replace') for node in nodes}
        rclpy.try_shutdown()
    _judge(options, checks, windows, observer.latencies_ms)
    for name, code in codes.items():
        checks.holds(f'{name}: exit code after SIGINT', code == 0, str(code))
        checks.note(f'{name}: host memory, MB', memory[name])
    for line in logs['yolo_node'].splitlines()[:12]:
        print(f'    {line}', flush=True)
    troubled = [line for line in logs['yolo_node'].splitlines() if 'Traceback' in line]
    checks.holds('yolo_node: no traceback in its log', not troubled)
    if troubled:
        print(logs['yolo_node'][-3000:], flush=True)


def _engine_names(models: tuple[str, ...]) -> list[str]:
    """A name for each engine that is valid in topics: det, det2, pose, pose2."""
    names: list[str] = []
    for model in models:
        kind = 'pose' if 'pose' in Path(model).stem else 'det'
        number = sum(name.startswith(kind) for name in names) + 1
        names.append(kind if number == 1 else f'{kind}{number}')
    return names


def _processes(
    options: Options, names: list[str], folder: Path, width: int, height: int
) -> list[bringup.NodeProcess]:
    engines = {
        name: {'model': model, 'runtime': options.runtime}
        for name, model in zip(names, options.models, strict=True)
    }
    content = {'/**': {'ros__parameters': {'engines': names, **engines}}}
    parameters = folder / 'engines.yaml'
    parameters.write_text(json.dumps(content), encoding='utf-8')  # JSON is YAML
    values = bringup.defaults(
        bringup.YOLO_ARGUMENTS,
        params_file=str(parameters),
        source='scene://people',
        width=str(width),
        height=str(height),
        frame_rate=str(_RATE_HZ),
        namespace='demo/yolo',
        camera_namespace='demo/camera',
    )
    return bringup.yolo(values)


def _observer(names: list[str]) -> Any:
    from jetson_perception.ros.demo.observers import YoloObserver
    from jetson_perception.ros.image_messages import stamp_ns

    class Listener(YoloObserver):
        """Records how old each result is when it arrives."""

        def __init__(self) -> None:
            self.latencies_ms: dict[str, list[float]] = defaultdict(list)
            super().__init__(names)

        def _on_found(self, engine: str, msg: Any) -> None:
            age_ns = time.time_ns() - stamp_ns(msg.header)
            self.latencies_ms[engine].append(age_ns / 1e6)
            self.keep(engine, msg)

    return Listener()


def _judge(
    options: Options,
    checks: Checks,
    windows: dict[str, Any],
    latencies_ms: dict[str, list[float]],
) -> None:
    record = {}
    for engine, window in windows.items():
        stages = {
            stage.name: {'median_ms': stage.median_ms, 'p99_ms': stage.p99_ms}
            for stage in window.stages
        }
        heard = latencies_ms[engine] or [0.0]
        median, p99 = (float(each) for each in np.percentile(heard, (50, 99)))
        record[engine] = {
            'rate_hz': window.frame_rate(),
            'published': window.published,
            'lost': window.lost,
            'skipped': window.skipped,
            'failed': window.failed,
            'stages': stages,
            'heard_median_ms': median,
            'heard_p99_ms': p99,
        }
        checks.at_least(f'{engine}: results per second', window.frame_rate(), _LEAST_RATE_HZ)
        checks.holds(f'{engine}: no frame failed', window.failed == 0, str(window.failed))
        checks.note(
            f'{engine}: frames lost on the way / skipped', f'{window.lost} / {window.skipped}'
        )
        for name in ('transport', 'total'):
            if name in stages:
                checks.note(
                    f'{engine}: {name}, median (p99) ms',
                    f'{stages[name]["median_ms"]:.2f} ({stages[name]["p99_ms"]:.2f})',
                )
        checks.note(
            f'{engine}: image stamp to received message, median (p99) ms',
            f'{median:.2f} ({p99:.2f})',
        )
    checks.record('engines', record)
    checks.record('options', asdict(options))
    _print_stages(record)


def _print_stages(record: dict[str, Any]) -> None:
    """Print a table for docs/performance.md."""
    names = list(dict.fromkeys(name for one in record.values() for name in one['stages']))
    print('  ' + ' | '.join(['stage', *(f'{engine}, median (p99) ms' for engine in record)]))
    for name in names:
        cells = []
        for one in record.values():
            stage = one['stages'].get(name)
            cells.append(f'{stage["median_ms"]:.2f} ({stage["p99_ms"]:.2f})' if stage else '')
        print('  ' + ' | '.join([name, *cells]), flush=True)


def _resident_mb(pid: int) -> float:
    try:
        text = Path(f'/proc/{pid}/status').read_text(encoding='ascii', errors='replace')
    except OSError:
        return 0.0
    line = next((line for line in text.splitlines() if line.startswith('VmRSS:')), 'VmRSS: 0')
    return int(line.split()[1]) * 1024 / 1e6
