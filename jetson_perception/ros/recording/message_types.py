"""Types of messages as a bag describes them, read from the .msg files that are installed."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from jetson_perception.errors import PerceptionError
from jetson_perception.printable import printable, quoted


def message_class(name: str) -> Any:
    """The Python class of a message type such as `std_msgs/msg/Bool`.

    Raises
    ------
    PerceptionError
        When its package is not installed here.
    """
    package, _, kind = name.partition('/msg/')
    if not (package.isidentifier() and kind.isidentifier()):
        raise PerceptionError(f'{quoted(name)} is no type of messages; expected package/msg/Name')
    try:
        return getattr(import_module(f'{package}.msg'), kind)
    except (ImportError, AttributeError, ValueError) as error:
        raise PerceptionError(f'{printable(name)} is not installed here ({error})') from None


class MessageTypes:
    """The types that a bag describes; `store` has those that were added."""

    def __init__(self) -> None:
        self.store = get_typestore(Stores.EMPTY)

    def add(self, name: str) -> None:
        """Read the definition of a type, and of all types that it is made of.

        Raises
        ------
        PerceptionError
            When one is not installed, or cannot be read.
        """
        found: dict[str, Any] = {}
        wanted = [name]
        while wanted:
            each = wanted.pop()
            if each not in found and each not in self.store.fielddefs:
                found |= _definition(each)
                wanted += _named(found[each][1])
        self.store.register(found)


@cache
def _definition(name: str) -> dict[str, Any]:
    package, _, kind = name.partition('/msg/')
    try:
        file = Path(get_package_share_directory(package), 'msg', f'{kind}.msg')
        return get_types_from_msg(file.read_text('utf-8'), name)
    except (PackageNotFoundError, OSError, ValueError) as error:
        raise PerceptionError(f'no definition of {printable(name)}: {error}') from None
    except Exception as error:  # noqa: BLE001 - of the parser, for what it does not know
        raise PerceptionError(f'the definition of {printable(name)}: {error}') from None


def _named(fields: Any) -> list[str]:
    """The types of fields that are messages, and not numbers or texts."""
    names = []
    for _, (kind, detail) in fields:
        while kind.name in ('ARRAY', 'SEQUENCE'):
            kind, detail = detail[0]
        if kind.name == 'NAME':
            names.append(detail)
    return names
