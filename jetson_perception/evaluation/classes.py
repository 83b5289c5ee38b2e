"""Matches the classes of a model with those of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.errors import ParameterError
from jetson_perception.printable import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class ClassMap:
    """Maps class ids of a model to those of a dataset, by name.

    Case makes no difference, nor does the choice between space, hyphen and underscore. A model
    without class names is assumed to have the classes of the dataset, in the same order.

    Parameters
    ----------
    model_names : sequence of str
        Class names of the model; empty if it has none.
    model_count : int
        How many classes it has; 0 if unknown.
    dataset_names : sequence of str
        Class names of the dataset.

    Attributes
    ----------
    shared : tuple of int
        Class ids of the dataset that the model knows.
    missing : tuple of int
        Class ids of the dataset that the model does not know.

    Raises
    ------
    ParameterError
        When they have no class in common.
    """

    def __init__(
        self, model_names: Sequence[str], model_count: int, dataset_names: Sequence[str]
    ) -> None:
        if model_names:
            known = {_plain(name): index for index, name in enumerate(dataset_names)}
            ids = [known.get(_plain(name), -1) for name in model_names]
        elif model_count in (0, len(dataset_names)):
            ids = list(range(len(dataset_names)))
        else:
            raise ParameterError(
                f'the model has {counted(model_count, "class")} without names, but the dataset '
                f'has {len(dataset_names)}; name them, for example '
                '--set class_names=[person,bicycle]',
                'class_names',
            )
        self._ids = np.array(ids, np.int32)
        self.shared = tuple(sorted({each for each in ids if each >= 0}))
        self.missing = tuple(i for i in range(len(dataset_names)) if i not in self.shared)
        if not self.shared:
            raise ParameterError(
                f'the model finds {_some(model_names)}, the dataset has {_some(dataset_names)}: '
                'they have no class in common; use another dataset, or give the model the names '
                'that the dataset uses with --set class_names=[…]',
                'class_names',
            )

    def to_dataset(self, class_id: NDArray[np.int32]) -> NDArray[np.int32]:
        """The class ids in the dataset, -1 for classes that it lacks; shape (n,)."""
        known = (class_id >= 0) & (class_id < len(self._ids))
        return np.where(known, self._ids[np.where(known, class_id, 0)], -1).astype(np.int32)


def _plain(name: str) -> str:
    return ' '.join(name.casefold().replace('_', ' ').replace('-', ' ').split())


def _some(names: Sequence[str]) -> str:
    return ', '.join(names[:5]) + (f', … ({len(names)} in all)' if len(names) > 5 else '')
