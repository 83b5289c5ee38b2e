"""The report of a measured graph, on terminals of several widths."""

import copy

import pytest
from rich.console import Console

from jetson_perception.benchmark.graph.report import print_graph_report

RUN = {
    'asked_hz': 30.0, 'sent_hz': 30.01, 'senders': 1, 'sent': 150, 'answered': 150, 'loss': 0.0,
    'answers_hz': 30.02, 'median_ms': 5.42, 'p90_ms': 7.0, 'p99_ms': 9.13, 'max_ms': 11.5,
    'jitter_ms': 1.25, 'repeated': 0, 'foreign': 0, 'limited_by_sender': False,
    'usage': {'cpu_percent': 21.4, 'rss_mb': 180.2, 'pss_mb': 150.3, 'gpu_mb': None},
}  # fmt: skip
LOSING = {
    **RUN, 'asked_hz': 200.0, 'answered': 75, 'loss': 0.5, 'usage': None, 'jitter_ms': None
}  # fmt: skip
RECORD = {
    'machine': {
        'processor': 'AMD EPYC', 'cores': 2, 'python': '3.11.7', 'onnxruntime': '1.31.1',
        'ros': 'jazzy', 'rmw': 'rmw_fastrtps_cpp',
    },
    'settings': {
        'images': '/camera/[b]image_raw', 'answers': '/det/detections', 'reliable': False,
        'answer_type': 'vision_msgs/msg/Detection2DArray',
    },
    'picture': {'width': 1280, 'height': 720, 'encoding': 'bgr8', 'bytes': 2764800},
    'graph': {'taken_by': [{'node': '/yolo_node'}], 'answered_by': [{'node': '/yolo_node'}] * 2},
    'processes': [{'pid': 4711}],
    'rates': [RUN, LOSING],
    'highest': {'run': {**RUN, 'asked_hz': 104.2}, 'limited_by_sender': False, 'probes': [RUN]},
    'notes': ['something is to be known'],
}  # fmt: skip


@pytest.fixture
def printed(capsys):
    def lines(record, columns=100):
        print_graph_report(Console(width=columns, color_system=None), record)
        return capsys.readouterr().out.splitlines()

    return lines


def row(lines, label):
    """Cells of the rows with this label, of all tables."""
    found = [line for line in lines if line.startswith(f'│ {label} ')]
    return [cell.strip() for line in found for cell in line.strip('│').split('│')[1:]]


def test_everything_is_said(printed):
    lines = printed(RECORD)
    text = '\n'.join(lines)
    for part in (
        'AMD EPYC, 2 cores', 'ROS 2 jazzy, rmw_fastrtps_cpp', '/camera/[b]image_raw: 1280×720',
        'best effort, taken by /yolo_node', 'by /yolo_node (process 4711)', '30 Hz', '200 Hz',
        'Highest rate with a loss of less than 5 %: 30.0 answers a second.',
        'Something is to be known.',
    ):  # fmt: skip
        assert part in text
    assert row(lines, 'lost') == ['0', '50.0 %', '0']
    assert row(lines, 'latency, median') == ['5.42 ms'] * 3
    assert row(lines, 'jitter') == ['1.25 ms', '–', '1.25 ms']
    assert row(lines, 'CPU') == ['21 %', '–', '21 %']
    assert row(lines, 'of the GPU') == []


@pytest.mark.parametrize('columns', [40, 60, 80])
def test_it_fits_into_narrow_terminals(printed, columns):
    lines = printed(RECORD, columns)
    assert max(map(len, lines)) <= columns
    assert row(lines, 'lost') == ['0', '50.0 %', '0']


def test_the_sender_was_the_limit(printed):
    record = copy.deepcopy(RECORD)
    record['rates'][0] |= {'limited_by_sender': True, 'senders': 3, 'sent_hz': 21.0}
    record['highest']['limited_by_sender'] = True
    text = '\n'.join(printed(record, 200))
    assert 'At 30 Hz the sender was the limit: 3 processes sent 21.0 images a second.' in text
    assert 'The sender was the limit, with 1 process: the graph may keep up with more.' in text


def test_no_rate_passed(printed):
    lines = printed({**RECORD, 'highest': {**RECORD['highest'], 'run': None}})
    assert 'No rate down to 30 Hz had a loss of less than 5 %.' in lines


def test_without_search_and_without_rates(printed):
    assert 'Highest' not in '\n'.join(printed({**RECORD, 'highest': None}))
    assert row(printed({**RECORD, 'rates': []}), 'lost') == ['0']
