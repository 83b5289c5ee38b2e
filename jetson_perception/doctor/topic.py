"""A running camera: what comes on its topic, what is lost and why, as findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.doctor.finding import MISSING, OK, WARNING, Finding
from jetson_perception.doctor.machine import last_object
from jetson_perception.printable import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetson_perception.doctor.machine import Machine

_PROBE = 'jetson_perception.ros.measuring.topic_probe'
_GROUP = 'topic'
#: Imports, discovery and the end of the process, besides the time that is measured.
_BESIDE_S = 60.0
#: A topic is silent if nothing came for so many periods, and so many seconds.
_SILENT_PERIODS, _SILENT_S = 5.0, 1.0
_MOST_NAMED = 4


def measured_topic(machine: Machine, topic: str, seconds: float) -> dict[str, Any]:
    """What is measured of a topic, as `ros.measuring.camera_topic.TopicMeasurement` has it.

    It runs in a process of its own, as the middleware may crash or hang. `{'error': reason}` where
    nothing can be measured.
    """
    answer = machine.run_main(_PROBE, topic, str(seconds), timeout_s=seconds + _BESIDE_S)
    if not answer.problem:
        return last_object(answer.output)
    if 'rclpy' in answer.problem or 'No module named' in answer.problem:
        return {
            'error': 'a topic is measured with ROS 2, which this Python does not find: source '
            '/opt/ros/<distribution>/setup.bash; `jetson-perception doctor` says more'
        }
    return {'error': f'the topic could not be measured: {answer.problem}'}


def examine_topic(measured: dict[str, Any]) -> Iterator[Finding]:
    """Findings of what was measured, without an error."""
    yield from _publishers(measured)
    for taker in measured['subscribers_without']:
        advice = 'start it with the QoS that is offered, or have the publisher offer it'
        yield Finding(_GROUP, 'subscriber', f'{taker}: it gets nothing', WARNING, advice)
    yield _what_comes(measured)
    if measured['received']:
        yield _rate(measured)
        yield _age(measured)
    if measured['transport']:
        yield Finding(_GROUP, 'transport', measured['transport'])
    yield _lost(measured)
    for why in measured['findings']:
        yield Finding(_GROUP, 'cause', why['found'], WARNING, why['cure'])


def arrives_whole(measured: dict[str, Any]) -> bool:
    """Whether messages come, and nothing worth a word is lost."""
    return bool(measured['received'] and not measured['findings'] and not _is_silent(measured))


def topic_summary(measured: dict[str, Any]) -> str:
    """What was measured, in one line."""
    topic = measured['topic']
    if not measured['received']:
        return f'Nothing comes on {topic}.'
    if _is_silent(measured):
        return f'Nothing came on {topic} in the last {measured["silent_s"]:.1f} s.'
    rate = f'{measured["rate_hz"]:.1f} Hz'
    if arrives_whole(measured):
        return f'{topic} arrives at {rate}; {_share(measured)} is lost.'
    return f'{topic} arrives at {rate} only; {_share(measured)} is lost on the way.'


def _publishers(measured: dict[str, Any]) -> Iterator[Finding]:
    publishers = measured['publishers']
    if not publishers:
        advice = 'start the camera driver, or give another topic'
        yield Finding(_GROUP, 'publisher', 'nobody publishes it', MISSING, advice)
    for each in publishers[:_MOST_NAMED]:
        quality = f'{each["reliability"]}, {each["durability"]}'.replace('_', ' ')
        yield Finding(
            _GROUP, 'publisher', f'{each["node"]}: {each["type"]}, {quality}; {_where(each)}'
        )
    if len(publishers) > 1:
        yield Finding(
            _GROUP,
            'publishers',
            f'{counted(len(publishers), "publisher")} on one topic',
            WARNING,
            'if more than one sends, images of both alternate: end all but one, or give each a '
            'topic of its own',
        )


def _where(publisher: dict[str, Any]) -> str:
    if publisher['same_host'] is None:
        return 'on which host its id does not tell'
    if not publisher['same_host']:
        return 'on another host'
    if publisher['pid'] is None:
        return 'on this host, in a process that is not seen from here, as in a container'
    return f'process {publisher["pid"]} ({publisher["program"]}, {publisher["user"]})'


def _what_comes(measured: dict[str, Any]) -> Finding:
    if not measured['received']:
        text = f'nothing in {measured["seconds"]:g} s'
        advice = '' if measured['findings'] else 'see what the publisher logs'
        return Finding(_GROUP, 'messages', text, MISSING, advice)
    size = f'{_size(measured["nbytes"])} each'
    text = f'{measured["received"]} in {measured["seconds"]:g} s, {size}'
    if measured['image']:
        text += f', {measured["image"]}'
    if _is_silent(measured):
        text += f'; nothing in the last {measured["silent_s"]:.1f} s'
        advice = 'see what the publisher logs' if not measured['findings'] else ''
        return Finding(_GROUP, 'messages', text, WARNING, advice)
    return Finding(_GROUP, 'messages', text)


def _size(nbytes: float) -> str:
    if nbytes < 1000:
        return counted(round(nbytes), 'byte')
    return f'{nbytes / 1e3:.1f} kB' if nbytes < 100_000 else f'{nbytes / 1e6:.2f} MB'


def _is_silent(measured: dict[str, Any]) -> bool:
    period_s = 1 / measured['rate_hz'] if measured['rate_hz'] else 0.0
    return bool(measured['silent_s'] > max(_SILENT_S, _SILENT_PERIODS * period_s))


def _rate(measured: dict[str, Any]) -> Finding:
    text = f'{measured["rate_hz"]:.1f} Hz'
    if measured['findings'] and measured['sent_hz']:
        text += f' of {measured["sent_hz"]:.1f} Hz that are sent'
    if measured['jitter_ms'] is not None:
        text += f', jitter {measured["jitter_ms"]:.1f} ms'
    if measured['stamp_jitter_ms'] is not None:
        text += f' ({measured["stamp_jitter_ms"]:.1f} ms between stamps)'
    return Finding(_GROUP, 'rate', text)


def _age(measured: dict[str, Any]) -> Finding:
    age = measured['age_ms']
    if age is None:
        problem, _, advice = measured['clock_problem'].partition(': ')
        return Finding(_GROUP, 'age', problem, WARNING, advice)
    text = f'median {age["median"]:.1f} ms, 99 % {age["p99"]:.1f} ms, most {age["max"]:.1f} ms'
    if 'before_sending' in age:
        text += f'; {max(age["before_sending"], 0):.1f} ms of it before it was sent'
    if any(each['same_host'] is False for each in measured['publishers']):
        # Clocks of two hosts agree to some milliseconds at best.
        text += '; as far as the clocks of both hosts agree'
    return Finding(_GROUP, 'age', text)


def _lost(measured: dict[str, Any]) -> Finding:
    if not measured['received']:
        return Finding(_GROUP, 'lost', 'not known, as nothing came', WARNING)
    how = {
        'numbers': "by the publisher's numbers",
        'stamps': 'by gaps between stamps, as the middleware gives no numbers',
    }[measured['counted_by']]
    sent = measured['received'] + measured['lost']
    text = (
        f'{measured["lost"]} of {sent} ({_share(measured)}), {how}'
        if measured['lost']
        else f'none of {sent}, {how}'
    )
    return Finding(_GROUP, 'lost', text, WARNING if measured['findings'] else OK)


def _share(measured: dict[str, Any]) -> str:
    sent = measured['received'] + measured['lost']
    return f'{100 * measured["lost"] / sent:.3g} %' if measured['lost'] else 'nothing'
