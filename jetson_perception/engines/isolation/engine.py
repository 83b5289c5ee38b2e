"""An engine in a process of its own, which is ended and started again when it hangs."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jetson_perception.engines.isolation.messages import Order
from jetson_perception.engines.isolation.process import EngineEnded, EngineProcess
from jetson_perception.errors import ModelError, PerceptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jetson_perception.engines.request import EngineRequest

log = logging.getLogger('jetson_perception')

#: How long to wait before the process is started again, each time that failed; seconds.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0


class IsolatedEngine:
    """Implements `engines.base.Engine` by a process that has the engine proper.

    Tensors and outputs are in shared memory. A call that does not return within the limit ends the
    process, by SIGKILL, and another one is started; so it is with one that crashes, or whose GPU
    fails for good. Until it has opened the model, on the same runtime, each inference fails at
    once.

    Parameters
    ----------
    runtime : str
        As for `open_engine`.
    request : EngineRequest
        Which engine.
    limit_s : float
        How long an inference may take; the first one, which the process makes as it starts, may
        take longer.

    Attributes
    ----------
    description, info, inputs, outputs
        See `Engine`.
    reason : str
        Why the runtime was chosen if that was left open.

    Raises
    ------
    ModelError, ParameterError, CudaError
        As `open_engine`.
    """

    def __init__(self, runtime: str, request: EngineRequest, limit_s: float) -> None:
        self._order = Order(
            runtime,
            request.path,
            request.threads,
            request.input_size_wh,
            request.precision,
            request.device,
            request.dla_core,
        )
        self._limit_s = limit_s
        self._closed = threading.Event()
        self._lock = threading.Lock()
        process = EngineProcess(self._order, request.progress, request.cancel)
        self._process: EngineProcess | None = process
        self._is_inferring = self._is_starting = self._is_interrupted = False
        ready = process.ready
        # Whoever counts on what the runtime gives would not be told of another one.
        self._order = replace(self._order, runtime=ready.runtime)
        self.reason = ready.reason
        self.description = f'{ready.description}, in a process of its own'
        self.info, self.inputs, self.outputs = ready.info, ready.inputs, ready.outputs
        if ready.max_batch is not None:
            self.max_batch = ready.max_batch

    @property
    def pid(self) -> int | None:
        """Id of the process; None while another one is being started."""
        process = self._process
        return process.pid if process is not None else None

    def infer(self, tensor: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Outputs for one tensor; see `Engine`.

        Raises
        ------
        ModelError
            When the inference fails, or took too long, or there is no process at present.
        """
        if self._closed.is_set():
            raise ModelError(f'{self._order.path}: the engine is closed')
        process = self._process
        if process is None:
            self._start_soon()
            raise ModelError(
                f'{self._order.path}: the process of the engine is being started again'
            )
        self._is_inferring = True
        try:
            return process.infer(tensor, self._limit_s)
        except EngineEnded as ended:
            self._replace(process, str(ended))
            raise ModelError(f'{self._order.path}: the process of the engine {ended}') from None
        except OSError as error:
            raise ModelError(
                f'{self._order.path}: no memory is shared with the process of the engine: {error}'
            ) from error
        finally:
            self._is_inferring = False

    def bind_thread(self) -> None:
        """Do nothing: the process has its own thread, which is bound as it opens the engine."""

    def interrupt(self) -> None:
        """End the process if it is inferring; the next inference has another one started."""
        process = self._process
        if process is not None and self._is_inferring:
            self._is_interrupted = True
            process.kill()

    def close(self) -> None:
        """End the process; may be called twice."""
        self._closed.set()
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.end()

    def _replace(self, process: EngineProcess, why: str) -> None:
        """End a process, and have another one started unless this one was interrupted."""
        process.kill()
        with self._lock:
            if self._process is not process:  # `close` has it
                return
            self._process = None
        process.end()
        if self._is_interrupted:
            # Most likely the node is ending.
            log.info('%s: the process of the engine was interrupted', self._order.path.name)
            return
        log.error(
            '%s: the process of the engine %s; it is started again', self._order.path.name, why
        )
        self._start_soon()

    def _start_soon(self) -> None:
        """Start a process in a thread, unless there is one or it is being started."""
        with self._lock:
            if self._closed.is_set() or self._process is not None or self._is_starting:
                return
            self._is_starting = True
        try:
            threading.Thread(target=self._start_again, name='engine process', daemon=True).start()
        except RuntimeError as error:  # there can be no more threads; the next inference tries
            self._is_starting = False
            log.error('%s: its process is not started again: %s', self._order.path.name, error)

    def _start_again(self) -> None:
        begun, pause_s = time.monotonic(), _FIRST_PAUSE_S
        process = None
        while process is None and not self._closed.is_set():
            try:
                process = EngineProcess(self._order, cancel=self._closed)
            except Exception as error:  # noqa: BLE001 - without this thread it would never come back
                if self._closed.is_set():
                    break
                text = str(error)
                if not isinstance(error, PerceptionError):
                    text = f'{self._order.path}: unexpected {type(error).__name__}: {error}'
                log.error('%s; it is tried again in %.0f s', text, pause_s)
                self._closed.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        with self._lock:
            self._is_starting = self._is_interrupted = False
            is_wanted = not self._closed.is_set()
            if is_wanted:
                self._process = process
        if is_wanted:
            log.warning(
                '%s: the engine runs again, after %.1f s',
                self._order.path.name,
                time.monotonic() - begun,
            )
        elif process is not None:
            process.end()
