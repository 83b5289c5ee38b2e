"""The parent's side of the process of an engine: starting it, asking it, ending it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.engines.isolation.messages import Done, Failed, Order, Progress, Ready, Task
from jetson_perception.engines.isolation.shared import SharedArrays
from jetson_perception.errors import BuildCanceled, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_MODULE = 'jetson_perception.engines.isolation.child'
_POLL_S = 0.1
#: How long a process may take to end by itself.
_END_S = 0.5


class EngineEnded(Exception):  # noqa: N818 - caught at once
    """The process cannot go on; the text says why, as the end of a sentence."""


class EngineProcess:
    """A process that has an engine open. One thread at a time may call `infer`.

    Parameters
    ----------
    order : Order
        Which engine.
    progress, cancel
        See `EngineRequest`.

    Raises
    ------
    ModelError, ParameterError, CudaError
        As `open_engine`; BuildCanceled when `cancel` is set meanwhile.
    """

    def __init__(
        self,
        order: Order,
        progress: Callable[[float | None, str], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        self._inputs, self._outputs = SharedArrays(), SharedArrays()
        with ExitStack() as on_error:
            on_error.callback(self.end)
            self._start()
            self._connection.send(order)
            self.ready = self._opened(order.path, progress, cancel)
            on_error.pop_all()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._connection = Connection(ours.detach())
        lives, self._lives = os.pipe()
        passed = [theirs.fileno(), self._inputs.descriptor, self._outputs.descriptor, lives]
        try:
            self._popen = subprocess.Popen(
                [sys.executable or 'python3', '-m', _MODULE, *map(str, passed)],
                stdin=subprocess.DEVNULL,
                pass_fds=passed,
                env=_environment(),
                # Ctrl-C reaches only the parent, which then ends the child.
                start_new_session=True,
            )
        finally:
            theirs.close()
            os.close(lives)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._popen.pid

    def _opened(
        self,
        path: Path,
        progress: Callable[[float | None, str], None] | None,
        cancel: threading.Event | None,
    ) -> Ready:
        while True:
            if cancel is not None and cancel.is_set():
                raise BuildCanceled(f'canceled before the engine of {path.name} was opened')
            try:
                answer = self._answer(_POLL_S)
            except EngineEnded as ended:
                raise ModelError(f'{path}: the process of the engine {ended}') from None
            if isinstance(answer, Ready):
                return answer
            if isinstance(answer, Failed):
                raise answer.error()
            if isinstance(answer, Progress) and progress is not None:
                progress(answer.fraction, answer.phase)

    def infer(self, tensor: NDArray[Any], limit_s: float) -> Sequence[NDArray[Any]]:
        """The outputs, valid until the next call.

        Raises
        ------
        EngineEnded
            When the process is gone, its GPU has failed for good, or there is no answer within
            `limit_s`.
        ModelError, CudaError
            When the inference fails.
        """
        (place,) = self._inputs.write([tensor])
        try:
            self._connection.send(Task(place))
        except (OSError, ValueError):
            raise EngineEnded(self._how_it_ended()) from None
        answer = self._answer(limit_s)
        if isinstance(answer, Done):
            return self._outputs.read(answer.outputs)
        if isinstance(answer, Failed):
            if answer.fatal:
                raise EngineEnded(f'cannot go on: {answer.text}')
            raise answer.error()
        raise EngineEnded(f'did not answer within {limit_s:g} s')

    def kill(self) -> None:
        """End the process at once; from any thread. Who waits for its answer is told."""
        self._popen.kill()

    def end(self) -> None:
        """Have the process end, and let go of it; may be called twice."""
        if not hasattr(self, '_popen'):
            return
        if not self._connection.closed:
            self._connection.close()
            os.close(self._lives)
        try:
            self._popen.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            # One that waits in the kernel for a device ends when that lets it.
            threading.Thread(target=self._popen.wait, daemon=True).start()
        self._inputs.close()
        self._outputs.close()

    def _answer(self, limit_s: float) -> Any:
        """The next message; None if none comes in this time."""
        try:
            return self._connection.recv() if self._connection.poll(limit_s) else None
        except (EOFError, OSError):
            raise EngineEnded(self._how_it_ended()) from None

    def _how_it_ended(self) -> str:
        deadline_s = time.monotonic() + _END_S
        while (code := self._popen.poll()) is None and time.monotonic() < deadline_s:
            time.sleep(0.01)
        if code is None:
            return 'hung up'
        return f'was ended by signal {-code}' if code < 0 else f'ended with exit code {code}'


def _environment() -> dict[str, str]:
    """Ours, with this package on the path."""
    root = str(Path(__file__).resolve().parents[3])
    paths = [root, *filter(None, os.environ.get('PYTHONPATH', '').split(os.pathsep))]
    return {**os.environ, 'PYTHONPATH': os.pathsep.join(dict.fromkeys(paths))}
