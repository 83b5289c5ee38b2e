"""The live view: a real server, in front of real nodes, asked as browsers ask."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import closing

import cv2
import numpy as np
import pytest
from jetson_perception.msg import PipelineStats
from nodes.support import (
    BEST_EFFORT,
    DEADLINE_S,
    Peer,
    image_message,
    log_lines,
    node_process,
    starter,
    unique_header,
    wait_for_exit,
)
from onnx_models import color_segmentation, detector
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from jetson_perception.bringup import NodeProcess
from jetson_perception.ros import qos
from jetson_perception.ros.image_messages import jpeg_message, stamp_ns

aiohttp = pytest.importorskip('aiohttp')

from nodes.browser import Browser  # noqa: E402 - which needs aiohttp

ENDED_S = 3.0


def started_view(peer, start, *arguments):
    """Start the live view; returns its process and address."""
    process = start(NodeProcess('view', arguments=('--port', '0', *arguments)))
    line = peer.wait_for_log(process, 'the live view is at http://')
    return process, f'http://127.0.0.1:{re.search(r":([0-9]+)/", line)[1]}'


@pytest.fixture
def view(peer, start):
    """A function that starts a live view of the test's own."""
    return lambda *arguments: started_view(peer, start, *arguments)


@pytest.fixture(scope='module')
def url(tmp_path_factory):
    """Where a view of this machine alone is, which the tests share."""
    with (
        closing(Peer(name='peer_of_view')) as own_peer,
        starter(own_peer, tmp_path_factory.mktemp('view')) as start,
    ):
        yield started_view(own_peer, start)[1]


@pytest.fixture
def browser(url):
    """A browser in front of it."""
    with closing(Browser(url)) as made:
        yield made


def jpeg(value):
    return jpeg_message(np.full((48, 64, 3), value, np.uint8), unique_header())


def huge_jpeg():
    """A file of a few hundred bytes that claims more than four gigapixels."""
    data = bytes(jpeg(0).data)
    at = data.index(b'\xff\xc0') + 5
    return data[:at] + struct.pack('>HH', 65500, 65500) + data[at + 4 :]


def noise_jpeg(number):
    """Some 100 kB, which the sockets of a few seconds cannot hold; how bright it is says which."""
    pixels = np.random.default_rng(number).integers(0, 100, (400, 400, 3), np.uint8)
    return jpeg_message(pixels + np.uint8(2 * number), Header(frame_id=str(number)))


def number_of(data):
    """Which `noise_jpeg` a file shows, however it was reduced."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return round((pixels.mean() - 49.5) / 2)


def is_answered(browser, path):
    status, headers, _ = browser.ask(path)
    assert headers['X-Content-Type-Options'] == 'nosniff'
    policy = headers['Content-Security-Policy']
    assert "default-src 'none'" in policy
    assert 'unsafe' not in policy
    return status == 200


class TestPage:
    def test_all_that_it_loads_is_there_and_from_here(self, browser):
        assert is_answered(browser, '/')
        _, headers, text = browser.ask('/')
        assert headers['Content-Type'] == 'text/html; charset=utf-8'
        left, seen = re.findall(r'(?:href|src)="(/[^"]+)"', text), set()
        while left:
            path = left.pop()
            if path not in seen:
                seen.add(path)
                assert is_answered(browser, path), path
                _, _, text = browser.ask(path)
                assert not re.search(r'innerHTML|\beval\(|https?://(?!www\.w3\.org/)', text), path
                left += [f'/files/{name}' for name in re.findall(r"from '\./([^']+)'", text)]
        assert {'/files/view.js', '/files/charts.js', '/files/style.css'} <= seen

    @pytest.mark.parametrize(
        'path', ['/files/../server.py', '/files/%2e%2e%2fserver.py', '/none', '/files/'], ids=str
    )
    def test_nothing_else_is(self, browser, path):
        assert browser.ask(path)[0] == 404


class TestRefused:
    @pytest.mark.parametrize(
        ('path', 'headers'),
        [
            pytest.param('/', {'Host': 'evil.example'}, id='host_of_others'),
            pytest.param('/parameters', {'Host': ''}, id='no_host'),
            pytest.param('/state', {'Upgrade': 'websocket'}, id='socket_without_origin'),
            pytest.param(
                '/parameters', {'Sec-Fetch-Site': 'cross-site'}, id='asked_by_another_site'
            ),
        ],
    )
    def test_what_another_site_could_ask(self, browser, path, headers):
        assert browser.ask(path, headers=headers)[0] == 403

    @pytest.mark.parametrize('origin', [None, 'null', 'http://evil.example'])
    def test_changes_and_sockets_of_others(self, browser, origin):
        headers = {} if origin is None else {'Origin': origin}
        body = {'node': '/a', 'name': 'score_threshold', 'value': 0.5}
        assert browser.ask('/parameters', 'POST', json=body, headers=headers)[0] == 403
        for path in ('/state', '/pictures?topic=/a'):
            with pytest.raises(aiohttp.WSServerHandshakeError) as error:
                browser.socket(path, headers=headers)
            assert error.value.status == 403

    @pytest.mark.parametrize(
        ('body', 'status'),
        [
            pytest.param(b'', 400, id='empty'),
            pytest.param(b'[' * 20000, 400, id='deep'),
            pytest.param(b'[1]', 400, id='list'),
            pytest.param(b'{"node": 1, "name": "classes", "value": []}', 400, id='no_texts'),
            pytest.param(b'"' + b'x' * 100_000 + b'"', 413, id='large'),
            pytest.param(b'\xff\xfe', 400, id='not_utf8'),
            pytest.param(b'{"node": "/none", "name": "classes", "value": []}', 422, id='no_node'),
        ],
    )
    def test_bodies(self, browser, body, status):
        headers = {'Origin': browser.url}
        assert browser.ask('/parameters', 'POST', data=body, headers=headers)[0] == status

    def test_streams_that_there_are_not(self, browser):
        for topic in ('', '/none', '/rosout', '../x\x00'):
            assert browser.ask('/mjpeg', params={'topic': topic})[0] == 404


class TestPictures:
    def test_jpegs_are_passed_on_while_somebody_looks(self, peer, browser):
        """As they are, once for all who look, and with nothing subscribed otherwise."""
        publisher = peer.image_publisher('annotated/compressed', CompressedImage)
        state = browser.socket('/state')
        topic = f'/{peer.namespace}/annotated'
        browser.state_where(state, lambda told: topic in told['streams'])
        assert publisher.get_subscription_count() == 0

        streams = [browser.mjpeg(topic) for _ in range(2)]
        peer.wait_for_subscriber(publisher)
        sent = jpeg(80)
        publisher.publish(sent)
        for stream in streams:
            head, data = browser.part(stream)
            assert head['Content-Type'] == 'image/jpeg'
            assert data == bytes(sent.data)
        assert publisher.get_subscription_count() == 1
        for stream in streams:
            browser.end(stream)
        peer.wait_for(lambda: publisher.get_subscription_count() == 0, 'nobody to look')

    def test_a_stream_ends_with_its_publisher(self, peer, browser):
        """Whoever watches it, and also where somebody only listens."""
        publisher = peer.image_publisher('annotated/compressed', CompressedImage, qos.RESULTS)
        topic = f'/{peer.namespace}/annotated'
        state = browser.socket('/state')
        browser.state_where(state, lambda told: topic in told['streams'])
        stream = browser.mjpeg(topic)
        peer.wait_for_subscriber(publisher)
        peer.node.destroy_publisher(publisher)
        browser.state_where(state, lambda told: topic not in told['streams'])
        browser.end(stream)
        browser.run(state.close())

    @pytest.mark.parametrize('again', ['raw', 'best_effort'])
    def test_a_publisher_that_comes_back_otherwise_is_heard(self, peer, browser, again):
        publisher = peer.image_publisher('annotated/compressed', CompressedImage, qos.RESULTS)
        peer.wait_for(lambda: self.is_listed(peer, browser), 'the stream')
        stream = browser.mjpeg(f'/{peer.namespace}/annotated')
        peer.wait_for_subscriber(publisher)
        peer.node.destroy_publisher(publisher)
        if again == 'raw':
            publisher = peer.image_publisher('annotated', Image)
            sent = image_message(np.full((48, 64, 3), 9, np.uint8))
        else:
            publisher = peer.image_publisher('annotated/compressed', CompressedImage, BEST_EFFORT)
            sent = jpeg(9)
        peer.wait_for_subscriber(publisher)
        for _ in range(20):  # of which best effort may lose the first
            publisher.publish(sent)
            peer.listen_once(0.02)
        pixels = cv2.imdecode(
            np.frombuffer(browser.part(stream)[1], np.uint8), cv2.IMREAD_GRAYSCALE
        )
        assert pixels.mean() == pytest.approx(9, abs=1)
        browser.end(stream)

    def test_what_is_no_picture_is_not_passed_on(self, peer, browser):
        publisher = peer.image_publisher('annotated/compressed', CompressedImage, qos.RESULTS)
        peer.wait_for(lambda: self.is_listed(peer, browser), 'the stream')
        stream = browser.mjpeg(f'/{peer.namespace}/annotated')
        peer.wait_for_subscriber(publisher)
        publisher.publish(CompressedImage(format='jpeg', data=b'<script>'))
        publisher.publish(CompressedImage(format='jpeg'))
        publisher.publish(CompressedImage(format='jpeg', data=huge_jpeg()))
        sent = jpeg(10)
        publisher.publish(sent)
        assert browser.part(stream)[1] == bytes(sent.data)

    @staticmethod
    def is_listed(peer, browser):
        with closing_socket(browser, '/state') as state:
            told = browser.state_where(state, lambda _: True)
        return f'/{peer.namespace}/annotated' in told['streams']

    def test_raw_images_are_encoded(self, peer, browser):
        publisher = peer.image_publisher('annotated', Image)
        peer.wait_for(lambda: self.is_listed(peer, browser), 'the stream')
        stream = browser.mjpeg(f'/{peer.namespace}/annotated')
        peer.wait_for_subscriber(publisher)
        publisher.publish(Image(encoding='bgr8', width=5, height=5, data=b'short'))
        publisher.publish(image_message(np.full((48, 64, 3), (0, 0, 200), np.uint8)))
        _, data = browser.part(stream)
        shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert shown.shape == (48, 64, 3)
        assert np.abs(shown.astype(int) - (0, 0, 200)).max() < 8

    @pytest.mark.parametrize('kind', ['mjpeg', 'socket'])
    def test_a_slow_viewer_slows_nobody_and_gets_the_newest(self, peer, browser, kind):
        publisher = peer.image_publisher('annotated/compressed', CompressedImage, qos.RESULTS)
        peer.wait_for(lambda: self.is_listed(peer, browser), 'the stream')
        topic = f'/{peer.namespace}/annotated'
        slow = browser.mjpeg(topic) if kind == 'mjpeg' else None
        slow_socket = browser.socket(f'/pictures?topic={topic}') if kind == 'socket' else None
        fast = browser.mjpeg(topic)
        peer.wait_for_subscriber(publisher)
        count = 60
        pictures = [noise_jpeg(seed) for seed in range(count)]
        for picture in pictures:
            publisher.publish(picture)
            assert browser.part(fast)[1] == bytes(picture.data)
        if slow is not None:
            got = [number_of(browser.part(slow)[1])]
            while got[-1] < count - 1:
                got.append(number_of(browser.part(slow)[1]))
            assert len(got) < count  # more would not have fitted into the sockets
        else:
            got = [number_of(browser.run(slow_socket.receive_bytes())) for _ in range(2)]
            assert got == [0, 1]  # under way before anything was asked for
            browser.run(slow_socket.send_str('next'))
            assert number_of(browser.run(slow_socket.receive_bytes())) == count - 1
        assert got == sorted(got)


class TestState:
    def test_of_a_running_node(self, peer, start, browser, tmp_path):
        """A real camera_node and seg_node: figures, class ratios and diagnostics in words."""
        model = str(color_segmentation(tmp_path / 'colors.onnx'))
        cv2.imwrite(str(tmp_path / 'picture.png'), np.full((48, 64, 3), 200, np.uint8))
        name = peer.namespace
        remapped = node_process('seg_node', name, model=model)
        remapped.remappings['image'] = f'/{name}/camera/image_raw'
        start(remapped)
        start(
            node_process(
                'camera_node',
                f'{name}/camera',
                source=f'images://{tmp_path}',
                loop=True,
                frame_rate=10.0,
            )
        )
        state = browser.socket('/state')
        told = browser.state_where(
            state,
            lambda told: (
                told['areas']
                and any(one['engine'] == f'/{name}' and one['rate'] for one in told['engines'])
                and any(one['name'] == f'/{name}/seg_node' for one in told['diagnostics'])
            ),
        )
        assert told['areas'][0]['engine'] == f'/{name}'
        assert sum(one['ratio'] for one in told['areas'][0]['classes']) == pytest.approx(1)
        engine = next(one for one in told['engines'] if one['engine'] == f'/{name}')
        assert 'total' in {stage['name'] for stage in engine['stages']}

        stream = browser.mjpeg(f'/{name}/annotated')
        data = np.frombuffer(browser.part(stream)[1], np.uint8)
        assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (48, 64, 3)
        browser.end(stream)

        browser.run(state.close())
        summaries = f'/{name}/summary'
        peer.wait_for(
            lambda: peer.node.count_subscribers(summaries) == 0, 'nobody to follow the state'
        )

    def test_messages_that_cannot_be_read_keep_none_from_those_that_can(self, peer, view):
        process, url = view()
        damaged, whole = (
            peer.node.create_publisher(PipelineStats, f'/{peer.namespace}/{name}/stats', 10)
            for name in ('damaged', 'whole')
        )
        with closing(Browser(url)) as browser:
            state = browser.socket('/state')
            for publisher in (damaged, whole):
                peer.wait_for_subscriber(publisher)
            whole.publish(PipelineStats(engine='whole'))
            damaged.publish(b'\x00\x01\x00\x00\xff\xff')
            engine = f'/{peer.namespace}/whole'
            browser.state_where(
                state, lambda told: engine in [one['engine'] for one in told['engines']]
            )
            peer.wait_for_log(process, 'damaged/stats cannot be read')
            browser.run(state.close())
        assert not log_lines(process, r'\[(ERROR|FATAL)\]')


def test_systemd_hears_that_it_is_well(peer, start, systemd):
    """Else it would end the view, and start it again, for ever."""
    systemd.settimeout(DEADLINE_S)
    start(NodeProcess('view', arguments=('--port', '0')))
    for _ in range(2):
        ready, status, watchdog = systemd.recv(1000).decode().splitlines()
        assert (ready, watchdog) == ('READY=1', 'WATCHDOG=1')
        assert status.startswith('STATUS=the live view is at http://127.0.0.1:')


class TestParameters:
    def test_thresholds_and_classes_are_set(self, peer, start, browser, tmp_path):
        model = detector(tmp_path / 'detector.onnx')
        name = f'/{peer.namespace}/yolo_node'
        start(node_process('yolo_node', peer.namespace, det__model=str(model)))
        state = browser.socket('/state')  # by which the names of classes are followed

        def offered():
            _, _, text = browser.ask('/parameters')
            found = {one['name']: one for one in json.loads(text) if one['node'] == name}
            return found if found.get('det.classes', {}).get('choices') else None

        found = peer.wait_for(offered, 'the classes')
        assert not state.closed
        thresholds = {'det.score_threshold', 'det.iou_threshold'}
        assert set(found) == {'det.classes', 'det.enable', *thresholds}
        assert (found['det.enable']['kind'], found['det.enable']['value']) == ('switch', True)
        score = found['det.score_threshold']
        assert (score['kind'], score['value'], score['from'], score['to']) == (
            ('number', 0.25, 0.0, 1.0)
        )

        assert browser.set_parameter(name, 'det.score_threshold', 0.5)[0] == 200
        assert browser.set_parameter(name, 'det.iou_threshold', 1)[0] == 200
        chosen = found['det.classes']['choices'][:1]
        assert browser.set_parameter(name, 'det.classes', chosen)[0] == 200
        assert peer.get_parameter('yolo_node', 'det.score_threshold') == 0.5
        assert browser.set_parameter(name, 'det.enable', False)[0] == 200
        assert peer.get_parameter('yolo_node', 'det.enable') is False
        assert list(peer.get_parameter('yolo_node', 'det.classes')) == chosen

        for parameter, value, told in (
            ('det.score_threshold', 2.0, 'refuses det.score_threshold'),
            ('det.score_threshold', '0.5', 'has to be a number'),
            ('det.enable', 1, 'has to be true or false'),
            ('det.score_threshold', True, 'has to be a number'),
            ('det.classes', ['no such class'], 'refuses det.classes'),
            ('det.score_threshold', 10**400, 'has to be a number'),
            ('det.score_threshold', {'a': [1]}, 'has to be a number'),
            ('det.classes', 'person', 'has to be a list'),
            ('det.classes', [*chosen, f'{chosen[0]}\0b'], 'is no name of a class'),
            ('det.classes', ['\ud800'], 'is no name of a class'),
            ('\ud800.classes', chosen, 'is no name of a parameter'),
            ('det.model', '/etc/passwd', 'the page does not set'),
        ):
            status, text = browser.set_parameter(name, parameter, value)
            assert status == 422, (parameter, value)
            assert told in json.loads(text)['error']
        assert peer.get_parameter('yolo_node', 'det.score_threshold') == 0.5
        assert list(peer.get_parameter('yolo_node', 'det.classes')) == chosen


def test_a_token_is_needed_where_one_is_given(view, tmp_path):
    file = tmp_path / 'token'
    process, url = view('--token-file', str(file), '--allow-name', 'robot.example')
    token = file.read_text().strip()
    with closing(Browser(url)) as browser:
        status, headers, _ = browser.ask('/')
        assert (status, headers['Location']) == (303, '/login')
        for path in ('/parameters', '/mjpeg?topic=/a', '/files/view.js', '/state'):
            assert browser.ask(path)[0] == 401, path
        assert browser.ask('/login', headers={'Host': 'robot.example'})[0] == 200
        assert browser.ask('/parameters', headers={'Authorization': f'Bearer {token}'})[0] == 200

        own = {'headers': {'Origin': url}}
        assert browser.ask('/login', 'POST', data={'token': token})[0] == 403  # of another site
        assert browser.ask('/login', 'POST', data={'token': f'{token}x'}, **own)[0] == 403
        status, headers, _ = browser.ask('/login', 'POST', data={'token': token}, **own)
        assert status == 303
        cookie = headers['Set-Cookie']
        assert 'HttpOnly' in cookie
        assert 'SameSite=Strict' in cookie
        assert token not in cookie
        assert browser.ask('/parameters')[0] == 200
        browser.run(browser.socket('/state').close())
    log = process.log.read_text()
    assert token not in log
    assert token not in str(process_line(process.pid))


def process_line(pid):
    with open(f'/proc/{pid}/cmdline', 'rb') as file:
        return file.read()


class TestRecording:
    """What it does on disks of all kinds is tested in test/view/test_recorder.py."""

    def test_until_the_process_ends(self, peer, view, tmp_path):
        """A video and each result, of those that the page chose, complete after a Ctrl-C."""
        publisher = peer.image_publisher('annotated/compressed', CompressedImage, qos.RESULTS)
        results = peer.node.create_publisher(
            Detection2DArray, f'/{peer.namespace}/det/detections', qos.RESULTS
        )
        folder = tmp_path / 'made' / 'for me'
        process, url = view('--recordings', str(folder))
        topic = f'/{peer.namespace}/annotated'
        with closing(Browser(url)) as browser:
            state = browser.socket('/state')
            browser.state_where(state, lambda told: topic in told['streams'])
            assert browser.record([topic])[0] == 200
            for each in (publisher, results):
                peer.wait_for_subscriber(each)
            headers = [unique_header() for _ in range(12)]
            for number, header in enumerate(headers):
                pixels = np.full((48, 64, 3), 10 * number, np.uint8)
                publisher.publish(jpeg_message(pixels, header))
                results.publish(detection_message(header))
                peer.listen_once(0.02)
            told = browser.state_where(state, lambda told: told['recording']['bytes'] > 0)
            assert told['recording']['is_running']
            peer.watched.remove(process)
            os.kill(process.pid, signal.SIGINT)
            assert wait_for_exit(process) == 0
            peer.watched.append(process)
        (made,) = folder.iterdir()
        (video,) = made.glob(f'{peer.namespace}_annotated.*')
        assert cv2.VideoCapture(str(video)).read()[0]
        records = [json.loads(line) for line in (made / 'results.jsonl').read_text().splitlines()]
        found = [each for each in records if 'detections' in each]
        assert [each['stamp_ns'] for each in found] == [stamp_ns(each) for each in headers]
        assert found[0]['detections'] == [
            {'class_name': 'person', 'score': 0.5, 'xyxy': [5.0, 10.0, 15.0, 30.0], 'track_id': 7}
        ]
        frames = {each['stamp_ns'] for each in records if 'frame' in each}
        assert frames <= {each['stamp_ns'] for each in found}
        assert len(frames) >= 2
        assert not log_lines(process, r'\[(WARN|ERROR|FATAL)\]')

    @pytest.mark.parametrize('origin', [None, 'null', 'http://evil.example'])
    def test_others_cannot_begin_one(self, browser, origin):
        headers = {} if origin is None else {'Origin': origin}
        body = {'streams': ['/a/annotated']}
        assert browser.ask('/recording', 'POST', json=body, headers=headers)[0] == 403
        assert browser.ask('/recording')[0] == 405

    @pytest.mark.parametrize(
        ('body', 'status'),
        [
            pytest.param(b'', 400, id='empty'),
            pytest.param(b'{"streams": "/a"}', 400, id='no_list'),
            pytest.param(b'{"streams": [["/a"]]}', 400, id='no_texts'),
            pytest.param(b'{"folder": "/etc"}', 400, id='a_folder'),
            pytest.param(b'{"streams": []}', 200, id='none'),
            pytest.param(b'{"streams": ["/a"]}', 422, id='off'),
        ],
    )
    def test_bodies(self, browser, body, status):
        own = {'Origin': browser.url}
        assert browser.ask('/recording', 'POST', data=body, headers=own)[0] == status

    def test_a_folder_that_cannot_be_made_is_one_line(self, tmp_path):
        (tmp_path / 'file').touch()
        folder = str(tmp_path / 'file' / 'folder')
        done = TestProcess.run_view(f"main(['view', '--recordings', {folder!r}])")
        assert done.returncode == 1
        assert done.stderr == (
            f'recordings cannot go to {folder}: Not a directory; give another folder to '
            '--recordings\n'
        )


def detection_message(header):
    """One person."""
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = 'person', 0.5
    person = Detection2D(header=header, results=[hypothesis], id='7')
    person.bbox.center.position.x, person.bbox.center.position.y = 10.0, 20.0
    person.bbox.size_x, person.bbox.size_y = 10.0, 20.0
    return Detection2DArray(header=header, detections=[person])


class TestProcess:
    def test_it_ends_at_once_whoever_looks(self, peer, view):
        publisher = peer.image_publisher('annotated/compressed', CompressedImage)
        process, url = view()
        with closing(Browser(url)) as browser:
            peer.wait_for(lambda: TestPictures.is_listed(peer, browser), 'the stream')
            topic = f'/{peer.namespace}/annotated'
            stream, state = browser.mjpeg(topic), browser.socket('/state')
            pictures = browser.socket(f'/pictures?topic={topic}')
            peer.wait_for_subscriber(publisher)
            peer.watched.remove(process)
            begun = time.monotonic()
            os.kill(process.pid, signal.SIGINT)
            assert wait_for_exit(process) == 0
            took = time.monotonic() - begun
            peer.watched.append(process)
            assert took < ENDED_S
            browser.end(stream)
            for each in (state, pictures):
                browser.run(each.close())
        assert not log_lines(process, r'\[(WARN|ERROR|FATAL)\]')

    @pytest.mark.parametrize('is_view', [True, False], ids=['view', 'other_program'])
    def test_a_port_in_use_is_one_line(self, view, is_view):
        with socket.create_server(('127.0.0.1', 0)) as other:
            port = other.getsockname()[1]
            if is_view:
                port = int(view()[1].rpartition(':')[2])
            done = self.run_view(f"main(['view', '--port', '{port}'])")
        assert done.returncode == 1
        assert done.stderr == (
            f'port {port} of 127.0.0.1 is in use, perhaps by another live view; give another one: '
            '--port 8081\n'
        )

    def test_without_aiohttp_it_says_what_to_install(self):
        done = self.run_view("sys.modules['aiohttp'] = None; main(['view'])")
        assert done.returncode == 1
        assert done.stderr.startswith('the live view needs aiohttp, which is not installed')
        assert 'sudo apt install python3-aiohttp' in done.stderr
        assert done.stderr.count('\n') == 1

    @staticmethod
    def run_view(script):
        script = f'import sys; from jetson_perception.nodes.view import main; {script}'
        return subprocess.run(
            [sys.executable, '-c', script], capture_output=True, text=True, check=False, timeout=60
        )


class closing_socket:  # noqa: N801 - used as a function
    """A WebSocket that is closed with the block."""

    def __init__(self, browser, path):
        self._browser = browser
        self._socket = browser.socket(path)

    def __enter__(self):
        return self._socket

    def __exit__(self, *_):
        self._browser.run(self._socket.close())
