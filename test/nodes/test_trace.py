"""`jetson-perception trace` on real nodes, and what its service refuses."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress

import pytest
from jetson_perception.srv import Trace
from nodes.support import node_process
from onnx_models import detector
from tracing.trace_format import check_document
from vision_msgs.msg import Detection2DArray

from jetson_perception.commands.main import main
from jetson_perception.nodes.yolo_node import YoloNode
from jetson_perception.ros.trace_service import EVENTS_AT_ONCE
from jetson_perception.tracing import RECORDER

ON_THE_WAY = {'receive', 'take', 'wait', 'preprocess', 'inference', 'postprocess', 'publish'}


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch):
    monkeypatch.setenv('COLUMNS', '200')
    monkeypatch.setenv('NO_COLOR', '1')


@pytest.fixture
def model(tmp_path):
    return str(detector(tmp_path / 'det.onnx', size_wh=(64, 64)))


@pytest.fixture
def graph(peer, start, model):
    """The names of a camera_node and a yolo_node that work together; and their processes."""
    camera = node_process(
        'camera_node', peer.namespace, source='scene://oranges', width=160, height=120
    )
    yolo = node_process('yolo_node', peer.namespace, engines=['det'], det__model=model)
    yolo.remappings['image'] = 'image_raw'
    processes = start(camera), start(yolo)
    results = peer.collect('det/detections', Detection2DArray)
    peer.wait_for(lambda: len(results) > 3, 'results')
    return [f'/{peer.namespace}/{name}' for name in ('camera_node', 'yolo_node')], processes


@contextmanager
def spinning(peer):
    """Another thread spins the peer meanwhile."""
    ended = threading.Event()

    def spin():
        while not ended.is_set():
            with suppress(AssertionError):
                peer.wait_for(ended.is_set, '', 0.1)

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def request(peer, node, **fields):
    return peer.call(Trace, f'/{peer.namespace}/{node}/trace', Trace.Request(**fields))


def slices(file):
    document = json.loads(file.read_text())
    check_document(document)
    return [event for event in document['traceEvents'] if event['ph'] == 'X']


def test_a_frame_is_followed_from_the_camera_to_the_result(graph, tmp_path, capsys):
    names, processes = graph
    file = tmp_path / 'trace.json'
    assert main(['trace', *names, '--seconds', '1', '-o', str(file)]) == 0
    found = slices(file)
    stages = {process.pid: {} for process in processes}
    for event in found:
        frames = stages[event['pid']].setdefault(event['name'], set())
        frames.add(event['args'].get('stamp'))
    camera, yolo = stages.values()
    assert {'capture', 'send'} <= set(camera)
    assert set(yolo) >= ON_THE_WAY | {'delivery', 'transport', 'total'}
    followed = camera['send'].intersection(*(yolo[stage] for stage in (*ON_THE_WAY, 'total')))
    assert len(followed) > 3
    events = json.loads(file.read_text())['traceEvents']
    ends = {event['id']: event['pid'] for event in events if event['ph'] == 'f'}
    across = [
        event['id'] for event in events if event['ph'] == 's' and event['pid'] != ends[event['id']]
    ]
    assert len(across) > 3
    printed = capsys.readouterr().out
    for stage in camera.keys() | yolo.keys():
        assert stage.startswith('callback') or stage in printed or stage == 'skipped'
    assert f'{names[1]} det: ' in printed
    assert 'times the median' in printed
    assert 'ran_ms' in next(each for each in found if each['name'] == 'inference')['args']


@pytest.mark.slow
def test_without_names_all_nodes_are_traced(graph, capsys):
    for _ in range(10):  # a busy machine discovers a node later than another
        assert main(['trace', '--seconds', '0.2']) == 0
        printed = capsys.readouterr()
        if all(name in printed.err for name in graph[0]):
            break
    for name in graph[0]:
        assert name in printed.err
        assert name in printed.out


@pytest.mark.slow
def test_two_traces_at_once(peer, graph, tmp_path):
    """The shorter one neither ends nor empties the longer one."""
    names, processes = graph
    command = [sys.executable, '-m', 'jetson_perception', 'trace', names[1], '--seconds']
    files = [tmp_path / 'long.json', tmp_path / 'short.json']
    longer = subprocess.Popen([*command, '2.5', '-o', files[0]])
    peer.wait_for_log(processes[1], 'recording a trace for 2.5 s')
    assert subprocess.run([*command, '0.5', '-o', files[1]], check=False).returncode == 0
    assert longer.wait(30) == 0
    spans_ms = []
    for file in files:
        ends = [event['ts'] + event['dur'] for event in slices(file) if event['name'] == 'receive']
        spans_ms.append((max(ends) - min(ends)) / 1000)
    assert spans_ms[0] > 1500 > 800 > spans_ms[1] > 100


@pytest.mark.slow
def test_a_node_that_ends_in_the_middle_leaves_the_others(peer, graph, tmp_path, capsys):
    names, (camera, _) = graph
    file = tmp_path / 'trace.json'
    results = peer.collect('det/detections', Detection2DArray)

    def end():
        peer.wait_for_log(camera, 'recording a trace')
        results.clear()
        peer.wait_for(lambda: len(results) > 2, 'results meanwhile')
        camera.end(30)

    ending = threading.Thread(target=end)
    peer.watched.remove(camera)
    ending.start()
    try:
        assert main(['trace', *names, '--seconds', '1.5', '-o', str(file)]) == 1
    finally:
        ending.join()
        peer.watched.append(camera)
    assert f'{names[0]} does not answer: it has ended' in ' '.join(capsys.readouterr().err.split())
    assert 'inference' in {event['name'] for event in slices(file)}


@pytest.mark.slow
def test_a_node_without_images(peer, start, model, capsys):
    start(node_process('yolo_node', peer.namespace, engines=['det'], det__model=model))
    name = f'/{peer.namespace}/yolo_node'
    peer.wait_for_state('yolo_node', 'active')
    assert main(['trace', name, '--seconds', '0.2']) == 0
    assert f'{name} had no frame in this time: is it active' in capsys.readouterr().out
    assert main(['trace', name, '--past']) == 1
    assert f'`ros2 param set {name} keep_trace true`' in capsys.readouterr().err


@pytest.mark.slow
def test_what_a_node_keeps_of_the_past(peer, graph, tmp_path):
    names, _ = graph
    assert peer.set_parameter(names[1], 'keep_trace', True).successful
    peer.wait_for(
        lambda: request(peer, 'yolo_node').keeps and len(request(peer, 'yolo_node').span_frame),
        'events that were kept',
    )
    file = tmp_path / 'past.json'
    assert main(['trace', names[1], '--past', '-o', str(file)]) == 0
    assert 'inference' in {event['name'] for event in slices(file)}
    assert peer.set_parameter(names[1], 'keep_trace', False).successful
    peer.wait_for(lambda: not request(peer, 'yolo_node').keeps, 'the end of it')


def test_errors_say_what_can_be_traced(peer, run, model, capsys):
    run(YoloNode, engines=['det'], det__model=model)
    with spinning(peer):
        assert main(['trace', f'/{peer.namespace}/peer']) == 1
        told = capsys.readouterr().err
        assert f'/{peer.namespace}/peer cannot be traced: it has no service' in told
        assert f'those that can be: /{peer.namespace}/yolo_node' in told


@pytest.mark.slow
def test_a_node_that_is_not_there(capsys):
    assert main(['trace', 'nobody']) == 1
    assert 'there is no node /nobody to trace; none here can be' in capsys.readouterr().err


@pytest.mark.parametrize('seconds', ['0', '-1', '61', '1e30', 'nan', 'inf'])
def test_lengths_that_cannot_be(seconds, capsys):
    assert main(['trace', f'--seconds={seconds}']) == 1
    assert 'expected more than 0 and at most 60' in capsys.readouterr().err


class TestService:
    """What anybody on the graph may ask for."""

    @pytest.fixture
    def node(self, run, peer, model):
        return run(YoloNode, engines=['det'], det__model=model)

    @pytest.fixture(autouse=True)
    def _recorder(self):
        yield
        RECORDER.until_ns = 0
        RECORDER.end_if_over(1)
        assert not RECORDER.on

    def test_huge_requests_are_refused(self, peer, node):
        for seconds in (61.0, 1e300, -1.0, math.inf, -math.inf, math.nan):
            response = request(peer, 'yolo_node', seconds=seconds)
            assert 'expected 0 to 60 s' in response.problem
            assert not RECORDER.on

    def test_a_response_is_of_limited_size(self, peer, node):
        first = request(peer, 'yolo_node', seconds=60.0).next
        for number in range(EVENTS_AT_ONCE + 10):
            RECORDER.span('a', number, number + 1, number)
        part = request(peer, 'yolo_node', first=first)
        lengths = {len(getattr(part, f'span_{name}')) for name in ('begun_ns', 'track', 'frame')}
        assert len(lengths) == 1
        assert lengths.pop() <= EVENTS_AT_ONCE
        assert not part.is_last
        rest = request(peer, 'yolo_node', first=part.next)
        assert rest.is_last
        frames = [*part.span_frame, *rest.span_frame]
        assert [frame for frame in frames if frame] == list(range(1, EVENTS_AT_ONCE + 10))

    def test_what_comes_after_the_end_is_nothing(self, peer, node):
        response = request(peer, 'yolo_node', first=(1 << 64) - 1)
        assert response.is_last
        assert len(response.span_frame) == len(response.sample_at_ns) == 0

    @pytest.mark.parametrize(
        ('fields', 'told'),
        [
            pytest.param({'span_frame': [1]}, 'columns of different lengths', id='columns'),
            pytest.param({'sample_track': [1]}, 'columns of different lengths', id='samples'),
            pytest.param(
                {
                    f'span_{name}': [1]
                    for name in ('begun_ns', 'ended_ns', 'frame', 'track', 'stage')
                },
                'without a name',
                id='names',
            ),
            pytest.param({'is_last': False}, 'parts without end', id='endless'),
            pytest.param(
                {'problem': 'no \x1b[31mway'}, r'records nothing: no \x1b[31mway', id='no'
            ),
        ],
    )
    def test_a_node_that_answers_nonsense(self, peer, fields, told, capsys):
        def answer(_request, response):
            response.is_last = True
            for name, value in fields.items():
                setattr(response, name, value)
            return response

        service = peer.node.create_service(Trace, 'liar/trace', answer)
        with spinning(peer):
            assert main(['trace', f'/{peer.namespace}/liar', '--seconds', '0.05']) == 1
        peer.node.destroy_service(service)
        assert told in capsys.readouterr().err
