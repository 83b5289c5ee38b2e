import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import cv2
import pytest
from camera.login_server import LoginServer
from camera.standin_rtsp import StandInRtspServer

from jetson_perception.camera import frames
from jetson_perception.camera.rtsp import RtspSource
from jetson_perception.camera.rtsp_describe import describe
from jetson_perception.errors import SourceError

SERVER = Path(__file__).with_name('rtsp_server.py')
PYTHON = '/usr/bin/python3'  # the one that the distribution's gi belongs to


def _has_server() -> bool:
    """Whether gst-rtsp-server, its bindings and a JPEG encoder are installed."""
    probe = (
        'import gi; gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0"); '
        'from gi.repository import Gst, GstRtspServer; Gst.init(None); '
        'assert all(map(Gst.ElementFactory.find, ("jpegenc", "rtpjpegpay", "videotestsrc")))'
    )
    if shutil.which(PYTHON) is None:
        return False
    return subprocess.run([PYTHON, '-c', probe], capture_output=True, check=False).returncode == 0


class Server:
    """The server of rtsp_server.py, in its own process."""

    def __init__(self, *credentials: str) -> None:
        self._credentials = credentials
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start it, on the same port as before if it ran before."""
        command = [PYTHON, str(SERVER), str(self.port), 'jpegenc', *self._credentials]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def url(self, user_info: str = '', path: str = 'ball') -> str:
        return f'rtsp://{user_info}127.0.0.1:{self.port}/{path}'


@pytest.fixture(scope='module')
def has_server() -> None:
    if not _has_server():
        pytest.skip('no gst-rtsp-server: apt-get install python3-gi gir1.2-gst-rtsp-server-1.0')


@pytest.fixture
def start_server(has_server):
    servers = []

    def start(*credentials: str) -> Server:
        servers.append(Server(*credentials))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def answer_with():
    """A function that starts a listener which gives everyone the same answer; returns its port."""
    listener = socket.create_server(('127.0.0.1', 0))
    threads = []

    def start(answer: bytes) -> int:
        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    if answer and connection.recv(4096):
                        connection.sendall(answer)

        threads.append(threading.Thread(target=serve, daemon=True))
        threads[-1].start()
        return listener.getsockname()[1]

    yield start
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for thread in threads:
        thread.join(10)


def test_frames(start_server):
    source = RtspSource(start_server().url())
    source.open()
    first = source.read()
    second = source.read()
    assert first.pixels.shape == (240, 320, 3)
    assert second.captured_ns > first.captured_ns
    source.close()
    with pytest.raises(SourceError, match='was closed'):
        source.read()


def test_scaled(start_server):
    source = RtspSource(start_server().url(), size_wh=(64, 48))
    source.open()
    places = set()
    for _ in range(8):
        picture = source.read().pixels
        assert picture.shape == (48, 64, 3)
        places.add(picture.ctypes.data)
    assert len(places) <= 4, 'memory is used again'
    source.close()


def test_server_killed_and_back(start_server):
    server = start_server()
    source = RtspSource(server.url())
    reports = []

    def on_lost(err, _seconds):
        reports.append(str(err))
        if len(reports) == 2:
            server.start()

    stream = frames(source, stop=threading.Event(), on_lost=on_lost, backoff=(0,))
    for count, _ in enumerate(stream):
        if count == 3:
            server.kill()
        if reports:
            break
    assert 'the server ended the stream' in reports[0]
    assert 'no connection to 127.0.0.1' in reports[1]
    assert len(reports) == 2


@pytest.mark.parametrize(
    ('user_info', 'path', 'match'),
    [
        pytest.param('', 'ball', 'wants a user and a password, and none are given', id='none'),
        pytest.param('me:wrong@', 'ball', 'and these are wrong', id='wrong'),
        pytest.param('me:s3cret@', 'ball', None, id='right'),
    ],
)
def test_password(start_server, user_info, path, match):
    source = RtspSource(start_server('me', 's3cret').url(user_info, path))
    if match is None:
        source.open()
        source.read()
    else:
        with pytest.raises(SourceError, match=match) as caught:
            source.open()
        assert 'wrong@' not in str(caught.value)
    source.close()


def test_no_such_stream(start_server):
    source = RtspSource(start_server().url(path='nope'))
    with pytest.raises(SourceError, match='the server has no such stream; check the path'):
        source.open()


@pytest.mark.parametrize(
    ('answer', 'match'),
    [
        pytest.param(b'', 'does not answer as an RTSP server', id='hangs_up'),
        pytest.param(b'HTTP/1.0 400 Bad Request\r\n\r\n', 'does not answer as', id='http'),
        pytest.param(b'RTSP/1.0 401 Unauthorized\r\n\r\n', 'these are wrong', id='401'),
        pytest.param(b'RTSP/1.0 404 Not Found\r\n\r\n', 'has no such stream', id='404'),
        pytest.param(b'RTSP/1.0 200 OK\r\n\r\n', 'cannot decode or receive it', id='empty_stream'),
        pytest.param(
            b'RTSP/1.0 503 Service Unavailable\r\n\r\n', 'refuses the stream: .*503', id='busy'
        ),
    ],
)
def test_responses_without_a_stream(answer_with, answer, match):
    source = RtspSource(
        f'rtsp://me:s3cret@127.0.0.1:{answer_with(answer)}/live',
        open_timeout_s=1.0,
        read_timeout_s=1.0,
    )
    with pytest.raises(SourceError, match=match) as caught:
        source.open()
    assert 's3cret' not in str(caught.value)


@pytest.fixture
def login_server():
    """A function that starts a `LoginServer`."""
    with ExitStack() as stack:
        yield lambda *given, **more: stack.enter_context(closing(LoginServer(*given, **more)))


RIGHT, WRONG = 'admin:g%3Ao%40od@', 'admin:g%3Ao%40ne@'


def why_not(server, user_info):
    """What is said of a stream that cannot be opened; never with a password."""
    source = RtspSource(
        f'rtsp://{user_info}{server.address}/live', open_timeout_s=5.0, read_timeout_s=5.0
    )
    with pytest.raises(SourceError) as caught:
        source.open()
    for secret in ('g%3Ao', 'g:o', 'YWRtaW46', *(login[6:] for login in server.logins)):
        assert secret not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ('status', 'text'),
    [
        pytest.param('404 Not Found', 'has no such stream; check the path', id='404'),
        pytest.param('453 Not Enough Bandwidth', 'refuses the stream: 453 Not Eno', id='453'),
        pytest.param('403 Forbidden', 'forbids the stream to the user that was given', id='403'),
        pytest.param('200 OK', 'OpenCV cannot decode or receive it', id='200'),
        pytest.param('453 for admin:g:o@od', 'refuses the stream: 453$', id='quotes_password'),
        pytest.param(
            '453 YWRtaW46ZzpvQG9k', 'refuses the stream: 453$', id='quotes_the_whole_login'
        ),
    ],
)
def test_behind_a_login_the_response_of_the_server_is_reported(login_server, status, text):
    server = login_server(['Basic'], status)
    assert re.search(text, why_not(server, RIGHT))
    assert any(login.startswith('right') for login in server.logins)


@pytest.mark.parametrize('hangs_up', [False, True], ids=['goes_on', 'hangs_up'])
@pytest.mark.parametrize(
    'ways',
    [
        pytest.param(['Basic'], id='basic'),
        pytest.param(['Digest'], id='digest'),
        pytest.param(['Digest MD5 auth'], id='digest_qop'),
        pytest.param(['Digest SHA-256'], id='digest_sha256'),
        pytest.param(['Basic', 'Digest MD5'], id='both'),
    ],
)
def test_each_way_of_a_login(login_server, ways, hangs_up):
    server = login_server(ways, hangs_up=hangs_up)
    assert 'has no such stream' in why_not(server, RIGHT)
    ours = server.logins[-1]  # FFmpeg's came before
    assert ours.startswith('right Digest' if 'Digest' in ways[-1] else 'right Basic')
    assert 'and these are wrong' in why_not(server, WRONG)
    assert 'and none are given' in why_not(server, '')


def test_a_login_that_is_neither_basic_nor_digest(login_server):
    server = login_server(['Bearer'])
    assert 'wants a login by Bearer; expected Basic or Digest' in why_not(server, RIGHT)
    assert server.logins == []


@pytest.mark.parametrize(
    'scheme',
    [
        pytest.param('s3cret', id='password'),
        pytest.param('S3CRET', id='in_capitals'),
        pytest.param('bWU6czNjcmV0', id='whole_login'),
    ],
)
def test_a_server_that_asks_for_the_password_as_a_kind_of_login(answer_with, scheme):
    answer = f'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: {scheme} realm="c"\r\n\r\n'
    url = f'rtsp://me:s3cret@127.0.0.1:{answer_with(answer.encode())}/live'
    source = RtspSource(url, open_timeout_s=1.0, read_timeout_s=1.0)
    with pytest.raises(SourceError, match='a login') as caught:
        source.open()
    assert scheme.lower() not in str(caught.value).lower()


@pytest.mark.parametrize(
    'asks',
    [
        pytest.param(['Digest realm=, nonce="a1b2"'], id='value_empty'),
        pytest.param(['Digest realm="c", nonce="a"', 'Content-Length: 100'], id='body_missing'),
        pytest.param(['Digest Realm="c", NONCE="a"'], id='names_in_capitals'),
        pytest.param(
            ['Basic realm="\\", Digest x", Digest realm="c", nonce="a"'], id='one_header'
        ),
    ],
)
def test_challenges_that_are_untidy(asks):
    asked = b'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: %s\r\n\r\n'
    answers = [asked % '\r\n'.join(asks).encode(), b'RTSP/1.0 404 Not Found\r\n\r\n']
    heard = []

    def serve():
        connection, _ = listener.accept()
        with connection:
            for answer in answers:
                heard.append(connection.recv(4096))
                connection.sendall(answer)

    with socket.create_server(('127.0.0.1', 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        port = listener.getsockname()[1]
        answer = describe(f'rtsp://me:s3cret@127.0.0.1:{port}/live', 0.5)
        server.join(10)
    assert (answer.status, answer.logged_in) == (404, True)
    assert b'Authorization: Digest username="me"' in heard[1]


def test_a_server_that_sends_a_byte_now_and_then_is_given_up():
    asked = b'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm="c"\r\nX: '
    over = threading.Event()

    def serve():
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(asked)
            while not over.wait(0.1):
                connection.sendall(b'x')

    with socket.create_server(('127.0.0.1', 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        try:
            answer = describe(f'rtsp://127.0.0.1:{listener.getsockname()[1]}/live', 0.5)
            assert answer.status == 401
        finally:
            over.set()
            server.join(10)


def test_nobody_listens():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        port = listener.getsockname()[1]
    source = RtspSource(f'rtsp://me:s3cret@127.0.0.1:{port}/live')
    with pytest.raises(SourceError, match=rf'no connection to 127.0.0.1 port {port} \(Conn') as e:
        source.open()
    assert 's3cret' not in str(e.value)


def test_a_server_that_quotes_the_request(answer_with):
    answer = b'RTSP/1.0 453 Not for DESCRIBE /user=me_password=s3cret\x1b[2J\r\n\r\n'
    url = f'rtsp://127.0.0.1:{answer_with(answer)}/user=me_password=s3cret'
    source = RtspSource(url, open_timeout_s=1.0, read_timeout_s=1.0)
    with pytest.raises(SourceError, match=r'/…: the server refuses the stream: 453$'):
        source.open()


@pytest.mark.parametrize(
    ('url', 'match'),
    [
        pytest.param(f'rtsp://{"a" * 64}/live', 'no name of a host', id='label_too_long'),
        pytest.param('rtsp://a..b/live', 'no name of a host', id='label_empty'),
        pytest.param(
            'rtsp://localhost:1/34s3cret@h/x', r'^rtsp://…: .* @ as %40', id='at_in_path'
        ),
    ],
)
def test_invalid_hosts_are_refused(url, match):
    with pytest.raises(SourceError, match=match) as caught:
        RtspSource(url).open()
    assert 's3cret' not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_server_that_says_nothing_is_given_up():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        port = listener.getsockname()[1]
        source = RtspSource(
            f'rtsp://127.0.0.1:{port}/live', open_timeout_s=0.2, read_timeout_s=0.2
        )
        with pytest.raises(SourceError, match='does not answer as an RTSP server'):
            source.open()


def test_the_rate_is_the_servers(caplog):
    RtspSource('rtsp://u:pw@h/s', frame_rate=5.0)
    assert caplog.messages == [
        'rtsp://h/s: the server sets the rate; the frame rate of 5 is not used'
    ]


@pytest.mark.skipif(
    not hasattr(cv2, 'CAP_PROP_READ_TIMEOUT_MSEC'), reason='OpenCV before 4.5.2 has no timeouts'
)
def test_a_server_that_freezes_is_a_loss(start_server):
    server = start_server()
    source = RtspSource(server.url(), read_timeout_s=0.5)
    source.open()
    source.read()
    server.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(SourceError, match='ended the stream, or sent nothing for 0'):
            any(source.read() is None for _ in range(1000))
    finally:
        server.process.send_signal(signal.SIGCONT)
    source.close()


@pytest.fixture
def standin():
    server = StandInRtspServer()
    yield server
    server.close()


def test_frames_and_a_freeze_of_a_stand_in(standin):
    source = RtspSource(standin.url, read_timeout_s=0.5)
    source.open()
    assert source.read().pixels.shape == (48, 64, 3)
    standin.freeze()
    with pytest.raises(SourceError, match='ended the stream, or sent nothing for 0'):
        any(source.read() is None for _ in range(1000))
    source.close()


#: What is imported first goes last: while it does so, threads come back from OpenCV.
FORGETFUL = """
import sys, time

class Late:
    def __del__(self, sleep=time.sleep):
        sleep(1.0)

late = Late()

from jetson_perception.camera.rtsp import RtspSource

source = RtspSource(sys.argv[1], read_timeout_s=0.5)
source.open()
source.read()
print('read', flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize('frozen', [False, True], ids=['streaming', 'frozen'])
def test_a_program_that_does_not_close_its_source_ends_all_the_same(standin, frozen):
    with subprocess.Popen(
        [sys.executable, '-c', FORGETFUL, standin.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout.readline() == 'read\n'
        if frozen:
            standin.freeze()
        program.communicate('end\n', timeout=60)
    assert program.returncode == 0
