"""The command `jetson-perception`: look at a model, run it on pictures and videos, evaluate it.

Results go to standard output, messages to standard error. Each verb is a module of
this package, imported when it is asked for.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from jetson_perception.commands.parser import CommandParser
from jetson_perception.commands.running import run_command

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Verb(NamedTuple):
    module: str  # its configure(parser) adds the options and sets `command`
    summary: str


VERBS = {
    'info': _Verb('info', 'show how a model file is interpreted'),
    'run': _Verb('run', 'run a model on pictures, folders, videos or cameras'),
    'evaluate': _Verb('evaluate', 'measure how good models are on a dataset'),
    'compare': _Verb('compare', 'compare two runtimes or files of one model'),
    'bench': _Verb('bench', 'measure how fast models run together, or a running graph'),
    'trace': _Verb('trace', 'show where running nodes spend the time of each frame'),
    'quantize': _Verb('quantize', 'make an INT8 model (Q/DQ nodes) from a model and pictures'),
    'convert': _Verb('convert', 'write an ONNX file in another opset, and compare results'),
    'build-engine': _Verb('build_engine', 'build a TensorRT engine from an ONNX file'),
    'doctor': _Verb('doctor', 'check what this machine lacks, or measure a running camera'),
    'selftest': _Verb('selftest', 'confirm or refute what the package claims, on this machine'),
    'cache': _Verb('cache', 'show or remove the TensorRT engines that were built'),
}

_EXAMPLES = """examples:
  jetson-perception info oranges
  jetson-perception run yolov8n.onnx street.jpg photos/ drive.mp4 --output out
  jetson-perception run my.onnx photos/ --json > results.jsonl
  jetson-perception evaluate --model oranges --dataset 'scene://oranges?count=200'
  jetson-perception evaluate --model yolov8n.onnx --dataset coco/annotations/instances_val2017.json
  jetson-perception compare my.onnx my-int8.onnx --images photos/
  jetson-perception quantize my.onnx --images photos/
  jetson-perception convert my.onnx --opset 13
  jetson-perception build-engine my.onnx --precision fp16
  jetson-perception bench people_detect people_pose --baseline seed
  jetson-perception bench --ros /camera/image_raw /yolo/det/detections
  jetson-perception trace /yolo/yolo_node /yolo/camera/camera_node --seconds 5 -o trace.json
  jetson-perception doctor --topic /camera/image_raw
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns its exit code: 0, 1 for an error, 130 for Ctrl-C; argparse's is 2.

    `compare` has 1 for engines that do not agree, and 2 for errors.
    """
    parser = CommandParser(
        prog='jetson-perception',
        description='Detections, keypoints and masks from pictures and videos, with ONNX models.',
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action=_PrintVersion)
    verbs = parser.add_subparsers(
        title='commands', required=True, metavar='COMMAND', parser_class=_VerbParser
    )
    for name, verb in VERBS.items():
        verbs.add_parser(name, help=verb.summary, module=verb.module)
    return run_command(parser, argv)


class _VerbParser(CommandParser):
    """The parser of a verb, which imports the verb's module when it is asked to parse."""

    def __init__(self, *, module: str, **options: Any) -> None:
        super().__init__(**options)
        self._module = module

    def parse_known_args(self, *arguments: Any, **options: Any) -> Any:
        """Parse what follows the verb."""
        import_module(f'jetson_perception.commands.{self._module}').configure(self)
        return super().parse_known_args(*arguments, **options)


class _PrintVersion(argparse.Action):
    """Looks up the version only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help='print the version and exit')

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from jetson_perception.commands.version import package_version

        print(f'jetson-perception {package_version()}')
        parser.exit()
