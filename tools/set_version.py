#!/usr/bin/env python3
"""Write a new version into every file that has it, and date the changelog's entries.

    python tools/set_version.py 0.2.0

Look at the changes, commit them, and tag the commit: `git tag 0.2.0` (docs/releases.md).
"""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

from release.versions import set_version

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Print the files that were changed. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('version', help='three numbers: 0.2.0')
    arguments = parser.parse_args()
    for name in set_version(ROOT, arguments.version, date.today()):
        print(name)
    return 0


if __name__ == '__main__':
    sys.exit(main())
