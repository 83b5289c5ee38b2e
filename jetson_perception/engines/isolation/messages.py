"""What a node and the process of its engine tell each other, beside arrays."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jetson_perception.errors import CudaError, ModelError, ParameterError, PerceptionError

if TYPE_CHECKING:
    from pathlib import Path

    from jetson_perception.engines.base import TensorSpec
    from jetson_perception.engines.isolation.shared import Place
    from jetson_perception.model_info import ModelInfo


#: Signals that the process of an engine ignores, as its node ends it. It may be told to end by a
#: signal to all processes, as systemd sends it, and then has inferences to finish.
IGNORED_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Order:
    """Which engine to open; see `EngineRequest`."""

    runtime: str
    path: Path
    threads: int
    input_size_wh: tuple[int, int] | None
    precision: str
    device: int
    dla_core: int


@dataclass(frozen=True)
class Progress:
    """How far a build is; see `EngineRequest`."""

    fraction: float | None
    phase: str


@dataclass(frozen=True)
class Ready:
    """The engine is open and has made its first run: what `Engine` says of it."""

    description: str
    runtime: str
    reason: str
    info: ModelInfo
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_batch: int | None


@dataclass(frozen=True)
class Task:
    """An inference to make of the tensor at this place."""

    tensor: Place


@dataclass(frozen=True)
class Done:
    """An inference whose outputs are at these places."""

    outputs: list[Place]


@dataclass(frozen=True)
class Failed:
    """An error of `jetson_perception.errors`, or the text of another one."""

    kind: str
    text: str
    parameter: str = ''
    fatal: bool = False

    @classmethod
    def of(cls, error: BaseException) -> Failed:
        """What to send of an error."""
        if isinstance(error, PerceptionError):
            parameter = getattr(error, 'parameter', '')
            return cls(type(error).__name__, str(error), parameter, error.fatal)
        return cls('', f'unexpected {type(error).__name__}: {error}')

    def error(self) -> PerceptionError:
        """The error again."""
        if self.kind == 'ParameterError':
            return ParameterError(self.text, self.parameter)
        if self.kind == 'CudaError':
            # What is fatal is so for the other process alone, which is ended for it.
            return CudaError(self.text)
        return ModelError(self.text)
