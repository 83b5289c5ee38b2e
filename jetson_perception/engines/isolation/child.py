"""The process of an engine, which `engines.isolation.process` starts.

Arguments are file descriptors: the connection, the shared memory of inputs and of outputs, and a
pipe that ends with the parent.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

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
from jetson_perception.engines.opening import open_on
from jetson_perception.engines.request import EngineRequest


def main() -> None:
    """Open the engine that the parent orders, and infer until the parent hangs up."""
    connection, inputs, outputs, parent = map(int, sys.argv[1:])
    for each in IGNORED_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, IGNORED_SIGNALS)  # since the start; see `process`
    _end_with(parent)
    _Worker(Connection(connection), SharedArrays(inputs), SharedArrays(outputs)).work()
    # What runtimes do at exit takes long, and may hang where the driver does.
    os._exit(0)


def _end_with(pipe: int) -> None:
    """Have the kernel end this process when the other end of a pipe is closed.

    By a signal whose default is the end, and not by a thread: a driver that hangs may hold the
    interpreter's lock.
    """
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    # It may have been closed before. Who the parent is says nothing of that: in a container, the
    # one that lives may have id 1, and orphans may be given to any process.
    hung_up = select.poll()
    hung_up.register(pipe, 0)
    if hung_up.poll(0):
        os._exit(0)


class _Worker:
    def __init__(
        self, connection: Connection, inputs: SharedArrays, outputs: SharedArrays
    ) -> None:
        self._connection = connection
        self._inputs, self._outputs = inputs, outputs
        self._lock = threading.Lock()  # progress comes from any thread

    def work(self) -> None:
        try:
            order = self._connection.recv()
            engine, ready = self._open(order)
            self._send(ready)
            while True:
                task: Task = self._connection.recv()
                self._send(self._infer(engine, task))
        except (EOFError, ConnectionError):  # the parent has hung up
            return
        except Exception as error:  # noqa: BLE001 - the parent raises it
            self._send(Failed.of(error))

    def _open(self, order: Order) -> tuple[Any, Ready]:
        engine, runtime, reason = open_on(
            order.runtime,
            EngineRequest(
                order.path,
                order.threads,
                order.input_size_wh,
                order.precision,
                lambda fraction, phase: self._send(Progress(fraction, phase)),
                device=order.device,
                dla_core=order.dla_core,
            ),
        )
        engine.bind_thread()
        ready = Ready(
            engine.description,
            runtime,
            reason,
            engine.info,
            engine.inputs,
            engine.outputs,
            getattr(engine, 'max_batch', None),
        )
        return engine, ready

    def _infer(self, engine: Any, task: Task) -> Done | Failed:
        try:
            (tensor,) = self._inputs.read([task.tensor])
            return Done(self._outputs.write(engine.infer(tensor)))
        except Exception as error:  # noqa: BLE001 - the parent raises it
            return Failed.of(error)

    def _send(self, message: Any) -> None:
        with self._lock:
            self._connection.send(message)
