#!/usr/bin/env python3
"""Check this machine's GPU against all requirements (bars) of the CUDA path, in one run.

    python3 tools/check_gpu.py --models det.onnx det.onnx pose.onnx pose.onnx

This runs seven parts, each in its own process with a time limit: kernels (GPU time of pre- and
post-processing), decoders (the same of detectors that are no YOLO), parity (results equal the
CPU's), concurrency, bench (compared with inference alone and with the usual loop), node (yolo_node
with topics), soak (minutes at full rate). It prints progress and a final table, writes everything
to a JSON file, and exits with 1 if a bar is missed or a part breaks. `--only times` prints kernel
times for many more cases, without bars. `--device cpu --frames 5 --soak-seconds 5` is a rehearsal
without a GPU.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'tools')]

from gpu_checks.checks import Checks, add_options, read_options  # noqa: E402

#: Parts in order, and the seconds that each may take; soak and node also get their own duration.
PARTS = {
    'kernels': 120,
    'decoders': 60,
    'parity': 180,
    'concurrency': 60,
    'bench': 600,
    'node': 120,
    'soak': 180,
    'times': 180,
}
#: Parts without bars, which run only on request.
OPTIONAL = ('times',)
_BROKE = 3


def main() -> int:
    """Run the parts. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument(
        '--only',
        type=lambda text: text.split(','),
        default=[part for part in PARTS if part not in OPTIONAL],
        metavar='PART,…',
        help=f'parts to run, of {", ".join(PARTS)} (default: all but {", ".join(OPTIONAL)})',
    )
    parser.add_argument('--skip', type=lambda text: text.split(','), default=[], metavar='PART,…')
    parser.add_argument(
        '--json', type=Path, default=Path('check_gpu.json'), metavar='FILE', help='(%(default)s)'
    )
    parser.add_argument(
        '--limit', type=float, default=0, metavar='S', help='time limit for each part, seconds'
    )
    parser.add_argument('--worker', metavar='PART', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return work(arguments)
    unknown = {*arguments.only, *arguments.skip} - set(PARTS)
    if unknown:
        parser.error(f'there is no part {", ".join(unknown)}; there are {", ".join(PARTS)}')
    return run_parts(arguments)


def run_parts(arguments: argparse.Namespace) -> int:
    """Run the chosen parts, then print the table."""
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {'command': ' '.join(sys.argv), 'parts': {}}
    for part in PARTS:
        if part in arguments.only and part not in arguments.skip:
            report['parts'][part] = run_part(part, arguments)
            arguments.json.write_text(json.dumps(report, indent=1), encoding='utf-8')
    for name, record in report['parts'].get('bench', {}).get('records', {}).items():
        if name == 'set':  # as `python -m jetson_perception.benchmark.plot` takes it
            file = arguments.json.with_name(f'{arguments.json.stem}_bench.json')
            file.write_text(json.dumps(record, indent=1), encoding='utf-8')
    return summarize(report, arguments.json)


def run_part(part: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one part in its own process; return its findings, even if it failed."""
    limit = arguments.limit or PARTS[part]
    limit += arguments.soak_seconds if part == 'soak' else 0
    limit += arguments.node_seconds if part == 'node' else 0
    print(f'\n== {part} (at most {limit:.0f} s)', flush=True)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, 'found.json')
        command = [sys.executable, __file__, *sys.argv[1:], '--worker', part, '--json', str(found)]
        paths = [str(ROOT), os.environ.get('PYTHONPATH', '')]
        environment = {
            **os.environ,
            'PYTHONPATH': os.pathsep.join(filter(None, paths)),
            'PYTHONUNBUFFERED': '1',
            'PYTHONFAULTHANDLER': '1',
        }
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            print(f'  {part} took longer than {limit:.0f} s and is stopped', flush=True)
            code = None
        finally:
            _end(process)
        content = json.loads(found.read_text(encoding='utf-8')) if found.exists() else {}
    seconds = time.monotonic() - begun
    checks = content.get('checks', [])
    missed = [each['name'] for each in checks if each['kept'] is False]
    problem = ''
    if code is None:
        problem = f'took longer than {limit:.0f} s'
    elif code not in (0, 1):
        problem = 'broke: see its traceback' if code == _BROKE else f'ended with exit code {code}'
    print(f'== {part}: {problem or ("missed" if missed else "done")}, {seconds:.0f} s', flush=True)
    return {
        'seconds': round(seconds, 1),
        'problem': problem,
        'missed': missed,
        'checks': checks,
        'records': content.get('records', {}),
    }


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop a part and everything that it started."""
    for sign in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is not None:
            break
        os.killpg(process.pid, sign)
        try:
            process.wait(45)  # so that it can end its nodes cleanly
        except subprocess.TimeoutExpired:
            continue


def summarize(report: dict[str, Any], file: Path) -> int:
    """Print every figure again, part by part. Returns the exit code."""
    print('\n== everything')
    bad = False
    for part, found in report['parts'].items():
        print(
            f'{part} ({found["seconds"]} s){": " + found["problem"] if found["problem"] else ""}'
        )
        for each in found['checks']:
            value = each['value'] if isinstance(each['value'], str) else f'{each["value"]:.4g}'
            mark = {True: 'ok  ', False: 'MISS', None: '    '}[each['kept']]
            bar = f'   (required: {each["bar"]})' if each['bar'] else ''
            print(f'  {mark}  {each["name"]}: {value}{bar}')
        bad = bad or bool(found['problem'] or found['missed'])
    end = 'MISSED' if bad else 'every bar that was checked is met'
    print(f'\n{end}; all figures: {file}', flush=True)
    return 1 if bad else 0


def work(arguments: argparse.Namespace) -> int:
    """Run one part, in its process. Returns 0, 1 if a bar is missed, or 3 if the part breaks."""
    options = read_options(arguments)
    checks = Checks(arguments.json, judge=options.device != 'cpu')
    try:
        importlib.import_module(f'gpu_checks.{arguments.worker}').run(options, checks)
    except BaseException:  # noqa: BLE001 - reported here, and the next part runs
        traceback.print_exc()
        return _BROKE
    return 1 if any(check.kept is False for check in checks.checks) else 0


if __name__ == '__main__':
    sys.exit(main())
