"""The command line of the live view.

No ROS parameters: who can reach the graph is not to choose who can reach the page.
"""

from __future__ import annotations

import argparse
import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rclpy.utilities import remove_ros_args

from jetson_perception.bringup import HIGHEST_PORT
from jetson_perception.errors import ParameterError
from jetson_perception.files.foreign_files import absolute_foreign_path
from jetson_perception.printable import quoted
from jetson_perception.view.access import require_names

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_PORT = 8080


class Options(NamedTuple):
    """What was given."""

    address: str
    port: int
    token_file: Path | None
    names: tuple[str, ...]
    topics: frozenset[str]
    recordings: Path | None


def parsed(arguments: Sequence[str]) -> Options:
    """The options of a command line, whose first word is the program and which may have ROS's.

    Ends the process with a line where they are wrong.
    """
    parser = make_parser()
    given = parser.parse_args(remove_ros_args(list(arguments))[1:])
    try:
        require_names(tuple(given.allow_name))
        if not _is_local(given.address) and given.token_file is None:
            raise ParameterError(
                f'--address {given.address} lets others see the page and set parameters; give '
                '--token-file FILE too: whoever has the token in it may. The file is made if '
                'there is none. (Or leave both out: `ssh -L 8080:localhost:8080 ROBOT` brings '
                'the page to you)'
            )
    except ParameterError as error:
        parser.error(str(error))
    return Options(
        given.address,
        given.port,
        given.token_file,
        tuple(given.allow_name),
        frozenset(topic.rstrip('/') for topic in given.topic),
        given.recordings,
    )


def make_parser() -> argparse.ArgumentParser:
    """The parser, which the reference of commands reads too."""
    parser = argparse.ArgumentParser(
        'view', description='Shows pictures, results and figures of all nodes in a browser.'
    )
    parser.add_argument(
        '--address',
        type=_address,
        default='127.0.0.1',
        help='where to listen; 0.0.0.0 for all networks, which needs a token (default: this '
        'machine alone, 127.0.0.1)',
    )
    parser.add_argument(
        '--port', type=_port, default=DEFAULT_PORT, help=f'(default: {DEFAULT_PORT}; 0: any)'
    )
    parser.add_argument(
        '--token-file',
        type=Path,
        metavar='FILE',
        help='file with the token that viewers have to give; made if it is not there',
    )
    parser.add_argument(
        '--allow-name',
        action='append',
        default=[],
        metavar='NAME',
        help='a name of this machine that browsers may use beside its addresses and localhost, '
        'such as robot.local; may be given several times',
    )
    parser.add_argument(
        '--topic',
        action='append',
        default=[],
        help='an image topic to show beside those that the nodes draw, such as '
        '/camera/image_raw; may be given several times',
    )
    parser.add_argument(
        '--recordings',
        type=_folder,
        metavar='FOLDER',
        help='where the button of the page records to, a new folder each time; made if it is not '
        'there (default: nothing can be recorded)',
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f'{quoted(text)} is no port; expected 0 to 65535')
    return int(text)


def _folder(text: str) -> Path:
    try:
        if not text:
            raise ParameterError('no folder was named')
        return absolute_foreign_path(text, what='the folder of recordings', error=ParameterError)
    except ParameterError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address('127.0.0.1' if text == 'localhost' else text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'{quoted(text)} is no IP address; expected one such as 127.0.0.1 or 0.0.0.0'
        ) from None


def _is_local(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback
