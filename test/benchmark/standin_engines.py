"""Engines for tests without a GPU: they compute nothing, and report every misuse."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import numpy as np

from jetson_perception.engines.base import TensorSpec
from jetson_perception.model_info import ModelInfo


class HostEngine:
    """An engine that computes while it is called; counts, and may fail."""

    description = 'stand-in'
    info = ModelInfo()
    inputs = (TensorSpec('images', (1, 3, 8, 8), np.dtype(np.float32)),)
    outputs = inputs

    def __init__(self, fails_at=None):
        self.runs = 0
        self.threads = set()
        self._fails_at = fails_at

    def infer(self, tensor):
        assert tensor.shape == (1, 3, 8, 8)
        self.runs += 1
        self.threads.add(threading.get_ident())
        if self.runs == self._fails_at:
            raise RuntimeError('the engine broke')
        return [tensor]

    def bind_thread(self):
        pass

    def interrupt(self):
        pass

    def close(self):
        pass


class DeviceStandIn:
    """The context that must be current, and what is going on on the device."""

    def __init__(self):
        self.current = threading.local()
        self.binding = threading.Lock()
        self.events = []
        self.pushed_by = {}  # threads that have the context on them

    @contextmanager
    def pushed(self):
        thread = threading.get_ident()
        self.current.depth = getattr(self.current, 'depth', 0) + 1
        self.pushed_by[thread] = self.current.depth
        try:
            yield
        finally:
            self.current.depth -= 1
            del self.pushed_by[thread]

    def check_current(self):
        assert getattr(self.current, 'depth', 0) > 0, 'no context is current on this thread'

    def new_event(self):
        self.check_current()
        event = EventStandIn(self)
        self.events.append(event)
        return event


class EventStandIn:
    def __init__(self, device):
        self.device = device
        self.position = 0
        self.stream = None

    def record(self, stream):
        self.device.check_current()
        self.stream, self.position = stream, stream.enqueued

    def synchronize(self):
        self.device.check_current()
        self.stream.done = max(self.stream.done, self.position)

    def close(self):
        self.device.check_current()
        self.device.events.remove(self)


class StreamStandIn:
    """Work in order; nothing of it is done before somebody waits."""

    def __init__(self, device):
        self.device = device
        self.enqueued = self.done = 0

    def synchronize(self):
        self.device.check_current()
        self.done = self.enqueued


class DeviceEngine(HostEngine):
    """An engine that enqueues; knows the thread that it is bound to, and how far it is ahead."""

    input_buffer = None
    output_buffers = ()

    def __init__(self, device):
        super().__init__()
        self.device = device
        self.stream = StreamStandIn(device)
        self.bound_to = None
        self.most_in_flight = 0

    def bind_thread(self):
        assert self.bound_to is None, 'bound twice'
        assert self.device.binding.acquire(blocking=False), 'two engines were bound at once'
        self.bound_to = threading.get_ident()
        self.device.binding.release()

    def enqueue(self):
        assert self.bound_to == threading.get_ident(), 'another thread than the one bound'
        self.device.check_current()
        self.runs += 1
        self.stream.enqueued += 1
        in_flight = self.stream.enqueued - self.stream.done
        self.most_in_flight = max(self.most_in_flight, in_flight)
