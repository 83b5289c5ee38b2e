"""A machine that is a YAML file of test/doctor/machines."""

from __future__ import annotations

from pathlib import Path

import yaml

from jetson_perception.doctor import Answer, Machine

FOLDER = Path(__file__).resolve().parent / 'machines'


class CapturedMachine(Machine):
    """Stands for a machine: its files as real files, its programs and probes as captured.

    Strict: a program that the capture lacks is not installed there, a probe that it lacks fails
    the test, and what was captured and never asked for can be seen in `unused`.
    """

    def __init__(self, name, root):
        content = yaml.safe_load((FOLDER / f'{name}.yaml').read_text())
        self._programs = content['programs']
        self._on_path = content['on_path']
        self._probes = content['probes']
        self.unused = {*self._programs, *self._probes}
        for path, text in content['files'].items():
            file = root / path.lstrip('/')
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        super().__init__(root, content['environ'])

    def find_program(self, name):
        return self._on_path.get(name, '')

    def run(self, *command, timeout_s=10.0):
        line = ' '.join(command)
        self.unused.discard(line)
        answer = self._programs.get(line)
        if answer is None:
            return Answer(problem=f'{command[0]} is not installed')
        if isinstance(answer, dict):
            return Answer(answer.get('output', ''), answer['problem'])
        return Answer(answer)

    def probe(self, name, *arguments, timeout_s=30.0):
        line = ' '.join((name, *arguments))
        self.unused.discard(line)
        return self._probes[line]
