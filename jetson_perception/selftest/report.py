"""The report: one file to send, with a summary for people followed by the same as JSON."""

from __future__ import annotations

import json
import platform
from collections import Counter
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from jetson_perception.errors import PerceptionError
from jetson_perception.files.foreign_data import Limits, parse_json
from jetson_perception.files.foreign_files import read_foreign_file
from jetson_perception.files.output_files import write_output
from jetson_perception.selftest.claims import CLAIMS, FAIL, NOT_HERE, PASS
from jetson_perception.selftest.private_data import without_private_data

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jetson_perception.doctor import Finding
    from jetson_perception.selftest.claims import Result

_JSON_BEGINS = '----- JSON -----'
_PRIVACY = (
    'Names of users and hosts, addresses, and paths below home are left out; read it before you '
    'send it.'
)
_LIMITS = Limits(size_bytes=64 << 20)


def write_report(
    path: Path, findings: Sequence[Finding], results: Sequence[Result], version: str
) -> None:
    """Write the report, without what tells who it is of; see `private_data`.

    Raises
    ------
    ParameterError
        When the file cannot be written.
    """
    record = without_private_data(
        {
            'version': version,
            'python': platform.python_version(),
            'time': datetime.now(timezone.utc).isoformat(timespec='seconds'),
            'findings': [asdict(finding) for finding in findings],
            'results': [asdict(result) for result in results],
        }
    )
    text = '\n'.join([*_lines(record), _JSON_BEGINS, json.dumps(record, indent=1)])
    write_output(path, text + '\n', parameter='report', durable=True)


def read_report(path: Path) -> dict[str, Any]:
    """The JSON of a report."""
    content = read_foreign_file(
        path, what='report', error=PerceptionError, limit_bytes=_LIMITS.size_bytes
    )
    _, _, text = content.partition(_JSON_BEGINS.encode())
    record = parse_json(text, where=f'report {path}', error=PerceptionError, limits=_LIMITS)
    if not isinstance(record, dict):
        raise PerceptionError(f'{path} contains no results; expected a report that selftest wrote')
    return record


def summary(results: Sequence[Result]) -> str:
    """How many passed, failed, and could not be run."""
    counts = Counter(result.outcome for result in results)
    return f'{counts[PASS]} passed, {counts[FAIL]} failed, {counts[NOT_HERE]} not here'


def _lines(record: dict[str, Any]) -> list[str]:
    lines = [f'jetson_perception {record["version"]} selftest, {record["time"]}', _PRIVACY, '']
    for each in record['findings']:
        lines.append(f'{each["verdict"]:8} {each["name"]}: {each["found"]}')
    for claim, text in CLAIMS.items():
        lines += ['', f'{claim}: {text}']
        for result in record['results']:
            if result['claim'] == claim:
                subject = f'{result["subject"]}: ' if result['subject'] else ''
                reason = result['reason'] or f'{result["seconds"]:.1f} s'
                lines.append(f'  {result["outcome"]:8} {subject}{reason}')
                if result['outcome'] == FAIL and result['log']:
                    lines += [f'           | {line}' for line in result['log'].splitlines()]
    return [*lines, '']
