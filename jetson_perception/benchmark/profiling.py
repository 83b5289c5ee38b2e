"""Where each thread spends its time: CPU time, and samples of the code that runs."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    from typing_extensions import Self

_PACKAGE = Path(__file__).resolve().parents[1]


def thread_cpu_ms() -> dict[str, float]:
    """CPU time of each Python thread since it started, by its name; milliseconds.

    Empty if Linux does not say; threads with the same name are added up.
    """
    spent: defaultdict[str, float] = defaultdict(float)
    for thread in threading.enumerate():
        try:
            text = Path(f'/proc/self/task/{thread.native_id}/schedstat').read_text('ascii')
        except OSError:
            continue
        spent[thread.name] += int(text.split()[0]) / 1e6
    return dict(spent)


class Sampler:
    """Samples every thread while a `with` block runs.

    It also sees where threads wait. Python can sample only where a thread lets others run: at
    calls that wait, and at switches, which are set to every 0.1 ms during the block.

    Parameters
    ----------
    interval_s : float
        Time between samples.
    """

    def __init__(self, interval_s: float = 0.0007) -> None:
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name='sampler')
        self._looks = 0
        self._seen: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def __enter__(self) -> Self:
        self._switch_interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-4)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        sys.setswitchinterval(self._switch_interval)

    def shares(self, most: int = 12) -> dict[str, dict[str, float]]:
        """The places where each thread was seen most often, with their share of the samples.

        A place is the innermost line of this package, and what it was calling.
        """
        return {
            name: {place: count / self._looks for place, count in seen.most_common(most)}
            for name, seen in sorted(self._seen.items())
        }

    def _run(self) -> None:
        own = threading.get_ident()
        while not self._stop.is_set():
            names = {thread.ident: thread.name for thread in threading.enumerate()}
            for ident, frame in sys._current_frames().items():
                if ident != own and ident in names:
                    self._seen[names[ident]][_place(frame)] += 1
            self._looks += 1
            time.sleep(self._interval_s)


def _place(innermost: FrameType) -> str:
    called = innermost.f_code.co_name
    frame: FrameType | None = innermost
    while frame is not None:
        file = _file_in_package(frame.f_code.co_filename)
        if file:
            place = f'{file}:{frame.f_lineno} {frame.f_code.co_name}'
            return place if frame is innermost else f'{place} → {called}'
        frame = frame.f_back
    return f'{Path(innermost.f_code.co_filename).name}:{innermost.f_lineno} {called}'


@cache
def _file_in_package(name: str) -> str:
    """The path of a file in this package, even if installed as a link; else empty."""
    path = Path(name).resolve()
    return str(path.relative_to(_PACKAGE)) if _PACKAGE in path.parents else ''
