"""`jetson-perception doctor`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jetson_perception.doctor.examination import can_do_main_job, examine
from jetson_perception.doctor.finding import MISSING, OK, WARNING
from jetson_perception.doctor.machine import Machine
from jetson_perception.printable import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from jetson_perception.doctor.finding import Finding

_COLORS = {OK: 'green', WARNING: 'yellow', MISSING: 'red'}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.description = _run.__doc__
    parser.add_argument('--json', action='store_true', help='print JSON instead of a table')
    parser.set_defaults(command=_run)


def _run(arguments: argparse.Namespace) -> int:
    """Examine this machine and say what to do; exits with 1 if no model can run on images."""
    console = Console()
    with console.status('looking around', spinner='line'):
        findings = list(examine(Machine()))
    works = can_do_main_job(findings)
    if arguments.json:
        record = {'main_job': works, 'findings': [asdict(finding) for finding in findings]}
        console.out(json.dumps(record, indent=2), highlight=False)
    else:
        console.print(findings_table(findings))
        console.print(summary(findings), highlight=False, soft_wrap=True)
    return 0 if works else 1


def findings_table(findings: Sequence[Finding]) -> Table:
    """The findings as people read them."""
    table = Table(show_lines=False)
    table.add_column('')
    table.add_column('verdict', no_wrap=True)
    table.add_column('found', overflow='fold', ratio=3)
    table.add_column('what to do', overflow='fold', ratio=2)
    group = ''
    for finding in findings:
        if group and finding.group != group:
            table.add_section()
        group = finding.group
        table.add_row(
            finding.name,
            f'[{_COLORS[finding.verdict]}]{finding.verdict}[/]',
            escape(finding.found),
            escape(finding.advice),
        )
    return table


def summary(findings: Sequence[Finding]) -> str:
    """The most important finding, in one line."""
    if not can_do_main_job(findings):
        names = [each.name for each in findings if each.needed and each.verdict == MISSING]
        return f'No model can be run on images here. Fix first: {", ".join(names)}.'
    warnings = sum(finding.verdict == WARNING for finding in findings)
    return f'Models run on images here. {counted(warnings, "warning")}.'
