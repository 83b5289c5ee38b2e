"""Source URIs: what each scheme takes, and how a URI is shown without its password."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from jetson_perception.errors import SourceError

EXAMPLES = {
    'csi': 'csi://0',
    'v4l2': 'v4l2:///dev/video0',
    'rtsp': 'rtsp://user:password@192.168.1.10:554/stream',
    'file': 'file:///home/me/drive.mp4',
    'images': 'images:///home/me/pictures',
    'bag': 'bag:///home/me/drive?topic=/camera/image_raw',
    'gst': 'gst://videotestsrc ! video/x-raw,width=640,height=480',
    'scene': 'scene://oranges',
}
"""One example of every scheme."""

PICTURE_SUFFIXES = frozenset(
    {'.bmp', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp'}
)
"""Endings, in lower case, of the files that `images://` reads."""

_BAG_SUFFIXES = ('.bag', '.mcap', '.db3')

# host:port/ is no password; everything else up to the last @ of the word is.
_USER_INFO = re.compile(r'(://[^\s/:@]*):(?!\d+(?:/|\s|$))(\S*)@')
_SECRET_FIELD = re.compile(
    r'\b(password|passwd|passphrase|pwd|user-pw|token|secret)=("[^"]*"|\'[^\']*\'|[^\s&!;]*)',
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SourceUri:
    """A source URI, taken apart.

    Attributes
    ----------
    scheme : str
        A key of `EXAMPLES`.
    target : str
        What the scheme opens: a sensor's number, a path, a pipeline, a scene, or the whole URL of
        an RTSP stream, with its password.
    """

    scheme: str
    target: str = field(repr=False)

    def __str__(self) -> str:
        if self.scheme == 'rtsp':
            return redact(self.target)
        return redact(f'{self.scheme}://{self.target}')


def redact(text: str) -> str:
    """`text` with the passwords of every URL and `password=` field in it replaced by ***.

    Examples
    --------
    >>> redact('rtsp://me:s3cret@10.0.0.2:554/live')
    'rtsp://me:***@10.0.0.2:554/live'
    >>> redact('rtsp://10.0.0.2:554/user=me&password=s3cret&channel=1')
    'rtsp://10.0.0.2:554/user=me&password=***&channel=1'
    """
    return _SECRET_FIELD.sub(r'\1=***', _USER_INFO.sub(r'\1:***@', text))


def parse(source: str | int) -> SourceUri:
    """A source URI taken apart and checked, without opening anything.

    Parameters
    ----------
    source : str or int
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
            raise SourceError(f'{source} is no camera number; /dev/video0 is number 0')
        return SourceUri('v4l2', f'/dev/video{source}')
    text = source.strip()
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
        raise SourceError(f'{redact(text)}: no source is called {scheme}://; {_known_schemes()}')
    if not target.strip():
        raise SourceError(f'{scheme}:// names nothing to open; expected e.g. {EXAMPLES[scheme]}')
    if scheme == 'csi' and not target.isdecimal():
        raise SourceError(f'{text}: expected the number of a sensor, e.g. {EXAMPLES[scheme]}')
    if scheme == 'v4l2':
        return SourceUri('v4l2', _device(text, target))
    if scheme in ('file', 'images'):
        path = _path(target)
        is_picture = Path(path).suffix.lower() in PICTURE_SUFFIXES
        return SourceUri('images' if is_picture else scheme, path)
    if scheme == 'bag':
        path, topic = bag_and_topic(target)
        return SourceUri('bag', _path(path) + (f'?topic={topic}' if topic else ''))
    return SourceUri(scheme, target)


def is_bag(path: str | Path) -> bool:
    """Whether a path is a recording: a folder with metadata.yaml, or a .bag, .mcap or .db3."""
    path = Path(path)
    return path.suffix in _BAG_SUFFIXES or (path / 'metadata.yaml').is_file()


def bag_and_topic(target: str) -> tuple[str, str]:
    """A bag's path, and the topic that was asked for; '' for none.

    Examples
    --------
    >>> bag_and_topic('/home/me/drive?topic=/camera/image_raw')
    ('/home/me/drive', '/camera/image_raw')
    """
    path, _, topic = target.partition('?topic=')
    return path, topic


def _known_schemes() -> str:
    return 'sources are ' + ', '.join(EXAMPLES.values())


def _from_path(text: str) -> SourceUri:
    if text.isdecimal():
        return SourceUri('v4l2', f'/dev/video{text}')
    path = Path(text).expanduser()
    if path.is_relative_to('/dev'):
        return SourceUri('v4l2', str(path))
    named, _ = bag_and_topic(text)
    if is_bag(Path(named).expanduser()):
        return SourceUri('bag', str(Path(named).expanduser()) + text[len(named) :])
    is_pattern = not path.exists() and any(character in text for character in '*?[')
    if path.is_dir() or is_pattern or path.suffix.lower() in PICTURE_SUFFIXES:
        return SourceUri('images', str(path))
    if path.is_file():
        return SourceUri('file', str(path))
    raise SourceError(
        f'{redact(text)} is neither a file, a folder nor a device of this machine, '
        f'and no URI; {_known_schemes()}'
    )


def _path(target: str) -> str:
    """A path as written if that exists, else with %20 and the like decoded."""
    path = Path(target).expanduser()
    if target.startswith('localhost/') and not path.exists():
        return _path(target.removeprefix('localhost'))
    decoded = Path(unquote(target)).expanduser()
    return str(path if path.exists() else decoded)


def _device(text: str, target: str) -> str:
    if target.isdecimal():
        return f'/dev/video{target}'
    if not target.startswith('/'):
        raise SourceError(
            f'{text}: the device is a path from the root, with three slashes: v4l2:///{target}'
        )
    return target


def _check_rtsp(text: str) -> None:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        # The cause is left out: its text quotes a piece of the password as a port.
        raise SourceError(
            f'{redact(text)}: host and port cannot be told apart; '
            'in a user or password write @ as %40, : as %3A, / as %2F, # as %23'
        ) from None
    if not host:
        raise SourceError(f'{redact(text)} names no host; expected e.g. {EXAMPLES["rtsp"]}')
