"""A BGR picture as the bytes of each encoding that cameras send."""

import cv2
import numpy as np

_BAYER = {  # channel (of BGR) at the even and odd pixels of the even and odd rows
    'bayer_rggb8': ((2, 1), (1, 0)),
    'bayer_bggr8': ((0, 1), (1, 2)),
    'bayer_gbrg8': ((1, 0), (2, 1)),
    'bayer_grbg8': ((1, 2), (0, 1)),
}


def encode(bgr, encoding):
    """Rows of bytes, (rows, bytes a row), of a (h, w, 3) picture with even sides.

    YUV as BT.601 with limited range; mono8 is the green channel.
    """
    height, width = bgr.shape[:2]
    if encoding in ('bgr8', 'rgb8'):
        pixels = bgr if encoding == 'bgr8' else bgr[..., ::-1]
    elif encoding in ('bgra8', 'rgba8'):
        alpha = np.full((height, width, 1), 7, np.uint8)
        pixels = np.concatenate((bgr if encoding == 'bgra8' else bgr[..., ::-1], alpha), axis=2)
    elif encoding == 'mono8':
        pixels = bgr[..., 1]
    elif encoding in _BAYER:
        pixels = np.empty((height, width), np.uint8)
        for row, channels in enumerate(_BAYER[encoding]):
            for column, channel in enumerate(channels):
                pixels[row::2, column::2] = bgr[row::2, column::2, channel]
    else:
        pixels = _encode_yuv(bgr, encoding)
    return np.ascontiguousarray(pixels).reshape(len(pixels), -1)


def padded(rows, padding):
    """The rows with `padding` bytes of garbage after each."""
    return np.pad(rows, ((0, 0), (0, padding)), constant_values=99)


def equivalent_bgr(bgr, encoding):
    """What the picture is after a trip through the encoding, but for rounding."""
    return np.repeat(bgr[..., 1:2], 3, axis=2) if encoding == 'mono8' else bgr


def _encode_yuv(bgr, encoding):
    height, width = bgr.shape[:2]
    planes = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
    luma = planes[:height]
    quarter = height * width // 4
    u, v = (
        planes[height:].reshape(-1)[first : first + quarter].reshape(height // 2, width // 2)
        for first in (0, quarter)
    )
    if encoding in ('nv12', 'nv21'):
        chroma = np.stack((u, v) if encoding == 'nv12' else (v, u), axis=2)
        return np.concatenate((luma, chroma.reshape(height // 2, width)))
    u, v = np.repeat(u, 2, axis=0), np.repeat(v, 2, axis=0)
    even, odd = luma[:, ::2], luma[:, 1::2]
    in_order = (even, u, odd, v) if encoding in ('yuv422_yuy2', 'yuyv') else (u, even, v, odd)
    return np.stack(in_order, axis=2)
