"""`jetson-perception bench --ros` on real nodes: ours, and a stand-in for a peer's."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from nodes.support import BEST_EFFORT, node_process
from onnx_models import detector
from sensor_msgs.msg import Image

from jetson_perception.benchmark.graph.usage import command_of, exists, with_children
from jetson_perception.commands.main import main
from jetson_perception.images.picture_files import write_picture

PEER = Path(__file__).parent / 'answering_node.py'
QUICK = ['--seconds', '1', '--size', '320x240']


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch):
    monkeypatch.setenv('COLUMNS', '120')
    monkeypatch.setenv('NO_COLOR', '1')


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / 'picture.png'
    write_picture(path, np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8))
    return str(path)


@pytest.fixture
def peers_node(peer):
    """Starts the stand-in for a peer's node; its topics are in the peer's namespace."""
    processes = []

    def start(milliseconds=0, stamp='copied'):
        topics = [f'/{peer.namespace}/image', f'/{peer.namespace}/answers']
        process = subprocess.Popen([sys.executable, PEER, *topics, str(milliseconds), stamp])
        processes.append(process)
        return process, topics

    yield start
    for process in processes:
        process.send_signal(signal.SIGINT)
        process.wait()


def bench(topics, picture, *options):
    return ['bench', '--ros', *topics, '--images', picture, *QUICK, *options]


@pytest.mark.alone
def test_our_node(peer, start, picture, tmp_path, capsys):
    process = node_process('yolo_node', peer.namespace, engines=['det'])
    process.parameters['det.model'] = str(detector(tmp_path / 'det.onnx', size_wh=(64, 64)))
    node = start(process)
    topics = [f'{peer.namespace}/image', f'{peer.namespace}/det/detections']
    file = tmp_path / 'out.json'
    options = ['--rates', '20', '40', '--no-search', '--json', str(file)]
    assert main(bench(topics, picture, *options)) == 0
    printed = capsys.readouterr().out
    record = json.loads(file.read_text())
    assert [run['asked_hz'] for run in record['rates']] == [20, 40]
    for run in record['rates']:
        assert run['answered'] > 0
        assert 0 < run['median_ms'] <= run['p90_ms'] <= run['p99_ms'] <= run['max_ms']
        assert run['usage']['rss_mb'] > run['usage']['pss_mb'] > 10
        assert f'{run["answers_hz"]:.1f}' in printed
    assert [each['pid'] for each in record['processes']] == [node.pid]
    assert 'yolo_node' in record['processes'][0]['command']
    assert record['picture'] | {'sha256': ''} == {
        'width': 320, 'height': 240, 'encoding': 'bgr8', 'bytes': 230400, 'sha256': ''
    }  # fmt: skip
    assert re.fullmatch('[0-9a-f]{64}', record['picture']['sha256'])
    assert record['settings']['answer_type'] == 'vision_msgs/msg/Detection2DArray'
    assert record['graph']['taken_by'][0]['node'] == f'/{peer.namespace}/yolo_node'
    assert record['variables']['ROS_DOMAIN_ID'] == os.environ['ROS_DOMAIN_ID']
    assert record['highest'] is None
    assert not [note for note in record['notes'] if 'other programs' not in note]


@pytest.mark.alone
@pytest.mark.slow
def test_compressed_images_where_those_are_taken(peer, start, picture, tmp_path):
    process = node_process(
        'yolo_node', peer.namespace, engines=['det'], image_transport='compressed'
    )
    process.parameters['det.model'] = str(detector(tmp_path / 'det.onnx', size_wh=(64, 64)))
    start(process)
    topics = [f'{peer.namespace}/image/compressed', f'{peer.namespace}/det/detections']
    file = tmp_path / 'out.json'
    options = ['--rates', '10', '--no-search', '--json', str(file)]
    assert main(bench(topics, picture, *options)) == 0
    record = json.loads(file.read_text())
    assert record['picture']['encoding'] == 'jpeg'
    assert record['rates'][0]['answered'] > 0


@pytest.mark.alone
@pytest.mark.slow
def test_highest_rate_of_a_node_that_takes_its_time(peers_node, picture, tmp_path, capsys):
    """30 ms an image: 33 a second are the most; a busy machine takes longer."""
    process, topics = peers_node(milliseconds=30)
    file = tmp_path / 'out.json'
    options = ['--reliable', '--rates', '10', '--pid', str(process.pid), '--json', str(file)]
    assert main(bench(topics, picture, *options)) == 0
    highest = json.loads(file.read_text())['highest']
    assert not highest['limited_by_sender']
    assert 5 < highest['run']['answers_hz'] < 35
    assert highest['run']['loss'] < 0.05
    assert any(probe['loss'] >= 0.05 for probe in highest['probes'])
    assert 'Highest rate with a loss of less than 5 %' in capsys.readouterr().out


@pytest.mark.alone
@pytest.mark.slow
def test_another_camera_on_the_topic_is_told(peer, peers_node, picture, tmp_path):
    _, topics = peers_node()
    peer.node.create_publisher(Image, 'image', BEST_EFFORT)
    file = tmp_path / 'out.json'
    options = ['--reliable', '--rates', '10', '--no-search', '--json', str(file)]
    assert main(bench(topics, picture, *options)) == 0
    notes = ' '.join(json.loads(file.read_text())['notes'])
    assert f'also come from /{peer.namespace}/peer' in notes


class TestRefused:
    def error(self, capsys, argv):
        assert main([*argv, '--patience', '4']) == 1
        return capsys.readouterr().err.splitlines()[-1]

    @pytest.mark.slow
    def test_nobody_takes_images(self, picture, capsys):
        argv = bench(['/nowhere/image', '/nowhere/answers'], picture)
        assert 'nobody subscribes to /nowhere/image' in self.error(capsys, argv)

    @pytest.mark.slow
    def test_best_effort_images_for_who_takes_reliable_ones_alone(
        self, peers_node, picture, capsys
    ):
        _, topics = peers_node()
        said = self.error(capsys, bench(topics, picture))
        assert said.endswith(f'/peers_node takes only reliable images on {topics[0]}: '
                             'send such, by --reliable')  # fmt: skip

    @pytest.mark.slow
    def test_another_topic_of_answers(self, peers_node, picture, capsys):
        _, topics = peers_node()
        said = self.error(capsys, bench([topics[0], '/else'], picture, '--reliable'))
        assert 'nobody publishes /else; the images are taken by 1 node' in said
        assert topics[1] in said

    @pytest.mark.slow
    def test_answers_of_another_type(self, peers_node, picture, capsys):
        _, topics = peers_node()
        argv = bench(topics, picture, '--reliable', '--answer-type', 'sensor_msgs/Image')
        assert f'{topics[1]} has sensor_msgs/msg/CameraInfo, not' in self.error(capsys, argv)

    @pytest.mark.slow
    def test_answers_without_a_header(self, peers_node, picture, capsys):
        _, topics = peers_node(stamp='headless')
        said = self.error(capsys, bench(topics, picture, '--reliable'))
        assert 'std_msgs/msg/String have no header' in said

    @pytest.mark.slow
    def test_answers_with_stamps_of_their_own(self, peers_node, picture, capsys):
        _, topics = peers_node(stamp='anew')
        said = self.error(capsys, bench(topics, picture, '--reliable'))
        assert 'none with the stamp of an image' in said

    @pytest.mark.parametrize(
        ('options', 'text'),
        [
            pytest.param(['people_detect'], 'a model is given beside --ros', id='model'),
            pytest.param(['--draw'], '--draw is given beside --ros', id='draw'),
            pytest.param(['--rates', '0'], 'a rate is 0', id='rate'),
            pytest.param(['--seconds', '0'], 'seconds is 0', id='seconds'),
            pytest.param(['--size', '64x64', '32x32'], '--size has 2 sizes', id='sizes'),
            pytest.param(['--pid', '999999999'], 'no process 999999999', id='process'),
        ],
    )
    def test_options(self, options, text, capsys):
        assert main(['bench', '--ros', '/a', '/b', *options]) == 1
        assert text in capsys.readouterr().err

    @pytest.mark.parametrize('name', ['/a b', '', '/a//b', '/1a', '/caf\u00e9'])
    def test_names_of_topics(self, name, capsys):
        assert main(['bench', '--ros', name, '/b']) == 1
        assert 'is no name of a topic' in capsys.readouterr().err


def test_options_of_a_graph_without_one(capsys):
    assert main(['bench', 'people_detect', '--rates', '30']) == 1
    assert '--rates is for a running graph' in capsys.readouterr().err
    assert main(['bench']) == 1
    assert 'no model is named' in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_ends_it_and_its_senders(peers_node, picture):
    _, topics = peers_node()
    command = bench(topics, picture, '--reliable', '--seconds', '600')
    with subprocess.Popen(
        [sys.executable, '-m', 'jetson_perception', *command], stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr:
            if '30 Hz for 600 s' in line:
                break
        senders = [
            pid for pid in with_children([process.pid]) if 'sender_process' in command_of(pid)
        ]
        assert senders
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert 'Traceback' not in rest
    deadline = time.monotonic() + 10
    while any(map(exists, senders)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(exists, senders))
