"""A model file as something that takes images: engine and task put together.

::

    model = open_model('my.onnx')
    result = model('photo.jpg')  # or an array, as cv2.imread gives it

Stage by stage, as a pipeline runs and times them::

    tensor, transform = model.preprocess(bgr)
    result = model.postprocess(model.infer(tensor), transform)
"""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from jetson_perception.engines import open_engine
from jetson_perception.errors import ModelError, ParameterError, PerceptionError
from jetson_perception.files.foreign_files import foreign_path
from jetson_perception.images.arrays import as_bgr
from jetson_perception.models.assumptions import assumed_preprocessing, assumption_text
from jetson_perception.models.cuda import CudaSegmentation, CudaYolo, open_device_path
from jetson_perception.printable import quoted
from jetson_perception.resources import model_path
from jetson_perception.tasks.classes import class_ids, class_score_thresholds
from jetson_perception.tasks.keypoints import COCO_KEYPOINT_NAMES, COCO_SKELETON
from jetson_perception.tasks.preprocess import ImageTransform, Normalization, Preprocessor
from jetson_perception.tasks.results import Detections, Segmentation
from jetson_perception.tasks.segmentation import (
    SegmentationOptions,
    recognize_segmentation_layout,
    segment,
)
from jetson_perception.tasks.yolo import DetectionOptions, decode, recognize_layout

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from typing_extensions import Self

    from jetson_perception.engines import Engine
    from jetson_perception.images.arrays import ImageLike
    from jetson_perception.model_info import ModelInfo

_log = logging.getLogger(__name__)

Result = TypeVar('Result')
Options = TypeVar('Options')

# What each task's model is, and what runs it; None where nothing here does.
_SEGMENTATION = 'seg_node, or SegmentationModel in Python'
_YOLO = 'yolo_node, or YoloModel in Python'
_TASKS: dict[str, tuple[str, str | None]] = {
    'detect': ('a detector', _YOLO),
    'pose': ('a pose model', _YOLO),
    'semantic': ('a semantic segmentation model', _SEGMENTATION),
    'segment': ('an instance segmentation model', _YOLO),
    'classify': ('an image classifier', None),
    'obb': ('a detector of rotated boxes', None),
}


class _Model(Generic[Result, Options]):
    """What the two kinds of model share: an engine, and images fitted to its input."""

    tasks: tuple[str, ...]
    default_resize: str

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.info = engine.info
        self._refuse_other_tasks()
        height, width = engine.inputs[0].shape[2:]
        self.network_wh = (width, height)
        self.class_names: tuple[str, ...] = self.info.class_names
        self.preprocessor = _preprocessor(engine, self.default_resize)
        # Shapes that an engine leaves open are known after a run.
        tensor = np.zeros(engine.inputs[0].shape, engine.inputs[0].dtype)
        outputs = engine.infer(tensor)
        self._recognize([output.shape for output in outputs], outputs[0].dtype)
        #: Settings that neither the model nor the caller says, by name, with what was taken.
        self.assumed: dict[str, str] = self._assume()
        if self.assumption_text:
            _log.info('%s', self.assumption_text)
        #: What a lane on a GPU runs; None for an engine that runs on the CPU.
        self.device_path = self._open_device_path()

    @property
    def assumption_text(self) -> str:
        """What was assumed of the model, as one line; empty where it says all."""
        return assumption_text(self.info, self.assumed)

    @property
    def input_key(self) -> Hashable:
        """Models of equal keys take the same input tensor, so it can be made once for all."""
        made_by = self.preprocessor
        return made_by.network_wh, made_by.resize, made_by.normalization, np.dtype(made_by.dtype)

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
            A tensor to fill, of an earlier call.

        Returns
        -------
        tensor : ndarray, shape (1, 3, network height, network width)
        transform : ImageTransform
            How the image was fitted, for `postprocess`.

        Raises
        ------
        ImageError
            When the image cannot be used.
        """
        return self.preprocessor(as_bgr(image), out)

    def infer(self, tensor: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Outputs of the network; they may be overwritten by the next call.

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
        """Result for an image.

        Parameters
        ----------
        image : ndarray, uint8, str or PathLike
            (h, w, 3) in BGR, (h, w) or (h, w, 1) in gray, (h, w, 4) in BGRA, or the path of a
            picture.

        Raises
        ------
        ImageError
            When it is something else; says what it is.
        ModelError
            When the runtime fails, or the network's output is not finite.
        """
        tensor, transform = self.preprocess(image)
        return self.postprocess(self.infer(tensor), transform)

    def class_name(self, class_id: int) -> str:
        """Name of a class, also of an id beyond `class_names`, which outputs may hold."""
        if 0 <= class_id < len(self.class_names):
            return self.class_names[class_id]
        return f'class_{class_id}'

    def bind_thread(self) -> None:
        """Make the calling thread the one that calls `infer`."""
        self.engine.bind_thread()

    def interrupt(self) -> None:
        """Make an inference under way fail soon, if the runtime can; from any thread."""
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

    def _recognize(self, shapes: list[tuple[int, ...]], dtype: np.dtype) -> None:
        """Find out what the outputs are, from the shapes that a run gave."""
        raise NotImplementedError

    def _assume(self) -> dict[str, str]:
        """What is taken where nobody says it."""
        return assumed_preprocessing(self.info, self.preprocessor)

    def _open_device_path(self) -> CudaYolo | CudaSegmentation | None:
        """What a lane on a GPU runs."""
        raise NotImplementedError

    def _is_yolo(self, shapes: list[tuple[int, ...]]) -> bool:
        try:
            recognize_layout(shapes, self.info, self.network_wh)
        except PerceptionError as err:
            return isinstance(err, ParameterError)  # one of several YOLO layouts
        return True

    def _is_segmentation(self, shapes: list[tuple[int, ...]], dtype: np.dtype) -> bool:
        try:
            recognize_segmentation_layout(shapes[0], dtype, self.info, self.network_wh)
        except PerceptionError as err:
            return isinstance(err, ParameterError)
        return True

    def _refuse_other_tasks(self) -> None:
        task = self.info.task
        if task and task not in self.tasks:
            raise _wrong_task(self.info, type(self).__name__)


class SegmentationModel(_Model[Segmentation, SegmentationOptions]):
    """A semantic segmentation model: an image in, a class per pixel out. Made by `open`.

    Attributes
    ----------
    engine : Engine
        What runs it.
    info : ModelInfo
        What metadata, YAML file and overrides say of it.
    network_wh : tuple of int
        Width and height of the network's input, pixels.
    class_names : tuple of str
        One a class; 'class_<index>' where nothing names it.
    layout : SegmentationLayout
        What its output holds.
    options : SegmentationOptions
        Used where `postprocess` is given none.
    assumed : dict of str to str
        Settings that neither the model nor the caller says, by name, with what was taken.
    """

    tasks = ('semantic',)
    default_resize = 'stretch'

    def __init__(self, engine: Engine, options: SegmentationOptions | None = None) -> None:
        self.options = options or SegmentationOptions()
        super().__init__(engine)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        runtime: str = 'auto',
        threads: int = 0,
        overrides: ModelInfo | None = None,
        options: SegmentationOptions | None = None,
        **building: Any,
    ) -> Self:
        """Open a model file, run it once, and recognize its output.

        Parameters
        ----------
        path : str or Path
            An ONNX file, or the bare name of a model that comes with the package.
        runtime, threads, overrides
            As `open_engine` says.
        options : SegmentationOptions, optional
            Used where `postprocess` is given none.
        building
            `precision`, `progress`, `cancel` and `device`, as `open_engine` says.

        Raises
        ------
        ModelError
            When the file cannot be used, is a model for another task, or its output is unknown.
        ParameterError
            When a setting is out of range or missing; the error names it.
        """
        opened = _open(path, runtime, threads, overrides, **building)
        try:
            return cls(opened, options)
        except BaseException:
            opened.close()
            raise

    def postprocess(
        self,
        outputs: Sequence[NDArray[Any]],
        transform: ImageTransform,
        options: SegmentationOptions | None = None,
    ) -> Segmentation:
        """A class per pixel, at the image's size or the network's, as the options say."""
        return segment(outputs[0], self.layout, transform, options or self.options)

    def _recognize(self, shapes: list[tuple[int, ...]], dtype: np.dtype) -> None:
        try:
            self.layout = recognize_segmentation_layout(
                shapes[0], dtype, self.info, self.network_wh
            )
        except ModelError as err:
            if self.info.task or not self._is_yolo(shapes):
                raise
            raise _looks_like(self.info, shapes[0], 'detect') from err
        if len(shapes) > 1:
            _log.info(
                "%s: output '%s' is used; the model has %d more",
                self.info.path,
                self.engine.outputs[0].name,
                len(shapes) - 1,
            )
        self.class_names = _fill_names(self.info, self.layout.class_count)

    def _assume(self) -> dict[str, str]:
        # Class ids are known by their type, and one channel has to be said.
        output = {} if self.info.output else {'output': self.layout.output}
        if self.layout.output == 'class_ids':
            output = {}
        return output | super()._assume()

    def _open_device_path(self) -> CudaSegmentation | None:
        return open_device_path(self.engine, partial(CudaSegmentation, self))


class YoloModel(_Model[Detections, DetectionOptions]):
    """A YOLO model: an image in, boxes with keypoints or masks out. Made by `open`.

    Attributes
    ----------
    engine : Engine
        What runs it.
    info : ModelInfo
        What metadata, YAML file and overrides say of it.
    network_wh : tuple of int
        Width and height of the network's input, pixels.
    class_names : tuple of str
        One a class; 'class_<index>' where nothing names it.
    keypoint_names : tuple of str
        One a keypoint: COCO's for 17 that nothing names, else 'keypoint_<index>'; empty for a
        detector.
    skeleton : tuple of (int, int)
        Pairs of keypoints that a drawing joins; COCO's with COCO's names.
    layout : YoloLayout
        What its output holds.
    options : DetectionOptions
        Used where `postprocess` is given none.
    assumed : dict of str to str
        Settings that neither the model nor the caller says, by name, with what was taken.
    """

    tasks = ('detect', 'pose', 'segment')
    default_resize = 'letterbox'

    def __init__(self, engine: Engine, options: DetectionOptions | None = None) -> None:
        self.options = options or DetectionOptions()
        super().__init__(engine)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        runtime: str = 'auto',
        threads: int = 0,
        overrides: ModelInfo | None = None,
        options: DetectionOptions | None = None,
        **building: Any,
    ) -> Self:
        """Open a model file, run it once, and recognize its outputs.

        Parameters
        ----------
        path : str or Path
            An ONNX file, or the bare name of a model that comes with the package.
        runtime, threads, overrides
            As `open_engine` says.
        options : DetectionOptions, optional
            Used where `postprocess` is given none.
        building
            `precision`, `progress`, `cancel` and `device`, as `open_engine` says.

        Raises
        ------
        ModelError
            When the file cannot be used, is a model for another task, or its outputs are unknown.
        ParameterError
            When a setting is out of range or missing; the error names it.
        """
        opened = _open(path, runtime, threads, overrides, **building)
        try:
            return cls(opened, options)
        except BaseException:
            opened.close()
            raise

    def postprocess(
        self,
        outputs: Sequence[NDArray[Any]],
        transform: ImageTransform,
        options: DetectionOptions | None = None,
    ) -> Detections:
        """Boxes in the source image's pixels, best first."""
        return decode(outputs, self.layout, transform, options or self.options)

    def class_ids(self, names: Iterable[str]) -> tuple[int, ...] | None:
        """Ids of the classes of these names, for `DetectionOptions`; None for no name: all.

        Raises
        ------
        ParameterError
            For a name that no class has; says which is near.
        """
        return class_ids(names, self.class_names)

    def class_score_thresholds(self, entries: Iterable[str]) -> tuple[tuple[int, float], ...]:
        """Thresholds of single classes, for `DetectionOptions`, from entries as 'person: 0.5'.

        Raises
        ------
        ParameterError
            For a name that no class has, and for what is no number from 0 to 1.
        """
        return class_score_thresholds(entries, self.class_names)

    def _recognize(self, shapes: list[tuple[int, ...]], dtype: np.dtype) -> None:
        try:
            if dtype.kind != 'f':
                raise ModelError(
                    f'{self.info.path} gives {dtype} {shapes[0]}; boxes are floats: export a '
                    'detect, pose or segment model'
                )
            self.layout = recognize_layout(shapes, self.info, self.network_wh)
        except ModelError as err:
            if self.info.task or not self._is_segmentation(shapes, dtype):
                raise
            raise _looks_like(self.info, shapes[0], 'semantic') from err
        self.class_names = _fill_names(self.info, self.layout.class_count)
        count = self.layout.keypoint_count
        self.keypoint_names = self.info.keypoint_names
        self.skeleton = self.info.skeleton
        if count == len(COCO_KEYPOINT_NAMES) and not self.keypoint_names:
            self.keypoint_names = COCO_KEYPOINT_NAMES
            self.skeleton = self.skeleton or COCO_SKELETON
        elif not self.keypoint_names:
            self.keypoint_names = tuple(f'keypoint_{index}' for index in range(count))

    def _assume(self) -> dict[str, str]:
        # The exporters that write the stride write it of networks trained so: YOLO's own.
        return {} if self.info.stride else super()._assume()

    def _open_device_path(self) -> CudaYolo | None:
        return open_device_path(self.engine, partial(CudaYolo, self))


def open_model(
    path: str | Path,
    *,
    runtime: str = 'auto',
    threads: int = 0,
    overrides: ModelInfo | None = None,
    **building: Any,
) -> SegmentationModel | YoloModel:
    """Open a model file as what it is.

    Its task decides. Of a model that says none, an output (1, n, m) of floats is taken for YOLO's,
    any other, and one that the YAML file's `output` describes, for semantic segmentation's.

    Parameters
    ----------
    path : str or Path
        An ONNX file, or the bare name of a model that comes with the package.
    runtime, threads, overrides
        As `open_engine` says.
    building
        `precision`, `progress`, `cancel` and `device`, as `open_engine` says.

    Raises
    ------
    ModelError
        When the file cannot be used, or is a model for a task that is not among these.
    ParameterError
        When a setting is out of range or missing; the error names it.
    """
    opened = _open(path, runtime, threads, overrides, **building)
    try:
        task = opened.info.task
        if task in YoloModel.tasks:
            return YoloModel(opened)
        if task in SegmentationModel.tasks:
            return SegmentationModel(opened)
        if task:
            raise _wrong_task(opened.info, 'jetson_perception')
        spec = opened.inputs[0]
        output = opened.infer(np.zeros(spec.shape, spec.dtype))[0]
        boxes = output.ndim == 3 and output.dtype.kind == 'f' and not opened.info.output
        return YoloModel(opened) if boxes else SegmentationModel(opened)
    except BaseException:
        opened.close()
        raise


def resolve_model(path: str | Path) -> Path:
    """The file that a path, or the bare name of a model that comes with the package, means."""
    given = foreign_path(path, what='model', error=ModelError)
    if os.path.exists(given) or given.suffix or given.name != str(path):
        return given
    return model_path(str(path))


def _open(
    path: str | Path, runtime: str, threads: int, overrides: ModelInfo | None, **building: Any
) -> Engine:
    return open_engine(
        resolve_model(path), runtime=runtime, threads=threads, overrides=overrides, **building
    )


def _preprocessor(engine: Engine, default_resize: str) -> Preprocessor:
    info = engine.info
    spec = engine.inputs[0]
    normalization = Normalization(
        scale=1 / 255 if info.scale is None else info.scale,
        mean=info.mean or (0.0, 0.0, 0.0),
        std=info.std or (1.0, 1.0, 1.0),
        color_order=info.color_order or 'rgb',
    )
    height, width = spec.shape[2:]
    return Preprocessor(
        (width, height),
        resize=info.resize or default_resize,
        normalization=normalization,
        dtype=spec.dtype,
    )


def _fill_names(info: ModelInfo, count: int) -> tuple[str, ...]:
    names = info.class_names
    return names + tuple(f'class_{index}' for index in range(len(names), count))


def _wrong_task(info: ModelInfo, where: str) -> ModelError:
    what, runner = _TASKS.get(info.task, (f'a model for the task {quoted(info.task)}', None))
    way_out = f'use {runner}' if runner else 'nothing here runs these yet'
    return ModelError(
        f'{info.path} is {what} (task {quoted(info.task)}), which {where} does not run; {way_out}'
    )


def _looks_like(info: ModelInfo, shape: tuple[int, ...], task: str) -> ModelError:
    what, runner = _TASKS[task]
    return ModelError(f'{info.path} looks like {what}, with output {shape}; use {runner}')
