"""Depth in colors: near is red, far is blue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jetson_perception.tasks.results import DepthMap

_ENDS_PERCENT = (2, 98)  # a few wild pixels must not leave one color for all others
_LEAST_SPAN = 1e-6  # of the nearest; less is rounding
_SMALLEST = float(np.finfo(np.float32).tiny)
_SAMPLES = 160  # along each side, to find the ends


def color_depth(depth: DepthMap) -> NDArray[np.uint8]:
    """Depth in colors, from the farthest pixels of this image to the nearest.

    Parameters
    ----------
    depth : DepthMap
        Metres are colored by their inverse, which tells near distances apart.

    Returns
    -------
    ndarray, shape (h, w, 3), uint8
        BGR; black where there is no depth.
    """
    return _colored(depth.values, depth.meaning)


def draw_depth(canvas: NDArray[np.uint8], depth: DepthMap, blend: float = 0.4) -> None:
    """Tint an image by depth.

    Parameters
    ----------
    canvas : ndarray, shape (h, w, 3), uint8
        BGR; changed in place.
    depth : DepthMap
        Resized if it does not have the canvas's size.
    blend : float
        Share of the image that remains, 0 to 1.
    """
    height, width = canvas.shape[:2]
    values = depth.values
    if values.shape != (height, width):
        values = cv2.resize(values, (width, height), interpolation=cv2.INTER_NEAREST)
    colors = _colored(values, depth.meaning)
    cv2.addWeighted(canvas, blend, colors, 1 - blend, 0, dst=canvas)


def _colored(values: NDArray[np.float32], meaning: str) -> NDArray[np.uint8]:
    height, width = values.shape
    samples = values[:: max(height // _SAMPLES, 1), :: max(width // _SAMPLES, 1)]
    known = samples[np.isfinite(samples)]
    if not known.size:
        return np.zeros((height, width, 3), np.uint8)
    ends = np.percentile(known.astype(np.float64), _ENDS_PERCENT)
    if meaning != 'inverse':
        ends = ends[::-1]
    far, near = _nearness(ends, meaning)
    differ = near - far > max(_LEAST_SPAN * abs(near), _SMALLEST)
    # Beyond the ends, values may be more than float32 holds, which is as good as the end.
    with np.errstate(over='ignore', invalid='ignore'):
        shade = _nearness(values, meaning) - np.float32(far)
        shade *= np.float32(255 / (near - far) if differ else 0)
        shade += np.float32(0.5)
    np.fmax(shade, 0, out=shade)  # in place of NaN, too
    np.minimum(shade, 255, out=shade)
    colors = cv2.applyColorMap(shade.astype(np.uint8), cv2.COLORMAP_TURBO)
    if meaning == 'metric':
        colors[np.isnan(values)] = 0
    return np.asarray(colors, np.uint8)


def _nearness(values: NDArray[Any], meaning: str) -> NDArray[Any]:
    """What grows towards the camera; metres are above 0."""
    if meaning == 'metric':
        return np.float32(1) / values
    return -values if meaning == 'relative' else values
