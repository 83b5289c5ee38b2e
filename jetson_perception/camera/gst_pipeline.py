"""Pipelines as words: what the user or a CSI camera has, and what we add."""

from __future__ import annotations

import shlex
from fractions import Fraction

from jetson_perception.camera.gst_video import wanted_caps
from jetson_perception.camera.shown import shown
from jetson_perception.camera.uri import EXAMPLES
from jetson_perception.errors import SourceError
from jetson_perception.printable import printable

OURS = 'jetson_perception_'
"""Begins the names of the elements that we add."""
BOUNDARY = 'frame'
"""Between two frames in the pipe."""
NVMM_BUFFERS = 8
"""How many frames of a CSI camera there are in memory of its own; nvvidconv makes 4 by default."""


def split_pipeline(uri: str, text: str) -> list[str]:
    """A pipeline's text as an argument list, checked as far as that goes without running it.

    Raises
    ------
    SourceError
        For an unclosed quote, for a word that gst-launch-1.0 would take for an option, and for a
        pipeline that ends in a sink.
    """
    try:
        arguments = shlex.split(text)
    except ValueError as err:
        raise SourceError(f'{shown(uri)}: cannot be split into words: {err}') from err
    option = next((word for word in arguments if word.startswith('-')), None)
    if option is not None:
        # An option may load a library. No element, property or caps starts with a hyphen.
        name = printable(option.partition('=')[0], 80)
        raise SourceError(
            f'{shown(uri)}: contains the word {name}, but a pipeline has no options; write a '
            'property and its value as one word, as in x=-1'
        )
    while arguments and arguments[-1] == '!':
        arguments.pop()
    if not arguments:
        raise SourceError(f'{shown(uri)}: an empty pipeline; expected e.g. {EXAMPLES["gst"]}')
    start = len(arguments) - arguments[::-1].index('!') if '!' in arguments else 0
    element = arguments[start]
    if element.endswith('sink'):
        raise SourceError(
            f'{shown(uri)}: ends in {printable(element)}; leave the sink out, so that the '
            'pipeline ends in raw video'
        )
    return arguments


def csi_pipeline(
    sensor: int, size_wh: tuple[int, int], frame_rate: float, *, pixel_format: str = 'BGRx'
) -> list[str]:
    """The elements of a CSI camera, up to the newest pixels on the host."""
    width, height = size_wh
    rate = _fraction(frame_rate)
    return [
        'nvarguscamerasrc',
        f'sensor-id={sensor}',
        '!',
        f'video/x-raw(memory:NVMM),width={width},height={height},framerate={rate}',
        '!',
        'nvvidconv',
        '!',
        f'video/x-raw,format={pixel_format}',
        # Frames that nobody reads are dropped before conversion. Only for cameras: a file would
        # run through such a queue at full speed.
        *['!', 'queue', 'leaky=downstream'],
        *['max-size-buffers=1', 'max-size-bytes=0', 'max-size-time=0'],
    ]


def csi_nvmm_pipeline(sensor: int, size_wh: tuple[int, int], frame_rate: float) -> list[str]:
    """The elements of a CSI camera, up to frames in memory that the GPU can read.

    The camera's own frames are block-linear; nvvidconv hands these on unless it is told otherwise,
    as where nothing else is asked of it.
    """
    width, height = size_wh
    caps = f'video/x-raw(memory:NVMM),format=NV12,width={width},height={height}'
    return [
        'nvarguscamerasrc',
        f'sensor-id={sensor}',
        '!',
        f'{caps},framerate={_fraction(frame_rate)}',
        '!',
        'nvvidconv',
        'bl-output=false',
        f'output-buffers={NVMM_BUFFERS}',
        '!',
        caps,
    ]


def appsink_words(pipeline: list[str], *, native: bool = False) -> list[str]:
    """A pipeline up to an appsink, whose frames `gst_appsink` takes.

    Parameters
    ----------
    pipeline : list of str
        Elements that end in raw video.
    native : bool
        As of `wanted_caps`.
    """
    return [
        *pipeline,
        *_converted(native=native),
        *f'! appsink name={OURS}sink max-buffers=2 enable-last-sample=false'.split(),
    ]


def launch_arguments(pipeline: list[str], *, paced: bool, native: bool = False) -> list[str]:
    """What follows `gst-launch-1.0` on its command line, but for the number of the pipe.

    Parameters
    ----------
    pipeline : list of str
        Elements that end in raw video.
    paced : bool
        Hold each frame back until its timestamp says; otherwise write it as it comes.
    native : bool
        As of `wanted_caps`.
    """
    return [
        '-v',
        *pipeline,
        *_converted(native=native),
        *f'! multipartmux name={OURS}mux boundary={BOUNDARY}'.split(),
        *f'! fdsink sync={str(paced).lower()}'.split(),
    ]


def _converted(*, native: bool) -> list[str]:
    """Elements that convert frames to a format that we take."""
    return [
        *f'! videoconvert name={OURS}convert'.split(),
        *f'! capsfilter name={OURS}filter caps={wanted_caps(native=native)}'.split(),
    ]


def scaled(size_wh: tuple[int, int] | None) -> list[str]:
    """Elements that scale frames to a width and height; none where it is not given."""
    if size_wh is None:
        return []
    width, height = size_wh
    caps = f'video/x-raw,width={width},height={height},pixel-aspect-ratio=1/1'
    return ['!', 'videoscale', 'add-borders=false', '!', caps]


def at_most(frame_rate: float) -> list[str]:
    """Elements that drop frames beyond a rate."""
    caps = f'video/x-raw,framerate=[0/1,{_fraction(frame_rate)}]'
    return ['!', 'videorate', 'drop-only=true', '!', caps]


def _fraction(frame_rate: float) -> str:
    rate = Fraction(frame_rate).limit_denominator(1001)
    return f'{rate.numerator}/{rate.denominator}'
