#!/usr/bin/env python3
"""Take the handling of each fault out of the code, and see that its test fails.

    source tools/env.sh && python tools/break_faults.py --only camera

For each row of test/faults.yaml that says where it is handled, this copies the package, replaces
that place in the copy, and runs the row's test with it. The checkout stays as it is. The exit code
is 1 if a test passes although the handling is gone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tools'))

from reference.faults import Fault, read  # noqa: E402

#: How long a test waits for what does not come any more, seconds.
DEADLINE_S = 15
TEST_S = 300


def main() -> int:
    """Run it. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--only', default='', help='only rows with this in area, fault or test')
    arguments = parser.parse_args()
    rows = [
        each
        for each in read(ROOT)
        if each.broken and arguments.only in f'{each.area} {each.fault} {each.test}'
    ]
    survived = 0
    for row in rows:
        begun = time.monotonic()
        fails = fails_without(row)
        survived += not fails
        verdict = 'fails' if fails else 'PASSES'
        print(f'{verdict} in {time.monotonic() - begun:3.0f} s: {row.fault} ({row.test})',
              flush=True)  # fmt: skip
    print(f'{len(rows) - survived} of {len(rows)} tests fail when the handling is taken out')
    return int(bool(survived) or not rows)


def fails_without(row: Fault) -> bool:
    """Whether the test of a row fails where its handling is gone."""
    name, code, replacement = row.broken
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, 'jetson_perception')
        shutil.copytree(
            ROOT / 'jetson_perception', copy, ignore=shutil.ignore_patterns('__pycache__')
        )
        file = Path(folder, name)
        text = file.read_text('utf-8')
        if text.count(code) != 1:
            raise SystemExit(f'{name} has {code!r} {text.count(code)} times; expected once')
        file.write_text(text.replace(code, replacement), 'utf-8')
        done = subprocess.run(
            [sys.executable, '-m', 'pytest', '-q', '-x', '--import-mode=importlib',
             f'{ROOT}/test/{row.test}'],
            cwd=folder,
            env={
                **os.environ,
                'PYTHONPATH': f'{folder}:{os.environ.get("PYTHONPATH", "")}',
                'PYTEST_DISABLE_PLUGIN_AUTOLOAD': '1',
                'TEST_DEADLINE_S': str(DEADLINE_S),
            },
            capture_output=True,
            text=True,
            timeout=TEST_S,
            check=False,
        )  # fmt: skip
    if done.returncode not in (0, 1):
        raise SystemExit(f'{row.test} was not run:\n{done.stdout}{done.stderr}')
    return done.returncode == 1


if __name__ == '__main__':
    sys.exit(main())
