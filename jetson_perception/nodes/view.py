#!/usr/bin/env python3
"""The live view: a page for browsers with the pictures, results and figures of all nodes.

It subscribes to nothing while nobody looks. `--help` lists what may be set.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from jetson_perception.errors import PerceptionError
from jetson_perception.installing import pip_install
from jetson_perception.ros.viewing.arguments import parsed

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(args: Sequence[str] | None = None) -> None:
    """Serve the page until a signal comes."""
    given = sys.argv if args is None else args
    options = parsed(given)
    try:
        from jetson_perception.ros.viewing.serving import serve
    except ModuleNotFoundError as error:
        if error.name != 'aiohttp':
            raise
        raise SystemExit(
            'the live view needs aiohttp, which is not installed: `sudo apt install '
            f'python3-aiohttp`, or `{pip_install("aiohttp")}`'
        ) from None
    try:
        serve(options, given)
    except PerceptionError as error:
        raise SystemExit(str(error)) from None


if __name__ == '__main__':
    main()
