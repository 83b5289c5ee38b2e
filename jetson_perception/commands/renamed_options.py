"""Options that were renamed: the old name is an error that says the new one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from jetson_perception.renamed import old_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def add_old_options(parser: argparse.ArgumentParser, options: Iterable[str]) -> None:
    """Have a parser answer to the former names of its options, which its help does not show.

    Parameters
    ----------
    parser : ArgumentParser
        Where the options are.
    options : iterable of str
        Their present names, as `--runtime`; those that were never renamed are passed over.
    """
    for option in options:
        for old in old_options(option):
            parser.add_argument(old, action=_Renamed, new=option)


class _Renamed(argparse.Action):
    """Ends the command with argparse's own exit code, as an unknown option does."""

    def __init__(self, option_strings: Sequence[str], dest: str, new: str) -> None:
        super().__init__(
            option_strings,
            argparse.SUPPRESS,
            nargs='?',
            default=argparse.SUPPRESS,
            help=argparse.SUPPRESS,
        )
        self._new = new

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        _namespace: argparse.Namespace,
        _values: Any,
        option_string: str | None = None,
    ) -> None:
        parser.error(f'{option_string} is now called {self._new}')
