#!/usr/bin/env python3
"""Measure whether every image arrives: any driver, container, user, network and viewer.

    sudo bash -c 'source tools/env.sh && python tools/measure_transport.py'

Runs real nodes and drivers in network namespaces of its own, each situation by itself, and prints
a table: what is asked for, what was found, and whether the bar is kept. Rows:

  1  a viewer behind a thin link       2, 3  drivers without profile, best effort and reliable
  4  containers                        5  users, and files of a dead process
  6  a driver on Cyclone DDS           7  a small /dev/shm
  8  no launch file                    9  two hosts
  latency, drivers, in_process, restart, cut, clock: figures and faults beside the table
  fragments: row 9 with loss, with more room for IP fragments in the kernel; only on request

A rate is that of each second after the first answer. With the buffers of a stock kernel
(`--rmem stock`) it is enough if the log names the cause and the sysctl line within 5 s. Needs
root, iproute2 and util-linux; nothing leaves the namespaces. The limits of socket buffers are the
whole machine's: they are changed while it runs, and put back. The exit code is 1 if a bar is
missed, 2 if nothing can be measured here.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'tools')]

from transport import figures, outcomes, situations, viewers  # noqa: E402
from transport.kernel_buffers import SIZES, kernel_buffers  # noqa: E402
from transport.lab import ProgramEnded  # noqa: E402
from transport.network import what_is_missing  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transport.outcomes import Outcome

NUMBERS = tuple('123456789')
ROWS = (*NUMBERS, *figures.FIGURES)
OPTIONAL = ('fragments',)
#: Of a figure, which is said in frames: 900 at 30 Hz.
FIGURE_S = 30
#: The load average of a machine on which nothing else runs to speak of.
QUIET = 0.5


def main() -> int:
    """Print the table. Returns the exit code."""
    arguments = parse()
    missing = what_is_missing()
    if missing:
        print(f'measure_transport.py: {missing}', file=sys.stderr)
        return 2
    # As Ctrl-C does, so that everything is ended and put back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    found: list[Outcome] = []
    print(f'{outcomes.machine()}; commit {outcomes.commit()}')
    load = os.getloadavg()[0]
    if load > QUIET:
        print(f'load average {load:.1f}: other programs run, which lowers every rate')
    for buffers in arguments.rmem:
        with kernel_buffers(SIZES[buffers]):
            print(f'\n{outcomes.kernel_settings()}\n\n{outcomes.HEAD}', flush=True)
            for row in arguments.rows:
                for outcome in measure(row, arguments, stock=buffers == 'stock'):
                    outcome.record.update(buffers=buffers, load=os.getloadavg()[0])
                    found.append(outcome)
                    print(outcome.line(), flush=True)
                    if arguments.json:
                        outcomes.save(found, arguments.json)
    missed = sum(each.kept is False for each in found)
    print(f'\n{missed} of {len(found)} missed' if missed else '\nevery bar is kept')
    return 1 if missed else 0


def measure(row: str, arguments: argparse.Namespace, *, stock: bool) -> Iterator[Outcome]:
    """The lines of a row, each as it is found."""
    try:
        if row in figures.FIGURES:
            yield from figures.FIGURES[row](arguments.figure_seconds, stock=stock)
        elif row == '1':
            yield from viewers.run(arguments.seconds, arguments.only, stock=stock)
    except ProgramEnded as err:
        yield outcomes.Outcome(row, 'all of it', 'runs', outcomes.printed(err), False)
    for each in (*situations.SITUATIONS, *situations.FRAGMENTS):
        if each.row == row and arguments.only in each.name:
            yield situations.run(each, arguments.seconds, stock=stock)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--rows',
        type=lambda text: text.split(','),
        default=ROWS,
        metavar='ROW,…',
        help=f'of {", ".join((*ROWS, *OPTIONAL))} (default: all but {", ".join(OPTIONAL)})',
    )
    parser.add_argument('--only', default='', metavar='TEXT', help='situations with TEXT in them')
    sizes = ', '.join(f'{name} has {size} bytes' for name, size in SIZES.items())
    parser.add_argument(
        '--rmem',
        choices=[*SIZES, 'both'],
        default='both',
        help=f'limits of socket buffers: {sizes} (default: both)',
    )
    parser.add_argument('--seconds', type=int, default=10, help='of each situation (10)')
    parser.add_argument(
        '--figure-seconds', type=int, default=FIGURE_S, help='of latency and drivers (%(default)s)'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all figures there too')
    arguments = parser.parse_args()
    unknown = set(arguments.rows) - {*ROWS, *OPTIONAL}
    if unknown:
        there = ', '.join((*ROWS, *OPTIONAL))
        parser.error(f'there is no row {", ".join(sorted(unknown))}; there are {there}')
    arguments.rmem = ['large', 'stock'] if arguments.rmem == 'both' else [arguments.rmem]
    return arguments


if __name__ == '__main__':
    sys.exit(main())
