"""An engine that shows only some of its outputs: those that are to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from jetson_perception.errors import ParameterError
from jetson_perception.model_info import did_you_mean
from jetson_perception.printable import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.cuda.buffers import DeviceBuffer
    from jetson_perception.engines.base import Engine, TensorSpec

_MOST_NAMED = 20


def choose_outputs(engine: Engine, names: str) -> Engine:
    """The engine, with the named outputs alone, in the order of the names.

    Parameters
    ----------
    engine : Engine
        Closed with the one that is returned.
    names : str
        Separated by commas; empty for all.

    Raises
    ------
    ParameterError
        When the model has no output of a name.
    """
    wanted = [name.strip() for name in names.split(',') if name.strip()]
    known = [spec.name for spec in engine.outputs]
    for name in wanted:
        if name not in known:
            found = listed([quoted(each, 60) for each in known], _MOST_NAMED)
            raise ParameterError(
                f'output_name has {quoted(name, 60)}, and the outputs of {engine.info.path} are '
                f'{found}{did_you_mean(name, tuple(known))}',
                'output_name',
            )
    indices = [known.index(name) for name in wanted]
    return cast('Engine', _ChosenOutputs(engine, indices)) if indices else engine


class _ChosenOutputs:
    """As the engine itself, but for the outputs."""

    def __init__(self, engine: Engine, indices: Sequence[int]) -> None:
        self._engine = engine
        self._indices = tuple(indices)
        self.info = engine.info

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return tuple(self._engine.outputs[index] for index in self._indices)

    @property
    def output_buffers(self) -> tuple[DeviceBuffer, ...]:
        # Raises AttributeError for an engine on a CPU, which so is no CudaEngine.
        buffers: tuple[DeviceBuffer, ...] = self._engine.output_buffers  # type: ignore[attr-defined]
        return tuple(buffers[index] for index in self._indices)

    def infer(self, tensor: NDArray[np.generic]) -> Sequence[NDArray[np.generic]]:
        outputs = self._engine.infer(tensor)
        return [outputs[index] for index in self._indices]
