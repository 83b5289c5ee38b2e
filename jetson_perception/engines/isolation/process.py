"""The parent's side of the process of an engine: starting it, asking it, ending it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import ExitStack, closing, suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from jetson_perception.engines.isolation.messages import (
    IGNORED_SIGNALS,
    Done,
    Failed,
    Order,
    Progress,
    Ready,
    Task,
)
from jetson_perception.engines.isolation.shared import SharedArrays
from jetson_perception.errors import BuildCanceled, ModelError
from jetson_perception.process.modules import module_command, module_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

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
        As `open_engine`; BuildCanceled when `cancel` is set meanwhile; ModelError also when the
        process cannot be started.
    """

    def __init__(
        self,
        order: Order,
        progress: Callable[[float | None, str], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        with ExitStack() as held:
            try:
                self._start(held)
            except OSError as error:
                raise ModelError(
                    f'{order.path}: the process of the engine cannot be started: {error}'
                ) from error
            try:
                self._connection.send(order)
            except OSError:
                raise ModelError(
                    f'{order.path}: the process of the engine {self._how_it_ended()}'
                ) from None
            self.ready = self._opened(order.path, progress, cancel)
            self._held = held.pop_all()

    def _start(self, held: ExitStack) -> None:
        """Start the process; what is to be let go of, last first, is put on a stack at once."""
        self._inputs = held.enter_context(closing(SharedArrays()))
        self._outputs = held.enter_context(closing(SharedArrays()))
        with ExitStack() as passing:
            ours, theirs = map(passing.enter_context, socket.socketpair())
            lives, ends = os.pipe()
            passing.callback(os.close, lives)
            hang_up = held.enter_context(ExitStack())
            hang_up.callback(os.close, ends)
            self._connection = Connection(ours.detach())
            hang_up.callback(self._connection.close)
            passed = [theirs.fileno(), self._inputs.descriptor, self._outputs.descriptor, lives]
            # The child has our mask: it is not ended while it imports what ignores the signals.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, IGNORED_SIGNALS)
            passing.callback(signal.pthread_sigmask, signal.SIG_SETMASK, before)
            self._popen = subprocess.Popen(
                module_command(_MODULE, *passed),
                stdin=subprocess.DEVNULL,
                pass_fds=passed,
                env=module_environment(),
                # Ctrl-C reaches only the parent, which then ends the child.
                start_new_session=True,
            )
            held.callback(self._wait)
            held.callback(hang_up.close)  # first, as the process waits for it

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
        OSError
            When there is no memory to share.
        """
        (place,) = self._inputs.write([tensor])
        try:
            try:
                self._connection.send(Task(place))
            except (OSError, ValueError):
                raise EngineEnded(self._how_it_ended()) from None
            answer = self._answer(limit_s)
        except BaseException:
            # Its answer, or a part of it, would be taken for that of the next call.
            self.kill()
            self._connection.close()
            raise
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
        self._held.close()

    def _wait(self) -> None:
        try:
            self._popen.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            # One that waits in the kernel for a device ends when that lets it.
            with suppress(RuntimeError):  # no thread can be started; `subprocess` asks later
                threading.Thread(target=self._popen.wait, daemon=True).start()

    def _answer(self, limit_s: float) -> Any:
        """The next message; None if none comes in this time."""
        try:
            return self._connection.recv() if self._connection.poll(limit_s) else None
        except (EOFError, OSError):
            raise EngineEnded(self._how_it_ended()) from None
        except Exception as error:
            raise EngineEnded(
                f'gave an answer that cannot be read: {type(error).__name__}: {error}'
            ) from error

    def _how_it_ended(self) -> str:
        deadline_s = time.monotonic() + _END_S
        while (code := self._popen.poll()) is None and time.monotonic() < deadline_s:
            time.sleep(0.01)
        if code is None:
            return 'hung up'
        return f'was ended by signal {-code}' if code < 0 else f'ended with exit code {code}'
