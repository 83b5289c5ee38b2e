"""The process that builds an engine, which `engines.tensorrt.builder` starts.

The request comes on standard input, as a line of JSON that names three file descriptors. Events go
to `events`, a line of JSON each; the plan goes to `plan`; tensors to calibrate on come from
`calibration`. When standard input ends, the parent is gone or no longer wants the engine, so this
process ends, too.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.engines.tensorrt.api import import_tensorrt
from jetson_perception.engines.tensorrt.build_options import BuildOptions
from jetson_perception.engines.tensorrt.plan_builder import build_plan
from jetson_perception.errors import ModelError, ParameterError, PerceptionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import BinaryIO, TextIO

    from numpy.typing import NDArray

_KILL_ME_FIRST = '800'
"""Of at most 1000: when memory runs out, the kernel should kill this process, not the node."""


def main() -> None:
    """Build what standard input asks for, and end the process."""
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, name='parent', daemon=True).start()
    with contextlib.suppress(OSError):
        Path('/proc/self/oom_score_adj').write_text(_KILL_ME_FIRST, encoding='ascii')
    events = Events(os.fdopen(request['events'], 'w', encoding='utf-8'))
    logging.basicConfig(level=logging.DEBUG, handlers=[EventHandler(events)], force=True)
    logging.getLogger().setLevel(logging.WARNING)
    try:
        events.send(done=_build(request, events))
    except PerceptionError as err:
        kind = ParameterError if isinstance(err, ParameterError) else ModelError
        parameter = err.parameter if isinstance(err, ParameterError) else ''
        events.send(error=kind.__name__, text=str(err), parameter=parameter)
    except Exception:  # noqa: BLE001 - sent to the parent, which raises it
        events.send(error='crash', text=traceback.format_exc())
    # TensorRT's and CUDA's own clean-up at exit takes long, and can crash after a failed build.
    os._exit(0)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


class Events:
    """Sends lines of JSON to the parent, from any thread."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lock = threading.Lock()

    def send(self, **event: Any) -> None:
        """Send one event."""
        with self._lock:
            self._file.write(json.dumps(event) + '\n')
            self._file.flush()


class EventHandler(logging.Handler):
    """Sends log records as events to the parent's log, each text once.

    TensorRT repeats some messages for every layer.
    """

    def __init__(self, events: Events) -> None:
        super().__init__()
        self._events = events
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record, unless its text was sent before."""
        text = record.getMessage().strip()
        if text not in self._said:
            self._said.add(text)
            self._events.send(log=record.levelno, name=record.name, text=text)


def _build(request: Mapping[str, Any], events: Events) -> dict[str, Any]:
    size = request['size_wh']
    calibration = None
    if request['calibration'] is not None:
        tensors = os.fdopen(request['calibration'], 'rb')
        calibration = _read_tensors(tensors, request['calibration_shape'])
    plan = build_plan(
        import_tensorrt(),
        Path(request['path']),
        BuildOptions.from_json(request['options']),
        size_wh=(size[0], size[1]) if size else None,
        calibration=calibration,
        report=lambda fraction, phase: events.send(progress=fraction, phase=phase),
    )
    with os.fdopen(request['plan'], 'wb') as file:
        file.write(memoryview(plan.data))
    return {
        'tensorrt': plan.tensorrt,
        'gpu': plan.gpu,
        'layers': plan.layers,
        'workspace_mib': plan.workspace_mib,
        'shapes': plan.shapes,
        'flags': plan.flags,
        'notes': plan.notes,
    }


def _read_tensors(file: BinaryIO, shape: Sequence[int]) -> Iterator[NDArray[np.generic]]:
    """Float32 tensors of one shape, which the parent writes one after another."""
    size = int(np.prod(shape)) * 4
    while len(content := file.read(size)) == size:
        yield np.frombuffer(content, np.float32).reshape(shape)
