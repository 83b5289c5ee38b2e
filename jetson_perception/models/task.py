"""What a task is: all that the package knows of one kind of model, in one place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from jetson_perception.errors import ParameterError, PerceptionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from jetson_perception.engines import Engine
    from jetson_perception.model_info import ModelInfo


class Task(ABC):
    """One kind of model. A file in `models/` has it, and `models.registry` lists that file.

    Attributes
    ----------
    nouns : mapping of str to str
        The words for it in metadata, as 'detect', with what such a model is, as 'a detector'.
    model_name : str
        The class that runs such models in Python.
    node : str
        The node that runs them.
    default_resize : str
        How images are fitted where neither the model nor the user says it.
    """

    nouns: ClassVar[Mapping[str, str]]
    model_name: ClassVar[str]
    node: ClassVar[str]
    default_resize: ClassVar[str]

    @property
    def words(self) -> tuple[str, ...]:
        """The words for it in metadata."""
        return tuple(self.nouns)

    @property
    def noun(self) -> str:
        """What a model of this task is, where its metadata has no word for it."""
        return next(iter(self.nouns.values()))

    @property
    def runner(self) -> str:
        """What runs its models, for an error that names the way out."""
        return f'{self.node}, or {self.model_name} in Python'

    @abstractmethod
    def takes(self, shape: tuple[int, ...], dtype: np.dtype, info: ModelInfo) -> bool:
        """Whether a first output of this shape is one of the task's, where no task is named."""

    @abstractmethod
    def recognize(
        self,
        shapes: Sequence[tuple[int, ...]],
        dtype: np.dtype,
        info: ModelInfo,
        network_wh: tuple[int, int],
    ) -> Any:
        """The layout of a model's outputs.

        Parameters
        ----------
        shapes : sequence of tuple of int
            Of all outputs, as a run gave them.
        dtype : dtype
            Of the first output.
        info : ModelInfo
            What metadata, YAML file and overrides say.
        network_wh : tuple of int
            Width and height of the network's input, pixels.

        Raises
        ------
        ModelError
            When they are no outputs of this task.
        ParameterError
            When they may be, and a setting has to say what they hold; the error names it.
        """

    def recognizes(
        self,
        shapes: Sequence[tuple[int, ...]],
        dtype: np.dtype,
        info: ModelInfo,
        network_wh: tuple[int, int],
    ) -> bool:
        """Whether `recognize` finds a layout, or several."""
        try:
            self.recognize(shapes, dtype, info, network_wh)
        except PerceptionError as err:
            return isinstance(err, ParameterError)
        return True

    @abstractmethod
    def make(self, engine: Engine) -> Any:
        """The model of an engine, which it closes with itself."""
