"""Videos in H.264 and H.265 by PyAV: reordered pictures, times, colors, containers."""

from fractions import Fraction

import av
import cv2
import numpy as np

TICKS_HZ = 1000


def write_coded(path, times_ms, *, codec='libx264', size_wh=(128, 96), **more):
    """A video of colored patches that move; each picture is one step of its own.

    Parameters beyond those of `encoded` name the container: `container`, a format of FFmpeg.
    """
    container = more.pop('container', None)
    with av.open(str(path), 'w', format=container) as output:
        stream = encoder(output, codec, size_wh, **more)
        for packet in encoded(stream, times_ms):
            output.mux(packet)
    return path


def encoder(
    output,
    codec,
    size_wh,
    *,
    b_frames=2,
    pixel_format='yuv420p',
    colorspace=None,
    color_range=None,
    options=(),
):
    """A stream of an output."""
    stream = output.add_stream(codec, rate=25)
    stream.width, stream.height = size_wh
    stream.pix_fmt = pixel_format
    context = stream.codec_context
    context.max_b_frames = b_frames
    context.gop_size = 10
    context.time_base = Fraction(1, TICKS_HZ)
    stream.options = {'x265-params': 'log-level=none', 'preset': 'fast', **dict(options)}
    if colorspace is not None:
        context.colorspace = colorspace
    if color_range is not None:
        context.color_range = color_range
    return stream


def encoded(stream, times_ms):
    """The packets of pictures at these times."""
    width, height = stream.width, stream.height
    patches = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    whole = cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC)
    for number, time_ms in enumerate(times_ms):
        picture = np.ascontiguousarray(np.roll(whole, 5 * number, axis=1))
        frame = av.VideoFrame.from_ndarray(picture, 'bgr24').reformat(
            format=stream.pix_fmt,
            dst_colorspace=stream.codec_context.colorspace,
            dst_color_range=stream.codec_context.color_range,
        )
        frame.pts, frame.time_base = time_ms, Fraction(1, TICKS_HZ)
        yield from stream.encode(frame)
    yield from stream.encode(None)
