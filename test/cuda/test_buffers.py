import threading

import numpy as np
import pytest
import standin_pycuda

from jetson_perception.cuda import (
    BufferPart,
    CudaDevice,
    CudaError,
    DeviceBuffer,
    GrowingBuffer,
    PinnedBuffer,
)


@pytest.fixture
def stream(device):
    stream = device.new_stream()
    yield stream
    stream.close()


class TestShapes:
    @pytest.mark.parametrize('kind', [DeviceBuffer, PinnedBuffer])
    @pytest.mark.parametrize(
        ('shape', 'dtype', 'nbytes'),
        [
            ((), np.float32, 4),
            ((0, 6), np.float32, 0),
            ((1, 3, 4), np.float16, 24),
            ((5,), 'u1', 5),
        ],
    )
    def test_sizes(self, device, kind, shape, dtype, nbytes):
        buffer = kind(device, shape, dtype)
        assert (buffer.shape, buffer.dtype, buffer.nbytes) == (shape, np.dtype(dtype), nbytes)
        buffer.close()

    @pytest.mark.parametrize('kind', [DeviceBuffer, PinnedBuffer])
    def test_negative_size(self, device, kind):
        with pytest.raises(CudaError, match=r'shape \(2, -1\) was requested'):
            kind(device, (2, -1), np.uint8)

    def test_pinned_array_is_writable_and_contiguous(self, device):
        buffer = PinnedBuffer(device, (2, 3), np.float32)
        buffer.array[:] = 7
        assert buffer.array.shape == (2, 3)
        assert buffer.array.flags.c_contiguous
        assert (buffer.bytes.view(np.float32) == 7).all()
        buffer.close()

    def test_address_is_aligned(self, device):
        buffers = [DeviceBuffer(device, (3,), np.uint8) for _ in range(3)]
        assert all(buffer.address % 256 == 0 for buffer in buffers)
        for buffer in buffers:
            buffer.close()


class TestCopies:
    def test_there_and_back(self, device, stream):
        there, back = (PinnedBuffer(device, (2, 3), np.float32) for _ in range(2))
        first, second = (DeviceBuffer(device, (2, 3), np.float32) for _ in range(2))
        there.array[:] = [[1, 2, 3], [4, 5, 6]]
        back.array[:] = 0
        with device.pushed():
            first.copy_from_host(there, stream)
            second.copy_from_device(first, stream)
            second.copy_to_host(back, stream)
            assert not back.array.any()  # nothing is done before somebody waits
            stream.synchronize()
        np.testing.assert_array_equal(back.array, there.array)
        for buffer in (there, back, first, second):
            buffer.close()

    def test_memory_that_belongs_to_no_buffer(self, device, stream):
        there, back = (PinnedBuffer(device, (8,), np.uint8) for _ in range(2))
        source, target = (DeviceBuffer(device, (8,), np.uint8) for _ in range(2))
        there.array[:] = range(8)
        with device.pushed():
            source.copy_from_host(there, stream)
            target.clear(stream)
            target.copy_from_address(source.address + 2, stream, 5)
            target.copy_to_host(back, stream)
            for nbytes in (0, 9):
                with pytest.raises(CudaError, match=f'cannot copy {nbytes} bytes'):
                    target.copy_from_address(source.address, stream, nbytes)
            stream.synchronize()
            assert back.array.tolist() == [2, 3, 4, 5, 6, 0, 0, 0]
            target.close()
            with pytest.raises(CudaError, match='after it was freed'):
                target.copy_from_address(source.address, stream, 5)
        for buffer in (there, back, source):
            buffer.close()

    def test_part_of_a_buffer(self, device, stream):
        host, memory = PinnedBuffer(device, (8,), np.uint8), DeviceBuffer(device, (8,), np.uint8)
        host.array[:] = range(8)
        with device.pushed():
            memory.clear(stream)
            memory.copy_from_host(host, stream, 3)
            stream.synchronize()
            host.array[:] = 99
            memory.copy_to_host(host, stream, 5)
            stream.synchronize()
        assert host.array.tolist() == [0, 1, 2, 0, 0, 99, 99, 99]
        host.close()
        memory.close()

    def test_nothing(self, device, stream):
        host, memory = PinnedBuffer(device, (0,), np.uint8), DeviceBuffer(device, (0,), np.uint8)
        with device.pushed():
            memory.copy_from_host(host, stream)
            memory.copy_from_device(memory, stream)
            memory.copy_to_host(host, stream)
            memory.clear(stream)
            stream.synchronize()
        host.close()
        memory.close()

    @pytest.mark.parametrize(('source', 'target', 'nbytes'), [(8, 4, None), (4, 8, 5), (4, 4, -1)])
    def test_beyond_the_end(self, device, stream, source, target, nbytes):
        first, second = (DeviceBuffer(device, (size,), np.uint8) for size in (source, target))
        hosts = [PinnedBuffer(device, (size,), np.uint8) for size in (source, target)]
        with device.pushed():
            for copy in (
                lambda: second.copy_from_device(first, stream, nbytes),
                lambda: second.copy_from_host(hosts[0], stream, nbytes),
                lambda: first.copy_to_host(hosts[1], stream, nbytes),
            ):
                with pytest.raises(CudaError, match=rf'from a buffer of {source} to one of'):
                    copy()
        for buffer in (first, second, *hosts):
            buffer.close()


class TestParts:
    @pytest.mark.parametrize(('first', 'count'), [(-1, 1), (0, 0), (2, 2), (3, 1)])
    def test_items_that_are_not_there(self, device, first, count):
        whole = DeviceBuffer(device, (3, 2), np.float32)
        with pytest.raises(CudaError, match=r'of a buffer of 3'):
            BufferPart(whole, first, count)
        whole.close()

    @pytest.mark.parametrize('shape', [(), (0, 4)])
    def test_of_nothing(self, device, shape):
        whole = DeviceBuffer(device, shape, np.float32)
        with pytest.raises(CudaError, match=r'of a buffer of 0'):
            BufferPart(whole, 0, 1)
        whole.close()

    def test_is_in_the_memory_of_the_whole(self, device, stream, standin):
        whole = DeviceBuffer(device, (3, 5), np.float32)
        pinned = PinnedBuffer(device, (3, 5), np.float32)
        pinned.array[:] = np.arange(15).reshape(3, 5)
        part = BufferPart(whole, 1, 2)
        assert (part.shape, part.nbytes) == ((2, 5), 40)
        assert part.address == whole.address + 20
        with device.pushed():
            whole.copy_from_host(pinned, stream)
            part.copy_from_device(BufferPart(whole, 0, 1), stream)
            with pytest.raises(CudaError, match=r'cannot copy 60 bytes'):
                part.copy_from_device(whole, stream)
            whole.copy_to_host(pinned, stream)
            stream.synchronize()
        assert (pinned.array[:, 0] == (0, 0, 10)).all()
        part.close()
        part.close()
        assert standin.find(whole.address, 60), 'the whole is still there'
        with device.pushed(), pytest.raises(CudaError, match=r'after it was freed'):
            part.copy_to_host(pinned, stream)
        pinned.close()
        whole.close()


class TestFreeing:
    def test_from_any_thread_twice(self, device):
        buffers = [kind(device, (4,), np.uint8) for kind in (DeviceBuffer, PinnedBuffer)]

        def close():
            for buffer in buffers:
                buffer.close()
                buffer.close()

        thread = threading.Thread(target=close)
        thread.start()
        thread.join()
        assert buffers[0].address == 0
        assert buffers[1].array.size == 0

    @pytest.mark.parametrize('kind', [DeviceBuffer, PinnedBuffer])
    def test_used_afterwards(self, device, stream, kind):
        freed, other = kind(device, (4,), np.uint8), DeviceBuffer(device, (4,), np.uint8)
        freed.close()
        copy = other.copy_from_device if kind is DeviceBuffer else other.copy_from_host
        with device.pushed(), pytest.raises(CudaError, match='was freed'):
            copy(freed, stream)
        other.close()

    def test_no_memory_left(self, monkeypatch):
        standin = standin_pycuda.install(monkeypatch, total_memory=1 << 20)
        device = CudaDevice.get(0)
        with pytest.raises(CudaError, match=r'allocating 2\.0 MiB on .*the GPU is full'):
            DeviceBuffer(device, (2 << 20,), np.uint8)
        device.close()
        standin.check()


class TestMapped:
    def test_gpu_sees_what_the_host_writes(self, standin, device):
        buffer = PinnedBuffer(device, (4,), np.int32, mapped=True)
        buffer.array[:] = [1, 2, 3, 4]
        assert standin.view(buffer.address, (4,), np.int32).tolist() == [1, 2, 3, 4]
        buffer.close()
        assert buffer.address is None

    def test_has_no_address_unless_asked_for(self, device):
        buffer = PinnedBuffer(device, (4,), np.int32)
        assert buffer.address is None
        buffer.close()


class TestGrowing:
    def test_grows_only_when_it_has_to(self, standin, device):
        growing = GrowingBuffer(lambda nbytes: DeviceBuffer(device, (nbytes,), np.uint8))
        first = growing.ensure(1000)
        assert first.nbytes >= 1000
        count = standin.allocations
        assert growing.ensure(0) is first
        assert growing.ensure(first.nbytes) is first
        assert standin.allocations == count
        second = growing.ensure(first.nbytes + 1)
        assert second is not first
        assert first.address == 0
        growing.close()
        growing.close()

    def test_the_old_one_goes_first(self, monkeypatch):
        standin = standin_pycuda.install(monkeypatch, total_memory=300 << 10)
        device = CudaDevice.get(0)
        growing = GrowingBuffer(lambda nbytes: DeviceBuffer(device, (nbytes,), np.uint8))
        growing.ensure(100 << 10)
        growing.ensure(200 << 10)  # both together would not fit
        with pytest.raises(CudaError, match='out of memory'):
            growing.ensure(400 << 10)
        assert growing.ensure(100).nbytes  # a smaller one still works
        growing.close()
        device.close()
        standin.check()
