"""A stand-in for a model on a GPU: what it enqueues are Python functions of the stand-in GPU.

It shows in which order a lane does things, not that a GPU computes rightly.
"""

import queue
import threading
from functools import partial

import numpy as np
from pipeline.waiting import DEADLINE_S

from jetson_perception.cuda import DeviceBuffer, PinnedBuffer
from jetson_perception.cuda.compiler import Module


class StandInPreprocess:
    """Fills a tensor of one float with the image's first byte, and remembers the images."""

    def __init__(self, standin, device, key='input'):
        self.input_key = key
        self.device = device
        self.standin = standin
        self.images = []
        standin.register('fit', 'PP', self._fit)
        self._module = Module(device, b'standin fit', 'fit')
        self._kernel = self._module.get_function('fit', 'PP')

    def new_tensor(self):
        return DeviceBuffer(self.device, (1,), np.float32)

    def preprocess(self, image, target, stream):
        self.images.append(image)
        self._kernel.launch(stream, (1,), (1,), image.address, target.address)
        return image.width, image.height, image.encoding

    def close(self):
        self._module.close()

    def _fit(self, grid, block, image, target):
        self.standin.view(target, (1,), np.float32)[0] = self.standin.view(image, (1,), np.uint8)[
            0
        ]


class StandInWork:
    """A frame in flight."""

    def __init__(self, device):
        self.done = device.new_event(timing=True)
        self.begun = device.new_event(timing=True)
        self.result = PinnedBuffer(device, (1,), np.float32)
        self.transform = self.options = None
        self.inference_ms = self.postprocess_ms = 0.0

    def close(self):
        self.done.close()
        self.begun.close()
        self.result.close()


class StandInBatches:
    """Batches of a stand-in path, on its stream: the engine runs once, then each place is read."""

    def __init__(self, path, most):
        self.path, self.most = path, most
        #: The numbers in each batch.
        self.begun = queue.Queue()
        self._works = [[StandInWork(path.device) for _ in range(most)] for _ in range(2)]
        self._inputs = [DeviceBuffer(path.device, (1,), np.float32) for _ in range(most)]

    def begin(self, tensors, taker, options):
        path = self.path
        assert threading.current_thread().name == path.bound[-1]
        assert 1 < len(tensors) <= self.most
        numbers = [tensor.transform[0] for tensor in tensors]
        for number in numbers:
            path.fail('batch', number)
        works = self._works.pop(0)
        self._works.append(works)
        inputs = self._inputs[: len(tensors)]
        for tensor, place in zip(tensors, inputs, strict=True):
            tensor.take(taker, place, path.stream)
        path.run_engine()
        for place, work, each in zip(inputs, works, options, strict=False):
            work.begun.record(path.stream)
            place.copy_to_host(work.result, path.stream)
            work.done.record(path.stream)
            work.options, work.finish = each, partial(self._finish, work)
        self.begun.put(numbers)
        return works[: len(tensors)]

    def next_batch(self):
        """The numbers in the next batch."""
        return self.begun.get(timeout=DEADLINE_S)

    def close(self):
        for each in (*self._inputs, *(work for works in self._works for work in works)):
            each.close()

    def _finish(self, work):
        work.done.synchronize()
        number = int(work.result.array[0])
        self.path.fail('finish', number)
        return number if work.options is None else (number, work.options)


class StandInPath(StandInPreprocess):
    """Gives back a frame's number; waits on the GPU for `go`, and raises where it is told to.

    Strict about what a lane must keep to: two frames in flight, one thread, finishing in order.
    """

    def __init__(self, standin, device, *, key='input', held=False, inference_ms=0.0, together=1):
        super().__init__(standin, device, key)
        self.inference_ms = inference_ms
        self.go = threading.Event()
        self.runs = threading.Event()
        self.begun = queue.Queue()
        self.raises = {}
        self.fatal = None
        self.bound = []
        self.most_in_flight = 0
        self.log = []
        self._in_flight = []
        self._free = [StandInWork(device), StandInWork(device)]
        self._works = tuple(self._free)
        self._input = DeviceBuffer(device, (1,), np.float32)
        self.stream = device.new_stream()
        self._engine_name = f'engine_{id(self)}'
        standin.register(self._engine_name, 'P', self._run_engine)
        self._engine_module = Module(device, b'standin engine', 'engine')
        self._engine = self._engine_module.get_function(self._engine_name, 'P')
        self.batches = StandInBatches(self, together) if together > 1 else None
        if not held:
            self.go.set()

    def bind_thread(self):
        self.bound.append(threading.current_thread().name)
        self.fail('bind', 0)

    def begin(self, tensor, taker, options):
        assert threading.current_thread().name == self.bound[-1]
        number = self._number_of(tensor)
        self.fail('begin', number)
        work = self._free.pop(0)
        tensor.take(taker, self._input, self.stream)
        self.fail('enqueue', number, lambda: self._free.append(work))
        work.begun.record(self.stream)
        self.run_engine()
        self._input.copy_to_host(work.result, self.stream)
        work.done.record(self.stream)
        work.transform, work.options = tensor.transform, options
        self._in_flight.append(work)
        self.most_in_flight = max(self.most_in_flight, len(self._in_flight))
        self.log.append(('begin', number))
        self.begun.put(number)
        return work

    def finish(self, work):
        assert work is self._in_flight[0], 'frames finish in the order in which they began'
        try:
            work.done.synchronize()
        finally:
            self._free.append(self._in_flight.pop(0))
        number = int(work.result.array[0])
        self.log.append(('finish', number))
        self.fail('finish', number)
        work.inference_ms = self.inference_ms
        return number if work.options is None else (number, work.options)

    def run_engine(self):
        self._engine.launch(self.stream, (1,), (1,), self._input.address)

    def fatal_problem(self):
        return self.fatal

    def close(self):
        for each in (*self._works, self._input, self.stream, self._engine_module):
            each.close()
        if self.batches is not None:
            self.batches.close()
        super().close()

    def wait_until_begun(self):
        """Number of the frame that was enqueued."""
        return self.begun.get(timeout=DEADLINE_S)

    def wait_until_waited_for(self):
        """Return once the lane waits for the engine, which is held."""
        assert self.runs.wait(DEADLINE_S)

    def _run_engine(self, grid, block, address):
        self.runs.set()
        assert self.go.wait(DEADLINE_S), 'the test never let the engine go on'

    @staticmethod
    def _number_of(tensor):
        """The frame's number, which tests make its width."""
        return tensor.transform[0]

    def fail(self, stage, number, before=None):
        if (stage, number) in self.raises:
            if before is not None:
                before()
            raise self.raises[stage, number]
