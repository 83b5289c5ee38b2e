"""Options that several commands share."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

from jetson_perception.commands.renamed_options import add_old_options
from jetson_perception.model_info import PRECISIONS, RUNTIMES

if TYPE_CHECKING:
    from collections.abc import Sequence


def add_model_options(
    parser: argparse.ArgumentParser, runtimes: Sequence[str] = ('--runtime',)
) -> None:
    """Add what says how a model is opened, and `--verbose`; `runtimes` names its options."""
    group = parser.add_argument_group('model options')
    for runtime in runtimes:
        group.add_argument(
            runtime,
            choices=RUNTIMES,
            default='auto',
            help='library that runs the model (default: the fastest one available)',
        )
        group.add_argument(
            runtime.replace('runtime', 'dla-core'),
            type=int,
            default=-1,
            metavar='N',
            help='DLA core that TensorRT runs it on, from 0; the GPU runs what a DLA cannot '
            '(default: the GPU alone)',
        )
    group.add_argument(
        '--threads',
        type=int,
        default=0,
        metavar='N',
        help='CPU threads (default: one for each core that this process may use)',
    )
    group.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='KEY=VALUE',
        help='what the model file leaves out or gets wrong, with the keys of its YAML file: '
        '--set task=detect, --set input_size=[640,480], --set mean=[0.5,0.5,0.5]; repeatable',
    )
    parser.add_argument('-v', '--verbose', action='store_true', help='print more messages')
    add_old_options(parser, runtimes)


def add_precision_option(
    parser: argparse.ArgumentParser, options: Sequence[str] = ('--precision',)
) -> None:
    """Add what says how precisely engines compute; `options` names it."""
    for option in options:
        parser.add_argument(
            option,
            choices=PRECISIONS,
            default='fp16',
            help='precision of the TensorRT engine (default: fp16). On CUDA, ONNX Runtime '
            'converts FP32 files to it if onnx is installed, and uses TF32 unless it is fp32',
        )


def number(text: str) -> float:
    """A number and not NaN, for argparse: compared with that, all is past a limit, or nothing."""
    value = float(text)
    if math.isnan(value):
        raise argparse.ArgumentTypeError(f'{text} is no number')
    return value


def positive(text: str) -> int:
    """A number of 1 or more, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text} is not 1 or more')
    return value
