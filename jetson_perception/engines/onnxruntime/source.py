"""The model that CUDA sessions are made from: the file as it is, or converted to FP16."""

from __future__ import annotations

import functools
import logging
import threading
import weakref
from typing import TYPE_CHECKING, NamedTuple

from jetson_perception.engines.onnx_file.channels import pad_channels
from jetson_perception.engines.onnx_file.graph import has_quantization, load_model, require_onnx
from jetson_perception.engines.onnx_file.header import model_digest
from jetson_perception.engines.onnx_file.precision import is_fp16, to_fp16, widen_weights
from jetson_perception.engines.onnxruntime.kept import kept_models, kept_name
from jetson_perception.errors import ModelError, PerceptionError
from jetson_perception.process.start_times import START_TIMES

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

_log = logging.getLogger('jetson_perception')


class FileVersion(NamedTuple):
    """A file, and values that change with its content."""

    path: Path
    changed_ns: int
    size: int

    @classmethod
    def of(cls, path: Path) -> FileVersion:
        """The version of the file at present."""
        about = path.stat()
        return cls(path, about.st_mtime_ns, about.st_size)


class _Converted:
    """A converted model, shared by the engines that are being opened from one file."""

    def __init__(self, content: bytes) -> None:
        self.content = content


# Only what an engine still needs: conversions are as large as their files.
_shared: weakref.WeakValueDictionary[FileVersion, _Converted] = weakref.WeakValueDictionary()

# One at a time: it takes several times the model's memory, and holds the interpreter's lock.
_converting = threading.Lock()


class ModelSource:
    """An ONNX file, or what it becomes in FP16.

    Parameters
    ----------
    path : Path
        The ONNX file.
    half : bool
        Whether to convert an FP32 file. If that cannot be done, the log says why, and the file is
        used as it is.

    Attributes
    ----------
    version : FileVersion
        The file's version when this object was made.
    is_half : bool
        Whether sessions are made from a conversion; known once `content` has been called.
    """

    def __init__(self, path: Path, *, half: bool) -> None:
        self.path = path
        self.version = FileVersion.of(path)
        self.is_half = half
        self._is_converted = False
        self._converted: _Converted | None = None

    @functools.cached_property
    def digest(self) -> str:
        """Digest of the model's content; empty for what is no ONNX file."""
        try:
            return model_digest(self.path)
        except ModelError:
            return ''

    def content(self) -> bytes | None:
        """The converted model; None if the file is used as it is.

        It is converted when it is first asked for, and again after `forget`, unless it is kept.

        Raises
        ------
        ModelError
            When the file cannot be converted any more.
        """
        if not self.is_half:
            return None
        if self._converted is None:
            self._converted = self._convert()
        if self._converted is None:
            if self._is_converted:
                raise ModelError(f'{self.path} cannot be converted to FP16 again; open it again')
            self.is_half = False
            return None
        self._is_converted = True
        return self._converted.content

    def load(self) -> onnx.ModelProto:
        """The model that sessions are made from."""
        content = self.content()
        return require_onnx().load_from_string(content) if content else load_model(self.path)

    def leave_half(self, why: str, *, again: bool = False) -> None:
        """Use the file as it is from now on, and log why; as a warning only the first time."""
        level = logging.INFO if again else logging.WARNING
        _log.log(level, '%s: does not run in FP16: %s', self.path.name, why)
        self.is_half, self._converted = False, None

    def forget(self) -> None:
        """Free the converted model, which no session needs once it is made."""
        self._converted = None

    def _convert(self) -> _Converted | None:
        with _converting, START_TIMES.span('converting', self.path.name):
            shared = _shared.get(self.version)
            if shared is None:
                content = self._kept_or_converted()
                if content is None:
                    return None
                shared = _shared[self.version] = _Converted(content)
            return shared

    def _kept_or_converted(self) -> bytes | None:
        if has_quantization(self.path):
            return None
        kept, name = kept_models(), f'{kept_name(self.digest)}.fp16'
        content = kept.read(name) if self.digest else None
        if content is None:
            content = convert_to_half(self.path)
            # The digest is of what the file was.
            if content is not None and self.digest and FileVersion.of(self.path) == self.version:
                kept.write(name, content)
        return content


def convert_to_half(path: Path) -> bytes | None:
    """An FP32 model in FP16; None if it is not in FP32, or cannot be converted, which is logged.

    Its inputs, its outputs and the decoding of boxes stay in FP32.
    """
    if has_quantization(path):
        return None
    try:
        model = load_model(path)
        widen_weights(model)
        if is_fp16(model):
            return None
        pad_channels(model)
        return to_fp16(model).SerializeToString()
    except PerceptionError as err:
        _log.info('%s: does not run in FP16: %s', path.name, str(err))
        return None
