"""What a task is: all that the package knows about one kind of model, in one place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from jetson_perception.errors import ParameterError
from jetson_perception.model_info import ModelInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.drawing import Overlay
    from jetson_perception.drawing.colors import Color
    from jetson_perception.engines import Engine
    from jetson_perception.evaluation.datasets import Dataset
    from jetson_perception.tasks.network_outputs import NetworkOutputs


@dataclass(frozen=True)
class ResultTopic:
    """A topic with one message per result.

    Attributes
    ----------
    name : str
        Relative to the engine's namespace, or the node's.
    message_type : type
        A ROS message class.
    fill : callable
        Makes the message from (result, header); it is valid until the next call.
    on_demand : bool
        It is published only while somebody subscribes, of results for which `fill` returns one.
    """

    name: str
    message_type: type
    fill: Callable[[Any, Any], Any]
    on_demand: bool = False


@dataclass(frozen=True)
class PictureTopic:
    """A topic with a picture of each result, drawn only while somebody subscribes.

    Attributes
    ----------
    name : str
        Relative to the engine's namespace.
    draw : callable
        Makes the picture, BGR, from a result.
    """

    name: str
    draw: Callable[[Any], NDArray[np.uint8]]


class Task(ABC):
    """One kind of model. It is defined in a file of `models/`, which `models.registry` lists.

    Attributes
    ----------
    nouns : mapping of str to str
        For each word in metadata, such as 'detect', what such a model is, such as 'a detector'.
    model_name : str
        The class that runs such models in Python.
    node : str
        The node that runs them.
    title : str
        What is done with an image, such as 'detection'.
    kernels : tuple of str
        The kernel files that most of its models need on a GPU.
    resizes : tuple of str
        How images may be fitted.
    params : type
        A dataclass of `parameter_fields`: the settings of an engine besides the model. It may
        have a method `problem`; see `ros.parameters`.
    """

    nouns: ClassVar[Mapping[str, str]]
    model_name: ClassVar[str]
    node: ClassVar[str]
    title: ClassVar[str]
    kernels: ClassVar[tuple[str, ...]] = ()
    resizes: ClassVar[tuple[str, ...]] = ('letterbox', 'letterbox_top_left', 'stretch')
    params: ClassVar[type]

    @property
    def words(self) -> tuple[str, ...]:
        """The words for this task in metadata."""
        return tuple(self.nouns)

    @property
    def noun(self) -> str:
        """What a model of this task is called if its metadata has no word for it."""
        return next(iter(self.nouns.values()))

    @property
    def settings(self) -> frozenset[str]:
        """The names of the fields of `params`."""
        return frozenset(field.name for field in fields(self.params))

    @property
    def runner(self) -> str:
        """What runs models of this task, for errors that say what to use."""
        launch_file = f'{self.node.removesuffix("_node")}.launch.py'
        return f'{self.node} ({launch_file}), or {self.model_name} in Python'

    @abstractmethod
    def takes(self, outputs: NetworkOutputs, info: ModelInfo) -> bool:
        """Whether a model that names no task belongs to this one, by its outputs."""

    def is_named(self, outputs: NetworkOutputs) -> bool:
        """Whether the names of outputs alone say that they belong to this task."""
        return False

    @abstractmethod
    def recognize(self, outputs: NetworkOutputs, info: ModelInfo) -> Any:
        """The layout of a model's outputs.

        Parameters
        ----------
        outputs : NetworkOutputs
            What a run gave.
        info : ModelInfo
            What metadata, YAML file and overrides say.

        Raises
        ------
        ModelError
            When the outputs do not belong to this task.
        ParameterError
            When they may, but a setting has to say what they hold; the error names it.
        """

    @abstractmethod
    def default_resize(self, network_wh: tuple[int, int]) -> str:
        """How images are fitted if neither the model nor the user specifies it."""

    def usual_preprocessing(self, layout: Any, info: ModelInfo) -> ModelInfo:
        """How networks of a layout are fed where they differ from the others of this task."""
        return ModelInfo()

    def usual_padding(self, layout: Any) -> int:
        """Pixel value around an image that does not fill the input."""
        return 114

    @abstractmethod
    def make(self, engine: Engine) -> Any:
        """The model for an engine; closing the model closes the engine."""

    def params_with(self, **values: Any) -> Any:
        """An instance of `params` with the given values, as far as it has fields for them.

        Fields keep their defaults where the value is None.
        """
        given = {name: value for name, value in values.items() if value is not None}
        return self.params(**{name: given[name] for name in self.settings & given.keys()})

    def overrides(self, params: Any) -> dict[str, Any]:
        """What parameters say about the model, as fields of `ModelInfo`; 'auto' says nothing."""
        return {}

    @abstractmethod
    def options(self, model: Any, params: Any) -> Any:
        """Options for the model's `postprocess`, from an instance of `params`.

        Raises
        ------
        ParameterError
            When they do not suit the model, for example with a class that it does not have.
        """

    def refiner(
        self, model: Any, params: Callable[[], Any]
    ) -> Callable[[Any, int, tuple[int, int]], Any] | None:
        """What gives the results of one camera ids, from frame to frame; None if nothing is to.

        Called as refine(result, captured_ns, size_wh) for every frame, in order.

        Parameters
        ----------
        params : callable
            Returns an instance of `params`; called for every frame.

        Raises
        ------
        ParameterError
            When what it needs cannot be imported.
        """
        return None

    def options_to_draw(self, model: Any, options: Any) -> Any:
        """The options for a result that is the first to be drawn on the image."""
        return options

    def canvas(self, result: Any) -> NDArray[np.uint8] | None:
        """The image in BGR if the result is already drawn on it, wholly or in part; else None."""
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
            BGR: a copy of the image, or of what `canvas` returns.
        result : object
            What the model's `postprocess` gave for the image.
        params : object, optional
            An instance of `params`; by default one with default values.
        overlay : Overlay, optional
            Takes boxes and texts, which the caller draws after all results.
        """

    def count_rows(self, model: Any, result: Any) -> list[tuple[Color, str, str]]:
        """How many there are of each class, for `Overlay.add_row`, unless `draw` tells it."""
        return []

    def scaled(self, result: Any, factor_xy: tuple[float, float]) -> Any:
        """What `draw` takes where the picture is the image, enlarged by these factors.

        Only what has coordinates differs.
        """
        return result

    @abstractmethod
    def record(self, model: Any, result: Any) -> dict[str, Any]:
        """A result in JSON's types."""

    def found(self, model: Any, result: Any) -> str:
        """A result in a few words for people, such as '2 person (0.91, 0.88), dog (0.70)'."""
        return ''

    def mask(self, result: Any) -> NDArray[np.uint8 | np.uint16 | np.float32] | None:
        """A number for each pixel, to be written: whole ones as a picture, others as an array."""
        return None

    @abstractmethod
    def topics(self, model: Any) -> list[ResultTopic]:
        """What a node publishes for each result; imports ROS."""

    def picture_topics(self, model: Any) -> list[PictureTopic]:
        """Pictures of each result by itself, beside `annotated`."""
        return []

    def spatial_topics(self, model: Any) -> list[ResultTopic]:
        """What a node with depth publishes of `depth.SpatialObjects`; imports ROS.

        Only of a task whose results are `Detections`, which can be located.
        """
        return []

    @abstractmethod
    def describe(self, model: Any) -> Iterator[tuple[str, str]]:
        """How a model is interpreted, as rows of a name and a text."""

    def wrong_dataset(self, model: Any, dataset: Dataset, fitting: str) -> ParameterError:
        """The error for a dataset without truth for this task; `fitting` names one with it."""
        return ParameterError(
            f'{model.info.path} is {self.noun}, and the dataset has {dataset.kind}; use {fitting}',
            'dataset',
        )

    def evaluator(self, model: Any, dataset: Dataset, options: Any, ignored_id: int | None) -> Any:
        """An evaluator of `evaluation.evaluators`, which compares a model with a dataset.

        Parameters
        ----------
        options : DetectionOptions
            What counts as found.
        ignored_id : int or None
            Class id of pixels that do not count.

        Raises
        ------
        ParameterError
            When the dataset does not suit the model.
        """
        raise ParameterError(
            f'{model.info.path} is {self.noun}; evaluate does not support these yet', 'model'
        )

    def agreement(self, one: Any, other: Any, options: Any, match_iou: float) -> Any:
        """What compares two models of this task, from `evaluation.agreement`.

        Raises
        ------
        ParameterError
            When they differ in more than the engine.
        """
        raise ParameterError(
            f'{one.info.path} is {self.noun}; compare does not support these yet', 'model'
        )

    def usual_postprocess(self, model: Any) -> Callable[[Sequence[Any], float, Any], Any]:
        """Post-processing as in a short script, which the benchmark compares with; else none."""
        return lambda outputs, scale, bgr: None
