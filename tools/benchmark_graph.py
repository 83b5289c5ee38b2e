#!/usr/bin/env python3
"""Measure yolo_node or seg_node over DDS, from outside, with a network that costs nothing.

    source tools/env.sh && python tools/benchmark_graph.py --json docs/benchmarks/yolo_node.json

starts the node as `ros2 run` would, with nothing set of the middleware, and measures it by
`jetson-perception bench --ros`. The network has one operator, so what is measured is all the rest:
the way of an image to the node and of its result back. What follows `--` goes to `bench`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from jetson_perception.bringup import NodeProcess  # noqa: E402
from jetson_perception.ros.processes import running  # noqa: E402

NAMESPACE = 'benchmark_graph'
ANSWERS = {'yolo_node': 'det/detections', 'seg_node': 'mask'}
NETWORK_WH = (640, 640)


def main() -> int:
    """Run it. Returns the exit code of `bench`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--node', choices=ANSWERS, default='yolo_node')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures there')
    parser.add_argument('bench', nargs='*', metavar='OPTION', help='options of `bench`, after --')
    arguments = parser.parse_args()
    # A domain that hardly anybody else uses, on this machine only.
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    if os.environ.get('ROS_DISTRO') == 'humble':
        os.environ['ROS_LOCALHOST_ONLY'] = '1'
    os.environ['PYTHONPATH'] = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    with tempfile.TemporaryDirectory() as folder:
        process = node_process(arguments.node, Path(folder))
        topics = [f'/{NAMESPACE}/image', f'/{NAMESPACE}/{ANSWERS[arguments.node]}']
        command = [sys.executable, '-m', 'jetson_perception', 'bench', '--ros', *topics]
        if arguments.json:
            command += ['--json', str(arguments.json)]
        with running(process, Path(folder, 'node.log')):
            return subprocess.run([*command, *arguments.bench], check=False).returncode


def node_process(executable: str, folder: Path) -> NodeProcess:
    """The node to measure, with a network of one operator."""
    path = folder / 'one_operator.onnx'
    if executable == 'yolo_node':
        one_person(path)
        parameters = {'engines': ['det'], 'det.model': str(path), 'det.task': 'detect'}
    else:
        brightest_channel(path)
        parameters = {'model': str(path)}
    return NodeProcess(executable, NAMESPACE, parameters=parameters)


def one_person(path: Path) -> None:
    """Write a detector that finds one object in the middle, whatever the image."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    width, height = NETWORK_WH
    anchors = sum((width // stride) * (height // stride) for stride in (8, 16, 32))
    found = np.zeros((1, 5, anchors), np.float32)
    found[0, :, 0] = width / 2, height / 2, width / 4, height / 2, 0.9
    save(
        path,
        helper.make_node('Identity', ['found'], ['output']),
        numpy_helper.from_array(found, 'found'),
        helper.make_tensor_value_info('output', TensorProto.FLOAT, found.shape),
    )


def brightest_channel(path: Path) -> None:
    """Write a segmentation network that tells which channel of a pixel is the largest."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    width, height = NETWORK_WH
    save(
        path,
        helper.make_node('Conv', ['images', 'weight'], ['output']),
        numpy_helper.from_array(np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1), 'weight'),
        helper.make_tensor_value_info('output', TensorProto.FLOAT, [1, 3, height, width]),
    )


def save(path: Path, node: object, constant: object, output: object) -> None:
    """Write a network of one node."""
    import onnx
    from onnx import TensorProto, helper

    width, height = NETWORK_WH
    image = helper.make_tensor_value_info('images', TensorProto.FLOAT, [1, 3, height, width])
    graph = helper.make_graph([node], 'one_operator', [image], [output], [constant])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    onnx.save(model, path)


if __name__ == '__main__':
    sys.exit(main())
