"""How a source is shown: rebuilt from the parts that were understood, without any password.

Patterns that look for passwords miss those that nobody thought of. So nothing is copied from a URI
but what is known to be harmless; what cannot be taken apart without doubt is not shown.
"""

from __future__ import annotations

import re
import shlex
from base64 import b64encode
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HIDDEN = '…'
"""Replaces what is not shown."""

_MOST_CHARACTERS = 10_000  # of a source that is taken apart; longer ones only say their scheme
_SHORTEST_SECRET = 4

_SCHEME = re.compile(r'[A-Za-z][A-Za-z0-9+.-]{0,15}')
# With an @ after the authority, a / before it may belong to a password.
_RTSP = re.compile(
    r"""(?P<scheme>rtsps?)://
    (?:(?P<user_info>[^/?\#]*)@)?
    (?P<host>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])
    (?P<port>:[0-9]{1,5})?
    (?:/(?P<first>[^/?\#@]*)(?P<rest>[^@]*)|(?P<none>\?[^@]*|\#[^@]*|))""",
    re.IGNORECASE | re.VERBOSE,
)
_PLAIN_PART = re.compile(r'[A-Za-z0-9._-]*')
_SENSOR = re.compile(r'[0-9]+(?:\?memory=[a-z]{1,8})?')
_SCENE = re.compile(r'[A-Za-z0-9_/-]{0,40}(?:\?[a-z0-9_=&.+-]{0,200})?')
_ELEMENT = re.compile(r'[a-z][A-Za-z0-9_-]{0,40}')
_CAPS_WORD = re.compile(r'[a-z]+/[a-z0-9.+-]+(?:\([A-Za-z:]+\))?(?:,|$)')
_PROPERTY = re.compile(r'([A-Za-z][A-Za-z0-9_:-]*)\s*=(.*)', re.DOTALL)
_PLAIN_PATH = re.compile(r'[\w ./~*?+,()\[\]-]*')
_TOPIC = re.compile(r'[A-Za-z0-9_/]{0,200}')
_LOCAL_PATH = re.compile(r'/(?!/)|~|\.{1,2}/')
_URI_IN_A_WORD = re.compile(r'(.*?)((?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://.*)', re.DOTALL)
_URL_INSIDE = re.compile(r'[A-Za-z][A-Za-z0-9+.-]+:/')  # as in file:///rtsp://…

# The values of these are not secret, and errors are often about them.
_HARMLESS_PROPERTIES = frozenset(
    {
        *('caps', 'device', 'do-timestamp', 'drop', 'drop-on-latency', 'format', 'framerate'),
        *('io-mode', 'is-live', 'latency', 'leaky', 'max-size-buffers', 'max-size-bytes'),
        *('max-size-time', 'name', 'num-buffers', 'pattern', 'port', 'protocols', 'sensor-id'),
        *('sensor-mode', 'sync', 'timeout'),
    }
)


def shown(source: str | int) -> str:
    """A source as it may be shown in logs, errors and diagnostics.

    Parameters
    ----------
    source : str or int
        What `jetson_perception.camera.uri.parse` takes, whether it is right or not.

    Returns
    -------
    str
        At most 200 printable characters. Of an RTSP stream its host, port and the path's first
        part; of a pipeline its elements; files, folders, devices and scenes as they are. `…` is
        for what is left out, or was not understood.

    Examples
    --------
    >>> shown('rtsp://me:s3cret@10.0.0.2:554/live/main?token=abc')
    'rtsp://10.0.0.2:554/live/…'
    >>> shown('rtsp://10.0.0.2/user=me&password=s3cret')
    'rtsp://10.0.0.2/…'
    >>> shown('rtsp://admin:12/34secret@10.0.0.2/live')
    'rtsp://…'
    >>> shown('gst://rtspsrc location=rtsp://me:s3cret@h/ ! decodebin ! video/x-raw,width=8')
    'gst://rtspsrc ! decodebin ! video/x-raw'
    """
    if isinstance(source, int):
        return f'/dev/video{source}'
    text = source.strip()
    scheme, separator, rest = text.partition('://')
    if not separator:
        return _shown_path(text)
    if not _SCHEME.fullmatch(scheme):
        return HIDDEN
    scheme = scheme.lower()
    show = _SHOWN_BY_SCHEME.get(scheme)
    if show is None or len(text) > _MOST_CHARACTERS:
        return f'{scheme}://{HIDDEN}'
    if scheme in ('rtsp', 'rtsps'):
        return printable(show(text))
    return printable(f'{scheme}://{show(rest)}')


def shown_words(words: Iterable[str]) -> str:
    """A command line as it may be kept in files and logs: its sources as `shown` has them.

    Examples
    --------
    >>> shown_words(['yolo_node', '-p', 'source:=rtsp://me:s3cret@10.0.0.2/live/main'])
    "yolo_node -p 'source:=rtsp://10.0.0.2/live/…'"
    """
    return shlex.join(map(_shown_word, words))


def _shown_word(word: str) -> str:
    given = _URI_IN_A_WORD.fullmatch(word)
    return word if given is None else f'{given[1]}{shown(given[2])}'


def address(url: str) -> str:
    """Host and port in an RTSP URL; empty if they are ambiguous."""
    match = _RTSP.fullmatch(url)
    if match is None:
        return ''
    return f'{match["host"]} port {match["port"][1:]}' if match['port'] else match['host']


def quotes_secret(text: str, source: str) -> bool:
    """Whether a text, such as a program's output about a source, may quote one of its secrets.

    Four characters in a row, of what `shown` leaves out, are enough; also with %40 and the like
    decoded, in other letter case, and of user and password as HTTP's Basic login encodes them.
    """
    secrets = _secrets(source)
    lowered = text.lower()
    return any(not secrets.isdisjoint(_runs(form)) for form in (lowered, unquote(lowered)))


@lru_cache(maxsize=8)
def _secrets(source: str) -> frozenset[str]:
    """Parts of a source that must not be shown, in lower case."""
    scheme, _, rest = source.strip()[:_MOST_CHARACTERS].partition('://')
    if scheme.lower() in ('rtsp', 'rtsps'):
        hidden = _hidden_of_url(source.strip()[:_MOST_CHARACTERS])
    elif scheme.lower() == 'gst':
        hidden = [part for word in _marked_words(rest) for part in _hidden_of_word(*word)]
    else:
        hidden = []
    forms = (form.lower() for part in hidden for form in (part, unquote(part)))
    return frozenset(run for form in forms for run in _runs(form))


def _runs(text: str) -> Iterator[str]:
    return (text[i : i + _SHORTEST_SECRET] for i in range(len(text) - _SHORTEST_SECRET + 1))


def _hidden_of_word(begins: bool, word: str) -> list[str]:
    """What is not shown of a word of a pipeline, which may be the one that begins an element."""
    if word == '!' or (begins and (_ELEMENT.fullmatch(word) or _CAPS_WORD.match(word))):
        return []
    given = _PROPERTY.fullmatch(word)
    if given is None:
        return [word]
    name, value = given[1], given[2].strip('"\'')
    if name in _HARMLESS_PROPERTIES:
        return []
    if name in ('location', 'uri') and _LOCAL_PATH.match(value.removeprefix('file://')):
        return []
    return _hidden_of_url(value)


def _hidden_of_url(url: str) -> list[str]:
    match = _RTSP.fullmatch(url)
    if match is None:
        return [url.partition('://')[2] or url]
    user_info, first, rest = match['user_info'], match['first'], match['rest'] or match['none']
    plain = _PLAIN_PART.fullmatch(first or '')
    # As the header Authorization has it, which a server may send back.
    login = b64encode(unquote(user_info or '').encode('utf-8', 'replace')).decode().rstrip('=')
    return [user_info or '', login, '' if plain else first, rest or '']


def _shown_rtsp(url: str) -> str:
    match = _RTSP.fullmatch(url)
    if match is None or not url.isprintable():
        return f'{url.partition("://")[0].lower()}://{HIDDEN}'
    first, rest = match['first'], match['rest']
    begin = f'{match["scheme"].lower()}://{match["host"]}{match["port"] or ""}'
    if first is None:
        return f'{begin}/{HIDDEN}' if match['none'] else begin
    if not _PLAIN_PART.fullmatch(first):
        return f'{begin}/{HIDDEN}'
    return f'{begin}/{first}/{HIDDEN}' if rest else f'{begin}/{first}'


def _shown_pipeline(text: str) -> str:
    elements = []
    for begins, word in _marked_words(text):
        if begins and word != '!':
            caps = _CAPS_WORD.match(word)
            plain = caps[0].rstrip(',') if caps else word
            elements.append(plain if caps or _ELEMENT.fullmatch(word) else HIDDEN)
    return ' ! '.join(elements) or HIDDEN


def _marked_words(text: str) -> Iterator[tuple[bool, str]]:
    """Words of a pipeline, each with whether an element begins there."""
    try:
        words = shlex.split(text[:_MOST_CHARACTERS])
    except ValueError:  # an unclosed quote
        return
    for before, word in pairwise(['!', *words]):
        yield before == '!', word


def _shown_scene(text: str) -> str:
    return text if _SCENE.fullmatch(text) else HIDDEN


def _shown_sensor(text: str) -> str:
    return text if _SENSOR.fullmatch(text) else HIDDEN


def _shown_path(text: str) -> str:
    """A path, but not what may be a URL whose scheme was forgotten."""
    is_local = _LOCAL_PATH.match(text) and not _URL_INSIDE.search(text[:_MOST_CHARACTERS])
    is_path = is_local or _PLAIN_PATH.fullmatch(text[:_MOST_CHARACTERS])
    return printable(text) if is_path or _exists(text) else HIDDEN


def _shown_bag(text: str) -> str:
    path, asks, topic = text.partition('?topic=')
    if not asks:
        return _shown_path(path)
    return f'{_shown_path(path)}?topic={topic if _TOPIC.fullmatch(topic) else HIDDEN}'


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):
        return False


_SHOWN_BY_SCHEME = {
    'rtsp': _shown_rtsp,
    'rtsps': _shown_rtsp,
    'gst': _shown_pipeline,
    'scene': _shown_scene,
    'csi': _shown_sensor,
    'file': _shown_path,
    'images': _shown_path,
    'bag': _shown_bag,
    'v4l2': _shown_path,
}
