"""Messages of types that are known by name alone, and the stamps in them."""

from __future__ import annotations

import importlib
import re
import struct
from typing import TYPE_CHECKING, Any

from ament_index_python.resources import get_resource
from rclpy.serialization import deserialize_message

from jetson_perception.errors import ParameterError
from jetson_perception.printable import printable, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME = re.compile(r'([a-z][a-z0-9_]{0,99})/(?:msg/)?([A-Z][A-Za-z0-9]{0,99})')
#: Where a package says which interfaces it has, in the index of installed packages.
_INTERFACES = 'rosidl_interfaces'
_HEADER, _TIME = 'std_msgs/Header', 'builtin_interfaces/Time'


def message_class(type_name: str) -> Any:
    """The class of a message type.

    Nothing is imported but packages that are installed with such a message: the name may come from
    anybody on the network, and importing a module can do anything.

    Parameters
    ----------
    type_name : str
        As the graph has it, `sensor_msgs/msg/Image`, or short: `sensor_msgs/Image`.

    Raises
    ------
    ParameterError
        When this is no such name, or no package with such a message can be imported.
    """
    match = _NAME.fullmatch(type_name)
    if match is None:
        raise ParameterError(
            f'{quoted(type_name)} is not the name of a message type; expected one such as '
            'sensor_msgs/msg/Image',
            'answer_type',
        )
    package, name = match.groups()
    try:
        _require_installed(package, name)
        found = getattr(importlib.import_module(f'{package}.msg'), name)
        found.get_fields_and_field_types()
    except (ImportError, AttributeError, LookupError) as err:
        raise ParameterError(
            f'messages of type {printable(type_name)} cannot be read here ({printable(err)}): '
            f'source the workspace that has {package}, so that its messages can be imported',
            'answer_type',
        ) from err
    return found


def _require_installed(package: str, name: str) -> None:
    """Raise a LookupError unless an installed package says that it has this message."""
    try:
        interfaces, _ = get_resource(_INTERFACES, package)
    except (LookupError, OSError):
        raise LookupError(f'no installed package {package} has messages') from None
    if f'msg/{name}.idl' not in interfaces.split():
        raise LookupError(f'{package} has no message {name}')


def stamp_reader(message_type: Any) -> Callable[[bytes], int]:
    """A function that finds the stamp in a serialized message, nanoseconds.

    Most messages begin with their header, and so with the stamp: there nothing else is looked at,
    as making Python objects of a message can take milliseconds.

    Raises
    ------
    ParameterError
        When messages of this type have no stamp.
    """
    fields: dict[str, str] = message_type.get_fields_and_field_types()
    if next(iter(fields.values()), '') in (_HEADER, _TIME):
        return _first_stamp_ns
    for name, path in (('header', _HEADER), ('stamp', _TIME)):
        if fields.get(name) == path:
            return lambda data: _later_stamp_ns(deserialize_message(data, message_type))
    package = message_type.__module__.partition('.')[0]
    raise ParameterError(
        f'messages of type {package}/msg/{message_type.__name__} have no header, so it is not '
        'known which image they answer; measure another topic of the node'
    )


def _first_stamp_ns(data: bytes) -> int:
    """The time that a message begins with, behind the four bytes that say how it is encoded."""
    if len(data) < 12:
        return 0
    seconds, nanoseconds = struct.unpack_from('<iI' if data[1] & 1 else '>iI', data, 4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def _later_stamp_ns(message: Any) -> int:
    stamp = message.header.stamp if hasattr(message, 'header') else message.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
