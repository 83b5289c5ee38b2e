"""A model file as something that takes images: an engine combined with a task.

::

    model = open_model('my.onnx')
    result = model('photo.jpg')  # or an array from cv2.imread

Stage by stage, as a pipeline runs and times it::

    tensor, transform = model.preprocess(bgr)
    result = model.postprocess(model.infer(tensor), transform)
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np

from jetson_perception.engines.base import CudaEngine
from jetson_perception.engines.image_input import sides_wh
from jetson_perception.errors import ModelError, ParameterError, PerceptionError
from jetson_perception.images.arrays import as_bgr
from jetson_perception.model_info import class_name_of, merge
from jetson_perception.models.assumptions import assumed_preprocessing, assumption_text
from jetson_perception.models.model_file import open_file
from jetson_perception.models.registry import looks_like, refuse_other_network, tasks, wrong_task
from jetson_perception.process.start_times import START_TIMES
from jetson_perception.tasks.input_layout import input_layout
from jetson_perception.tasks.network_outputs import NetworkOutputs
from jetson_perception.tasks.normalization import Normalization
from jetson_perception.tasks.preprocess import ImageTransform, Preprocessor

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from jetson_perception.engines import Engine
    from jetson_perception.images.arrays import ImageLike
    from jetson_perception.model_info import ModelInfo
    from jetson_perception.models.cuda import CudaPath
    from jetson_perception.models.task import Task

_log = logging.getLogger(__name__)

Result = TypeVar('Result')
Options = TypeVar('Options')


class Model(Generic[Result, Options]):
    """An engine, and images fitted to its input: what the models of all tasks share.

    Parameters
    ----------
    engine : Engine
        Runs the model; closed with it.
    options : object, optional
        Used when `postprocess` is called without options.

    Attributes
    ----------
    engine : Engine
        Runs the model.
    info : ModelInfo
        What metadata, YAML file and overrides say about the model.
    network_wh : tuple of int
        Width and height of the network's input, pixels.
    class_names : tuple of str
        One per class; 'class_<index>' for a class without a name.
    layout : object
        What the outputs hold.
    options : object
        Used when `postprocess` is called without options.
    assumed : dict of str to str
        The assumed value of each setting that neither the model nor the caller specifies.
    batch : int
        How many tensors may be joined for `infer`: 1 until what `models.batching` found is set.
    device_path : CudaPath or None
        What a lane on a GPU runs; None for an engine that runs on the CPU, and for a task that
        has no kernels.

    Raises
    ------
    ModelError
        When the model is for another task, or its outputs are unknown.
    ParameterError
        When a setting is missing; the error names it.
    """

    task: ClassVar[Task]

    layout: Any

    def __init__(self, engine: Engine, options: Options | None = None) -> None:
        self.engine = engine
        self.info = engine.info
        if self.info.task and self.info.task not in self.task.words:
            raise wrong_task(self.info, type(self).__name__)
        self.options: Options = self._default_options() if options is None else options
        # A run shows the shapes that the engine leaves open, and what nothing describes.
        outputs = first_outputs(engine)
        self.network_wh = outputs.network_wh
        self.layout = self._recognize(outputs)
        self.preprocessor = _preprocessor(engine, self.task, self.layout)
        named = self.info.class_names
        count = self.layout.class_count
        self.class_names: tuple[str, ...] = tuple(
            class_name_of(named, index) for index in range(max(len(named), count))
        )
        self.assumed: dict[str, str] = self._assume()
        if self.assumption_text:
            _log.info('%s', self.assumption_text)
        self.batch = 1
        self.device_path = self._open_device_path()

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        runtime: str = 'auto',
        threads: int = 0,
        overrides: ModelInfo | None = None,
        options: Options | None = None,
        **building: Any,
    ) -> Self:
        """Open a model file, run it once, and recognize its outputs.

        Parameters
        ----------
        path : str or Path
            An ONNX file, or the bare name of a model that comes with the package.
        runtime, threads, overrides
            As in `open_engine`.
        options : object, optional
            Used when `postprocess` is called without options.
        building
            `precision`, `progress`, `cancel`, `device`, `dla_core`, `isolation` and
            `inference_limit_s`, as in `open_engine`.

        Raises
        ------
        ModelError
            When the file cannot be used, is a model for another task, or its outputs are unknown.
        ParameterError
            When a setting is out of range or missing; the error names it.
        """
        engine = open_file(path, runtime, threads, overrides, kernels=cls.task.kernels, **building)
        try:
            return cls(engine, options)
        except BaseException:
            engine.close()
            raise

    @property
    def assumption_text(self) -> str:
        """What was assumed about the model, as one line; empty if nothing was."""
        return assumption_text(self.info, self.assumed)

    def set_up(self, params: Any) -> None:
        """Do what parameters of the task say about the input; called before the first image."""
        return

    @property
    def input_key(self) -> Hashable:
        """Models with equal keys take the same input tensor, so it can be made once for all."""
        made_by = self.preprocessor
        filled = made_by.resize, made_by.normalization, made_by.pad_value
        return made_by.shape, made_by.dtype, made_by.layout, *filled

    def preprocess(
        self, image: ImageLike, out: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], ImageTransform]:
        """Input tensor for an image.

        Parameters
        ----------
        image : ndarray, uint8, str or PathLike
            (h, w, 3) in BGR, (h, w) or (h, w, 1) in gray, (h, w, 4) in BGRA, or the path of a
            picture.
        out : ndarray, optional
            A tensor from an earlier call, to fill again.

        Returns
        -------
        tensor : ndarray
            `out`, or a new array.
        transform : ImageTransform
            How the image was fitted, for `postprocess`.

        Raises
        ------
        ImageError
            When the image cannot be used.
        """
        return self.preprocessor(as_bgr(image), out)

    def infer(self, tensor: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Outputs of the network; the next call may overwrite them.

        Raises
        ------
        ModelError
            When the tensor does not fit, or the runtime fails.
        """
        return self.engine.infer(tensor)

    def postprocess(
        self,
        outputs: Sequence[NDArray[Any]],
        transform: ImageTransform,
        options: Options | None = None,
    ) -> Result:
        """What the outputs mean in the source image."""
        raise NotImplementedError

    def __call__(self, image: ImageLike) -> Result:
        """The result for an image.

        Parameters
        ----------
        image : ndarray, uint8, str or PathLike
            (h, w, 3) in BGR, (h, w) or (h, w, 1) in gray, (h, w, 4) in BGRA, or the path of a
            picture.

        Raises
        ------
        ImageError
            When it is anything else; the error says what it is.
        ModelError
            When the runtime fails, or the network's output is not finite.
        """
        tensor, transform = self.preprocess(image)
        return self.postprocess(self.infer(tensor), transform)

    def class_name(self, class_id: int) -> str:
        """Name of a class, even for ids beyond `class_names`, which outputs may hold."""
        return class_name_of(self.class_names, class_id)

    def bind_thread(self) -> None:
        """Make the calling thread the one that calls `infer`."""
        self.engine.bind_thread()

    def interrupt(self) -> None:
        """Make a running inference fail soon, if the runtime can; may be called by any thread."""
        self.engine.interrupt()

    def close(self) -> None:
        """Release the engine; calling it twice is harmless."""
        try:
            if self.device_path is not None:
                self.device_path.close()
        finally:
            self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _default_options(self) -> Options:
        """The options of a model that is created without any."""
        raise NotImplementedError

    def _recognize(self, outputs: NetworkOutputs) -> Any:
        """What the outputs hold."""
        refuse_other_network(outputs, self.info)
        if not (self.info.task or self.info.layout or self.info.output):
            for other in tasks():
                if other is not self.task and other.is_named(outputs):
                    raise looks_like(self.info, outputs.shapes[0], other)
        try:
            return self.task.recognize(outputs, self.info)
        except ModelError as err:
            if not self.info.task:
                for other in tasks():
                    if other is not self.task and _recognizes(other, outputs, self.info):
                        raise looks_like(self.info, outputs.shapes[0], other) from err
            raise

    def _assume(self) -> dict[str, str]:
        """What is assumed where nothing specifies it."""
        return assumed_preprocessing(self.info, self.preprocessor)

    def _open_device_path(self) -> CudaPath[Result, Options] | None:
        engine = self.engine
        if not isinstance(engine, CudaEngine):
            return None
        from jetson_perception.models.cuda import on_gpu

        return on_gpu(lambda: self.cuda_path(engine))

    def cuda_path(self, engine: CudaEngine) -> CudaPath[Result, Options] | None:
        """The model's path on the GPU; None for a task without one, whose lane uses the host."""
        return None


def _recognizes(task: Task, outputs: NetworkOutputs, info: ModelInfo) -> bool:
    """Whether a task finds a layout, or several."""
    try:
        task.recognize(outputs, info)
    except PerceptionError as err:
        return isinstance(err, ParameterError)
    return True


def first_outputs(engine: Engine) -> NetworkOutputs:
    """What a network gives for a black image."""
    spec = engine.inputs[0]
    with START_TIMES.span('the very first run', Path(engine.info.path).name):
        arrays = engine.infer(np.zeros(spec.shape, spec.dtype))
    names = [each.name for each in engine.outputs]
    return NetworkOutputs(names, [np.array(each) for each in arrays], sides_wh(spec.shape))


def _preparation(engine: Engine, task: Task, layout: Any) -> ModelInfo:
    """How images are prepared: as the model or the user says, else as is usual."""
    usual = task.usual_preprocessing(layout, engine.info)
    spec = engine.inputs[0]
    if spec.dtype.kind in 'iu':  # the network normalizes them itself
        usual = replace(usual, scale=1.0, mean=None, std=None)
    info = merge(usual, engine.info)
    resize = info.resize or task.default_resize(sides_wh(spec.shape))
    if resize not in task.resizes:
        raise ParameterError(
            f"resize is '{resize}', and {info.path} is {task.noun}; expected one of "
            f'{", ".join(task.resizes)}',
            'resize',
        )
    return replace(info, resize=resize)


def _preprocessor(engine: Engine, task: Task, layout: Any) -> Preprocessor:
    info, spec = _preparation(engine, task, layout), engine.inputs[0]
    normalization = Normalization(
        scale=1 / 255 if info.scale is None else info.scale,
        mean=info.mean or (0.0, 0.0, 0.0),
        std=info.std or (1.0, 1.0, 1.0),
        color_order=info.color_order or 'rgb',
    )
    return Preprocessor(
        sides_wh(spec.shape),
        resize=info.resize,
        normalization=normalization,
        dtype=spec.dtype,
        pad_value=task.usual_padding(layout),
        layout=input_layout(spec.shape),
    )
