#!/usr/bin/env python3
"""Take the handling of each fault out of the code, and see that its test fails.

    source tools/env.sh && python tools/break_faults.py --only camera

For each row of test/faults.yaml, which says where the fault is handled, this copies the package,
runs the row's test with the copy, which has to pass, replaces that place in the copy, and runs the
test again, which has to fail; the line says how it failed. The checkout stays as it is.

The exit code is 0 if each test failed. It is 1 if one passes although the handling is gone, does
not end, or fails with the handling too. If none of that is so, but a test was skipped on this
machine, so that nothing is known of it, the exit code is 3.
"""

from __future__ import annotations

import argparse
import enum
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tools'))

from reference.faults import Fault, read  # noqa: E402

#: How long a test waits for what does not come any more, seconds.
DEADLINE_S = 15
TEST_S = 300
SOME_SKIPPED = 3
_LONGEST_REASON = 160


class Outcome(enum.Enum):
    """How a test ended; its value is for people."""

    PASSED = 'passed'
    FAILED = 'failed'
    SKIPPED = 'skipped'
    HANGS = 'hangs'


class Run(NamedTuple):
    """A run of a test.

    Attributes
    ----------
    outcome : Outcome
    why : str
        Of a test that failed or was skipped, in one line; else empty.
    """

    outcome: Outcome
    why: str = ''


class Verdict(enum.Enum):
    """What is known of a row; its value is for people."""

    FAILS = 'fails'
    PASSES = 'PASSES'
    HANGS = 'HANGS'
    FAILS_ANYWAY = 'FAILS WITH THE HANDLING TOO'
    SKIPPED = 'skipped here'


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run it. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--only', default='', help='only rows with this in area, fault or test')
    only = parser.parse_args(arguments).only
    rows = [each for each in read(root) if only in f'{each.area} {each.fault} {each.test}']
    # A shell has what it starts in the background ignore it, and so would nodes of the tests.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    verdicts: Counter[Verdict] = Counter()
    for row in rows:
        begun = time.monotonic()
        verdict, why = judge(row, root)
        verdicts[verdict] += 1
        took = f'{verdict.value} in {time.monotonic() - begun:3.0f} s'
        print(f'{took}: {row.fault} ({row.test}){why and f": {why}"}', flush=True)
    print(f'{verdicts[Verdict.FAILS]} of {len(rows)} tests fail when the handling is taken out')
    if verdicts[Verdict.SKIPPED]:
        print(f'{verdicts[Verdict.SKIPPED]} skipped here, so nothing is known of them')
    return exit_code(verdicts)


def exit_code(verdicts: Counter[Verdict]) -> int:
    """0 only where each test was seen to fail, and there was one."""
    total, fails, skipped = (
        verdicts.total(),
        verdicts[Verdict.FAILS],
        verdicts[Verdict.SKIPPED],
    )
    if not total or fails + skipped < total:
        return 1
    return SOME_SKIPPED if skipped else 0


def judge(row: Fault, root: Path = ROOT) -> tuple[Verdict, str]:
    """What becomes of a row's test where its handling is gone, and how the test says so.

    Raises
    ------
    SystemExit
        When the place is not in the file once, or there is no such test.
    """
    with tempfile.TemporaryDirectory() as folder:
        # With the compiled files, which go by the times of their sources.
        shutil.copytree(root / 'jetson_perception', Path(folder, 'jetson_perception'))
        whole = run_test(row.test, Path(folder), root, {})
        if whole.outcome is Outcome.SKIPPED:
            return Verdict.SKIPPED, whole.why
        if whole.outcome is not Outcome.PASSED:
            return Verdict.FAILS_ANYWAY, whole.why
        take_out(row, Path(folder))
        broken = run_test(row.test, Path(folder), root, {'TEST_DEADLINE_S': str(DEADLINE_S)})
    verdict = {
        Outcome.FAILED: Verdict.FAILS,
        Outcome.HANGS: Verdict.HANGS,
    }.get(broken.outcome, Verdict.PASSES)
    return verdict, broken.why


def take_out(row: Fault, folder: Path) -> None:
    """Take the handling out of the copy of the package in a folder."""
    name, code, replacement = row.broken
    file = folder / name
    text = file.read_text('utf-8')
    if text.count(code) != 1:
        raise SystemExit(f'{name} has {code!r} {text.count(code)} times; expected once')
    file.write_text(text.replace(code, replacement), 'utf-8')
    Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)


def run_test(test: str, folder: Path, root: Path, environment: dict[str, str]) -> Run:
    """Run a test with the package in a folder.

    Raises
    ------
    SystemExit
        When there is no such test, or pytest cannot run.
    """
    report, log = folder / 'report.xml', folder / 'output.txt'
    report.unlink(missing_ok=True)
    with log.open('w') as output:
        process = subprocess.Popen(
            [sys.executable, '-m', 'pytest', '-q', '-x', '--import-mode=importlib',
             '-p', 'no:cacheprovider', f'--junitxml={report}', f'{root}/test/{test}'],
            cwd=folder,
            env={
                **os.environ,
                'PYTHONPATH': f'{folder}:{os.environ.get("PYTHONPATH", "")}',
                'PYTEST_DISABLE_PLUGIN_AUTOLOAD': '1',
                **environment,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(TEST_S)
        except subprocess.TimeoutExpired:
            return Run(Outcome.HANGS, f'it has not ended within {TEST_S} s')
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    run = outcome_of(report)
    if run is None and process.returncode < 0:  # which the handling may be there to prevent
        name = signal.Signals(-process.returncode).name
        return Run(Outcome.FAILED, f'pytest was ended by {name}')
    if run is None:
        raise SystemExit(f'{test} was not run:\n{log.read_text("utf-8", "replace")}')
    return run


def outcome_of(report: Path) -> Run | None:
    """How the tests of pytest's report ended; None where there is no report, or no test in it.

    One that failed counts, then one that passed: of several cases some may need what is not here.
    A file that is skipped as a whole is in the report, though pytest finds no test in it.
    """
    if not report.exists():
        return None
    cases = ET.parse(report).getroot().findall('.//testcase')
    bad = [part for case in cases for part in case if part.tag in ('failure', 'error')]
    if bad:
        return Run(Outcome.FAILED, _in_a_line(bad[0]))
    skipped = [part for case in cases for part in case if part.tag == 'skipped']
    if len(skipped) < len(cases):
        return Run(Outcome.PASSED)
    return Run(Outcome.SKIPPED, _in_a_line(skipped[0])) if skipped else None


def _in_a_line(part: ET.Element) -> str:
    message = part.get('message') or ''
    if message == 'collection skipped':  # why is in the text: (file, line, reason)
        message = (part.text or '').partition('Skipped: ')[2].rstrip('\'")')
    text = ' '.join(message.split())
    return text if len(text) <= _LONGEST_REASON else f'{text[:_LONGEST_REASON]}…'


if __name__ == '__main__':
    sys.exit(main())
