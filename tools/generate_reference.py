#!/usr/bin/env python3
"""Write topics, messages, commands, launch_arguments and faults.md, and the policies of SROS 2.

Usage: source tools/env.sh && python tools/generate_reference.py [--check]

With --check nothing is written, and the exit code is 1 when a file is not up to date. The page of
topics and the policies are found by starting the nodes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / 'tools'), str(ROOT / 'test')]

from reference import commands, faults, messages, policies, topics  # noqa: E402
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
        ROOT / 'config' / 'sros2' / 'jetson_perception.policy.xml': policies.policy(),
        docs / 'faults.md': faults.page(ROOT),
    }


if __name__ == '__main__':
    sys.exit(main())
