"""Measures a running graph: at given rates, and at the highest that it keeps up with."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import cv2

from jetson_perception.benchmark.frames import load_frames
from jetson_perception.benchmark.graph.figures import graph_run
from jetson_perception.benchmark.graph.provenance import commit, surroundings, variables
from jetson_perception.benchmark.graph.rate_search import highest_rate
from jetson_perception.benchmark.graph.required_ros import require_ros
from jetson_perception.benchmark.graph.settings import MOST_HZ
from jetson_perception.benchmark.graph.usage import UsageMeter, command_of, exists
from jetson_perception.benchmark.machine import describe_machine, load_note
from jetson_perception.camera.shown import shown
from jetson_perception.errors import ParameterError, PerceptionError
from jetson_perception.printable import counted, listed, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetson_perception.benchmark.graph.figures import GraphRun
    from jetson_perception.benchmark.graph.rate_search import Search
    from jetson_perception.benchmark.graph.settings import GraphSettings
    from jetson_perception.ros.measuring.answers import Answers
    from jetson_perception.ros.measuring.graph_topics import MeasuredTopics
    from jetson_perception.ros.measuring.sending import ImageSenders, Picture

#: Sent before a run counts, so that what was idle is awake.
_WARM_UP_S = 0.5
#: How long an answer may come after the last image before it counts as lost.
_LATE_S = 1.0
_FIRST_HZ, _ROUND_S = 10.0, 0.5
_LONGEST_PROBE_S = 2.0
#: From fewer, a loss of a few percent cannot be told.
_FEWEST_IMAGES = 20
_JPEG_QUALITY = 90


def measure_graph(
    settings: GraphSettings, say: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Run everything that the settings ask for.

    Parameters
    ----------
    settings : GraphSettings
        What to measure.
    say : callable
        Called with what is done next.

    Returns
    -------
    dict
        Ready for JSON: `machine`, `commit`, `variables` (of the environment, that the middleware
        reads), `settings`, `picture`, `graph` (who takes images and who answers), `processes`,
        `rates` (a run each), `highest` (the run, `limited_by_sender` and `probes`) and `notes`.
        Times are milliseconds, memory is MB of 10⁶ bytes.

    Raises
    ------
    PerceptionError
        When there is no ROS, the topics are not there, or nothing comes for the images.
    """
    require_ros('a running graph is measured')
    from jetson_perception.ros.measuring.answers import Answers
    from jetson_perception.ros.measuring.graph_listener import GraphListener
    from jetson_perception.ros.measuring.graph_topics import find_topics, full_topic_name
    from jetson_perception.ros.measuring.sending import ImageSenders, Picture

    settings = replace(
        settings,
        images=full_topic_name(settings.images),
        answers=full_topic_name(settings.answers),
    )
    for pid in settings.pids:
        if not exists(pid):
            raise ParameterError(f'there is no process {pid} to measure', 'pid')
    around = surroundings()  # before anything is sent
    say('reading the picture')
    (pixels,) = load_frames(settings.source, settings.size_wh, 1)
    with ExitStack() as stack:
        node = stack.enter_context(GraphListener('bench_listener')).node
        say(
            f'looking for {printable(settings.images)} and {printable(settings.answers)}, for '
            f'{settings.patience_s:.0f} s at most'
        )
        topics = find_topics(
            node,
            settings.images,
            settings.answers,
            settings.answer_type,
            reliable=settings.reliable,
            patience_s=settings.patience_s,
        )
        if topics.others:
            say(
                f'images of {listed(topics.others, 3)} on {printable(settings.images)} '
                'are answered too: end it, as with image:= of a launch file, for figures of '
                'these alone'
            )
        answers = Answers(node, settings.answers, topics.answer_type, topics.answerers)
        data = _jpeg(pixels) if topics.images.compressed else pixels.tobytes()
        picture = Picture(data, settings.size_wh)
        senders = stack.enter_context(
            ImageSenders(topics.images, picture, len(topics.takers), reliable=settings.reliable)
        )
        runner = _Runner(settings, senders, answers, _pids(settings, topics), say)
        runner.warm_up()
        rates = [runner.reported(rate_hz, settings.seconds) for rate_hz in settings.rates_hz]
        highest = runner.search() if settings.search else None
        return {
            **_circumstances(settings, topics, picture, around),
            'processes': [
                {'pid': pid, 'command': printable(command_of(pid))} for pid in runner.pids
            ],
            'rates': rates,
            'highest': highest,
            'notes': _notes(settings, topics, runner, around['load']),
        }


class _Runner:
    """Runs at one rate after another.

    Parameters
    ----------
    settings, senders, answers
        What to measure, who sends and who hears.
    pids : list of int
        Processes to measure; may be empty.
    say : callable
        Called with what is done next.
    """

    def __init__(
        self,
        settings: GraphSettings,
        senders: ImageSenders,
        answers: Answers,
        pids: list[int],
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._senders = senders
        self._answers = answers
        self.pids = pids
        self._say = say
        #: Rates at which one sender, two, … gave out.
        self._limits_hz: list[float] = []
        self.lost_answers = 0
        self.foreign = 0

    def warm_up(self) -> None:
        """Send slowly until the first image is answered, which may take a node's first inference.

        Raises
        ------
        PerceptionError
            When none is in time, or answers do not carry the images' stamps.
        """
        self._say('waiting for the first answer')
        self._senders.add()
        sent: set[int] = set()
        deadline_s = time.monotonic() + self._settings.patience_s
        self._answers.clear()
        while time.monotonic() < deadline_s:
            self._senders.begin(_FIRST_HZ, _ROUND_S)
            sent.update(self._senders.stamps_ns(_ROUND_S))
            if any(stamp in sent for stamp, _ in self._answers.heard()):
                self._answers.await_all(sent, _LATE_S)
                return
        heard = len(self._answers.heard())
        what = (
            f'{counted(heard, "answer")} came on {printable(self._settings.answers)}, but none '
            "with the stamp of an image: the node has to copy the image's header.stamp"
            if heard
            else f'nothing came on {printable(self._settings.answers)} for '
            f'{counted(len(sent), "image")} on {printable(self._settings.images)} within '
            f'{self._settings.patience_s:.0f} s: see what the node says, and what '
            '`jetson-perception doctor` says of the transport'
        )
        raise PerceptionError(what)

    def reported(self, rate_hz: float, seconds: float) -> dict[str, Any]:
        """A run as it is reported, with what the processes take."""
        self._say(f'{rate_hz:.4g} Hz for {seconds:g} s')
        return _figures(self._enough_senders(rate_hz, seconds))

    def search(self) -> dict[str, Any]:
        """The highest rate that the graph keeps up with."""
        probe_s = min(self._settings.seconds, _LONGEST_PROBE_S)

        def probe(rate_hz: float) -> GraphRun:
            self._say(f'looking for the highest rate: {rate_hz:.4g} Hz')
            return self._enough_senders(rate_hz, probe_s)

        def confirm(rate_hz: float) -> GraphRun:
            self._say(f'{rate_hz:.4g} Hz for {self._settings.seconds:g} s')
            return self._enough_senders(rate_hz, self._settings.seconds)

        first_hz = max(self._settings.rates_hz, default=30.0)
        found: Search = highest_rate(probe, confirm, first_hz, MOST_HZ)
        return {
            'run': _figures(found.run) if found.run is not None else None,
            'limited_by_sender': found.limited_by_sender,
            'probes': [_figures(each) for each in found.probes],
        }

    def _enough_senders(self, rate_hz: float, seconds: float) -> GraphRun:
        """A run with as few senders as reach the rate, if processes can help that."""
        count = len(self._limits_hz) + 1
        while count > 1 and rate_hz < self._limits_hz[count - 2]:
            count -= 1
        run = self._run(rate_hz, seconds, count)
        while run.limited_by_sender and count < self._settings.senders:
            count += 1
            if len(self._senders) < count:
                self._senders.add()
            self._say(f'with {counted(count, "sender")}')
            slower, run = run, self._run(rate_hz, seconds, count)
            if run.sent_hz < 1.05 * slower.sent_hz:
                break  # the machine has no core left for another one
            self._limits_hz[count - 2 :] = [rate_hz]
        return run

    def _run(self, rate_hz: float, seconds: float, senders: int) -> GraphRun:
        seconds = max(seconds, _FEWEST_IMAGES / rate_hz)
        self._answers.clear()
        begin_s = self._senders.begin(rate_hz, _WARM_UP_S + seconds, senders)
        time.sleep(max(0.0, begin_s + _WARM_UP_S - time.monotonic()))
        meter = UsageMeter(self.pids)
        stamps_ns = self._senders.stamps_ns(_WARM_UP_S + seconds)
        cpu_percent = meter.cpu_percent()
        self._answers.await_all(stamps_ns, _LATE_S)
        first_ns = stamps_ns[0] + int(_WARM_UP_S * 1e9)
        counted_ns = [stamp for stamp in stamps_ns if stamp >= first_ns]
        warm_up_ns = [stamp for stamp in stamps_ns if stamp < first_ns]
        run = graph_run(rate_hz, senders, counted_ns, self._answers.heard(), warm_up_ns)
        run = replace(run, usage=meter.usage(cpu_percent))
        self.lost_answers += self._answers.lost
        self.foreign += run.foreign
        return run


def _figures(run: GraphRun) -> dict[str, Any]:
    return _rounded({**asdict(run), 'limited_by_sender': run.limited_by_sender})


def _rounded(value: Any) -> Any:
    """Figures with as many digits as they are good for."""
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def _jpeg(pixels: Any) -> bytes:
    done, data = cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise PerceptionError('the picture could not be encoded as JPEG')
    return bytes(data)


def _pids(settings: GraphSettings, topics: MeasuredTopics) -> list[int]:
    """The given processes, or those of the answers' publishers, where that can be told."""
    from jetson_perception.ros.endpoint_names import guid_of
    from jetson_perception.ros.measuring.publisher_processes import pids_of

    if settings.pids:
        return list(settings.pids)
    found = [pids_of(guid_of(info)) for info in topics.answerers]
    return list(dict.fromkeys(pids[0] for pids in found if len(pids) == 1))


def _circumstances(
    settings: GraphSettings,
    topics: MeasuredTopics,
    picture: Picture,
    around: dict[str, Any],
) -> dict[str, Any]:
    """All that the figures depend on."""
    import rclpy

    from jetson_perception.ros.measuring.graph_topics import described_endpoint

    return {
        'machine': {
            **describe_machine(gpu=False),
            'rmw': rclpy.get_rmw_implementation_identifier(),
            **around,
        },
        'commit': commit(),
        'variables': variables(os.environ),
        'settings': {
            **asdict(settings),
            'answer_type': topics.answer_type,
            'source': shown(settings.source),
        },
        'picture': {
            'width': picture.size_wh[0],
            'height': picture.size_wh[1],
            'encoding': 'jpeg' if topics.images.compressed else 'bgr8',
            'bytes': len(picture.data),
            'sha256': hashlib.sha256(picture.data).hexdigest(),
        },
        'graph': {
            'taken_by': [described_endpoint(info) for info in topics.takers],
            'answered_by': [described_endpoint(info) for info in topics.answerers],
        },
    }


def _notes(
    settings: GraphSettings, topics: MeasuredTopics, runner: _Runner, load: float
) -> list[str]:
    """What is to be known when the figures are read."""
    busy = load_note(load, 'anything was sent')
    notes = [busy] if busy else []
    if topics.others:
        notes.append(
            f'images on {printable(settings.images)} also come from {listed(topics.others, 3)}: '
            'those had to be answered as well'
        )
    if runner.foreign:
        notes.append(
            f'{counted(runner.foreign, "answer")} carried stamps of no image that was sent'
        )
    if runner.lost_answers:
        notes.append(
            f'{counted(runner.lost_answers, "answer")} did not reach the listener here, and '
            'count as lost: the way to it, or this process, is the limit'
        )
    if not runner.pids:
        notes.append(
            'which process answers could not be found: name it by --pid for its CPU time and '
            'memory'
        )
    return notes
