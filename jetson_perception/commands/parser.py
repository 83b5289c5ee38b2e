"""The parser of the commands, which names the option that a mistyped one was meant to be."""

from __future__ import annotations

import argparse
import difflib
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence


class CommandParser(argparse.ArgumentParser):
    """A parser that answers to its own wrong options itself, with its own usage.

    argparse leaves those of a verb to the parser above it, whose usage shows no option of the
    verb.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._words: list[str] = []

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse; what is left over is an error."""
        self._words = list(sys.argv[1:] if args is None else args)
        parsed, left = super().parse_known_args(args, namespace)
        if left:
            self.error(f'unrecognized arguments: {" ".join(left)}')
        return parsed, left

    def error(self, message: str) -> NoReturn:
        """End with argparse's exit code, and say what was meant by options that there are not."""
        names = [word.partition('=')[0] for word in self._words]
        meant = [
            f'{option} instead of {printable(name)}'
            for name in names
            if (option := self._meant(name))
        ]
        super().error(message + (f'; did you mean {", and ".join(meant)}?' if meant else ''))

    def _meant(self, name: str) -> str:
        """The option nearest to one that there is not; '' for others, or where none is near."""
        known = [option for option in self._option_string_actions if option.startswith('--')]
        if not name.startswith('--') or any(option.startswith(name) for option in known):
            return ''
        plain = {option.lstrip('-'): option for option in known}
        near = difflib.get_close_matches(name.lstrip('-'), plain, n=1)
        return plain[near[0]] if near else ''
