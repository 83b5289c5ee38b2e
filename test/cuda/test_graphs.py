import threading

import numpy as np
import pytest

from jetson_perception.cuda import CudaError, DeviceBuffer, PinnedBuffer
from jetson_perception.cuda.compiler import Module
from jetson_perception.cuda.graphs import capture


@pytest.fixture
def stream(device):
    stream = device.new_stream()
    yield stream
    stream.close()


@pytest.fixture
def host(device):
    """Two numbers in page-locked memory."""
    host = PinnedBuffer(device, (2,), np.int32)
    host.array[:] = [1, 2]
    yield host
    host.close()


@pytest.fixture
def memory(device):
    memory = DeviceBuffer(device, (2,), np.int32)
    yield memory
    memory.close()


def test_repeats_what_was_recorded(standin, device, stream, host, memory):
    other = DeviceBuffer(device, (2,), np.int32)

    def record():
        memory.copy_from_host(host, stream)
        other.copy_from_device(memory, stream)

    with device.pushed():
        other.clear(stream)
        graph = capture(stream, record)
        assert graph.nodes == 2
        stream.synchronize()
        assert standin.view(other.address, (2,), np.int32).tolist() == [0, 0]  # only recorded
        for numbers in ([1, 2], [3, 4]):
            host.array[:] = numbers
            graph.launch(stream)
            stream.synchronize()
            assert standin.view(other.address, (2,), np.int32).tolist() == numbers
    graph.close()
    graph.close()
    other.close()


def test_kernels_and_launches_from_another_thread(standin, device, stream, memory):
    def count(grid, block, address):
        standin.view(address, (2,), np.int32)[:] += 1

    standin.register('count', 'P', count)
    module = Module(device, b'standin count', 'count')
    kernel = module.get_function('count', 'P')

    def launch():
        with device.pushed():
            graph.launch(stream)
            graph.launch(stream)
            stream.synchronize()

    with device.pushed():
        memory.clear(stream)
        graph = capture(stream, lambda: kernel.launch(stream, (1,), (1,), memory.address))
    thread = threading.Thread(target=launch)
    thread.start()
    thread.join()
    assert standin.view(memory.address, (2,), np.int32).tolist() == [2, 2]
    graph.close()
    module.close()


def test_nothing_recorded(stream):
    with pytest.raises(CudaError, match='nothing was enqueued'):
        capture(stream, lambda: None)


def test_error_while_recording_leaves_the_stream_usable(device, stream, host, memory):
    def fail():
        memory.copy_from_host(host, stream)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        capture(stream, fail)
    with device.pushed():
        memory.copy_from_host(host, stream)
        stream.synchronize()
    graph = capture(stream, lambda: memory.copy_from_host(host, stream))
    graph.close()


@pytest.mark.parametrize(
    'forbidden',
    [
        pytest.param(lambda stream: stream.synchronize(), id='wait'),
        pytest.param(lambda stream: DeviceBuffer(stream.device, (1,), np.uint8), id='allocate'),
    ],
)
def test_what_cannot_be_recorded(stream, forbidden):
    with pytest.raises(CudaError, match='not permitted when stream is capturing'):
        capture(stream, lambda: forbidden(stream))
    with stream.device.pushed():
        stream.synchronize()


def test_swallowed_error_is_noticed_at_the_end(stream, host, memory):
    def record():
        memory.copy_from_host(host, stream)
        with pytest.raises(CudaError):
            stream.synchronize()

    with pytest.raises(CudaError, match=r'capturing a CUDA graph failed: .*901'):
        capture(stream, record)


class TestForeignWork:
    """What a library records, whose host memory may be gone later."""

    def test_copy_to_the_host(self, stream, host, memory):
        with pytest.raises(CudaError, match='copies to host memory'):
            capture(stream, lambda: memory.copy_to_host(host, stream), foreign=True)

    def test_copy_from_memory_that_is_not_page_locked(self, standin, stream, host, memory):
        standin.knows_host_memory = False
        with pytest.raises(CudaError, match='copies from pageable host memory'):
            capture(stream, lambda: memory.copy_from_host(host, stream), foreign=True)
        standin.knows_host_memory = True
        capture(stream, lambda: memory.copy_from_host(host, stream), foreign=True).close()

    def test_release_of_memory_that_the_copy_reads_is_left_out(
        self, standin, stream, host, memory
    ):
        released = []

        def record():
            memory.copy_from_host(host, stream)
            standin.enqueue(stream.raw._stream, 'host', lambda: released.append(1))

        graph = capture(stream, record, foreign=True)
        with stream.device.pushed():
            graph.launch(stream)
            graph.launch(stream)
            stream.synchronize()
        assert released == []
        assert standin.view(memory.address, (2,), np.int32).tolist() == [1, 2]
        graph.close()

    def test_function_of_the_host_that_later_work_waits_for(self, standin, stream, memory):
        def record():
            standin.enqueue(stream.raw._stream, 'host', lambda: None)
            memory.clear(stream)

        with pytest.raises(CudaError, match='waits for a host function'):
            capture(stream, record, foreign=True)

    def test_work_on_the_device(self, stream, memory):
        graph = capture(stream, lambda: memory.copy_from_device(memory, stream), foreign=True)
        graph.close()


def test_launch_after_closing(stream, memory):
    graph = capture(stream, lambda: memory.clear(stream))
    graph.close()
    with stream.device.pushed(), pytest.raises(CudaError, match='after it was closed'):
        graph.launch(stream)
