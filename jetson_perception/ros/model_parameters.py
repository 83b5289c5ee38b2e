"""Parameters that every model has, whatever its task."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jetson_perception.engines.class_names import read_class_names
from jetson_perception.errors import ParameterError
from jetson_perception.model_info import (
    COLOR_ORDERS,
    ISOLATIONS,
    PRECISIONS,
    RESIZES,
    RUNTIMES,
    ModelInfo,
)
from jetson_perception.printable import counted
from jetson_perception.ros.parameters import param

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class ModelParams:
    """Which model to run and how, and what its file does not say or says wrong.

    Each parameter has a value that leaves the choice to the model's metadata or YAML file.
    """

    model: str = param(
        '',
        'ONNX file, TensorRT engine file, or name of a model that comes with the package; '
        'required.',
        at_configure=True,
        opens=True,
        other_names=('model_path', 'model_file', 'model_file_path', 'weights'),
    )
    runtime: str = param(
        'auto',
        'Library that runs the model; auto takes the fastest one installed and logs which.',
        choices=RUNTIMES,
        at_configure=True,
    )
    precision: str = param(
        'fp16',
        'Number type that TensorRT builds the engine for. ONNX Runtime uses the types in the '
        'file; on CUDA, fp16 converts FP32 files if the package onnx is installed, and '
        'convolutions round to TF32 unless this is fp32. int8 needs a quantized model, which '
        '`jetson-perception quantize` makes.',
        choices=PRECISIONS,
        at_configure=True,
    )
    device: int = param(
        0,
        'Index of the GPU, for runtimes that use one; a Jetson has only 0.',
        between=(0, 63),
        at_configure=True,
    )
    dla_core: int = param(
        -1,
        'Deep learning accelerator (DLA) of an AGX Orin or Orin NX that TensorRT runs the model '
        'on, in fp16 or int8; layers that it cannot run are run by the GPU, and listed when the '
        'engine is built. -1: the GPU. Untested on a DLA.',
        between=(-1, 15),
        at_configure=True,
    )
    isolation: str = param(
        'none',
        'Where the engine runs: none, in the process of the node; process, in another one, with '
        'images in shared memory. One that hangs in a driver, crashes or loses its GPU is then '
        'ended and started again, and the node goes on meanwhile; images are fitted and results '
        'decoded on the CPU.',
        choices=ISOLATIONS,
        at_configure=True,
    )
    inference_limit_s: float = param(
        10.0,
        'How long an inference may take, with isolation: process, before its process is ended.',
        between=(0.1, 600.0),
        at_configure=True,
    )
    threads: int = param(
        0, 'CPU threads of the engine; 0: one per core.', between=(0, 256), at_configure=True
    )
    input_size: tuple[int, ...] = param(
        (),
        'Width and height of the input, for a model whose input size is dynamic.',
        at_configure=True,
        example='[640, 640]',
    )
    output_name: str = param(
        '',
        'The output to read, by name, for a model with others; several are separated by commas.',
        at_configure=True,
    )
    resize: str = param(
        'auto',
        'How images are fitted to the input; auto: as the model says, otherwise letterbox for '
        'YOLO, stretch for semantic segmentation, and center_crop for classifiers, which alone '
        'take it.',
        choices=('auto', *RESIZES),
        at_configure=True,
    )
    color_order: str = param(
        'auto',
        'Channel order that the network was trained on; auto: as the model says, otherwise rgb.',
        choices=('auto', *COLOR_ORDERS),
        at_configure=True,
    )
    scale: float = param(
        0.0,
        'Factor that pixel values are multiplied by; 0: as the model says, otherwise 1/255.',
        between=(0.0, 255.0),
        at_configure=True,
    )
    mean: tuple[float, ...] = param(
        (),
        'Value per channel that is subtracted after scaling; empty: as the model says, otherwise '
        '0.',
        at_configure=True,
        example='[0.485, 0.456, 0.406]',
    )
    std: tuple[float, ...] = param(
        (),
        'Value per channel to divide by after subtracting the mean; empty: as the model says, '
        'otherwise 1.',
        at_configure=True,
        example='[0.229, 0.224, 0.225]',
    )
    class_names: tuple[str, ...] = param(
        (),
        'Name of each class, for a model that does not name its classes.',
        at_configure=True,
        example='[person, bicycle, car]',
    )
    class_names_file: str = param(
        '',
        'File with the class names, instead of class_names: text with one name per line, or YAML '
        "with the key names, such as a dataset's data.yaml.",
        at_configure=True,
        opens=True,
    )

    def problem(self) -> str:
        """What is wrong between the fields; empty when nothing is."""
        if self.class_names and self.class_names_file:
            return 'class_names and class_names_file are both set; set only one of them'
        for name, count in (('input_size', 2), ('mean', 3), ('std', 3)):
            value = getattr(self, name)
            if value and len(value) != count:
                return f'{name} has {counted(len(value), "value")}; expected {count}'
            if not all(map(math.isfinite, value)):
                return f'{name} is {list(value)}; expected finite numbers'
        if any(side < 1 for side in self.input_size):
            return f'input_size is {list(self.input_size)}; expected a width and height in pixels'
        if any(value == 0.0 for value in self.std):
            return f'std is {list(self.std)}; no value may be 0, because pixels are divided by it'
        return ''

    def require_model(self, name: str, known: Callable[[], Sequence[str]]) -> None:
        """Check that there is a model to open.

        Parameters
        ----------
        name : str
            Full name of the parameter `model`.
        known : callable
            Gives the names of the package's models that the node runs.

        Raises
        ------
        ParameterError
            When it is empty.
        """
        if not self.model:
            raise ParameterError(
                f'{name} is not set; start the node with an ONNX file, such as '
                f'--ros-args -p {name}:=/models/my.onnx, or with the name of a model that comes '
                f'with the package: {", ".join(known()) or "none here"}',
                name,
            )

    def overrides(self, **more: Any) -> ModelInfo:
        """What the user set; `jetson_perception.models` prefers it to what the model says.

        Parameters
        ----------
        more
            Further fields of ModelInfo; 'auto' leaves a field empty.

        Raises
        ------
        ParameterError
            When `class_names_file` cannot be read.
        """
        file = self.class_names_file
        return ModelInfo(
            **{key: _unless_auto(value) for key, value in more.items()},
            class_names=read_class_names(file) if file else self.class_names,
            input_size_wh=(self.input_size[0], self.input_size[1]) if self.input_size else None,
            output_name=self.output_name,
            resize=_unless_auto(self.resize),
            color_order=_unless_auto(self.color_order),
            scale=self.scale or None,
            mean=_triple(self.mean),
            std=_triple(self.std),
        )


def _unless_auto(value: Any) -> Any:
    return '' if value == 'auto' else value


def _triple(values: tuple[float, ...]) -> tuple[float, float, float] | None:
    return (values[0], values[1], values[2]) if values else None
