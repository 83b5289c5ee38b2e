"""Source URIs: what each scheme takes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from jetson_perception.camera.schemes import SCHEMES
from jetson_perception.camera.shown import HIDDEN, shown
from jetson_perception.errors import SourceError
from jetson_perception.files.foreign_files import foreign_path
from jetson_perception.printable import printable

EXAMPLES = {name: scheme.example for name, scheme in SCHEMES.items()}
"""One example of every scheme."""

PICTURE_SUFFIXES = frozenset(
    {'.bmp', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp'}
)
"""File name endings, in lower case, that `images://` reads."""

VIDEO_SUFFIXES = frozenset({'.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpg', '.ts', '.webm'})
"""Usual endings of videos, in lower case."""

ESCAPES = 'in a user or password write @ as %40, : as %3A, / as %2F, # as %23'
"""What to do about a URL whose parts are ambiguous."""

CSI_MEMORIES = ('host', 'nvmm', 'auto')
"""Where frames of a CSI camera may lie: in the host's memory, the default; in the camera's own; in
that where it is possible, and an engine of this process reads it."""

_MOST_DIGITS = 4  # of a sensor's number
BAG_FILES = ('.mcap', '.db3', '.zstd')
"""Endings of the files of a ROS 2 bag."""


@dataclass(frozen=True, slots=True)
class SourceUri:
    """A source URI, taken apart.

    Attributes
    ----------
    scheme : str
        A key of `SCHEMES`.
    target : str
        What the scheme opens: a sensor's number with the memory that is asked for, a path, a
        pipeline, a scene, or the whole URL of an RTSP stream, with its password.
    """

    scheme: str
    target: str = field(repr=False)

    def __str__(self) -> str:
        return shown(self.target if self.scheme == 'rtsp' else f'{self.scheme}://{self.target}')


def parse(source: str | int | os.PathLike[str]) -> SourceUri:
    """A source URI taken apart and checked, without opening anything.

    Parameters
    ----------
    source : str, int or path-like
        A URI as in `EXAMPLES`. Also, for convenience: an integer N or its digits for
        `/dev/videoN`, a device under `/dev`, the path of a video file or of a picture, a folder
        of pictures or a pattern such as `frames/*.png`.

    Raises
    ------
    SourceError
        When it is none of these; the text shows an example of each scheme.
    """
    if isinstance(source, int):
        if source < 0:
            raise SourceError(f'{source} is not a camera number; /dev/video0 is number 0')
        return SourceUri('v4l2', f'/dev/video{source}')
    if not isinstance(source, str | os.PathLike):
        raise SourceError(
            f'the source is a {type(source).__name__}, which is not a source; {_known_schemes()}'
        )
    text = os.fsdecode(source).strip()
    if not text:
        raise SourceError(f'the source is empty; {_known_schemes()}')
    scheme, separator, target = text.partition('://')
    if not separator:
        return _from_path(text)
    scheme = scheme.lower()
    if scheme in ('rtsp', 'rtsps'):
        _check_rtsp(text)
        return SourceUri('rtsp', text)
    if scheme not in EXAMPLES:
        called = shown(text).removesuffix(HIDDEN) or 'that'
        raise SourceError(f'{shown(text)}: no source is called {called}; {_known_schemes()}')
    if not target.strip():
        raise SourceError(f'{scheme}:// names nothing to open; expected e.g. {EXAMPLES[scheme]}')
    if scheme == 'csi':
        _check_csi(text, target)
    if scheme == 'v4l2':
        return SourceUri('v4l2', _device(text, target))
    if scheme in ('file', 'images'):
        path = _path(target)
        is_picture = Path(path).suffix.lower() in PICTURE_SUFFIXES
        return SourceUri('images' if is_picture else scheme, path)
    if scheme == 'bag':
        path, topic = bag_and_topic(target)
        _refuse_other_queries(path, text)
        return SourceUri('bag', _path(path) + (f'?topic={topic}' if topic else ''))
    return SourceUri(scheme, target)


def sensor_and_memory(target: str) -> tuple[str, str]:
    """A CSI sensor's number, and the memory that was asked for, one of `CSI_MEMORIES`.

    Examples
    --------
    >>> sensor_and_memory('0?memory=nvmm')
    ('0', 'nvmm')
    >>> sensor_and_memory('0')
    ('0', 'host')
    """
    sensor, _, memory = target.partition('?memory=')
    return sensor, memory or CSI_MEMORIES[0]


def _check_csi(text: str, target: str) -> None:
    sensor, memory = sensor_and_memory(target)
    if not (sensor.isdecimal() and len(sensor) <= _MOST_DIGITS):
        raise SourceError(
            f'{shown(text)}: expected the number of a sensor, e.g. {EXAMPLES["csi"]}'
        )
    if memory not in CSI_MEMORIES:
        raise SourceError(
            f'{shown(text)}: memory is one of {", ".join(CSI_MEMORIES)}, as in csi://0?memory=auto'
        )


def is_bag(path: str | Path) -> bool:
    """Whether a path is a recording: a file of one, or a folder of such files."""
    path = Path(path)
    if os.path.isfile(path / 'metadata.yaml') or path.suffix == '.bag':
        return True
    if os.path.isdir(path):  # a recording that was cut off has no metadata
        names = os.listdir(path) if os.access(path, os.R_OK) else []
        return bool(names) and all(map(_is_bag_file, names))
    return _is_bag_file(path.name)


def _is_bag_file(name: str) -> bool:
    return name.removesuffix('.zstd').endswith(BAG_FILES[:2])


def bag_and_topic(target: str) -> tuple[str, str]:
    """A bag's path, and the topic that was asked for; '' for none.

    Examples
    --------
    >>> bag_and_topic('/home/me/drive?topic=/camera/image_raw')
    ('/home/me/drive', '/camera/image_raw')
    """
    path, _, topic = target.partition('?topic=')
    return path, topic


def _refuse_other_queries(path: str, text: str) -> None:
    """Raise SourceError where a bag is asked for anything but a topic."""
    name, separator, query = path.partition('?')
    if separator and not os.path.lexists(_expanded(path)) and is_bag(_path(name)):
        key = query.partition('=')[0]
        raise SourceError(
            f'{shown(text)}: a bag takes no {printable(key, 60)}; expected e.g. '
            '?topic=/camera/image_raw'
        )


def _known_schemes() -> str:
    return 'sources are ' + ', '.join(EXAMPLES.values())


def _from_path(text: str) -> SourceUri:
    if text.isdecimal():
        return SourceUri('v4l2', f'/dev/video{text}')
    path = _expanded(text)
    if path.is_relative_to('/dev'):
        return SourceUri('v4l2', str(path))
    named, _ = bag_and_topic(text)
    bag = _expanded(named)
    if is_bag(bag):
        return SourceUri('bag', str(bag) + text[len(named) :])
    _refuse_other_queries(text, text)
    is_pattern = not os.path.exists(path) and any(character in text for character in '*?[')
    if os.path.isdir(path) or is_pattern or path.suffix.lower() in PICTURE_SUFFIXES:
        return SourceUri('images', str(path))
    # A pipe or a missing video, too: whoever opens it says what to do.
    if os.path.exists(path) or path.suffix.lower() in VIDEO_SUFFIXES:
        return SourceUri('file', str(path))
    raise SourceError(
        f'{shown(text)} is neither a file, a folder nor a device on this machine, '
        f'and it is not a URI; {_known_schemes()}'
    )


def _path(target: str) -> str:
    """A path as written if that exists, else with %20 and the like decoded."""
    path = _expanded(target)
    if target.startswith('localhost/') and not os.path.exists(path):
        return _path(target.removeprefix('localhost'))
    return str(path if os.path.exists(path) else _expanded(unquote(target)))


def _expanded(path: str) -> Path:
    def error(text: str) -> SourceError:  # it may be a URL whose scheme was forgotten
        return SourceError(text.replace(printable(path), shown(path)))

    return foreign_path(path, what='source', error=error)


def _device(text: str, target: str) -> str:
    if target.isdecimal():
        return f'/dev/video{target}'
    if not target.startswith('/'):
        raise SourceError(
            f'{shown(text)}: expected an absolute path, with three slashes, '
            'such as v4l2:///dev/video0'
        )
    _expanded(target)  # refuses what can name no file
    return target


def _check_rtsp(text: str) -> None:
    if not text.isprintable():  # spaces of other kinds, control characters, halves of a pair
        raise SourceError(
            f'{shown(text)}: the URL has characters that are not printable; write them as %XX'
        )
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        # Without the cause: its text quotes part of the password as a port.
        raise SourceError(f'{shown(text)}: {_about_port(text)}') from None
    if host in ('rtsp', 'rtsps') and text[len(parts.scheme) + 3 :].startswith(f'{host}:/'):
        raise SourceError(f'{host}://… has {host}:// twice; expected e.g. {EXAMPLES["rtsp"]}')
    if not host:
        raise SourceError(f'{shown(text)} has no host; expected e.g. {EXAMPLES["rtsp"]}')


def _about_port(text: str) -> str:
    """What is wrong with the host or port of an RTSP URL that cannot be taken apart."""
    where, _, path = text.partition('://')[2].partition('/')
    if '@' in path or '?' in where or '#' in where:  # the password may have been cut there
        return f'host and port are ambiguous; {ESCAPES}'
    host_and_port = where.rpartition('@')[2]
    if host_and_port.count(':') > 1 and not re.search(r'\[[^]]*\]', host_and_port):
        return 'host and port have more than one colon; an IPv6 address is written [fe80::1]'
    digits = host_and_port.rpartition(':')[2]
    if digits.isdecimal():
        return 'the port is over 65535; expected 1 to 65535'
    return 'behind the colon of the host is no port; expected a number, 1 to 65535'
