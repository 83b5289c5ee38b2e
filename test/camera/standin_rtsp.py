"""A network camera made of a socket: JPEG or H.264 over RTP in the connection; it can freeze."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import struct
import threading

import cv2
import numpy as np

_SDP = (
    'v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=stand-in\r\nt=0 0\r\n'
    'm=video 0 RTP/AVP 26\r\na=control:track\r\n'
)
_H264_SDP = _SDP.replace('AVP 26', 'AVP 96').replace(
    'a=control', 'a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control'
)
_H264_PAYLOAD = 96
_TRANSPORT = 'RTP/AVP/TCP;unicast;interleaved=0-1'
_JPEG_PAYLOAD, _LAST = 26, 0x80
_CLOCK_HZ = 90_000


class StandInRtspServer:
    """Serves a picture of noise at a rate, to everyone who asks, until it is closed.

    `freeze` makes it as a camera that hangs: connections stay, and nothing comes any more.
    `sent` is set when a frame was sent. One that was closed comes back on the same `port`.
    """

    _sdp = _SDP

    def __init__(self, size_wh=(64, 48), rate=30.0, port=0):
        self.sent = threading.Event()
        self._frozen = threading.Event()
        self._closed = threading.Event()
        self._period_s = 1 / rate
        width, height = size_wh
        noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        self._payload = rtp_payload(noise)
        self._listener = socket.create_server(('127.0.0.1', port))
        self.port = self._listener.getsockname()[1]
        self.url = f'rtsp://127.0.0.1:{self.port}/camera'
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def freeze(self):
        """Send nothing any more, and answer nothing."""
        self._frozen.set()

    def close(self):
        """Hang up."""
        self._closed.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(
                threading.Thread(target=self._serve, args=(connection,), daemon=True)
            )
            self._threads[-1].start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            while not self._silent() and (request := connection.recv(65536)):
                method, *_ = request.decode().split()
                number = request.decode().split('CSeq: ')[1].split('\r\n')[0]
                connection.sendall(answer(method, number, self._sdp).encode())
                if method == 'PLAY':
                    self._stream(connection)
            self._closed.wait()

    def _silent(self):
        return self._frozen.is_set() or self._closed.is_set()

    def _stream(self, connection):
        for count in itertools.count():
            if self._closed.wait(self._period_s) or self._frozen.is_set():
                return
            time = int(count * self._period_s * _CLOCK_HZ)
            for packet in self._packets(count, time):
                connection.sendall(struct.pack('>cBH', b'$', 0, len(packet)) + packet)
            self.sent.set()

    def _packets(self, count, time):
        head = struct.pack('>BBHII', 0x80, _LAST | _JPEG_PAYLOAD, count & 0xFFFF, time, 1)
        yield head + self._payload


class StandInH264Server(StandInRtspServer):
    """The same with H.264: the packets of a video, in Annex B's format, again and again.

    The first has to be a keyframe with its parameter sets.
    """

    _sdp = _H264_SDP

    def __init__(self, packets, rate=30.0):
        self._units = [re.split(rb'\x00\x00\x00?\x01', packet)[1:] for packet in packets]
        self._numbers = itertools.count()
        super().__init__(rate=rate)

    def _packets(self, count, time):
        units = self._units[count % len(self._units)]
        for unit in units:
            last = _LAST if unit is units[-1] else 0
            number = next(self._numbers) & 0xFFFF
            yield struct.pack('>BBHII', 0x80, last | _H264_PAYLOAD, number, time, 1) + unit


def answer(method, number, sdp):
    """What a server says to a request that it likes."""
    head = f'RTSP/1.0 200 OK\r\nCSeq: {number}\r\n'
    if method == 'DESCRIBE':
        return f'{head}Content-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n\r\n{sdp}'
    if method == 'SETUP':
        return f'{head}Transport: {_TRANSPORT}\r\nSession: 1\r\n\r\n'
    if method == 'OPTIONS':
        return f'{head}Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n'
    return f'{head}Session: 1\r\n\r\n'


def rtp_payload(bgr):
    """A picture as RFC 2435 has it, in one packet."""
    jpeg = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, 50])[1].tobytes()
    tables, position = b'', 2
    while True:
        marker, length = struct.unpack('>HH', jpeg[position : position + 4])
        segment = jpeg[position + 4 : position + 2 + length]
        position += 2 + length
        if marker == 0xFFDB:
            tables += b''.join(segment[at + 1 : at + 65] for at in range(0, len(segment), 65))
        if marker == 0xFFDA:
            break
    height, width = bgr.shape[:2]
    in_band = 255
    head = struct.pack('>IBBBB', 0, 1, in_band, width // 8, height // 8)
    return head + struct.pack('>BBH', 0, 0, len(tables)) + tables + jpeg[position:-2]
