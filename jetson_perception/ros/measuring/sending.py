"""Sends pictures from as many processes as a rate takes."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jetson_perception.errors import PerceptionError
from jetson_perception.printable import counted
from jetson_perception.process.orphans import ends_with_parent

if TYPE_CHECKING:
    from typing_extensions import Self

    from jetson_perception.ros.image_topic import ImageTopic

_MODULE = 'jetson_perception.ros.measuring.sender_process'
#: The first image is due so long after the senders were told, which have to wake up.
_LEAD_S = 0.1
_START_S = 60.0
_BEYOND_S = 30.0
_END_S = 3.0


class Picture(NamedTuple):
    """What is sent.

    Attributes
    ----------
    data : bytes
        Pixels, bgr8 without padding, or a JPEG.
    size_wh : tuple of int
        Width and height.
    """

    data: bytes
    size_wh: tuple[int, int]


class ImageSenders:
    """Processes that send one picture in turn; a context manager that ends them.

    Parameters
    ----------
    topic : ImageTopic
        Where to, and whether the picture is a JPEG.
    picture : Picture
        What to send.
    subscribers : int
        How many subscriptions there are, each of which every sender waits for.
    reliable : bool
        Whether images are sent reliable.
    """

    def __init__(
        self, topic: ImageTopic, picture: Picture, subscribers: int, *, reliable: bool
    ) -> None:
        self._stack = ExitStack()
        self._folder = Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix='bench_ros_'))
        )
        (self._folder / 'picture').write_bytes(picture.data)
        self._job = {
            'topic': topic.name,
            'compressed': topic.compressed,
            'reliable': reliable,
            'size_wh': picture.size_wh,
            'picture': str(self._folder / 'picture'),
            'subscribers': subscribers,
        }
        self._processes: list[_Sender] = []
        self._sending: list[_Sender] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for sender in self._processes:
            sender.ask_to_end()
        for sender in self._processes:
            sender.end()
        self._stack.close()

    def __len__(self) -> int:
        return len(self._processes)

    def add(self) -> None:
        """Start one more, and wait until it has found all who subscribe.

        Raises
        ------
        PerceptionError
            When it does not come up, or does not find them.
        """
        number = len(self._processes) + 1
        job = {**self._job, 'number': number}
        sender = _Sender(job, self._folder / f'sender_{number}.log')
        self._processes.append(sender)
        matched = sender.answer(_START_S)['matched']
        if matched < self._job['subscribers']:
            raise PerceptionError(
                f'a sender on {self._job["topic"]} finds {counted(matched, "subscription")} of '
                f'{self._job["subscribers"]}; nodes that ended a moment ago are still listed: try '
                'again'
            )

    def begin(self, rate_hz: float, seconds: float, count: int = 1) -> float:
        """Have the first `count` send in turn, at this rate together.

        Returns
        -------
        float
            When the first image is due, by the monotonic clock.
        """
        self._sending = self._processes[:count]
        begin_s = time.monotonic() + _LEAD_S
        total = max(1, round(rate_hz * seconds))
        for index, sender in enumerate(self._sending):
            sender.ask(
                begin_s=begin_s + index / rate_hz,
                rate_hz=rate_hz / count,
                count=len(range(index, total, count)),
            )
        return begin_s

    def stamps_ns(self, seconds: float) -> list[int]:
        """Wait for the end of what `begin` began; the stamps of all that was sent, in order.

        Raises
        ------
        PerceptionError
            When a sender ends, or does not come to its end.
        """
        found: list[int] = []
        for sender in self._sending:
            found += sender.answer(seconds + _BEYOND_S)['stamps_ns']
        return sorted(found)


class _Sender:
    """One process of `sender_process`."""

    def __init__(self, job: dict[str, Any], log: Path) -> None:
        self._log = log
        code = f'import sys; sys.path[:] = {sys.path!r}; from {_MODULE} import main; main()'
        with log.open('w') as errors:
            self._process = subprocess.Popen(
                [*ends_with_parent(), sys.executable, '-c', code, json.dumps(job)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C goes to us, and we end it in order
            )
        self._unread = b''

    def ask(self, **run: Any) -> None:
        """Tell it what to do next."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(run).encode() + b'\n')
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failed('a sender ended') from None

    def answer(self, timeout_s: float) -> dict[str, Any]:
        """The next line that it prints."""
        assert self._process.stdout is not None
        deadline_s = time.monotonic() + timeout_s
        descriptor = self._process.stdout.fileno()
        while b'\n' not in self._unread:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not select.select([descriptor], [], [], left_s)[0]:
                raise self._failed(f'a sender did not answer within {timeout_s:.0f} s')
            read = os.read(descriptor, 1 << 20)
            if not read:
                raise self._failed('a sender ended')
            self._unread += read
        line, _, self._unread = self._unread.partition(b'\n')
        found: dict[str, Any] = json.loads(line)
        return found

    def ask_to_end(self) -> None:
        """Close what it reads from."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def end(self) -> None:
        """Wait for its end, or kill it."""
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _failed(self, what: str) -> PerceptionError:
        lines = self._log.read_text(errors='replace').splitlines()[-15:]
        return PerceptionError(f'{what}; it printed:', printed='\n'.join(lines))
