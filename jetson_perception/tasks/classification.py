"""Classification: recognize what an output tensor holds and find the best classes in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.printable import counted, quoted
from jetson_perception.tasks.finite import require_finite
from jetson_perception.tasks.numbers import is_number, is_whole_number
from jetson_perception.tasks.results import Classification

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import DTypeLike, NDArray

    from jetson_perception.model_info import ModelInfo

OUTPUTS = ('logits', 'probabilities')
"""Values of `ClassificationLayout.output`."""

_ROUNDING = 0.01  # how far FP16 and INT8 may push probabilities outside 0 to 1


@dataclass(frozen=True, slots=True)
class ClassificationLayout:
    """How an output tensor holds classes.

    Attributes
    ----------
    output : str
        One of `OUTPUTS`; a softmax turns logits into scores.
    class_count : int
        Number of classes.
    """

    output: str
    class_count: int


@dataclass(frozen=True, slots=True)
class ClassificationOptions:
    """Which classes are returned.

    Attributes
    ----------
    score_threshold : float
        Classes that score less are dropped.
    top_k : int
        At most this many classes, the best ones.
    class_ids : tuple of int, optional
        Return only these classes; None for all.
    class_score_thresholds : tuple of (int, float)
        Class ids with a threshold other than `score_threshold`.

    Raises
    ------
    ParameterError
        When a value is out of range.
    """

    score_threshold: float = 0.25
    top_k: int = 5
    class_ids: tuple[int, ...] | None = None
    class_score_thresholds: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        if not (is_number(self.score_threshold) and 0 <= self.score_threshold <= 1):
            raise ParameterError(
                f'score_threshold is {self.score_threshold!r}; give a number from 0 to 1',
                'score_threshold',
            )
        if not is_whole_number(self.top_k) or self.top_k < 1:
            raise ParameterError(f'top_k is {self.top_k!r}; give 1 or more', 'top_k')

    def thresholds(self, class_count: int) -> NDArray[np.float32]:
        """Threshold of each class, shape (class_count,); infinite for classes that are dropped."""
        table = np.full(class_count, self.score_threshold, np.float32)
        for class_id, threshold in self.class_score_thresholds:
            table[class_id : class_id + 1] = threshold
        if self.class_ids is not None:
            table[np.isin(np.arange(class_count), self.class_ids, invert=True)] = np.inf
        return table


def holds_classes(shape: tuple[int, ...], dtype: DTypeLike) -> bool:
    """Whether an output can be a score for each class: floats, (1, n) or (1, n, 1, 1)."""
    return (
        np.dtype(dtype).kind == 'f'
        and len(shape) in (2, 4)
        and shape[0] == 1
        and shape[1] > 1
        and shape[2:] in ((), (1, 1))
    )


def recognize_classification_layout(
    output_shape: tuple[int, ...], output_dtype: DTypeLike, info: ModelInfo
) -> ClassificationLayout:
    """The layout that the shape, the type and the model's metadata agree on.

    Parameters
    ----------
    output_shape : tuple of int
        The shape that a run gave.
    output_dtype : dtype
        The output's element type.
    info : ModelInfo
        `task`, `output`, `stride` and `class_names` are used. Without `output`, an export with a
        stride (one of Ultralytics) is taken to hold probabilities, any other logits.

    Raises
    ------
    ModelError
        When this is not the output of a classifier, or the metadata contradicts it.
    """
    name = info.path or 'the model'
    found = f'output {np.dtype(output_dtype)} {tuple(output_shape)} of {name}'
    if info.task not in ('', 'classify'):
        raise ModelError(f'the task of {name} is {quoted(info.task)}; classify is decoded here')
    if not holds_classes(output_shape, output_dtype):
        raise ModelError(
            f'{found} is not a score for each of two or more classes, floats of (1, classes); '
            'export a classifier for one image'
        )
    if info.output not in ('', *OUTPUTS):
        raise ModelError(
            f"{found} cannot hold {info.output}; set 'output' to one of {', '.join(OUTPUTS)}"
        )
    count = output_shape[1]
    named = len(info.class_names)
    if named and named != count:
        raise ModelError(
            f'{found} has {counted(count, "class")}, but class_names has {named}; correct the '
            'names, or '
            'use the model that they belong to'
        )
    usual = 'probabilities' if info.stride else 'logits'
    return ClassificationLayout(info.output or usual, count)


def classify(
    output: NDArray[Any], layout: ClassificationLayout, options: ClassificationOptions
) -> Classification:
    """The best classes, best first; the lower id first where two score the same.

    Parameters
    ----------
    output : ndarray
        The model's output for one image, in the shape that the layout was recognized from.
    layout : ClassificationLayout
        From `recognize_classification_layout`.
    options : ClassificationOptions
        Which classes are returned.

    Raises
    ------
    ModelError
        When a score is NaN or infinite, when the output does not have the layout's shape, or when
        it should hold probabilities and does not.
    """
    scores = np.asarray(output, np.float32).reshape(-1)
    if len(scores) != layout.class_count:
        raise ModelError(
            f'output {output.shape} does not hold {counted(layout.class_count, "class")} as it '
            'did when the '
            'model was loaded; export it with fixed shapes'
        )
    broken = len(scores) - int(np.count_nonzero(np.isfinite(scores)))
    require_finite('scores', broken, len(scores), 'classes')
    if layout.output == 'logits':
        scores = np.exp(scores - scores.max())
        scores /= scores.sum()
    elif scores.min() < -_ROUNDING or scores.max() > 1 + _ROUNDING:
        raise ModelError(
            f'the output holds values from {scores.min():.3g} to {scores.max():.3g}, which are '
            'not probabilities; set output to logits'
        )
    scores = np.clip(scores, 0, 1)
    reached = np.flatnonzero(scores >= options.thresholds(len(scores)))
    best = reached[np.argsort(-scores[reached], kind='stable')][: options.top_k]
    return Classification(best.astype(np.int32), scores[best])
