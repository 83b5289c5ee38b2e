"""The file that holds the token: made for its user alone if it is not there."""

from __future__ import annotations

import os
import secrets
import stat
from typing import TYPE_CHECKING

from jetson_perception.errors import ParameterError
from jetson_perception.printable import printable
from jetson_perception.view.access import MOST_TOKEN_CHARACTERS

if TYPE_CHECKING:
    from pathlib import Path


def read_token(path: Path) -> str:
    """The token in a file; a new one is written where there is no file.

    Raises
    ------
    ParameterError
        When the file cannot be read or made, others may read or write it, or it is empty.
    """
    shown = printable(str(path))
    try:
        _make(path)
        with path.open('rb') as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(4 * MOST_TOKEN_CHARACTERS + 2)
    except OSError as error:
        raise ParameterError(
            f'the token file {shown} cannot be read or made: {error.strerror}'
        ) from None
    if stat.S_IMODE(mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise ParameterError(f'others may use the token file {shown}; run `chmod 600 {shown}`')
    token = content.decode(errors='replace').strip()
    if not token:
        raise ParameterError(f'the token file {shown} is empty; remove it, to have one made')
    return token


def _make(path: Path) -> None:
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(file, 'w') as opened:
        opened.write(f'{secrets.token_urlsafe(24)}\n')
