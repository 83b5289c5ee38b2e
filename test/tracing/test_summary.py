"""What traces come to, and why the slowest frame was slow, in words."""

import numpy as np
import pytest

from jetson_perception.tracing.causes import explain, explain_slowest
from jetson_perception.tracing.joining import join_traces
from jetson_perception.tracing.recorder import COLLECTOR, SAMPLE_TYPE
from jetson_perception.tracing.summary import cpu_waits, stage_rows, ways
from jetson_perception.tracing.traces import ProcessTrace, Span, ThreadSamples

MS = 1_000_000
PERIOD_MS = 33


def samples(*rows):
    """Rows of: at (ms), ran, waited, faults."""
    made = np.zeros(len(rows), SAMPLE_TYPE)
    for index, name in enumerate(('at_ns', 'ran_ns', 'waited_ns')):
        made[name] = [round(row[index] * MS) for row in rows]
    made['faults'] = [row[3] for row in rows]
    return ThreadSamples(made)


def node(frames=10, **slow):
    """A node whose frames take 1 ms in each stage; `wait=20` is the time of the last frame."""
    trace = ProcessTrace('/yolo_node', 'robot', 'c', 7)
    for number in range(1, frames + 1):
        at = number * PERIOD_MS
        begun = at
        for stage, track in (
            ('transport', 'input'),
            ('wait', 'lane det: waiting'),
            ('preprocess', 'lane det'),
            ('inference', 'lane det'),
            ('publish', 'lane det: publishing'),
        ):
            length = slow.get(stage, 1) if number == frames else 1
            trace.spans.append(Span(stage, track, at * MS, (at + length) * MS, number))
            at += length
        trace.spans.append(Span('total', 'lane det: frames', begun * MS, at * MS, number))
    trace.sort()
    return trace


def last(trace, stage):
    return max(
        (span for span in trace.spans if span.stage == stage), key=lambda span: span.begun_ns
    )


def causes(*traces):
    join_traces(traces)
    (way,) = ways(traces)
    return explain(way.slowest[0])


def test_nothing_comes_to_nothing():
    empty = ProcessTrace('/yolo_node', 'robot', 'c', 7)
    join_traces([empty])
    assert (stage_rows([empty]), ways([empty]), cpu_waits(empty)) == ([], [], {})


def test_figures_of_stages_and_of_the_whole_way():
    trace = node(frames=9, inference=21)
    (row,) = [row for row in stage_rows([trace]) if row.stage == 'inference']
    assert row[:3] == ('/yolo_node', 'lane det', 'inference')
    assert row.figures == (9, 1.0, pytest.approx(19.4), 21.0)
    (way,) = ways([trace])
    assert (way.engine, way.total.frames, way.skipped) == ('det', 9, 0)
    assert (way.total.median_ms, way.total.worst_ms) == (5.0, 25.0)


def test_skipped_frames_are_counted_for_each_engine():
    trace = node()
    trace.spans.append(Span('skipped', 'lane det: waiting', 0, 1, 99))
    trace.spans.append(Span('skipped', 'lane pose: waiting', 0, 1, 98))
    assert ways([trace])[0].skipped == 1


def test_the_stage_that_took_longest_is_told_alone():
    assert causes(node(inference=21)) == ['21.0 ms inference, usually 1.0']


def test_two_stages_are_told_the_longer_first():
    told = causes(node(inference=6, publish=9))
    assert [text.partition(',')[0] for text in told] == [
        '9.0 ms publishing the result', '6.0 ms inference'
    ]  # fmt: skip


def test_the_collector_is_a_cause():
    trace = node(preprocess=11)
    slow = last(trace, 'preprocess')
    run = Span('collect generation 2', COLLECTOR, slow.begun_ns + MS, slow.begun_ns + 9 * MS)
    trace.spans.append(run)
    assert causes(trace) == [
        "11.0 ms preprocessing, usually 1.0: Python's garbage collector took 8.0 ms of it"
    ]


def test_a_thread_without_a_cpu_is_a_cause():
    trace = node(inference=11)
    begun = last(trace, 'inference').begun_ns / MS
    trace.threads['lane det'] = samples((begun, 100, 5, 0), (begun + 11, 103, 12.5, 300))
    (told,) = causes(trace)
    assert 'its thread waited 7.5 ms for a CPU' in told
    assert '300 page faults' in told
    assert 'slept' not in told


def test_a_thread_that_slept_is_a_cause():
    trace = node(preprocess=11)
    begun = last(trace, 'preprocess').begun_ns / MS
    trace.threads['lane det'] = samples((begun, 100, 5, 0), (begun + 11, 101, 5, 0))
    (told,) = causes(trace)
    assert told.endswith('its thread slept 10.0 ms: it waited for a lock, the interpreter or I/O')


def test_a_wait_is_for_the_frame_before():
    trace = node(wait=11)
    wait = last(trace, 'wait')
    trace.spans.append(Span('inference', 'lane det', wait.begun_ns, wait.ended_ns - MS, 5))
    (told,) = causes(trace)
    assert told == (
        '11.0 ms waiting until the engine was free, usually 1.0: inference of the frame before '
        'for 10.0 ms'
    )


def test_without_the_camera_it_is_said_how_to_see_more():
    (told,) = causes(node(transport=31))
    assert 'trace the camera node too' in told


def with_camera(trace, send=0.5):
    camera = ProcessTrace('/camera_node', 'robot', 'c', 5)
    for span in [each for each in trace.spans if each.stage == 'transport']:
        begun, ended = span.begun_ns, span.begun_ns + int(send * MS)
        camera.spans.append(Span('capture', 'camera: capture', begun, begun, span.frame))
        camera.spans.append(Span('send', 'capture', begun, ended, span.frame))
    return camera


def test_with_the_camera_the_delivery_is_told_and_what_the_node_did():
    trace = node(transport=31)
    arrival = last(trace, 'transport').ended_ns
    trace.spans += [
        Span('callback Timer publish', 'main thread', arrival - 25 * MS, arrival - 5 * MS),
        Span('callback /image', 'main thread', arrival - 2 * MS, arrival + MS),
        Span('receive', 'main thread', arrival, arrival + MS // 2, 10),
    ]
    trace.sort()
    (told,) = causes(with_camera(trace), trace)
    assert told == (
        '28.5 ms between sending and the callback, usually 0.5: the node was in another '
        'callback Timer publish for 20.0 ms'
    )
    takes = [span for span in trace.spans if span.stage == 'take']
    assert [(span.frame, span.ms) for span in takes] == [(10, 2.0)]


def test_a_camera_that_sends_slowly_is_told():
    trace = node()
    camera = with_camera(trace)
    join_traces([camera, trace])
    begun, total = (last(trace, stage) for stage in ('transport', 'total'))
    assert last(trace, 'delivery').ms == 0.5
    assert last(trace, 'delivery').ended_ns == begun.ended_ns
    (way,) = ways([camera, trace])
    stages = [part.span.stage for part in way.slowest[0].parts]
    assert stages == ['capture', 'send', 'delivery', 'wait', 'preprocess', 'inference', 'publish']
    assert sum(part.ms for part in way.slowest[0].parts) == total.ms


def test_a_camera_of_another_host_is_not_mixed_in():
    trace = node(transport=31)
    camera = with_camera(trace)
    camera.clock = 'another'
    (told,) = causes(camera, trace)
    assert 'on the way to the node' in told


def test_what_the_slowest_have_in_common():
    trace = node(frames=300, inference=21)
    (way,) = ways([trace])
    assert len(way.slowest) == 3
    assert explain_slowest(way) == 'inference (1)'


def test_threads_without_a_cpu():
    trace = node()
    trace.threads['lane det'] = samples((0, 0, 0, 0), (100, 10, 25, 0))
    assert cpu_waits(trace) == {'lane det': 0.25}
