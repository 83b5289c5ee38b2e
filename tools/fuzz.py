#!/usr/bin/env python3
"""Search for input that breaks a parser: `test/fuzzing`, but for longer.

    python tools/fuzz.py --inputs 1000000
    python tools/fuzz.py --only COCO --seconds 60 --seed 7

Prints how many inputs each target was given. A finding is an input that raises an error that is
not in errors.py, hangs, or takes too much memory. The first finding of each kind is printed and
saved, for each target. The exit code is 1 if there are any.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import random
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'test'))

from fuzzing.findings import Findings  # noqa: E402 - needs the path above
from fuzzing.guard import HANG_S, HangError, check, no_hang  # noqa: E402
from fuzzing.inputs import BATCH, batches  # noqa: E402
from fuzzing.targets import TARGETS, Target  # noqa: E402
from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402

_CHUNK = 500  # inputs per run of hypothesis, which remembers everything it draws
_TURN, _TURN_S = 5000, 1.0  # inputs and seconds until the next target's turn
_MOST_MEMORY = 4 << 30


class Search:
    """Runs one target repeatedly, and keeps one finding of each kind."""

    def __init__(self, target: Target, numbers: random.Random, folder: Path) -> None:
        self._target = target
        self._numbers = numbers
        self.findings = Findings(target.name, folder)
        self.count = 0
        self.seconds = 0.0

    def run(self, most: int, until: float) -> None:
        """Try this many inputs, or stop earlier at a time of `time.monotonic`."""
        begun = time.monotonic()
        end = self.count + most
        while self.count < end and time.monotonic() < until:
            self._chunk(min(_CHUNK, end - self.count))
        self.seconds += time.monotonic() - begun

    def _chunk(self, count: int) -> None:
        @seed(self._numbers.getrandbits(64))
        @settings(
            max_examples=max(count // BATCH, 1),
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(batches(self._target.inputs))
        def run(inputs: list[Any]) -> None:
            for value in inputs:
                self.count += 1
                try:
                    with no_hang():
                        check(self._target.call, value)
                except (Exception, HangError) as error:  # noqa: BLE001 - all of these are findings
                    _print(self.findings.keep(value, error))

        run()


def _print(finding: str) -> None:
    if finding:
        print(finding, flush=True)


def _run(searches: list[Search], most: int, until: float) -> None:
    """Give each target in turn about the same time, so that quick parsers get more inputs."""
    turn = min(_TURN, -(-most // len(searches)))
    while time.monotonic() < until:
        for search in searches:
            left = most - sum(each.count for each in searches)
            if left <= 0:
                return
            # For calls that do not return to Python, which `no_hang` cannot end.
            faulthandler.dump_traceback_later(20 * HANG_S, exit=True)
            search.run(min(turn, left), min(until, time.monotonic() + _TURN_S))


def main() -> int:
    """Run the search."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--inputs', type=int, default=100_000, help='number of inputs (%(default)s)'
    )
    parser.add_argument('--seconds', type=float, default=float('inf'), help='stop after this time')
    parser.add_argument('--only', default='', help='only targets whose names contain this')
    parser.add_argument('--seed', type=int, default=int.from_bytes(os.urandom(4), 'big'))
    parser.add_argument(
        '--findings', type=Path, default=Path('fuzz_findings'), help='folder to save them in'
    )
    arguments = parser.parse_args()
    targets = [target for target in TARGETS if arguments.only.lower() in target.name.lower()]
    if not targets:
        parser.error(f'no target has {arguments.only!r} in its name')
    # A parser's warnings are not findings, and would fill a million lines.
    logging.getLogger('jetson_perception').setLevel(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, resource.RLIM_INFINITY))
    faulthandler.enable()
    print(f'seed {arguments.seed}, {len(targets)} targets', flush=True)
    numbers = random.Random(arguments.seed)
    searches = [Search(target, numbers, arguments.findings) for target in targets]
    until = time.monotonic() + arguments.seconds
    with suppress(KeyboardInterrupt):
        _run(searches, arguments.inputs, until)
    faulthandler.cancel_dump_traceback_later()
    print(f'\n{"target":30} {"inputs":>9} {"findings":>9} {"seconds":>8}')
    for target, search in zip(targets, searches, strict=True):
        print(f'{target.name:30} {search.count:9} {len(search.findings):9} {search.seconds:8.1f}')
    total = sum(search.count for search in searches)
    found = sum(len(search.findings) for search in searches)
    print(f'{"total":30} {total:9} {found:9} {sum(s.seconds for s in searches):8.1f}')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
