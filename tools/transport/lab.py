"""One measured situation: its network, places and programs, all of which end with it."""

from __future__ import annotations

import itertools
import os
import re
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ament_index_python.packages import get_package_prefix

from jetson_perception import bringup
from transport import cyclone
from transport.network import Network
from transport.notes import Notes
from transport.places import Place
from transport.processes import Program

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetson_perception.bringup import NodeProcess
    from transport.network import Host

PROGRAMS = Path(__file__).resolve().parent / 'programs'
CAMERA = '/camera/image_raw'
#: What a user may have set, and the shells of this repository do: nothing of it counts here.
_SETTINGS = re.compile(r'(FASTRTPS|FASTDDS|MALLOC|RMW|CYCLONEDDS|ZENOH|ROS_(?!DISTRO|VERSION))')
_LOG_TIME = re.compile(r'\[(\d{9,}\.\d+)\]')


class ProgramEnded(Exception):  # noqa: N818 - as what happened
    """A program ended that was not told to; the text has the end of its log."""


class Lab:
    """Makes hosts and places, and starts programs in them; use it as a context.

    Attributes
    ----------
    variables : dict
        What the user has set in every shell; nothing at first.
    folder : Path
        For notes, logs and models, while the context lasts.
    network : Network
        To make hosts in, while the context lasts.
    """

    def __init__(self) -> None:
        self.variables: dict[str, str] = {}
        self._stack = ExitStack()
        self._programs: list[Program] = []
        self._names = itertools.count(1)

    def __enter__(self) -> Lab:
        temporary = self._stack.enter_context(
            tempfile.TemporaryDirectory(prefix='transport_', ignore_cleanup_errors=True)
        )
        self.folder = Path(temporary)
        self.folder.chmod(0o777)  # other users note and log there too
        self.network = Network()
        self._stack.callback(self.network.close)
        self._stack.callback(self._end_programs)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def place(self, host: Host, **options: Any) -> Place:
        """A place in a host, with the options of `Place`."""
        place = Place(host, **options)
        self._stack.callback(place.close)
        return place

    def node(self, process: NodeProcess, place: Place, uid: int = 0) -> Program:
        """A node of ours, with the environment that its description has."""
        words = process.command(get_package_prefix(process.package))
        return self._start(process.executable, place, words, uid, process.environment)

    def driver(
        self,
        place: Place,
        reliability: str,
        rate: float = 30.0,
        *,
        uid: int = 0,
        compressed: bool = False,
    ) -> tuple[Program, Notes]:
        """A camera driver in plain rclpy, and what it notes."""
        options = ['--reliability', reliability, '--rate', str(rate)]
        if compressed:
            options += ['--jpeg', '--topic', f'{CAMERA}/compressed']
        return self._noting('camera_driver', place, options, uid)

    def cyclone_driver(self, place: Place, reliability: str, rate: float) -> tuple[Program, Notes]:
        """A camera driver on Cyclone DDS, and what it notes."""
        python = str(cyclone.environment())
        notes = self._file('cyclone_driver', 'notes')
        words = [python, str(PROGRAMS / 'cyclone_driver.py'), str(notes), reliability, str(rate)]
        # Without ROS's libraries, of which Cyclone's own binding has others.
        plain = {'LD_LIBRARY_PATH': '', 'PYTHONPATH': ''}
        return self._start('cyclone_driver', place, words, 0, plain), Notes(notes)

    def listener(self, place: Place, *topics: str, uid: int = 0) -> tuple[Program, Notes]:
        """Somebody who listens to topics, each TOPIC:TYPE:RELIABILITY[:DEPTH]."""
        return self._noting('listener', place, list(topics), uid)

    def program(self, name: str, place: Place, *arguments: str) -> Program:
        """One of the other programs; it prints what it finds."""
        words = [sys.executable, str(PROGRAMS / f'{name}.py'), *arguments]
        return self._start(name, place, words, 0, {})

    def command(self, place: Place, *words: str) -> Program:
        """Any program that is installed."""
        return self._start(words[0], place, list(words), 0, {})

    def python(self, name: str, place: Place, code: str, uid: int = 0) -> Program:
        """A piece of Python of a line or two."""
        return self._start(name, place, [sys.executable, '-c', code], uid, {})

    def log_lines(self, pattern: str) -> list[tuple[float, str]]:
        """Lines of our nodes' logs that a regular expression finds: seconds since 1970, line."""
        found = []
        for program in self._programs:
            if not program.name.endswith('_node'):
                continue
            last_s = 0.0
            for line in program.lines():
                stamped = _LOG_TIME.search(line)
                last_s = float(stamped[1]) if stamped else last_s
                if re.search(pattern, line):
                    found.append((last_s, line))
        return sorted(found)

    def wait_for(self, predicate: Callable[[], Any], timeout_s: float) -> Any:
        """Wait until the predicate gives something true; returns it, or None in the end.

        Raises
        ------
        ProgramEnded
            When one of the programs has ended by itself, with the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        while not (value := predicate()):
            if time.monotonic() > deadline:
                return None
            self.check()
            time.sleep(0.05)
        return value

    def spend(self, seconds: float) -> None:
        """Let time pass while all goes on."""
        self.wait_for(lambda: False, seconds)

    def check(self) -> None:
        """See that every program that was not told to end still runs."""
        for program in self._programs:
            if program.ended:
                end = '\n'.join(program.lines()[-15:])
                raise ProgramEnded(f'{program.name} has ended; its log:\n{end}')

    def end(self, program: Program) -> None:
        """End a program as Ctrl-C does."""
        self._programs.remove(program)
        program.end()

    def crash(self, program: Program) -> None:
        """End a program as a crash does."""
        self._programs.remove(program)
        program.kill()

    def _noting(
        self, name: str, place: Place, options: list[str], uid: int
    ) -> tuple[Program, Notes]:
        notes = self._file(name, 'notes')
        words = [sys.executable, str(PROGRAMS / f'{name}.py'), str(notes), *options]
        return self._start(name, place, words, uid, {}), Notes(notes)

    def _start(
        self, name: str, place: Place, words: list[str], uid: int, variables: dict[str, str]
    ) -> Program:
        environment = {key: value for key, value in os.environ.items() if not _SETTINGS.match(key)}
        environment |= {'HOME': str(self.folder), 'ROS_LOG_DIR': str(self.folder)}
        environment |= self.variables | variables
        program = Program(name, place, words, environment, self._file(name, 'log'), uid=uid)
        self._programs.append(program)
        return program

    def _file(self, name: str, suffix: str) -> Path:
        path = self.folder / f'{name}_{next(self._names)}.{suffix}'
        path.touch()
        path.chmod(0o666)
        return path

    def _end_programs(self) -> None:
        for program in self._programs:
            program.ask_to_end()  # all at once, as each may take a while
        for program in self._programs:
            program.end()


def launched() -> dict[str, str]:
    """Variables that our launch files set for their nodes."""
    values = bringup.defaults(bringup.CAMERA_ARGUMENTS)
    return bringup.camera(values)[0].environment
