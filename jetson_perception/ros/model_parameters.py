"""Parameters that every model has, whatever its task."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from jetson_perception.engines.class_names import read_class_names
from jetson_perception.errors import ParameterError
from jetson_perception.model_info import PRECISIONS, RESIZES, ModelInfo
from jetson_perception.resources import model_names
from jetson_perception.ros.parameters import param


@dataclass(frozen=True)
class ModelParams:
    """What to run, and what its file does not say or says wrong.

    Each has a value that leaves the choice to the model's own metadata or YAML file.
    """

    model: str = param(
        '',
        'ONNX file, engine file of TensorRT, or the name of a model that the package brings; to '
        'be set.',
        at_configure=True,
        opens=True,
        other_names=('model_path', 'model_file', 'model_file_path', 'weights'),
    )
    runtime: str = param(
        'auto',
        'Runtime; auto takes the fastest that is there and says which.',
        choices=('auto', 'tensorrt', 'onnxruntime_cuda', 'onnxruntime_cpu'),
        at_configure=True,
    )
    precision: str = param(
        'fp16',
        'What TensorRT builds the engine in. ONNX Runtime computes in the types of the file; on '
        'CUDA fp16 converts FP32 files, where the package onnx is there, and convolutions round '
        'to TF32 unless this is fp32. int8 wants a quantized model, as `jetson-perception '
        'quantize` makes it.',
        choices=PRECISIONS,
        at_configure=True,
    )
    device: int = param(
        0,
        'Index of the GPU, for engines that run on one; a Jetson has only 0.',
        between=(0, 63),
        at_configure=True,
    )
    threads: int = param(
        0, 'CPU threads of the engine; 0 for one a core.', between=(0, 256), at_configure=True
    )
    input_size: tuple[int, ...] = param(
        (),
        'Width and height of the input, for a model that leaves them open.',
        at_configure=True,
        example='[640, 640]',
    )
    resize: str = param(
        'auto',
        'How images are fitted to the input; auto: as the model says, else letterbox for YOLO, '
        'stretch for semantic segmentation, and center_crop for classifiers, which alone take it.',
        choices=('auto', *RESIZES),
        at_configure=True,
    )
    color_order: str = param(
        'auto',
        'Channel order that the network was trained on; auto: as the model says, else rgb.',
        choices=('auto', 'rgb', 'bgr'),
        at_configure=True,
    )
    scale: float = param(
        0.0,
        'Pixel values are multiplied by it; 0: as the model says, else 1/255.',
        between=(0.0, 255.0),
        at_configure=True,
    )
    mean: tuple[float, ...] = param(
        (),
        'Subtracted after scaling, one a channel; else as the model says, else 0.',
        at_configure=True,
        example='[0.485, 0.456, 0.406]',
    )
    std: tuple[float, ...] = param(
        (),
        'Divided by after the mean, one a channel; else as the model says, else 1.',
        at_configure=True,
        example='[0.229, 0.224, 0.225]',
    )
    class_names: tuple[str, ...] = param(
        (),
        'Name of each class, for a model that brings none.',
        at_configure=True,
        example='[person, bicycle, car]',
    )
    class_names_file: str = param(
        '',
        'The names in a file instead: text with a name a line, or YAML with names, as that of a '
        'data set.',
        at_configure=True,
        opens=True,
    )

    def problem(self) -> str:
        """What is wrong between the fields; empty when nothing is."""
        if self.class_names and self.class_names_file:
            return 'class_names and class_names_file are both set; keep one of them'
        for name, count in (('input_size', 2), ('mean', 3), ('std', 3)):
            value = getattr(self, name)
            if value and len(value) != count:
                return f'{name} has {len(value)} values; expected {count}'
            if not all(map(math.isfinite, value)):
                return f'{name} is {list(value)}; expected finite numbers'
        if any(side < 1 for side in self.input_size):
            return f'input_size is {list(self.input_size)}; expected a width and height in pixels'
        if any(value == 0.0 for value in self.std):
            return f'std is {list(self.std)}; no value may be 0, as pixels are divided by it'
        return ''

    def require_model(self, name: str) -> None:
        """See that there is a model to open.

        Parameters
        ----------
        name : str
            Full name of the parameter `model`.

        Raises
        ------
        ParameterError
            When it is empty.
        """
        if not self.model:
            raise ParameterError(
                f'{name} is not set; start the node with an ONNX file, such as '
                f'--ros-args -p {name}:=/models/my.onnx, or with the name of a model that the '
                f'package brings: {", ".join(model_names())}',
                name,
            )

    def overrides(self, **more: Any) -> ModelInfo:
        """What the user set, for `jetson_perception.models` to prefer to the model's own word.

        Parameters
        ----------
        more
            Further fields of ModelInfo; 'auto' is as good as nothing.

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
