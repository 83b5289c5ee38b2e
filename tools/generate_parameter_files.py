#!/usr/bin/env python3
"""Write config/*_node.yaml and docs/parameters.md from the nodes' parameter dataclasses.

Usage: source tools/env.sh && python tools/generate_parameter_files.py [--check]

With --check nothing is written, and the exit code is 1 when a file is not up to date.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import textwrap
from pathlib import Path

from reference.writing import write_or_check

from jetson_perception.nodes.seg_node import SegParams
from jetson_perception.nodes.yolo_node import EngineParams, YoloParams
from jetson_perception.ros.camera_parameters import CameraParams, OwnSourceParams
from jetson_perception.ros.depth_parameters import DepthParams
from jetson_perception.ros.image_input import ImageInputParams
from jetson_perception.ros.managed_node import ManagedParams
from jetson_perception.ros.parameter_spec import parameter_type
from jetson_perception.ros.picture_parameters import AnnotatedParams, JpegParams
from jetson_perception.ros.process_scheduling import ProcessParams

ROOT = Path(__file__).resolve().parent.parent
_PROCESS = [('The process', ProcessParams, 'process')]
_ANNOTATED = [
    ('The annotated image', AnnotatedParams, 'annotated'),
    ('The annotated image as JPEG', JpegParams, 'annotated.compressed'),
]
_INPUT = [
    ('Input', ImageInputParams, ''),
    ('A source that the node reads itself, instead of an image topic', OwnSourceParams, ''),
    ('The images of that source as JPEG', JpegParams, 'image_raw.compressed'),
]
#: The groups of parameters of each node: title, dataclass, prefix.
NODES: dict[str, list[tuple[str, type, str]]] = {
    'seg_node': [
        ('Node', ManagedParams, ''),
        *_INPUT,
        ('Model', SegParams, ''),
        *_ANNOTATED,
        *_PROCESS,
    ],
    'yolo_node': [
        ('Node', ManagedParams, ''),
        *_INPUT,
        ('All engines', YoloParams, ''),
        (
            'Engine det; every engine has the same parameters under its own name',
            EngineParams,
            'det',
        ),
        ('Objects in space, by depth images beside the images', DepthParams, 'depth'),
        *_ANNOTATED,
        *_PROCESS,
    ],
    'camera_node': [
        ('Node', ManagedParams, ''),
        ('Source', CameraParams, ''),
        ('The image as JPEG', JpegParams, 'image_raw.compressed'),
        *_PROCESS,
    ],
}


def main() -> int:
    """Write the files, or compare with --check."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--check', action='store_true', help='compare, write nothing')
    check = parser.parse_args().check
    files = {ROOT / 'config' / f'{node}.yaml': config(node) for node in NODES}
    files[ROOT / 'docs' / 'parameters.md'] = reference()
    return write_or_check(files, ROOT, check=check, tool=Path(__file__).name)


def config(node: str) -> str:
    """The commented YAML file of a node, with every parameter at its default."""
    lines = [
        f'# Every parameter of {node} with its default. Copy those that you want to change into',
        '# your own file, and pass it as params_file:= to the launch file, or as --params-file to',
        '# `ros2 run`.',
        '# A parameter that is commented out is an empty list by default. This file is generated.',
        '',
        '/**:',
        '  ros__parameters:',
    ]
    for title, cls, prefix in NODES[node]:
        indent = '    '
        lines += ['', f'{indent}# {title}.' if title else '']
        if prefix:
            lines.append(f'{indent}{prefix}:')
            indent += '  '
        for field in dataclasses.fields(cls):
            note = field.metadata['description'] + allowed(field)
            lines += textwrap.wrap(
                note,
                97,
                initial_indent=f'{indent}# ',
                subsequent_indent=f'{indent}#   ',
                break_on_hyphens=False,  # a command is copied
            )
            if field.default == ():
                lines.append(f'{indent}# {field.name}: {field.metadata["example"]}')
            else:
                lines.append(f'{indent}{field.name}: {json.dumps(field.default)}')
    return '\n'.join(lines) + '\n'


def reference() -> str:
    """The page of all parameters."""
    lines = [
        '# Parameters',
        '',
        'Every parameter of every node, generated from the code by',
        '`tools/generate_parameter_files.py`. Parameters marked • are used when the node',
        'configures: to change one, deactivate and clean up the node, set it, then configure and',
        'activate again (`ros2 lifecycle set`), or start the node with the new value. The others',
        'take effect with the next frame. Parameters marked ◦ name what the node opens: a file, a',
        'device, a pipeline. Set them at start (launch argument, params file, `-p`); over the ROS',
        'graph, they can be set only if the node was started with `allow_source_changes: true`. A',
        'value out of range is refused with the reason; at start the default is used instead, and',
        'diagnostics say so. An old name gives an error with the new one: [names.md](names.md).',
        '',
        'The QoS of `image`, of all topics with results or pictures, and of all topics that',
        'camera_node publishes can be set too, as',
        '`qos_overrides./seg/mask.publisher.reliability: best_effort` (or `depth`, `history`,',
        '`durability`).',
    ]
    for node in NODES:
        lines += ['', f'## {node}']
        for title, cls, prefix in NODES[node]:
            lines += [
                '',
                f'{title}:',
                '',
                '| parameter | type | default | |',
                '| --- | --- | --- | --- |',
            ]
            for field in dataclasses.fields(cls):
                name = f'{prefix}.{field.name}' if prefix else field.name
                mark = ' •' if field.metadata['at_configure'] else ''
                mark += ' ◦' if field.metadata['opens'] else ''
                kind = parameter_type(cls, field.name).name.lower().replace('_', ' ')
                default = f'`{json.dumps(field.default)}`'  # () as []
                text = field.metadata['description'] + allowed(field)
                if field.metadata['example']:
                    text += f' Example: `{field.metadata["example"]}`.'
                lines.append(f'| `{name}`{mark} | {kind} | {default} | {text} |')
    return '\n'.join(lines) + '\n'


def allowed(field: dataclasses.Field) -> str:
    """The values that a parameter accepts, in words; empty if the type says everything."""
    if field.metadata['choices']:
        return ' One of: ' + ', '.join(field.metadata['choices']) + '.'
    if field.metadata['between']:
        return ' From {} to {}.'.format(*field.metadata['between'])
    return ''


if __name__ == '__main__':
    sys.exit(main())
