"""The file for viewers, field by field."""

import json

import numpy as np
import pytest
from tracing.trace_format import check_document

from jetson_perception.tracing.recorder import SAMPLE_TYPE
from jetson_perception.tracing.trace_file import trace_document
from jetson_perception.tracing.traces import ProcessTrace, Span, ThreadSamples

STAMP = 1_764_369_407_123_456_789
MS = 1_000_000


def process(*spans, name='/yolo_node', host='robot', clock='c', pid=7, threads=None):
    trace = ProcessTrace(name, host, clock, pid, list(spans), threads or {})
    trace.sort()
    return trace


def span(stage, track, begun_ms, ended_ms, frame=STAMP):
    return Span(stage, track, int((100 + begun_ms) * MS), int((100 + ended_ms) * MS), frame)


def document(*traces):
    made = json.loads(json.dumps(trace_document(traces)))
    check_document(made)
    return made


def slices(made):
    return [event for event in made['traceEvents'] if event['ph'] == 'X']


def arrows(made):
    return [event for event in made['traceEvents'] if event['ph'] in 'stf']


def row_names(made):
    return [
        event['args']['name'] for event in made['traceEvents'] if event['name'] == 'thread_name'
    ]


@pytest.mark.parametrize('traces', [(), (process(),)], ids=['no_process', 'no_span'])
def test_nothing(traces):
    assert slices(document(*traces)) == []


def test_a_slice_has_time_place_and_frame():
    made = document(process(span('inference', 'lane det', 0, 1.5)))
    (event,) = slices(made)
    assert event == {
        'ph': 'X',
        'name': 'inference',
        'cat': 'frame',
        'pid': 7,
        'tid': 1,
        'ts': 0.0,
        'dur': 1500.0,
        'args': {'frame': 1, 'stamp': '1764369407.123456789'},
    }
    assert arrows(made) == []


def test_nanoseconds_survive():
    made = document(process(Span('a', 't', 1, 2_000_000_000_123_456_789, 0)))
    assert slices(made)[0]['dur'] == pytest.approx(2_000_000_000_123_456.788)


def test_a_frame_is_followed_from_process_to_process():
    camera = process(span('send', 'capture', 0, 3), name='/camera_node', pid=5)
    node = process(
        span('total', 'lane det: frames', 0, 9),
        span('preprocess', 'lane det', 4, 5),
        span('inference', 'lane det', 5, 9),
        span('callback Timer', 'main thread', 4, 5, frame=0),
    )
    made = document(camera, node)
    assert [(event['ph'], event['pid'], event['ts']) for event in arrows(made)] == [
        ('s', 5, 0.0),
        ('t', 7, 4000.0),
        ('f', 7, 5000.0),
    ]
    assert {event['id'] for event in arrows(made)} == {1}
    assert [event['cat'] for event in slices(made)].count('process') == 1


def test_what_overlaps_goes_into_rows():
    made = document(
        process(
            span('wait', 'lane det: waiting', 0, 5),
            span('wait', 'lane det: waiting', 2, 7, STAMP + 1),
            span('wait', 'lane det: waiting', 5, 9, STAMP + 2),
        )
    )
    assert row_names(made) == ['lane det: waiting', 'lane det: waiting (2)']
    assert [event['tid'] for event in slices(made)] == [1, 1, 2]


def test_what_contains_others_stays_in_their_row():
    made = document(
        process(
            span('send', 'capture', 0, 5), span('publish', 'capture', 0, 7), span('a', 'b', 0, 0)
        )
    )
    assert row_names(made) == ['capture', 'b']


def test_frames_are_numbered_by_their_beginning():
    made = document(
        process(span('a', 't', 5, 6, STAMP)), process(span('a', 't', 1, 2, STAMP + 5), pid=8)
    )
    assert [(event['pid'], event['args']['frame']) for event in slices(made)] == [(7, 2), (8, 1)]


def test_frames_without_stamps_are_not_mixed_up():
    made = document(
        process(span('a', 't', 0, 1, -1), span('b', 't', 1, 2, -1)),
        process(span('a', 't', 5, 6, -1), pid=8),
    )
    assert [event['args'] for event in slices(made)] == [{'frame': 1}, {'frame': 1}, {'frame': 2}]
    assert {event['pid'] for event in arrows(made)} == {7}


def test_hosts_are_not_compared():
    """Each begins at 0, and no arrow leads from one to the other."""
    here = process(span('send', 'capture', 0, 1))
    there = process(span('wait', 'lane det', 7000, 7001), host='laptop', clock='d')
    made = document(here, there)
    assert [event['ts'] for event in slices(made)] == [0.0, 0.0]
    assert arrows(made) == []
    # Containers may number processes alike.
    assert len({event['pid'] for event in slices(made)}) == 2


def test_what_a_thread_had_is_told():
    samples = np.zeros(2, SAMPLE_TYPE)
    samples['at_ns'] = 100 * MS, 104 * MS
    samples['ran_ns'] = 5 * MS, 6 * MS
    samples['waited_ns'] = 0, 2 * MS
    samples['faults'] = 10, 30
    samples['preempted'] = 1, 4
    threads = {'lane det': ThreadSamples(samples)}
    made = document(process(span('inference', 'lane det', 0, 4), threads=threads))
    assert slices(made)[0]['args'] == {
        'frame': 1,
        'stamp': '1764369407.123456789',
        'ran_ms': 1.0,
        'waited_for_cpu_ms': 2.0,
        'page_faults': 20,
        'preempted': 3,
    }
