"""A stand-in for cv_bridge: takes 16-bit colors, or does what a broken one does.

The variable STANDIN_CV_BRIDGE says which: `works`, or one of the others below.
"""

import ctypes
import os
import time

import cv2
import numpy as np

_BEHAVIOR = os.environ.get('STANDIN_CV_BRIDGE', 'works')
_CONVERSIONS = {
    'rgb16': cv2.COLOR_RGB2BGR,
    'rgba16': cv2.COLOR_RGBA2BGR,
    'bgra16': cv2.COLOR_BGRA2BGR,
    'bayer_rggb16': cv2.COLOR_BayerBG2BGR,
}

if _BEHAVIOR == 'import_error':
    raise ImportError('numpy.core.multiarray failed to import')
if _BEHAVIOR == 'attribute_error':
    raise AttributeError('_ARRAY_API not found')
if _BEHAVIOR == 'system_error':
    raise SystemError('initialization of cv_bridge_boost raised unreported exception')


class CvBridge:
    """As the real one, as far as it is used."""

    def imgmsg_to_cv2(self, image, desired_encoding):
        """The image as bgr8."""
        assert desired_encoding == 'bgr8'
        if _BEHAVIOR == 'crash':
            ctypes.string_at(0)
        if _BEHAVIOR == 'hang':
            time.sleep(3600)
        channels = {'bgr16': 3, 'rgb16': 3}.get(
            image.encoding, 4 if 'a16' in image.encoding else 1
        )
        assert image.step == 2 * channels * image.width
        shape = (image.height, image.width, channels)[: 2 + (channels > 1)]
        pixels = np.ndarray(shape, '>u2' if image.is_bigendian else '<u2', image.data)
        if image.encoding not in _CONVERSIONS:
            raise RuntimeError(f'[{image.encoding}] is not\n a color format')
        if _BEHAVIOR == 'wrong' and image.height > 1:
            return pixels
        return (cv2.cvtColor(pixels, _CONVERSIONS[image.encoding]) / 257).round().astype(np.uint8)
