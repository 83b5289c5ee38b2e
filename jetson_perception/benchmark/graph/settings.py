"""What to measure of a running graph."""

from __future__ import annotations

import math
from dataclasses import dataclass

from jetson_perception.benchmark.frames import DEFAULT_SOURCE
from jetson_perception.errors import ParameterError

#: Beyond this, no camera and no sender in Python.
MOST_HZ = 5000.0
_SHORTEST_S = 0.5
_LONGEST_S = 3600.0
_MOST_PIXELS = 1 << 26


@dataclass(frozen=True)
class GraphSettings:
    """What to send, what to hear, and for how long.

    Attributes
    ----------
    images, answers : str
        Topics: of the images that the measured nodes take, and of what they publish for each.
    answer_type : str
        Type of the answers, such as `vision_msgs/msg/Detection2DArray`; '' for the one that the
        graph names.
    rates_hz : tuple of float
        Rates to measure at.
    search : bool
        Also search for the highest rate.
    seconds : float
        Length of each run; probes of the search are shorter.
    size_wh : tuple of int
        Width and height of the images.
    source : str
        Where the picture comes from, as in `frames.load_frames`.
    reliable : bool
        Whether the sender is reliable, or best effort as most camera drivers are.
    senders : int
        The most processes that send.
    patience_s : float
        How long to wait for the topics, and for the first answer.
    pids : tuple of int
        Processes to measure; found from the answers' publishers where none is given.
    """

    images: str
    answers: str
    answer_type: str = ''
    rates_hz: tuple[float, ...] = (30.0,)
    search: bool = True
    seconds: float = 5.0
    size_wh: tuple[int, int] = (1280, 720)
    source: str = DEFAULT_SOURCE
    reliable: bool = False
    senders: int = 8
    patience_s: float = 30.0
    pids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for rate_hz in self.rates_hz:
            if not 0 < rate_hz <= MOST_HZ:
                raise ParameterError(
                    f'a rate is {rate_hz:g}; expected more than 0 and at most {MOST_HZ:g} Hz',
                    'rates',
                )
        if not self.rates_hz and not self.search:
            raise ParameterError('nothing is to be measured; give a rate, or search', 'rates')
        if not _SHORTEST_S <= self.seconds <= _LONGEST_S:
            raise ParameterError(
                f'seconds is {self.seconds:g}; expected {_SHORTEST_S:g} to {_LONGEST_S:g}',
                'seconds',
            )
        if not math.isfinite(self.patience_s) or self.patience_s <= 0:
            raise ParameterError(
                f'patience is {self.patience_s:g}; expected more than 0 s', 'patience'
            )
        if math.prod(self.size_wh) > _MOST_PIXELS:
            raise ParameterError(
                f'size is {self.size_wh[0]}x{self.size_wh[1]}; expected at most {_MOST_PIXELS} '
                'pixels',
                'size',
            )
