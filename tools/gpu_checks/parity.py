"""Results on the GPU equal those on the CPU, over frames of many sizes and encodings."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from gpu_checks.checks import say
from jetson_perception.benchmark.frames import load_frames
from jetson_perception.benchmark.session import Settings, model_options, opened_models
from jetson_perception.drawing import color_mask, draw_segmentation
from jetson_perception.images import encodings
from jetson_perception.palette import palette
from jetson_perception.pipeline import Frame, Pipeline, RawImage, make_lane
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.results import Segmentation
from jetson_perception.tasks.segmentation import PictureOptions, SegmentationOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from gpu_checks.checks import Checks, Options
    from jetson_perception.tasks.results import Detections

_FRAMES = 200
_BOX_PX = 0.5
_SCORE = 1e-3
_MASK_SHARE = 1e-3
#: A keypoint that scores less is only a guess, on both sides.
_KEYPOINT_SCORE = 0.5
#: A box may fall on either side of a threshold if its score or overlap is this near to it.
_NEAR_SCORE = 2e-3
_NEAR_IOU = 5e-3
_STALLED_S = 60.0
_CLASS_IDS = 256

_SIZES_WH = ((1280, 720), (640, 480), (641, 479), (1920, 1080), (322, 242), (640, 640))
_ENCODINGS = (
    *('bgr8', 'rgb8', 'bgr8', 'nv12', 'bgr8', 'yuv422_yuy2', 'bgr8', 'bgra8', 'bgr8', 'mono8'),
    *('bgr8', 'bayer_rggb8', 'bgr8', 'uyvy', 'bgr8', 'nv21', 'bgr8', 'rgba8', 'bgr8'),
    *('bayer_grbg8', 'bgr8', 'bayer_gbrg8', 'bgr8', 'bayer_bggr8'),
)


def run(options: Options, checks: Checks) -> None:
    """Compare all distinct models and the shipped ones: detectors on people, masks on oranges."""
    count = options.count(_FRAMES)
    objects = tuple(dict.fromkeys(('people_detect', 'people_pose', *options.models)))
    for source, models in (('scene://people', objects), ('scene://oranges', ('oranges',))):
        say(f'{count} frames of {source}, in {len(set(_ENCODINGS))} encodings')
        frames = list(varied_frames(source, count))
        settings = Settings(models, runtime='onnxruntime_cpu', precision='fp32')
        say(f'{", ".join(settings.names())} on the CPU')
        expected = results(settings, frames)
        say(f'the same on {options.runtime}')
        found = results(replace(settings, runtime=options.runtime), frames)
        for model, name in zip(models, settings.names(), strict=True):
            pairs = list(zip(expected[name], found[name], strict=True))
            if any(one is None or other is None for one, other in pairs):
                checks.holds(f'{name}: every frame gives a result', False)
            elif model == 'oranges':
                compare_masks(checks, name, pairs)
            else:
                asked = DetectionOptions(score_threshold=settings.score_threshold)
                compare_boxes(checks, name, pairs, asked)
        if options.on_gpu:
            if 'oranges' in models:
                check_pictures(checks, replace(settings, runtime=options.runtime), frames)
            _note_rounding(checks, settings, options.runtime, frames, expected)


@dataclass(frozen=True)
class Image:
    """An image as in a message: bytes in some encoding, whose rows may be padded."""

    pixels: NDArray[np.uint8]
    encoding: str
    width: int
    height: int

    def frame(self) -> Frame:
        """The frame that a node makes from such a message."""
        return Frame(
            lambda: encodings.to_bgr(self.pixels, self.encoding),
            raw=RawImage(self.pixels, self.encoding, self.width, self.height),
        )


def varied_frames(source: str, count: int) -> Iterator[Image]:
    """Frames of a scene, whose size, encoding and step vary from one to the next."""
    rendered = load_frames(source, (1280, 720), count)
    shapes = zip(itertools.cycle(_SIZES_WH), itertools.cycle(_ENCODINGS), strict=False)
    for number, (bgr, (size_wh, encoding)) in enumerate(zip(rendered, shapes, strict=False)):
        if encoding != 'bgr8':  # chroma and Bayer patterns need even sizes
            size_wh = size_wh[0] // 2 * 2, size_wh[1] // 2 * 2
        resized = bgr if size_wh == (1280, 720) else cv2.resize(bgr, size_wh)
        data, row = encode(resized, encoding)
        padding = 64 if number % 3 == 1 else 0
        padded = np.zeros((len(data) // row, row + padding), np.uint8)
        padded[:, :row] = data.reshape(-1, row)
        width, height = size_wh
        pixels = encodings.view(padded.tobytes(), height, width, encoding, row + padding)
        yield Image(pixels, encoding, width, height)


def encode(bgr: NDArray[np.uint8], encoding: str) -> tuple[NDArray[np.uint8], int]:
    """An image's bytes in an encoding, and the number of bytes per row."""
    height, width = bgr.shape[:2]
    codes = {
        'rgb8': cv2.COLOR_BGR2RGB,
        'bgra8': cv2.COLOR_BGR2BGRA,
        'rgba8': cv2.COLOR_BGR2RGBA,
        'mono8': cv2.COLOR_BGR2GRAY,
    }
    data: Any
    if encoding == 'bgr8':
        data = bgr
    elif encoding in codes:
        data = cv2.cvtColor(bgr, codes[encoding])
    elif encoding.startswith('bayer'):
        pattern = [{'r': 2, 'g': 1, 'b': 0}[letter] for letter in encoding[6:10]]
        data = np.empty((height, width), np.uint8)
        for place, channel in enumerate(pattern):
            y, x = divmod(place, 2)
            data[y::2, x::2] = bgr[y::2, x::2, channel]
    else:
        data = _chroma(bgr, encoding)
    return np.ascontiguousarray(data).reshape(-1), np.ascontiguousarray(data[0]).nbytes


def _chroma(bgr: NDArray[np.uint8], encoding: str) -> NDArray[np.uint8]:
    height, width = bgr.shape[:2]
    yuv = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV)
    luma, u, v = yuv[..., 0], yuv[..., 1], yuv[..., 2]
    if encoding in ('nv12', 'nv21'):
        first, second = (u, v) if encoding == 'nv12' else (v, u)
        chroma = np.stack((first[::2, ::2], second[::2, ::2]), axis=-1)
        return np.concatenate((luma, chroma.reshape(height // 2, width)))
    packed = np.empty((height, width // 2, 4), np.uint8)
    at = 0 if encoding in ('yuyv', 'yuv422_yuy2') else 1
    packed[..., at], packed[..., at + 2] = luma[:, ::2], luma[:, 1::2]
    packed[..., 1 - at], packed[..., 3 - at] = u[:, ::2], v[:, ::2]
    return packed.reshape(height, width * 2)


def results(
    settings: Settings, frames: Sequence[Image], options: Callable[[Any], Any] | None = None
) -> dict[str, list[Any]]:
    """What each model finds in each frame, with the nodes' pipeline; None for failures."""
    found: dict[str, list[Any]] = {name: [None] * len(frames) for name in settings.names()}
    options = options or model_options(settings)
    with opened_models(settings) as models:

        def lane(name: str) -> Any:
            chosen = options(models[name])

            def keep(frame: Frame, result: Any) -> None:
                found[name][frame.index - 1] = result

            return make_lane(name, models[name], keep, lambda: chosen)

        pipeline = Pipeline([lane(name) for name in models])
        pipeline.start()
        try:
            for image in frames:
                for each in pipeline.lanes:
                    if not each.slot.wait_until_taken(_STALLED_S):
                        raise RuntimeError(f'{each.name} has taken no frame for {_STALLED_S} s')
                pipeline.offer(image.frame())
            for each in pipeline.lanes:
                each.slot.wait_until_taken(_STALLED_S)
        finally:
            pipeline.close()
    return found


def check_pictures(checks: Checks, settings: Settings, frames: Sequence[Image]) -> None:
    """Compare pictures of masks that the GPU made with those that OpenCV draws."""
    say('pictures of masks')
    colors = palette(_CLASS_IDS)
    rows = tuple((int(blue), int(green), int(red)) for blue, green, red in colors)
    wanted = SegmentationOptions(pictures=PictureOptions(colored=True, tinted=True, colors=rows))
    found = results(settings, frames, lambda model: wanted)
    for name, of_frames in found.items():
        made, colored, worst = 0, True, 0
        for image, segmentation in zip(frames, of_frames, strict=True):
            if segmentation is None or segmentation.tinted is None:
                continue
            made += 1
            colored = colored and np.array_equal(
                segmentation.colored, color_mask(segmentation.mask, colors)
            )
            drawn = image.frame().bgr().copy()
            draw_segmentation(drawn, segmentation, colors)
            worst = max(worst, int(cv2.absdiff(drawn, segmentation.tinted).max()))
        checks.holds(f'{name}: pictures made for every frame', made == len(frames), str(made))
        checks.holds(f'{name}: colored masks equal those of the CPU', colored)
        checks.at_most(f'{name}: largest difference of a tinted pixel', worst, 1)


def _note_rounding(
    checks: Checks,
    settings: Settings,
    runtime: str,
    frames: Sequence[Image],
    expected: dict[str, list[Any]],
) -> None:
    """Note what the default precision costs: FP16, or TF32 if onnx is not installed."""
    say('the same in the default precision')
    found = results(replace(settings, runtime=runtime, precision='fp16'), frames)
    for name, results_there in found.items():
        pairs = [
            pair for pair in zip(expected[name], results_there, strict=True) if None not in pair
        ]
        if pairs and isinstance(pairs[0][0], Segmentation):
            shares = [float(np.mean(one.mask != other.mask)) for one, other in pairs]
            checks.note(f'{name}, fp16: share of pixels that differ', float(np.mean(shares)))
        elif any(len(one) for one, _ in pairs):
            drifts = _no_drifts()
            for one, other in pairs:
                _add_drifts(drifts, one, other, *_matches(one, other))
            checks.note(f'{name}, fp16: largest difference of a corner, px', max(drifts['box']))
            checks.note(f'{name}, fp16: largest difference of a score', max(drifts['score']))


def compare_masks(
    checks: Checks, name: str, pairs: Sequence[tuple[Segmentation, Segmentation]]
) -> None:
    """Compare masks of the GPU with those of the CPU."""
    shares, counts_agree = [], True
    for one, other in pairs:
        if one.mask.shape != other.mask.shape:
            checks.holds(f'{name}: masks of the same size', False)
            return
        shares.append(float(np.mean(one.mask != other.mask)))
        own = np.bincount(other.mask.ravel(), minlength=len(other.pixels))
        counts_agree = counts_agree and np.array_equal(own, other.pixels)
    checks.at_most(f'{name}: share of pixels that differ', float(np.mean(shares)), _MASK_SHARE)
    checks.at_most(f'{name}: the same in the worst frame', max(shares), _MASK_SHARE)
    checks.holds(f'{name}: pixel counts of classes agree with the mask', counts_agree)


def compare_boxes(
    checks: Checks,
    name: str,
    pairs: Sequence[tuple[Detections, Detections]],
    options: DetectionOptions,
) -> None:
    """Compare boxes of the GPU with those of the CPU."""
    drifts = _no_drifts()
    boxes = near = 0
    lost: list[str] = []
    for number, (one, other) in enumerate(pairs):
        boxes += len(one)
        matched_here, matched_there = _matches(one, other)
        _add_drifts(drifts, one, other, matched_here, matched_there)
        for side, found, matched in (('CPU', one, matched_here), ('GPU', other, matched_there)):
            for row in sorted(set(range(len(found))) - set(matched)):
                if _could_go_either_way(found, row, options):
                    near += 1
                else:
                    score = float(found.score[row])
                    lost.append(f'frame {number}: {side} only, score {score:.4f}')
    if not boxes:
        checks.note(f'{name}: boxes', 'none found by the CPU, so nothing was compared')
        return
    checks.note(f'{name}: boxes', boxes)
    checks.at_most(f'{name}: largest difference of a corner, px', max(drifts['box']), _BOX_PX)
    checks.at_most(f'{name}: largest difference of a score', max(drifts['score']), _SCORE)
    if pairs[0][0].keypoints is not None:
        checks.at_most(
            f'{name}: largest difference of a keypoint, px', max(drifts['keypoint']), _BOX_PX
        )
    checks.note(f'{name}: boxes very near a threshold, found by one side', near)
    checks.holds(f'{name}: every other box found by both', not lost, '; '.join(lost[:3]) or 'yes')


def _no_drifts() -> dict[str, list[float]]:
    return {'box': [0.0], 'score': [0.0], 'keypoint': [0.0]}


def _matches(one: Detections, other: Detections) -> tuple[list[int], list[int]]:
    """Rows of the same objects on both sides, nearest first."""
    if not len(one) or not len(other):
        return [], []
    distance = np.abs(one.xyxy[:, None].astype(np.float64) - other.xyxy[None]).max(axis=2)
    distance[one.class_id[:, None] != other.class_id[None]] = np.inf
    here: list[int] = []
    there: list[int] = []
    for flat in np.argsort(distance, axis=None, kind='stable'):
        row, column = divmod(int(flat), len(other))
        if distance[row, column] > 20 * _BOX_PX:
            break
        if row not in here and column not in there:
            here.append(row)
            there.append(column)
    return here, there


def _add_drifts(
    drifts: dict[str, list[float]],
    one: Detections,
    other: Detections,
    here: list[int],
    there: list[int],
) -> None:
    if not here:
        return
    drifts['box'].append(float(np.abs(one.xyxy[here] - other.xyxy[there]).max()))
    drifts['score'].append(float(np.abs(one.score[here] - other.score[there]).max()))
    if one.keypoints is not None and other.keypoints is not None:
        mine, theirs = one.keypoints[here], other.keypoints[there]
        sure = mine[..., 2] >= _KEYPOINT_SCORE
        if sure.any():
            difference = np.abs(mine[..., :2] - theirs[..., :2])[sure]
            drifts['keypoint'].append(float(difference.max()))


def _could_go_either_way(found: Detections, row: int, options: DetectionOptions) -> bool:
    """Whether a rounding error decides if this box is found."""
    if found.score[row] - options.score_threshold < _NEAR_SCORE:
        return True
    same = (found.class_id == found.class_id[row]) & (np.arange(len(found)) != row)
    iou = _iou(found.xyxy[row], found.xyxy[same])
    return bool(np.any(np.abs(iou - options.iou_threshold) < _NEAR_IOU))


def _iou(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    both = np.prod(np.maximum(high - low, 0), axis=1)
    area = np.prod(box[2:] - box[:2])
    return both / np.maximum(area + np.prod(others[:, 2:] - others[:, :2], axis=1) - both, 1e-9)
