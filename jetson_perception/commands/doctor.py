"""`jetson-perception doctor`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from jetson_perception.commands.terminal import folded
from jetson_perception.doctor.examination import can_do_main_job, examine
from jetson_perception.doctor.finding import MISSING, OK, VERDICTS, WARNING
from jetson_perception.doctor.machine import Machine
from jetson_perception.doctor.topic import (
    arrives_whole,
    examine_topic,
    measured_topic,
    topic_summary,
)
from jetson_perception.errors import ParameterError, PerceptionError
from jetson_perception.printable import counted, printable_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from jetson_perception.doctor.finding import Finding

#: How long a topic is heard.
_SECONDS, _SHORTEST_S, _LONGEST_S = 5.0, 0.5, 3600.0
_COLORS = {OK: 'green', WARNING: 'yellow', MISSING: 'red'}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.description = _run.__doc__
    parser.add_argument('--json', action='store_true', help='print JSON instead of text')
    parser.add_argument(
        '--topic',
        metavar='TOPIC',
        help='measure a running camera instead: /camera/image_raw',
    )
    parser.add_argument(
        '--seconds',
        type=float,
        metavar='S',
        help=f'how long to measure it (default: {_SECONDS:g})',
    )
    parser.set_defaults(command=_run)


def _run(arguments: argparse.Namespace) -> int:
    """Examine this machine and say what to do; exits with 1 if no model can run on images.

    With --topic: measure what comes on the topic of a running camera, and say what is lost of it
    and why; exits with 1 if something is.
    """
    console = Console()
    if arguments.topic is not None:
        return _measure(console, arguments)
    if arguments.seconds is not None:
        raise ParameterError('--seconds is for a topic; name it by --topic')
    with console.status('looking around', spinner='line'):
        findings = list(examine(Machine()))
    works = can_do_main_job(findings)
    if arguments.json:
        record = {'main_job': works, 'findings': [asdict(finding) for finding in findings]}
        console.out(json.dumps(record, indent=2), highlight=False)
    else:
        print_findings(console, findings)
        console.print()
        console.print(summary(findings), highlight=False, soft_wrap=True)
    return 0 if works else 1


def _measure(console: Console, arguments: argparse.Namespace) -> int:
    seconds = _SECONDS if arguments.seconds is None else arguments.seconds
    if not _SHORTEST_S <= seconds <= _LONGEST_S:
        raise ParameterError(
            f'--seconds is {seconds:g}; expected {_SHORTEST_S:g} to {_LONGEST_S:g}'
        )
    with console.status(f'listening for {seconds:g} s', spinner='line'):
        measured = measured_topic(Machine(), arguments.topic, seconds)
    if 'error' in measured:
        raise PerceptionError(measured['error'])
    works = arrives_whole(measured)
    findings = list(examine_topic(measured))
    if arguments.json:
        lines = [asdict(finding) for finding in findings]
        record = {'arrives_whole': works, 'measured': measured, 'findings': lines}
        console.out(json.dumps(record, indent=2), highlight=False)
    else:
        print_findings(console, findings)
        console.print()
        console.print(Text(topic_summary(measured)))
    return 0 if works else 1


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    """The findings as people read them.

    Lines and no table: a path or a variable's name that is cut by a column cannot be copied.
    """
    names = max((len(finding.name) for finding in findings), default=0)
    verdicts = max(map(len, VERDICTS))
    indent = names + verdicts + 4
    group = ''
    for finding in findings:
        if group and finding.group != group:
            console.print()
        group = finding.group
        texts = [finding.found]
        if finding.advice:
            texts.append(f'what to do: {finding.advice}')
        first, *others = (
            line for text in texts for line in folded(printable_line(text), console.width - indent)
        )
        verdict = Text(finding.verdict.ljust(verdicts), _COLORS[finding.verdict])
        console.print(
            Text.assemble(f'{finding.name:{names}}  ', verdict, f'  {first}'), soft_wrap=True
        )
        for line in others:
            console.print(Text(f'{"":{indent}}{line}'), soft_wrap=True)


def summary(findings: Sequence[Finding]) -> str:
    """The most important finding, in one line."""
    if not can_do_main_job(findings):
        names = [each.name for each in findings if each.needed and each.verdict == MISSING]
        return f'No model can be run on images here. Fix first: {", ".join(names)}.'
    warnings = sum(finding.verdict == WARNING for finding in findings)
    return f'Models run on images here. {counted(warnings, "warning")}.'
