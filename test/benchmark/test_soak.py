"""A set of models that runs until SIGINT and reports line by line."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from onnx_models import detector

from jetson_perception.benchmark.soak import main

ROOT = Path(__file__).resolve().parents[2]


def test_ends_cleanly_on_request(tmp_path):
    model = detector(tmp_path / 'a.onnx', size_wh=(64, 64))
    command = [sys.executable, '-m', 'jetson_perception.benchmark.soak', model, model]
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
    with subprocess.Popen(
        [*map(str, command), '--size', '320x240'],
        env={**os.environ, 'PYTHONPATH': paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # As of a process in a shell's background, which is how CI may run it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    ) as process:
        try:
            first = json.loads(process.stdout.readline())
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()  # or leaving `with` waits for it
    assert process.returncode == 0, errors
    assert errors == ''
    last = json.loads(output.splitlines()[-1])
    assert last['closed']
    assert last['frames'] >= first['frames'] > 0
    assert first['failed'] == last['failed'] == 0
    assert first['host_mb'] > 10
    assert 'device_mb' not in first


def test_what_cannot_begin(capsys):
    assert main(['no_such_model', '--size', '320x240']) == 1
    assert 'soak: no model' in capsys.readouterr().err
    with pytest.raises(SystemExit, match='2'):
        main(['people_detect', '--size', 'big'])
