"""An RTSP server that wants a login, and gives those who have it the answer that it is told to."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from base64 import b64encode
from contextlib import suppress

USER, PASSWORD = 'admin', 'g:o@od'
REALM, NONCE = 'camera, "left"', 'a1b2'


class LoginServer:
    """Asks for a login in the ways given, such as 'Basic', 'Digest MD5', 'Digest SHA-256 auth'.

    Parameters
    ----------
    ways : sequence of str
        What it asks for; without any it asks for a login and does not say how.
    answer : str
        Status and phrase for who has logged in.
    hangs_up : bool
        Whether a connection ends after each answer.

    Attributes
    ----------
    logins : list of str
        Each Authorization that came, with 'right ' or 'wrong ' before it.
    """

    def __init__(self, ways=('Basic',), answer='404 Not Found', *, hangs_up=False):
        self.logins = []
        self._ways = ways
        self._answer = answer
        self._hangs_up = hangs_up
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.address = f'127.0.0.1:{self._listener.getsockname()[1]}'
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self):
        """Hang up."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                self._serve(connection)

    def _serve(self, connection):
        stream = connection.makefile('rb')
        while head := _head(stream):
            number = next(line for line in head if line.lower().startswith('cseq')).split()[1]
            status, more = self._answer_to(head)
            lines = [f'RTSP/1.0 {status}', f'CSeq: {number}', *more, '', '']
            connection.sendall('\r\n'.join(lines).encode())
            if self._hangs_up:
                return

    def _answer_to(self, head):
        if head[0].startswith('OPTIONS'):
            return '200 OK', ['Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN']
        name = 'Authorization: '
        login = next((line[len(name) :] for line in head if line.startswith(name)), '')
        right = bool(login) and self._is_right(login)
        if login:
            self.logins.append(f'{"right" if right else "wrong"} {login}')
        if right:
            return self._answer, []
        asks = [f'WWW-Authenticate: {_challenge(way)}' for way in self._ways]
        return '401 Unauthorized', [*asks, 'Content-Length: 2', '', 'no']

    def _is_right(self, login):
        kind = login.split()[0]
        if not any(way.startswith(kind) for way in self._ways):
            return False
        if kind == 'Basic':
            return login.split()[1] == b64encode(f'{USER}:{PASSWORD}'.encode()).decode()
        way = next(way for way in self._ways if way.startswith('Digest'))
        return _digest_is_right(login, 'sha256' if 'SHA-256' in way else 'md5', 'auth' in way)


def _challenge(way):
    kind, *more = way.split()
    realm = REALM.replace('"', r'\"') if kind == 'Basic' else 'camera, left'
    if kind != 'Digest':
        return f'{kind} realm="{realm}"'
    text = f'Digest realm="{realm}", nonce="{NONCE}", opaque="x"'
    if 'auth' in more:
        text += ', qop="auth,auth-int"'
    return f'{text}, algorithm={more[0]}' if more else text


def _digest_is_right(login, algorithm, wants_qop):
    fields = {name: quoted or bare for name, quoted, bare in _FIELD.findall(login)}
    if wants_qop != (fields.get('qop') == 'auth') or fields.get('opaque') != 'x':
        return False

    def hashed(text):
        return hashlib.new(algorithm, text.encode()).hexdigest()

    middle = f'{fields["nc"]}:{fields["cnonce"]}:auth:' if wants_qop else ''
    secret = hashed(f'{USER}:camera, left:{PASSWORD}')
    request = hashed(f'DESCRIBE:{fields["uri"]}')
    return fields['response'] == hashed(f'{secret}:{NONCE}:{middle}{request}')


_FIELD = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,"]+))')


def _head(stream):
    lines = []
    while (line := stream.readline()) not in (b'\r\n', b''):
        lines.append(line.decode().rstrip())
    return lines
