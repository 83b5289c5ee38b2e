"""What can go wrong, as one short tree.

::

    PerceptionError
    ├── CudaError        the GPU, its driver or its memory: unavailable, full, or failed
    ├── ImageError       an image that cannot be used: its layout, size or encoding
    ├── ModelError       a model that cannot be used: missing, not ONNX, outputs nobody can decode
    │   └── BuildCanceled  the caller asked for the end of an engine's build
    ├── ParameterError   a setting that cannot be used: out of range, contradictory, unknown
    └── SourceError      a camera, file or stream that cannot be opened, or was lost
        └── EndOfStream  a source that came to its end as it should

Every text says what was found, what was expected and what to do about it.
"""

from __future__ import annotations

from jetson_perception.printable import printable_line, printable_lines


class PerceptionError(Exception):
    """Base of every error that this package raises on purpose.

    Parameters
    ----------
    message : str
        What was found, what was expected, what to do. It becomes one printable line of limited
        length, whatever it contains.
    printed : str
        What another program printed about it, added below the message line by line.

    Attributes
    ----------
    fatal : bool
        Whether nothing works from now on, until the process is started again; see `CudaError`.
    """

    fatal = False

    def __init__(self, message: str = '', *, printed: str = '') -> None:
        text = printable_line(message)
        super().__init__(f'{text}\n{printable_lines(printed)}' if printed else text)


class CudaError(PerceptionError):
    """The GPU, its driver or its memory is unavailable, full, or failed.

    Parameters
    ----------
    message : str
        What was found, what was expected, what to do.
    fatal : bool
        Whether everything on this GPU fails from now on, until the process is started again: so
        it is after an illegal access by a kernel.
    """

    def __init__(self, message: str, *, fatal: bool = False) -> None:
        super().__init__(message)
        self.fatal = fatal


class ImageError(PerceptionError):
    """An image cannot be used: its layout, size or encoding."""


class ModelError(PerceptionError):
    """A model cannot be used: it is missing, not ONNX, or has outputs that nobody can decode."""


class BuildCanceled(ModelError):  # noqa: N818 - an end that was asked for
    """Building an engine, or waiting for another process that builds it, was canceled."""


class ParameterError(PerceptionError):
    """A setting cannot be used.

    Parameters
    ----------
    message : str
        What was found, what was expected, what to do.
    parameter : str
        Name of the parameter to change; empty when several are meant.
    """

    def __init__(self, message: str, parameter: str = '') -> None:
        super().__init__(message)
        self.parameter = parameter


class SourceError(PerceptionError):
    """A camera, file or stream cannot be opened, or was lost."""


class EndOfStream(SourceError):  # noqa: N818 - an end, not an error, to most callers
    """A source came to its end as it should: the last frame of a file was read."""
