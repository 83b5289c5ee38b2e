"""The options with which an engine is built."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jetson_perception.errors import ParameterError
from jetson_perception.model_info import did_you_mean
from jetson_perception.printable import counted, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

PRECISIONS = ('fp32', 'fp16', 'int8', 'best')
"""What an engine computes in: 'int8' uses FP16 for layers that are not quantized; 'best' is int8
for a quantized model (or with images to calibrate on), else fp16."""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How to build an engine; the values are checked on construction.

    Attributes
    ----------
    precision : str
        One of `PRECISIONS`.
    batch : tuple of int
        Smallest, best and largest batch size, for a model that leaves it open.
    size_wh : tuple of (int, int)
        Smallest, best and largest width and height, for a model that leaves them open; empty for
        the size that the model says it was trained at.
    workspace_mib : int
        Memory in MiB that one layer may use while it runs; 0 for a quarter of the GPU's, at most
        4096. TensorRT's own default is all of it, which on a Jetson is the system's memory.
    timing_cache : str
        File with the times of kernels, which makes later builds faster; it is read and written.
        '' for none.
    dla_core : int
        Deep learning accelerator to build for; -1 for the GPU.
    strongly_typed : bool
        Whether the types in the ONNX file decide the precision even where flags could. From
        TensorRT 11 on they always do.
    optimization_level : int
        0 builds fastest, 5 runs fastest; -1 for TensorRT's default.
    max_aux_streams : int
        Streams that an engine may use beside its own; -1 for TensorRT's choice.
    plugins : tuple of str
        Libraries with operators that TensorRT lacks.
    save_onnx : str
        File to save the ONNX model in that TensorRT gets, if it is a converted one; '' for none.
    """

    precision: str = 'fp16'
    batch: tuple[int, int, int] = (1, 1, 1)
    size_wh: tuple[tuple[int, int], ...] = ()
    workspace_mib: int = 0
    timing_cache: str = ''
    dla_core: int = -1
    strongly_typed: bool = False
    optimization_level: int = -1
    max_aux_streams: int = -1
    plugins: tuple[str, ...] = ()
    save_onnx: str = ''

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ParameterError(
                f'precision is {quoted(self.precision)}; expected one of {", ".join(PRECISIONS)}'
                f'{did_you_mean(self.precision, PRECISIONS)}',
                'precision',
            )
        if not 1 <= self.batch[0] <= self.batch[1] <= self.batch[2]:
            raise ParameterError(
                f'batch is {list(self.batch)}; expected smallest, best, largest, each 1 or more',
                'batch',
            )
        self._check_sizes()
        for name, least in (('workspace_mib', 0), ('dla_core', -1), ('max_aux_streams', -1)):
            value = getattr(self, name)
            if value < least:
                raise ParameterError(f'{name} is {value}; expected {least} or more', name)
        if not -1 <= self.optimization_level <= 5:
            raise ParameterError(
                f'optimization_level is {self.optimization_level}; expected 0 to 5',
                'optimization_level',
            )
        if self.dla_core >= 0 and self.precision == 'fp32':
            raise ParameterError(
                'a DLA core computes in FP16 and INT8, but precision is fp32; choose another one',
                'precision',
            )

    def _check_sizes(self) -> None:
        if not self.size_wh:
            return
        if len(self.size_wh) != 3:
            raise ParameterError(
                f'size_wh has {counted(len(self.size_wh), "size")}; expected smallest, best, '
                'largest',
                'size_wh',
            )
        for axis, name in enumerate(('widths', 'heights')):
            low, best, high = (size[axis] for size in self.size_wh)
            if not 1 <= low <= best <= high:
                raise ParameterError(
                    f'size_wh has the {name} {low}, {best}, {high}; expected smallest, best, '
                    'largest, each 1 or more',
                    'size_wh',
                )

    def as_json(self) -> dict[str, Any]:
        """The options as JSON values; the key in the cache contains them, too."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> BuildOptions:
        """The options from what `as_json` returned, with tuples for lists."""
        made = dict(values)
        made['batch'] = tuple(made['batch'])
        made['size_wh'] = tuple((size[0], size[1]) for size in made['size_wh'])
        made['plugins'] = tuple(made['plugins'])
        return cls(**made)
