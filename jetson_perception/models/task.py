"""What a task is: all that the package knows of one kind of model, in one place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from jetson_perception.errors import ParameterError, PerceptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.drawing import Overlay
    from jetson_perception.engines import Engine
    from jetson_perception.evaluation.datasets import Dataset
    from jetson_perception.model_info import ModelInfo


@dataclass(frozen=True)
class ResultTopic:
    """A topic with a message a result.

    Attributes
    ----------
    name : str
        Below the engine's, or the node's.
    message_type : type
        Of ROS.
    fill : callable
        Makes the message of (result, header); it is valid until the next call.
    """

    name: str
    message_type: type
    fill: Callable[[Any, Any], Any]


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
    title : str
        What is done with an image, as 'detection'.
    resizes : tuple of str
        How images may be fitted.
    params : type
        A dataclass of `parameter_fields`: what can be set of an engine besides the model. It may
        have a method `problem`, as `ros.parameters` says.
    """

    nouns: ClassVar[Mapping[str, str]]
    model_name: ClassVar[str]
    node: ClassVar[str]
    title: ClassVar[str]
    resizes: ClassVar[tuple[str, ...]] = ('letterbox', 'letterbox_top_left', 'stretch')
    params: ClassVar[type]

    @property
    def words(self) -> tuple[str, ...]:
        """The words for it in metadata."""
        return tuple(self.nouns)

    @property
    def noun(self) -> str:
        """What a model of this task is, where its metadata has no word for it."""
        return next(iter(self.nouns.values()))

    @property
    def settings(self) -> frozenset[str]:
        """The names of the fields of `params`."""
        return frozenset(field.name for field in fields(self.params))

    @property
    def runner(self) -> str:
        """What runs its models, for an error that names the way out."""
        launch_file = f'{self.node.removesuffix("_node")}.launch.py'
        return f'{self.node} ({launch_file}), or {self.model_name} in Python'

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
            All outputs' shapes, as a run gave them.
        dtype : dtype
            The first output's element type.
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
    def default_resize(self, network_wh: tuple[int, int]) -> str:
        """How images are fitted where neither the model nor the user says it."""

    @abstractmethod
    def make(self, engine: Engine) -> Any:
        """The model of an engine, which it closes with itself."""

    def params_with(self, **values: Any) -> Any:
        """An instance of `params`, with those of the values that it has a field for.

        Values that are None are left at their defaults.
        """
        given = {name: value for name, value in values.items() if value is not None}
        return self.params(**{name: given[name] for name in self.settings & given.keys()})

    def overrides(self, params: Any) -> dict[str, Any]:
        """What parameters say of the model itself, as fields of `ModelInfo`; 'auto' is nothing."""
        return {}

    @abstractmethod
    def options(self, model: Any, params: Any) -> Any:
        """Options of the model's `postprocess`, from parameters as `params` has them.

        Raises
        ------
        ParameterError
            When they do not suit the model, as a class that it does not know.
        """

    def options_to_draw(self, model: Any, options: Any) -> Any:
        """The options where the result is drawn on the image itself, before any other's."""
        return options

    def canvas(self, result: Any) -> NDArray[np.uint8] | None:
        """The image in BGR with the result on it as far as it was drawn; None where it was not."""
        return None

    @abstractmethod
    def draw(
        self,
        canvas: NDArray[np.uint8],
        model: Any,
        result: Any,
        params: Any = None,
        overlay: Overlay | None = None,
    ) -> None:
        """Draw a result on an image, in place.

        Parameters
        ----------
        canvas : ndarray, shape (h, w, 3), uint8
            BGR: a copy of the image, or of what `canvas` gives.
        model : Model
            What found the result.
        result : object
            What the model's `postprocess` gave for the image.
        params : object, optional
            An instance of `params`; its defaults where none is given.
        overlay : Overlay, optional
            Takes boxes and texts, for the caller to draw when all results are.
        """

    def scaled(self, result: Any, factor_xy: tuple[float, float]) -> Any:
        """What `draw` takes where the picture is the image, enlarged by these factors.

        Only what has coordinates differs.
        """
        return result

    @abstractmethod
    def record(self, model: Any, result: Any) -> dict[str, Any]:
        """A result in JSON's types."""

    def mask(self, result: Any) -> NDArray[np.uint8] | NDArray[np.uint16] | None:
        """A number for each pixel, to be written as a picture; None where there is none."""
        return None

    @abstractmethod
    def topics(self, model: Any) -> list[ResultTopic]:
        """What a node publishes of each result; imports ROS."""

    @abstractmethod
    def describe(self, model: Any) -> Iterator[tuple[str, str]]:
        """How a model is interpreted, as rows of a name and a text."""

    def wrong_dataset(self, model: Any, dataset: Dataset, fitting: str) -> ParameterError:
        """The error for a dataset without truth of this kind; `fitting` names one that has it."""
        return ParameterError(
            f'{model.info.path} is {self.noun}, and the dataset has {dataset.kind}; '
            f'take {fitting}',
            'dataset',
        )

    def evaluator(
        self,
        model: Any,
        dataset: Dataset,
        options: Any,
        ignored_id: int | None,
    ) -> Any:
        """What holds a model against a dataset, as `evaluation.evaluators` has them.

        Parameters
        ----------
        model : Model
            What is evaluated.
        dataset : Dataset
            What it is compared with.
        options : DetectionOptions
            What counts as found.
        ignored_id : int or None
            Class id of pixels that do not count.

        Raises
        ------
        ParameterError
            When model and dataset do not go together.
        """
        raise ParameterError(
            f'{model.info.path} is {self.noun}; evaluate has no figures for these yet', 'model'
        )

    def agreement(self, one: Any, other: Any, options: Any, match_iou: float) -> Any:
        """What compares two models of this task, as `evaluation.agreement` has them.

        Raises
        ------
        ParameterError
            When they differ in more than the engine.
        """
        raise ParameterError(
            f'{one.info.path} is {self.noun}; compare has no figures for these yet', 'model'
        )

    def usual_postprocess(self, model: Any) -> Callable[[Sequence[Any], float, Any], Any]:
        """What a script of a few lines makes of outputs, the letterbox's scale and the image.

        The loop that the benchmark compares with runs it; nothing where there is no usual way.
        """
        return lambda outputs, scale, bgr: None
