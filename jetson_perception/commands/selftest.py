"""`jetson-perception selftest`."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from jetson_perception.commands.renamed_options import add_old_options
from jetson_perception.commands.version import package_version
from jetson_perception.errors import ParameterError, PerceptionError
from jetson_perception.files.output_files import require_writable
from jetson_perception.model_info import PRECISIONS, RUNTIMES
from jetson_perception.selftest.claims import FAIL, NOT_HERE, PASS
from jetson_perception.selftest.report import summary, write_report
from jetson_perception.selftest.session import MODELS, Settings, run_session

if TYPE_CHECKING:
    import argparse

    from jetson_perception.doctor import Finding
    from jetson_perception.selftest.claims import Result

_COLORS = {PASS: 'green', FAIL: 'red', NOT_HERE: 'dim'}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.description = _run.__doc__
    defaults = Settings()
    parser.add_argument(
        '--report',
        type=Path,
        metavar='FILE',
        help='the file to write and send (default: selftest-DATE-TIME.txt)',
    )
    for option, choices, default, text in (
        ('--runtime', RUNTIMES[1:], defaults.runtimes, 'runtimes to check'),
        ('--precision', PRECISIONS[:3], defaults.precisions, 'precisions of engines to build'),
        ('--model', MODELS, defaults.models, 'models to run'),
    ):
        parser.add_argument(
            option, choices=choices, nargs='+', default=default, help=f'{text} (default: all)'
        )
        add_old_options(parser, (option,))
    parser.add_argument(
        '--pictures',
        type=int,
        default=defaults.pictures,
        metavar='N',
        help=f'pictures of each scene (default: {defaults.pictures})',
    )
    parser.add_argument(
        '--timeout',
        type=float,
        default=defaults.timeout_s,
        metavar='S',
        help=f'seconds for one check, builds included (default: {defaults.timeout_s:g})',
    )
    parser.add_argument(
        '--cache',
        type=Path,
        metavar='DIR',
        help='keep built engines there for the next run (default: a temporary folder)',
    )
    parser.set_defaults(command=_run)


def _run(arguments: argparse.Namespace) -> int:
    """Check the package's claims on this machine, and write a report to send in.

    Engines are built from scratch, minutes each on a Jetson. Exits with 1 if a check fails.
    """
    if arguments.pictures < 1:
        raise ParameterError(f'--pictures is {arguments.pictures}; expected 1 or more')
    if not 0 < arguments.timeout < math.inf:  # nor NaN
        raise ParameterError(f'--timeout is {arguments.timeout:g}; expected more than 0 s')
    settings = Settings(
        tuple(arguments.runtime),
        tuple(arguments.precision),
        tuple(arguments.model),
        arguments.pictures,
        arguments.timeout,
        arguments.cache and arguments.cache.absolute(),
    )
    path = arguments.report or Path(time.strftime('selftest-%Y%m%d-%H%M%S.txt'))
    require_writable(path, parameter='report')
    console = Console()
    findings: list[Finding] = []
    results: list[Result] = []
    version = package_version()
    try:
        with console.status('checking', spinner='line'):
            for result in run_session(settings, findings.extend):
                is_told = bool(results) and results[-1].reason == result.reason
                results.append(result)
                # After each check, so that a crash of the machine leaves a report too.
                write_report(path, findings, results, version)
                _print(console, result, 'likewise' if is_told and result.reason else result.reason)
    except OSError as err:
        raise PerceptionError(f'the checks cannot write their own files: {err}') from err
    console.print(f'{summary(results)}; the report is {path}', highlight=False, soft_wrap=True)
    return 1 if any(result.outcome == FAIL for result in results) else 0


def _print(console: Console, result: Result, reason: str) -> None:
    color = _COLORS[result.outcome]
    what = f'{result.claim} {result.subject}'.strip()
    why = f': {reason}' if reason else ''
    took = f' [dim](took {result.seconds:.1f} s)[/]' if result.seconds else ''
    console.print(
        f'[{color}]{result.outcome:8}[/] {escape(what + why)}{took}',
        highlight=False,
        soft_wrap=True,
    )
