"""The settings with which an engine is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path


def describe_progress(name: str, fraction: float | None, phase: str) -> str:
    """The progress of a build in words: 'building engine det 43 %: timing tactics'."""
    engine = f'engine {name}' if name else 'engine'
    share = '' if fraction is None else f' {fraction * 100:.0f} %'
    return f'building {engine}{share}' + (f': {phase}' if phase else '')


@dataclass(frozen=True)
class EngineRequest:
    """How to open a model; each runtime uses the settings that concern it.

    Attributes
    ----------
    path : Path
        The model file.
    threads : int
        CPU threads; 0 for as many as the cores this process may use.
    input_size_wh : tuple of int or None
        Width and height of an input that the model leaves open.
    device : int
        Index of the GPU, for engines that run on one.
    precision : str
        One of `PRECISIONS`; see `open_engine`.
    progress : callable or None
        Called with the progress of a build, from any thread, as progress(fraction, phase): 0 to 1,
        or None if this TensorRT does not report it; and the current phase in words.
    cancel : threading.Event or None
        When set, a build ends and raises BuildCanceled.
    kernels : tuple of str
        Kernel files that the model will need on a GPU, to be compiled while it is opened.
    dla_core : int
        Deep learning accelerator that TensorRT runs the model on; -1 for the GPU.
    """

    path: Path
    threads: int = 0
    input_size_wh: tuple[int, int] | None = None
    precision: str = 'fp16'
    progress: Callable[[float | None, str], None] | None = None
    cancel: threading.Event | None = None
    device: int = 0
    kernels: tuple[str, ...] = ()
    dla_core: int = -1
