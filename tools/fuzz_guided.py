#!/usr/bin/env python3
"""Search for input that breaks a parser, guided by the code that each input reaches.

    pip install atheris
    python tools/fuzz_guided.py --seconds 60
    python tools/fuzz_guided.py --only YAML --seconds 600 --save

Each target of `test/fuzzing` runs in a process of its own, for so many seconds, under libFuzzer
(https://llvm.org/docs/LibFuzzer.html), which begins with the corpus in the repository. Prints how
many inputs each was given and how many places of the code (`cov` of libFuzzer) they reached. A
finding is an input that raises an error that is not in errors.py, hangs, or takes too much memory;
it is printed and saved. The exit code is 1 if there are any. With `--save`, the shortest inputs
that reached something new become the corpus, which `make test` runs.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import re
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / 'test'), str(ROOT)]

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fuzzing.targets import Target

_MOST_BYTES = 4096  # of an input
_FIRST_INPUTS = 30
_MOST_MEMORY_MB = 4096
_HANG_S = 20


class Outcome(NamedTuple):
    """What the search of one target came to."""

    inputs: int
    reached: int
    failed: bool


def main() -> int:
    """Run the search. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--seconds', type=_seconds, default=30, help='for each target (%(default)s)'
    )
    parser.add_argument('--only', default='', help='only targets whose names contain this')
    parser.add_argument('--save', action='store_true', help='keep the corpora in the repository')
    parser.add_argument(
        '--findings', type=Path, default=Path('fuzz_findings'), help='folder to save them in'
    )
    arguments = parser.parse_args()
    try:
        import atheris  # noqa: F401 - is it there?
    except ImportError:
        parser.error('atheris is not installed: `pip install atheris`')
    from fuzzing.targets import TARGETS

    targets = [target for target in TARGETS if arguments.only.lower() in target.name.lower()]
    if not targets:
        parser.error(f'no target has {arguments.only!r} in its name')
    return _search(targets, arguments.seconds, arguments.findings, save=arguments.save)


def _seconds(text: str) -> int:
    if not (text.isdecimal() and int(text)):  # libFuzzer takes 0 for ever
        raise argparse.ArgumentTypeError(f'{text} is not a number of seconds from 1 on')
    return int(text)


def _search(targets: list[Target], seconds: int, findings: Path, *, save: bool) -> int:
    from fuzzing.guided import first_inputs, read_corpus, write_corpus

    print(f'{len(targets)} targets, {seconds} s each')
    print(f'{"target":30} {"inputs":>9} {"reached":>9} {"corpus":>7}', flush=True)
    outcomes = []
    for target in targets:
        with tempfile.TemporaryDirectory(prefix='fuzz_guided_') as folder:
            # libFuzzer adds what reaches something new to the first of its folders.
            corpus, first = Path(folder, 'corpus'), Path(folder, 'first')
            _write(corpus, read_corpus(target))
            _write(first, first_inputs(target, _FIRST_INPUTS))
            outcome = _run(target, findings, seconds, [corpus, first])
            if save:
                write_corpus(target, [path.read_bytes() for path in corpus.iterdir()])
        kept = len(read_corpus(target))
        print(f'{target.name:30} {outcome.inputs:9} {outcome.reached:9} {kept:7}', flush=True)
        outcomes.append(outcome)
    with suppress(OSError):  # it has findings
        findings.rmdir()
    failed = sum(outcome.failed for outcome in outcomes)
    print(f'{"total":30} {sum(outcome.inputs for outcome in outcomes):9}')
    print(f'{failed} of {len(targets)} targets have findings')
    return 1 if failed else 0


def _write(folder: Path, inputs: Iterable[bytes]) -> None:
    folder.mkdir()
    for data in inputs:
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data[:_MOST_BYTES])


def _run(target: Target, findings: Path, seconds: int, folders: list[Path]) -> Outcome:
    """Run a worker, and show what it says when it finds something."""
    findings.mkdir(parents=True, exist_ok=True)
    options = [
        f'-max_total_time={seconds}',
        f'-max_len={_MOST_BYTES}',
        f'-rss_limit_mb={_MOST_MEMORY_MB}',
        f'-timeout={_HANG_S}',
        f'-artifact_prefix={findings}/{target.name.replace(" ", "_")}_',
        '-print_final_stats=1',
    ]
    done = subprocess.run(
        [sys.executable, __file__, '--worker', target.name, str(findings), *options, *folders],
        capture_output=True,
        text=True,
        errors='replace',
    )
    said = done.stderr
    failed = done.returncode != 0 or bool(done.stdout.strip())
    if failed:
        print(done.stdout, *said.splitlines()[-30:], sep='\n', flush=True)
    inputs = re.findall(r'stat::number_of_executed_units: (\d+)', said)
    reached = re.findall(r'\bcov: (\d+)', said)
    return Outcome(int(inputs[-1]) if inputs else 0, int(reached[-1]) if reached else 0, failed)


def _work(name: str, folder: Path, options: list[str]) -> None:
    """Search one target under libFuzzer, which ends the process."""
    import atheris

    with atheris.instrument_imports(include=['jetson_perception', 'yaml']):
        from fuzzing.targets import TARGETS
    from fuzzing.findings import Findings
    from fuzzing.guard import check
    from fuzzing.guided import chosen_input

    logging.getLogger('jetson_perception').setLevel(logging.CRITICAL)
    target = next(target for target in TARGETS if target.name == name)
    findings = Findings(name, folder)

    def try_input(data: bytes) -> None:
        value = chosen_input(target, data)
        try:
            check(target.call, value)
        except Exception as error:  # noqa: BLE001 - all of these are findings
            if finding := findings.keep(value, error):
                print(finding, flush=True)

    atheris.Setup([sys.argv[0], *options], try_input)
    atheris.Fuzz()


if __name__ == '__main__':
    if sys.argv[1:2] == ['--worker']:
        _work(sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
    sys.exit(main())
