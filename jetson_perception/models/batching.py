"""How many images a model takes at a time, found by trying, as what exports say may be wrong."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.errors import ModelError
from jetson_perception.printable import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from jetson_perception.models.base import Model

_log = logging.getLogger(__name__)

#: How far values of a batch may be from those of single images, of the largest one. Kernels for
#: batches add in another order; images that are mixed up differ by far more.
_TOLERANCE = 0.01
#: Of integers, such as class ids: a near tie may go the other way.
_EQUAL_SHARE = 0.99


def most_together(model: Model[Any, Any], most: int, what: str = 'cameras') -> int:
    """How many images the model takes in one inference, up to `most`; 1 if it cannot batch.

    A batch of different images is compared with the same images one by one: a file may leave its
    batch open and still have a one in the middle, or outputs that belong to no image. `what` says
    where the images come from, for the log.
    """
    most = min(most, getattr(model.engine, 'max_batch', 1))
    if most < 2:
        return 1
    problem = why_apart(model, most, model.infer)
    if problem:
        _log.info(
            '%s: %s take turns, as a batch does not work: %s', model.info.path, what, problem
        )
        return 1
    _log.info('%s: up to %d images of different %s run together', model.info.path, most, what)
    return most


def why_apart(
    model: Model[Any, Any],
    count: int,
    infer: Callable[[NDArray[Any]], Sequence[NDArray[Any]]],
) -> str:
    """Why so many images give other outputs together than one by one; empty if they do not.

    `infer` computes a batch.
    """
    width, height = model.network_wh
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (2, height, width, 3), np.uint8)
    tensors = [model.preprocess(image)[0].copy() for image in images]
    singles = [[output.copy() for output in model.infer(tensor)] for tensor in tensors]
    which = [index % 2 for index in range(count)]
    try:
        together = infer(np.concatenate([tensors[index] for index in which]))
        return _problem(together, [singles[index] for index in which])
    except ModelError as error:
        return str(error)


def _problem(together: Sequence[NDArray[Any]], singles: Sequence[Sequence[NDArray[Any]]]) -> str:
    """What is wrong with the outputs of a batch; empty when nothing is."""
    for index, output in enumerate(together):
        for row, single in enumerate(singles):
            expected = single[index]
            if output.shape != (len(singles), *expected.shape[1:]) or len(expected) != 1:
                images = counted(len(singles), 'image')
                return f'output {index} of {images} has the shape {output.shape}'
            if not _is_alike(output[row : row + 1], expected):
                return f'output {index} of an image depends on the others'
    return ''


def _is_alike(found: NDArray[Any], expected: NDArray[Any]) -> bool:
    if not np.issubdtype(expected.dtype, np.floating):
        return bool(np.mean(found == expected) >= _EQUAL_SHARE)
    finite = expected[np.isfinite(expected)]
    largest = float(np.abs(finite).max()) if finite.size else 0.0
    return bool(np.allclose(found, expected, rtol=0, atol=_TOLERANCE * largest, equal_nan=True))
