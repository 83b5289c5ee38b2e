#!/usr/bin/env python3
"""Write docs/topics.md, messages.md, commands.md and launch_arguments.md from the code.

Usage: source tools/env.sh && python tools/generate_reference.py [--check]

With --check nothing is written, and the exit code is 1 when a file is not up to date. The page of
topics is found by starting the nodes, with small networks that the tests use.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / 'tools'), str(ROOT / 'test')]

from reference import commands, messages, topics  # noqa: E402
from reference.writing import write_or_check  # noqa: E402


def main() -> int:
    """Write the files, or compare with --check."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--check', action='store_true', help='compare, write nothing')
    arguments = parser.parse_args()
    return write_or_check(files(), ROOT, check=arguments.check, tool=Path(__file__).name)


def files() -> dict[Path, str]:
    """What each generated page is to hold."""
    docs = ROOT / 'docs'
    return {
        docs / 'topics.md': topics.page(),
        docs / 'messages.md': messages.page(ROOT),
        docs / 'commands.md': commands.page(),
        docs / 'launch_arguments.md': commands.launch_page(),
    }


if __name__ == '__main__':
    sys.exit(main())
