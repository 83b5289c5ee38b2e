"""Ask an RTSP server about a stream, with user and password where it wants them.

OpenCV does not say why a stream cannot be opened; the server's answer to DESCRIBE does.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import socket
import time
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import parse_http_list

if TYPE_CHECKING:
    from collections.abc import Callable

_DEFAULT_PORT = {'rtsp': 554, 'rtsps': 322}

_LONGEST_LINE = 4096
_LONGEST_HEAD = 1 << 16
_MOST_BODY_BYTES = 1 << 16
_HEAD_ENDS = re.compile(rb'\r?\n\r?\n')

_HASHES = {'': hashlib.md5, 'md5': hashlib.md5, 'sha-256': hashlib.sha256}


class _Challenge(NamedTuple):
    """One way to log in that a server takes (RFC 7235, 2.1), and what it says for that."""

    scheme: str
    asked: dict[str, str]


@dataclass(frozen=True, slots=True)
class DescribeAnswer:
    """What a server says about a stream.

    Attributes
    ----------
    status : int
        As RFC 2326, 7.1.1, has it; 0 where something answers that is no RTSP server, or nothing.
    phrase : str
        The words beside it; they may quote what was asked, with the password.
    logged_in : bool
        Whether it was asked with the user and password of the URL, in the way that it wanted.
    schemes : tuple of str
        In which ways it wants a login, where it wants one: 'Basic', 'Digest', ….
    """

    status: int = 0
    phrase: str = ''
    logged_in: bool = False
    schemes: tuple[str, ...] = ()


def host_and_port(url: str) -> tuple[str, int]:
    """Where the server of a URL listens."""
    parts = urlsplit(url)
    return parts.hostname or '', parts.port or _DEFAULT_PORT[parts.scheme.lower()]


def describe(url: str, timeout_s: float) -> DescribeAnswer:
    """The answer to DESCRIBE (RFC 2326, 10.2), with the login that the server asks for.

    The password is sent as it is only to a server that takes no other way, as OpenCV's FFmpeg
    does.
    """
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition('@')[2]).geturl()
    with _Dialogue(host_and_port(url), bare, timeout_s) as server:
        status, phrase, challenges = server.ask()
        schemes = tuple(challenge.scheme for challenge in challenges)
        login = _login(parts, bare, challenges) if status == 401 else ''
        if not login:
            return DescribeAnswer(status, phrase, schemes=schemes)
        status, phrase, _ = server.ask(login)
        if any(part in phrase for part in login.split()[1:]):
            phrase = ''
        return DescribeAnswer(status, phrase, logged_in=True, schemes=schemes)


def status_of(line: bytes) -> tuple[int, str]:
    r"""Status and phrase in the first line of an RTSP answer (RFC 2326, 7.1); 0 if it is none.

    Examples
    --------
    >>> status_of(b'RTSP/1.0 453 Not Enough Bandwidth\r\n')
    (453, 'Not Enough Bandwidth')
    """
    match = re.fullmatch(rb'RTSP/\d\.\d +(\d{3})(?: (.*))?', line.rstrip(), re.DOTALL)
    if match is None:
        return 0, ''
    return int(match[1]), (match[2] or b'').decode('utf-8', 'replace')


class _Dialogue:
    """Requests for one stream on one connection, which is made anew where the server hangs up."""

    def __init__(self, where: tuple[str, int], bare_url: str, timeout_s: float) -> None:
        self._where = where
        self._bare_url = bare_url
        self._timeout_s = timeout_s
        self._count = 0
        self._connection: socket.socket | None = None

    def __enter__(self) -> _Dialogue:
        return self

    def __exit__(self, *_: object) -> None:
        self._hang_up()

    def ask(self, login: str = '') -> tuple[int, str, list[_Challenge]]:
        """Status, phrase and challenges of the answer; 0 for none."""
        for _ in range(2):
            again = self._connection is not None
            try:
                answer = self._ask(login)
            except (OSError, UnicodeError):
                answer = 0, '', []
            if answer[0] or not again:
                return answer
            self._hang_up()
        return answer

    def _ask(self, login: str) -> tuple[int, str, list[_Challenge]]:
        if self._connection is None:
            self._connection = socket.create_connection(self._where, self._timeout_s)
        self._count += 1
        lines = [
            f'DESCRIBE {self._bare_url} RTSP/1.0',
            f'CSeq: {self._count}',
            'Accept: application/sdp',
            *([f'Authorization: {login}'] if login else []),
        ]
        self._connection.sendall(''.join(f'{line}\r\n' for line in [*lines, '']).encode())
        return self._answer(self._connection)

    def _answer(self, connection: socket.socket) -> tuple[int, str, list[_Challenge]]:
        """The answer as far as it comes; a part of it tells something too."""
        deadline_s = time.monotonic() + self._timeout_s

        def receive(so_far: bytes, is_enough: Callable[[bytes], object]) -> bytes:
            return _received(connection, so_far, deadline_s, is_enough)

        head = receive(b'', lambda found: b'\n' in found or len(found) >= _LONGEST_LINE)
        status, phrase = status_of(head.partition(b'\n')[0])
        if status != 401:
            return status, phrase, []
        head = receive(head, lambda found: _HEAD_ENDS.search(found) or len(found) >= _LONGEST_HEAD)
        end = _HEAD_ENDS.search(head)
        challenges, body_bytes = _headers(head[: end.start()] if end else head)
        whole_bytes = end.end() + body_bytes if end else 0
        receive(head, lambda found: len(found) >= whole_bytes)  # off the way of the next answer
        return status, phrase, challenges

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _received(
    connection: socket.socket,
    so_far: bytes,
    deadline_s: float,
    is_enough: Callable[[bytes], object],
) -> bytes:
    """More of an answer: until it is enough, the server hangs up, or the time is over.

    The time is for all of it: a server that sends a byte now and then is not waited for.
    """
    while not is_enough(so_far):
        connection.settimeout(max(deadline_s - time.monotonic(), 1e-3))
        try:
            more = connection.recv(_LONGEST_LINE)
        except OSError:
            break
        if not more:
            break
        so_far += more
    return so_far


def _headers(head: bytes) -> tuple[list[_Challenge], int]:
    """The challenges in the headers WWW-Authenticate, and how many bytes the body has."""
    found, body_bytes = [], 0
    for line in head.decode('utf-8', 'replace').split('\n')[1:]:
        name, _, value = line.partition(':')
        if name.strip().lower() == 'www-authenticate':
            found += _challenges(value.strip())
        elif name.strip().lower() == 'content-length' and value.strip().isdecimal():
            body_bytes = min(int(value.strip()[:9]), _MOST_BODY_BYTES)
    return found, body_bytes


def _challenges(header: str) -> list[_Challenge]:
    """The challenges in one header, which may hold several: `Basic realm="a", Digest …`."""
    found: list[_Challenge] = []
    for item in parse_http_list(header):
        word, _, rest = item.partition(' ')
        if '=' not in word and not rest.lstrip().startswith('='):
            found.append(_Challenge(word, {}))
            item = rest
        name, _, value = (part.strip() for part in item.partition('='))
        if found and name:
            quoted = len(value) > 1 and value[0] == value[-1] == '"'
            found[-1].asked[name.lower()] = value[1:-1] if quoted else value
    return found


def _login(parts: SplitResult, bare_url: str, challenges: list[_Challenge]) -> str:
    """The value of Authorization that answers the best challenge; '' if none can be answered."""
    if parts.username is None:
        return ''
    user, password = unquote(parts.username), unquote(parts.password or '')
    by_scheme: dict[str, dict[str, str]] = {}
    for challenge in challenges:
        by_scheme.setdefault(challenge.scheme.lower(), challenge.asked)
    digest = _digest(user, password, bare_url, by_scheme.get('digest', {}))
    if digest or 'basic' not in by_scheme:
        return digest
    return f'Basic {b64encode(f"{user}:{password}".encode()).decode()}'


def _digest(user: str, password: str, url: str, asked: dict[str, str]) -> str:
    """The answer to a Digest challenge (RFC 2617, 3.2.2; RFC 7616); '' if it asks for others."""
    try:
        realm, nonce = asked['realm'], asked['nonce']
        make_hash = _HASHES[asked.get('algorithm', '').lower()]
    except KeyError:
        return ''
    if any(character in text for text in (realm, nonce, user) for character in '"\r\n'):
        return ''

    def hashed(*texts: str) -> str:
        return make_hash(':'.join(texts).encode(), usedforsecurity=False).hexdigest()

    secret, request = hashed(user, realm, password), hashed('DESCRIBE', url)
    given = {'username': user, 'realm': realm, 'nonce': nonce, 'uri': url}
    more = ''
    if 'auth' in [kind.strip() for kind in asked.get('qop', '').split(',')]:
        count, own_nonce = '00000001', secrets.token_hex(8)
        given['response'] = hashed(secret, nonce, count, own_nonce, 'auth', request)
        given['cnonce'] = own_nonce
        more = f', qop=auth, nc={count}'
    else:
        given['response'] = hashed(secret, nonce, request)
    if 'opaque' in asked and '"' not in asked['opaque']:
        given['opaque'] = asked['opaque']
    if asked.get('algorithm'):
        more += f', algorithm={asked["algorithm"]}'
    return 'Digest ' + ', '.join(f'{name}="{value}"' for name, value in given.items()) + more
