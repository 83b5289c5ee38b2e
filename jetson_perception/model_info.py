"""What is known of a model before it runs, and the words for it."""

from __future__ import annotations

import difflib
import math
import unicodedata
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from jetson_perception.errors import ModelError
from jetson_perception.printable import counted, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

RUNTIMES = ('auto', 'tensorrt', 'onnxruntime_cuda', 'onnxruntime_cpu')
"""Libraries that run a model, the fastest first; 'auto' takes the first that can be used."""

ISOLATIONS = ('none', 'process')
"""Where an engine runs: in the process that opens it, or in one of its own."""

PRECISIONS = ('fp32', 'fp16', 'int8', 'best')
"""What an engine may compute in: 'best' lets the builder choose layer by layer."""

TASKS = ('detect', 'pose', 'segment', 'obb', 'semantic', 'classify', 'depth')
"""Tasks with a name here. Another export's is kept as text, to be refused by the class that would
have to run it."""

LAYOUTS = (
    'objectness',
    'anchor_free',
    'end_to_end',
    'rt_detr',
    'detr',
    'yolox',
    'boxes_scores',
    'suppressed',
    'nanodet',
    'picodet',
    'centernet',
    'movenet',
    'anchors',
    'selected',
)
BOX_FORMATS = ('xyxy', 'yxyx', 'cxcywh')
OUTPUTS = ('logits', 'probabilities', 'class_ids')
DEPTH_VALUES = ('metric', 'relative', 'inverse')
RESIZES = ('letterbox', 'letterbox_top_left', 'stretch', 'center_crop')
COLOR_ORDERS = ('rgb', 'bgr')

SHOWN_CHARACTERS = 60
"""Characters of a value that an error shows."""

MOST_NAMES = 1 << 16
"""Far more than any class list in use has (ImageNet-21k: 21,841)."""

LONGEST_NAME = 200
"""Characters; ImageNet's longest name, a list of synonyms, has 131."""

_NO_CHARACTER_OF_A_NAME = ('Cc', 'Cs', 'Zl', 'Zp')
_BIDI_CONTROLS = frozenset('\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069')


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of a model before it runs; an empty value means that nothing says it.

    Attributes
    ----------
    path : str
        The model file.
    task : str
        'detect', 'pose', 'segment' (instances), 'obb' (oriented boxes), 'semantic', 'classify'
        or 'depth'.
    class_names : tuple of str
        Name of class i at index i.
    input_size_wh : tuple of int or None
        Width and height of the network's input, pixels.
    stride : int
        The input's sides are multiples of it; 0 if unknown.
    keypoint_shape : tuple of int or None
        Keypoints an object, and values a keypoint: 2 (x, y) or 3 (x, y, score).
    keypoint_names : tuple of str
        Name of each keypoint.
    skeleton : tuple of (int, int)
        Pairs of keypoint indices, from 0, that a drawing joins.
    layout : str
        Of a detector's outputs: of YOLO 'objectness' (v5, v7), 'anchor_free' (v8, 11, 12) or
        'end_to_end' (v10, 26); of others, as the files of `tasks.detectors` say.
    box_format : str
        How boxes are written where the outputs do not show it: 'xyxy' (left, top, right, bottom),
        'yxyx' (top, left, bottom, right) or 'cxcywh' (center and size).
    anchors : tuple of float
        Width and height of each anchor of a detector's raw heads, pixels, finest level first.
    output_name : str
        The outputs to read, by name, separated by commas; empty for all.
    output : str
        Of semantic segmentation and classification: 'logits', 'probabilities' or 'class_ids'.
    depth_values : str
        Of depth: 'metric' (metres), 'relative' (larger is farther), 'inverse' (larger is nearer).
    resize : str
        How images are fitted: 'letterbox', 'letterbox_top_left', 'stretch' or 'center_crop'.
    color_order : str
        'rgb' or 'bgr', as the network was trained.
    scale : float or None
        Pixel values are multiplied by it before mean and std; None for the default, 1/255.
    mean, std : tuple of three floats
        Per channel in the network's colour order: (value × scale - mean) / std.
    """

    path: str = ''
    task: str = ''
    class_names: tuple[str, ...] = ()
    input_size_wh: tuple[int, int] | None = None
    stride: int = 0
    keypoint_shape: tuple[int, int] | None = None
    keypoint_names: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    layout: str = ''
    box_format: str = ''
    anchors: tuple[float, ...] = ()
    output_name: str = ''
    output: str = ''
    depth_values: str = ''
    resize: str = ''
    color_order: str = ''
    scale: float | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None


def class_name_of(class_names: Sequence[str], class_id: int) -> str:
    """Name of a class, 'class_<id>' where the names have none for it.

    Outputs may hold ids beyond the names. Messages, records, drawings and settings all use this.
    """
    if 0 <= class_id < len(class_names):
        return class_names[class_id]
    return f'class_{class_id}'


def keypoint_name_of(keypoint_names: Sequence[str], index: int) -> str:
    """Name of a keypoint, 'keypoint_<index>' where the names have none for it."""
    if 0 <= index < len(keypoint_names):
        return keypoint_names[index]
    return f'keypoint_{index}'


def merge(*infos: ModelInfo) -> ModelInfo:
    """One `ModelInfo` of several: for each key, the last one that says something."""
    merged: dict[str, Any] = {}
    for info in infos:
        for field in fields(ModelInfo):
            value = getattr(info, field.name)
            if value != field.default:
                merged[field.name] = value
    return ModelInfo(**merged)


def find_problem(info: ModelInfo) -> tuple[str, str] | None:
    """The first value that cannot be used, as (key, what is wrong with it); None if all can."""
    choices = {
        'layout': LAYOUTS,
        'box_format': BOX_FORMATS,
        'output': OUTPUTS,
        'depth_values': DEPTH_VALUES,
        'resize': RESIZES,
        'color_order': COLOR_ORDERS,
    }
    for key, allowed in choices.items():
        value = getattr(info, key)
        if value and value not in allowed:
            near = did_you_mean(value, allowed)
            return key, f'{_shown(value)} is not one of {", ".join(allowed)}{near}'
    for key in ('class_names', 'keypoint_names'):
        problem = names_problem(getattr(info, key))
        if problem:
            return key, problem
    if info.input_size_wh is not None and min(info.input_size_wh) < 1:
        return 'input_size_wh', f'{info.input_size_wh} must be a width and a height above 0'
    if info.stride < 0:
        return 'stride', f'{info.stride} must not be negative'
    if info.keypoint_shape is not None:
        count, values = info.keypoint_shape
        if count < 1 or values not in (2, 3):
            return 'keypoint_shape', (
                f'{info.keypoint_shape} must be a number of keypoints, and 2 (x, y) or 3 '
                '(x, y, score) values each'
            )
        if info.keypoint_names and len(info.keypoint_names) != count:
            return (
                'keypoint_names',
                f'{counted(len(info.keypoint_names), "name")} for {counted(count, "keypoint")}',
            )
        worst = max((max(pair) for pair in info.skeleton), default=0)
        if worst >= count:
            return 'skeleton', f'joins keypoint {worst}; the model has 0 to {count - 1}'
    if not all(math.isfinite(value) and value > 0 for value in info.anchors):
        return 'anchors', f'{list(info.anchors)} must be widths and heights above 0'
    if any(min(pair) < 0 for pair in info.skeleton):
        return 'skeleton', 'keypoint indices count from 0'
    if info.scale is not None and not (math.isfinite(info.scale) and info.scale):
        return 'scale', f'{info.scale} must be a number other than 0'
    if info.mean is not None and not all(map(math.isfinite, info.mean)):
        return 'mean', f'{info.mean} must be three numbers'
    if info.std is not None and not all(math.isfinite(value) and value for value in info.std):
        return 'std', f'{info.std} must be three numbers other than 0: values are divided by them'
    return None


def validate(info: ModelInfo, origin: str = '') -> None:
    """Refuse values that cannot be used.

    Raises
    ------
    ModelError
        Naming the key, what it holds and what it may hold, after `origin` (a file, say).
    """
    problem = find_problem(info)
    if problem:
        key, text = problem
        raise ModelError(f'{origin or info.path or "model info"}: {key}: {text}')


def did_you_mean(word: str, known: tuple[str, ...]) -> str:
    """'; did you mean X?' when a known word is near, else ''."""
    near = difflib.get_close_matches(word, known, n=1)
    return f'; did you mean {near[0]!r}?' if near else ''


def near_names(word: str, known: Sequence[str], most: int = 3) -> list[str]:
    """The known names that a word may be meant for: those that are alike, and that contain it."""
    alike = difflib.get_close_matches(word, known, n=most)
    folded = word.casefold()
    with_it = [name for name in known if folded in name.casefold()] if folded else []
    return list(dict.fromkeys((*alike, *with_it)))[:most]


def names_problem(names: Sequence[str]) -> str:
    """Why these cannot be names of classes, in words that quote none; empty when they can.

    There are at most `MOST_NAMES`, of at most `LONGEST_NAME` characters each, none of which
    controls a terminal, ends a line or turns the direction of text.
    """
    if len(names) > MOST_NAMES:
        return f'has {len(names)} names; expected at most {MOST_NAMES}'
    for class_id, name in enumerate(names):
        if len(name) > LONGEST_NAME:
            return (
                f'has a name of {len(name)} characters for class {class_id}; expected at most '
                f'{LONGEST_NAME}'
            )
        if not name.isprintable() and not all(map(_may_be_in_a_name, name)):
            return f'has a control character in the name of class {class_id}'
    return ''


def _may_be_in_a_name(character: str) -> bool:
    return (
        unicodedata.category(character) not in _NO_CHARACTER_OF_A_NAME
        and character not in _BIDI_CONTROLS
    )


def _shown(value: object) -> str:
    return quoted(value, SHOWN_CHARACTERS)
