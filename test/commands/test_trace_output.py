import io

import pytest
from rich.console import Console

from jetson_perception.commands.trace_output import print_summary
from jetson_perception.tracing.traces import ProcessTrace, Span


def a_trace(name, track):
    trace = ProcessTrace(name, 'robot', 'c', 7)
    trace.spans += [
        Span('inference', track, 0, 1_000_000, 1),
        Span('postprocess', f'{track}: publishing', 0, 2_000_000, 1),
    ]
    return trace


def printed(traces, width):
    console = Console(file=io.StringIO(), width=width)
    print_summary(console, traces)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize('width', [40, 80, 200])
@pytest.mark.parametrize(
    ('name', 'track'),
    [
        pytest.param('/yolo/yolo_node', 'lane det', id='usual'),
        pytest.param(f'/{"robot_1/front/" * 9}yolo_node', 'lane people_and_boxes', id='long'),
    ],
)
def test_no_name_is_broken(name, track, width):
    lines = printed([a_trace(name, track)], width)
    assert name in lines
    cells = [[cell.strip() for cell in line.split('│')] for line in lines]
    assert ['', track, 'inference', '1', '1.00', '1.00', '1.00', ''] in cells
    assert ['', f'{track}: publishing', 'postprocess', '1', '2.00', '2.00', '2.00', ''] in cells


def test_usual_tracks_fit_a_terminal_of_80_columns():
    lines = printed([a_trace('/yolo/camera/camera_node', 'lane det')], 80)
    assert max(len(line) for line in lines if line[0] in '┏┃┡│└') <= 80


def test_each_node_has_its_own_table():
    lines = printed([a_trace('/a', 'lane det'), a_trace('/b', 'lane det')], 80)
    assert [line for line in lines if line in ('/a', '/b')] == ['/a', '/b']
    assert sum(line.startswith('┏') for line in lines) == 2
