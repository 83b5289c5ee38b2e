"""Semantic segmentation: recognize what an output tensor holds and turn it into a class mask."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.printable import counted, quoted
from jetson_perception.tasks.finite import require_finite
from jetson_perception.tasks.grids import fits_input, window_on_grid, without_ones
from jetson_perception.tasks.numbers import is_number
from jetson_perception.tasks.results import Segmentation

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import DTypeLike, NDArray

    from jetson_perception.model_info import ModelInfo
    from jetson_perception.tasks.grids import Window
    from jetson_perception.tasks.preprocess import ImageTransform

OUTPUTS: tuple[str, ...] = ('logits', 'probabilities', 'class_ids')
"""Values of `SegmentationLayout.output`, and of the parameter `output`."""

MASK_SIZES: tuple[str, ...] = ('image', 'network')
INTERPOLATIONS: tuple[str, ...] = ('probabilities', 'logits')
MAX_CLASSES = 256
_ROUNDING = np.float32(1e-5)  # of interpolated scores, more than there is
_FEW_CLASSES = 4
_COUNTED_ONE_BY_ONE = 8  # classes; for more, a histogram is faster


@dataclass(frozen=True, slots=True)
class SegmentationLayout:
    """How an output tensor holds classes.

    Attributes
    ----------
    output : str
        One of `OUTPUTS`.
    class_count : int
        Classes, including the background; 0 if unknown, which is possible with class ids.
    channels_last : bool
        True for (1, h, w, classes), False for (1, classes, h, w); meaningless for class ids.
    binary : bool
        The only channel is the foreground's; class 0 is the background.
    """

    output: str
    class_count: int
    channels_last: bool = False
    binary: bool = False


@dataclass(frozen=True, slots=True)
class PictureOptions:
    """Which pictures to make along with a mask.

    Attributes
    ----------
    colored : bool
        The mask with a color for each class.
    tinted : bool
        The image, tinted where the class is not 0.
    colors : tuple of (int, int, int)
        Blue, green and red of each class, 0 to 255; further classes are black.
    blend : float
        Share of the image that remains under a tint, 0 to 1.

    Raises
    ------
    ParameterError
        When `blend` is out of range.
    """

    colored: bool = False
    tinted: bool = False
    colors: tuple[tuple[int, int, int], ...] = ()
    blend: float = 0.6

    def __post_init__(self) -> None:
        if not (is_number(self.blend) and 0 <= self.blend <= 1):
            raise ParameterError(
                f'blend is {self.blend!r}; give the share of the image that remains, 0 to 1',
                'blend',
            )


@dataclass(frozen=True, slots=True)
class SegmentationOptions:
    """How a mask is made.

    Attributes
    ----------
    mask_size : str
        'image' for a mask of the source image's size, 'network' for one of the output tensor's.
    interpolation : str
        What is resized before the best class is chosen: 'probabilities', or 'logits', which saves
        the softmax.
    pictures : PictureOptions, optional
        Pictures that a model on a GPU makes as well, if the mask has the image's size. Models on
        the CPU make none; `drawing` does.
    confidence : bool
        Also tell how likely each pixel's class is.

    Raises
    ------
    ParameterError
        When `mask_size` or `interpolation` is not one of these.
    """

    mask_size: str = 'image'
    interpolation: str = 'probabilities'
    pictures: PictureOptions | None = None
    confidence: bool = False

    def __post_init__(self) -> None:
        for name, choices in (('mask_size', MASK_SIZES), ('interpolation', INTERPOLATIONS)):
            if getattr(self, name) not in choices:
                raise ParameterError(
                    f'{name} is {quoted(getattr(self, name))}; choose one of {", ".join(choices)}',
                    name,
                )


def recognize_segmentation_layout(
    output_shape: tuple[int, ...],
    output_dtype: DTypeLike,
    info: ModelInfo,
    network_wh: tuple[int, int],
) -> SegmentationLayout:
    """The layout that the shape, the type and the model's metadata agree on.

    Parameters
    ----------
    output_shape : tuple of int
        The shape that a run gave.
    output_dtype : dtype
        Integers are class ids.
    info : ModelInfo
        `output` and `class_names` are used; empty ones are inferred.
    network_wh : tuple of int
        Width and height of the network's input, pixels; the output's grid has its proportions.

    Raises
    ------
    ModelError
        When this is not the output of a segmentation network, or the metadata contradicts it.
    ParameterError
        When the shape is ambiguous; the error names the parameter that decides.
    """
    name = info.path or 'the model'
    found = f'output {np.dtype(output_dtype)} {tuple(output_shape)} of {name}'
    if info.task not in ('', 'semantic'):
        raise ModelError(
            f'the task of {name} is {quoted(info.task)}; semantic segmentation is decoded here: '
            "use the detection node, or correct 'task'"
        )
    if info.output and info.output not in OUTPUTS:
        raise ParameterError(
            f'output is {quoted(info.output)}; choose one of {", ".join(OUTPUTS)}', 'output'
        )
    integers = np.issubdtype(np.dtype(output_dtype), np.integer)
    if integers and info.output in ('logits', 'probabilities'):
        raise ModelError(
            f'{found} holds integers, which are class ids, but output is {quoted(info.output)}; '
            "correct 'output', or leave it out"
        )
    if integers or info.output == 'class_ids':
        return _class_ids_layout(output_shape, info, found, network_wh)
    return _scores_layout(output_shape, info, found, network_wh)


def channel_count(shape: tuple[int, ...], network_wh: tuple[int, int]) -> int:
    """How many scores an output of this shape has for each place of the input; 0 if it is no map.

    Parameters
    ----------
    shape : tuple of int
        (1, channels, h, w) or (1, h, w, channels).
    network_wh : tuple of int
        Width and height of the network's input, pixels.
    """
    if len(shape) != 4 or shape[0] != 1:
        return 0
    channels = [
        count
        for count, grid in ((shape[1], shape[2:]), (shape[3], shape[1:3]))
        if fits_input(grid, network_wh) and count <= MAX_CLASSES
    ]
    return min(channels, default=0)


def _class_ids_layout(
    shape: tuple[int, ...], info: ModelInfo, found: str, network_wh: tuple[int, int]
) -> SegmentationLayout:
    grids = without_ones(shape)
    if grids is None or not fits_input(grids, network_wh):
        raise ModelError(
            f'{found} does not hold a class id for each pixel of a '
            f'{network_wh[0]}×{network_wh[1]} input, such as (1, h, w); export the argmax of a '
            'semantic segmentation network, or its scores'
        )
    if len(info.class_names) > MAX_CLASSES:
        raise _too_many(found, len(info.class_names))
    return SegmentationLayout('class_ids', len(info.class_names))


def _scores_layout(
    shape: tuple[int, ...], info: ModelInfo, found: str, network_wh: tuple[int, int]
) -> SegmentationLayout:
    if len(shape) == 3 and shape[0] == 1 and fits_input(shape[1:], network_wh):
        shape = (1, *shape)  # one channel whose axis was squeezed away
    if len(shape) != 4 or shape[0] != 1:
        raise ModelError(
            f'{found} does not hold a score for each class and pixel, such as (1, classes, h, w); '
            'export a semantic segmentation network for one image'
        )
    named = len(info.class_names)
    readings = [
        (channels_last, classes)
        for channels_last, classes, grid in (
            (False, shape[1], shape[2:]),
            (True, shape[3], shape[1:3]),
        )
        if fits_input(grid, network_wh) and math.prod(grid) > 1
    ]
    if len(readings) > 1:
        by_names = [r for r in readings if named and r[1] in (named, 1 if named == 2 else named)]
        readings = by_names if len(by_names) == 1 else [min(readings, key=lambda r: r[1])]
    if not readings:
        raise ModelError(
            f'{found} has no two axes with the aspect ratio of the '
            f'{network_wh[0]}×{network_wh[1]} input; expected (1, classes, h, w) or '
            '(1, h, w, classes): export a semantic segmentation network'
        )
    channels_last, channels = readings[0]
    if channels < 1:
        raise ModelError(f'{found} has no classes; export the model again')
    if channels > MAX_CLASSES:
        raise _too_many(found, channels)
    binary = channels == 1
    if binary and not info.output:
        raise ParameterError(
            f"{found} has one channel; set 'output' to what it holds: logits (a sigmoid follows), "
            "probabilities, or class_ids; if it is depth, set 'task' to depth, in yolo_node",
            'output',
        )
    classes = 2 if binary else channels
    if named and named != classes:
        raise ModelError(
            f'{found} has {counted(classes, "class")}, but class_names has {named}; correct the '
            'names, or '
            'use the model that they belong to'
        )
    return SegmentationLayout(info.output or 'logits', classes, channels_last, binary)


def _too_many(found: str, count: int) -> ModelError:
    return ModelError(
        f'{found} has {counted(count, "class")}; a mask has one byte per pixel and holds at most '
        f'{MAX_CLASSES}: export the model with fewer'
    )


def segment(
    output: NDArray[Any],
    layout: SegmentationLayout,
    transform: ImageTransform,
    options: SegmentationOptions,
) -> Segmentation:
    """The class of each pixel, and how many pixels each class has.

    Parameters
    ----------
    output : ndarray
        The model's output for one image, in the shape that the layout was recognized from.
    layout : SegmentationLayout
        From `recognize_segmentation_layout`.
    transform : ImageTransform
        From the preprocessing of this image; its padding is cut off.
    options : SegmentationOptions
        Size of the mask, and what is interpolated.

    Returns
    -------
    Segmentation
        Of the source image's size if `mask_size` is 'image'; of the size of the output's grid
        without the padding if it is 'network'.

    Raises
    ------
    ModelError
        When a score in the image is NaN, or the highest score of a grid point is infinite. A score
        of minus infinity may rule out a class.

    Notes
    -----
    Scores are resized bilinearly before the best class is chosen, the lower one of two equals;
    this gives smooth borders. Class ids can only be repeated (nearest neighbor).
    """
    if layout.output == 'class_ids':
        mask = _nearest(_class_id_grid(output), transform, options)
        return Segmentation(mask, _count(mask, layout.class_count))
    planes, window = _planes(output, layout, transform, options)
    scores = np.ascontiguousarray(planes, np.float32)
    size_wh = transform.source_wh if options.mask_size == 'image' else None
    with np.errstate(invalid='ignore', over='ignore'):  # no warnings for a broken model's output
        highest = scores.max(axis=0)
        _require_numbers(highest, 'scores')
        if layout.output == 'logits' and options.interpolation == 'probabilities':
            scores = _sigmoid(scores) if layout.binary else _softmax(scores, highest)
        if layout.binary:
            threshold = 0.0 if _still_logits(layout, options) else 0.5
            mask = _foreground(scores[0], threshold, size_wh, window)
        else:
            mask = _best_class(scores, size_wh, window)
    found = Segmentation(mask, _count(mask, layout.class_count))
    if not options.confidence:
        return found
    return replace(found, confidence=confidence_of(mask, output, layout, transform, options))


def confidence_of(
    mask: NDArray[np.uint8],
    output: NDArray[Any],
    layout: SegmentationLayout,
    transform: ImageTransform,
    options: SegmentationOptions,
) -> NDArray[np.uint8] | None:
    """How likely the class of each pixel is, in 255ths; None of a network that gives no scores.

    This is the interpolated probability of the class that the mask has, whatever was interpolated
    to choose it.

    Parameters
    ----------
    mask : ndarray, shape (h, w), uint8
        What `segment` makes of the other arguments.
    output, layout, transform, options
        As `segment` takes them.
    """
    if layout.output == 'class_ids':
        return None
    planes, window = _planes(output, layout, transform, options)
    with np.errstate(invalid='ignore', over='ignore'):  # as in `segment`
        scores = np.ascontiguousarray(planes, np.float32)
        if layout.output == 'logits':
            scores = _sigmoid(scores) if layout.binary else _softmax(scores, scores.max(axis=0))
        if layout.binary:
            scores = np.concatenate((1 - scores, scores))
        scores = scores.clip(0, 1) * np.float32(255)
    likely = np.zeros(mask.shape, np.uint8)
    for class_id in np.flatnonzero(cv2.calcHist([mask], [0], None, [256], [0, 256])).tolist():
        of_class = scores[class_id]
        if of_class.shape != mask.shape or window is not None:
            of_class = _workspace.array('resized', mask.shape, np.float32)
            _resize(scores[class_id], window, of_class, cv2.INTER_LINEAR)
        # Not cv2.compare, which takes a number for an array if the mask has one column.
        inside = (mask == np.uint8(class_id)).view(np.uint8)
        cv2.copyTo(cv2.convertScaleAbs(of_class), inside, likely)
    return likely


def _planes(
    output: NDArray[Any],
    layout: SegmentationLayout,
    transform: ImageTransform,
    options: SegmentationOptions,
) -> tuple[NDArray[Any], Window | None]:
    """The scores of each class, and where the image lies on them; None if it is all of them."""
    planes = output[0].transpose(2, 0, 1) if layout.channels_last else output[0]
    if planes.ndim == 2:
        planes = planes[None]
    place = window_on_grid(planes.shape[1:], transform)
    if place.is_whole or options.mask_size == 'network':
        return planes[:, place.rows, place.columns], None
    return planes, place


def _require_numbers(grid: NDArray[Any], what: str) -> None:
    """Refuse a grid, (h, w), with a point that is NaN or infinite."""
    numbers = np.isfinite(grid)
    if not numbers.all():
        require_finite(what, grid.size - np.count_nonzero(numbers), grid.size, 'grid points')


def _foreground(
    score: NDArray[np.float32],
    threshold: float,
    size_wh: tuple[int, int] | None,
    window: Window | None,
) -> NDArray[np.uint8]:
    """1 where the score is above the threshold, else 0, (h, w)."""
    if size_wh is not None:
        resized = _workspace.array('resized', (size_wh[1], size_wh[0]), np.float32)
        _resize(score, window, resized, cv2.INTER_LINEAR)
        score = resized
    return (score > threshold).view(np.uint8)


def _still_logits(layout: SegmentationLayout, options: SegmentationOptions) -> bool:
    return layout.output == 'logits' and options.interpolation == 'logits'


class _Workspace(threading.local):
    """Arrays kept from frame to frame, separately for each thread.

    Fresh memory from the system costs several times as much as the arithmetic done in it.
    """

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray[Any]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """The array of this name, contents undefined; a new one if shape or type changes."""
        kept = self._arrays.get(name)
        if kept is None or kept.shape != shape or kept.dtype != dtype:
            kept = self._arrays[name] = np.empty(shape, dtype)
        return kept


_workspace = _Workspace()


def _resize(
    plane: NDArray[Any], window: Window | None, into: NDArray[Any], interpolation: int
) -> None:
    """Enlarge the window of the plane, or all of it, to the size of `into`.

    Both must have the same type: OpenCV silently ignores a `dst` of another type or size.
    """
    height, width = into.shape
    if window is None:
        cv2.resize(plane, (width, height), dst=into, interpolation=interpolation)
        return
    # The window's edges cut through grid points, as with letterboxed images on a coarse grid.
    x_step, y_step = window.width / width, window.height / height
    into_plane = np.array(
        [
            [x_step, 0, window.left + 0.5 * x_step - 0.5],
            [0, y_step, window.top + 0.5 * y_step - 0.5],
        ]
    )
    cv2.warpAffine(
        plane,
        into_plane,
        (width, height),
        dst=into,
        flags=(cv2.INTER_NEAREST if interpolation == cv2.INTER_NEAREST_EXACT else interpolation)
        | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _best_class(
    scores: NDArray[np.float32], size_wh: tuple[int, int] | None, window: Window | None
) -> NDArray[np.uint8]:
    """Class with the highest score at each pixel, (h, w); the lower class of two equals."""
    if size_wh is None:
        return scores.argmax(axis=0).astype(np.uint8)
    shape = size_wh[1], size_wh[0]
    best = _workspace.array('best', shape, np.float32)
    resized = _workspace.array('resized', shape, np.float32)
    wins = _workspace.array('wins', shape, bool)
    first, *others = _contenders(scores)
    _resize(scores[first], window, best, cv2.INTER_LINEAR)
    mask = np.full(shape, first, np.uint8)
    for class_id in others:
        _resize(scores[class_id], window, resized, cv2.INTER_LINEAR)
        np.greater(resized, best, out=wins)
        np.maximum(resized, best, out=best)
        # Classes come in ascending order, so the last winner's number is the highest.
        numbers = wins.view(np.uint8)
        np.multiply(numbers, np.uint8(class_id), out=numbers)
        np.maximum(numbers, mask, out=mask)
    return mask


def _contenders(scores: NDArray[np.float32]) -> list[int]:
    """Classes that may be the best somewhere between the grid points, ascending.

    Anywhere between four points, the best of the nearest point counts a quarter or more. So the
    highest interpolated score is at least a quarter of the lowest of all best scores, where no
    score is negative; and a class whose scores are below that nowhere is the best.
    """
    floor = scores.min()
    bar = floor + (scores.max(axis=0).min() - floor) / 4
    bar -= _ROUNDING * (np.abs(floor) + np.abs(bar))
    # Not `>= bar`, which would leave out NaN: a score of minus infinity rules out none.
    contenders = ~(scores.max(axis=(1, 2)) < bar)
    # Logits go far below 0, so few of their classes are left out by that.
    if np.count_nonzero(contenders) > max(_FEW_CLASSES, len(scores) // 2):
        contenders &= _may_win_between(scores)
    found: list[int] = np.flatnonzero(contenders).tolist()
    return found


def _may_win_between(scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """For each class, whether it may be the best in any cell, which is between four grid points.

    There, a bilinear score lies between the lowest and the highest of the four. Where the highest
    of one class is below the lowest of another, the former cannot win. This takes a third of the
    time of resizing a plane and looking for the best, and leaves out more than `_contenders`.
    """
    count, height, width = scores.shape
    if min(height, width) < 2:
        return np.ones(count, bool)
    pairs = _workspace.array('pairs', (count, height, width - 1), np.float32)
    highest = _workspace.array('highest', (count, height - 1, width - 1), np.float32)
    lowest = _workspace.array('lowest', (count, height - 1, width - 1), np.float32)
    np.maximum(scores[:, :, 1:], scores[:, :, :-1], out=pairs)
    np.maximum(pairs[:, 1:], pairs[:, :-1], out=highest)
    np.minimum(scores[:, :, 1:], scores[:, :, :-1], out=pairs)
    np.minimum(pairs[:, 1:], pairs[:, :-1], out=lowest)
    bar = lowest.max(axis=0)
    bar -= _ROUNDING * np.abs(bar)
    return np.array([not (plane < bar).all() for plane in highest])


def _softmax(logits: NDArray[np.float32], highest: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of classes, from their logits and the highest logit of each point."""
    probabilities = _workspace.array('probabilities', logits.shape, np.float32)
    np.subtract(logits, highest, out=probabilities)
    np.exp(probabilities, out=probabilities)
    probabilities /= probabilities.sum(axis=0)
    return probabilities


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    # This form has no exponential that could overflow.
    half: NDArray[np.float32] = np.tanh(logits * np.float32(0.5))
    half *= np.float32(0.5)
    half += np.float32(0.5)
    return half


def _class_id_grid(output: NDArray[Any]) -> NDArray[np.uint8]:
    size = without_ones(output.shape)
    if size is None:
        raise ModelError(f'output is {output.shape}, not one class id per pixel')
    grid = output.reshape(size)
    if grid.dtype.kind == 'f':
        _require_numbers(grid, 'class ids')
    return grid.astype(np.uint8)


def _nearest(
    grid: NDArray[np.uint8], transform: ImageTransform, options: SegmentationOptions
) -> NDArray[np.uint8]:
    window = window_on_grid(grid.shape, transform)
    inside = np.ascontiguousarray(grid[window.rows, window.columns])
    if options.mask_size == 'network':
        return inside
    mask = np.empty((transform.source_wh[1], transform.source_wh[0]), np.uint8)
    if window.is_whole:
        _resize(inside, None, mask, cv2.INTER_NEAREST_EXACT)
    else:
        _resize(grid, window, mask, cv2.INTER_NEAREST_EXACT)
    return mask


def _count(mask: NDArray[np.uint8], class_count: int) -> NDArray[np.int64]:
    """Pixels of each class, up to at least the highest class present."""
    highest = int(mask.max())
    if highest >= _COUNTED_ONE_BY_ONE:
        return _histogram(mask)[: max(class_count, highest + 1)]
    counts = np.zeros(max(class_count, highest + 1), np.int64)
    of_class = _workspace.array('of_class', mask.shape, bool)
    for class_id in range(highest + 1):
        np.equal(mask, np.uint8(class_id), out=of_class)
        counts[class_id] = np.count_nonzero(of_class)
    return counts


def _histogram(mask: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Pixels of each number, shape (256,)."""
    counts = np.zeros(256, np.int64)
    # OpenCV's histogram is several times as fast as bincount. It counts in float32, which is exact
    # up to 2^24.
    rows = max(2**24 // mask.shape[1], 1)
    for top in range(0, mask.shape[0], rows):
        band = cv2.calcHist([mask[top : top + rows]], [0], None, [256], [0, 256])
        counts += band.ravel().astype(np.int64)
    return counts
