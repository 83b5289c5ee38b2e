"""The CUDA path's ground on a real GPU: context, buffers, streams, graphs, kernels, ONNX Runtime.

Skipped with the reason if there is no GPU. Warnings of pycuda and Python are errors here.
"""

import gc
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

from jetson_perception.benchmark.frames import load_frames
from jetson_perception.cuda import (
    CudaDevice,
    CudaError,
    DeviceBuffer,
    GrowingBuffer,
    PinnedBuffer,
    Resources,
    cuda_problem,
)
from jetson_perception.cuda import compiler as compiler_module
from jetson_perception.cuda.compiler import (
    KERNELS,
    Module,
    architecture_of,
    compile_kernels,
    find_nvcc,
    load_module,
)
from jetson_perception.cuda.graphs import capture
from jetson_perception.engines.base import CudaEngine
from jetson_perception.engines.onnx_file.quantization import quantize_model
from jetson_perception.engines.onnxruntime.choices import LAYOUTS, MODES
from jetson_perception.engines.onnxruntime.cpu import OnnxRuntimeEngine
from jetson_perception.engines.onnxruntime.cuda import OnnxRuntimeCudaEngine
from jetson_perception.engines.onnxruntime.session import provider_problem
from jetson_perception.models import open_model
from jetson_perception.resources import model_names, model_path

_problem = cuda_problem()
if _problem:
    pytest.skip(_problem, allow_module_level=True)

pytestmark = pytest.mark.gpu

MODELS = [model_path(name) for name in model_names()]
needs_nvcc = pytest.mark.skipif(find_nvcc() is None, reason='there is no nvcc on this machine')
needs_provider = pytest.mark.skipif(bool(provider_problem()), reason=provider_problem() or 'none')

ADD = """
extern "C" __global__ void add(float* values, int count, float amount) {
  int index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index < count) values[index] += amount;
}
extern "C" __global__ void fill_shared(int* result, int count) {
  extern __shared__ int shared[];
  for (int i = threadIdx.x; i < count; i += blockDim.x) shared[i] = 1;
  __syncthreads();
  if (threadIdx.x == 0) {
    int sum = 0;
    for (int i = 0; i < count; i++) sum += shared[i];
    *result = sum;
  }
}
extern "C" __global__ void differ(float* result, float a, float b, float c) {
  *result = a * b + c;
}
"""


@pytest.fixture(autouse=True)
def warnings_are_errors(capfd):
    """Pycuda warns through Python, and where it cannot, on standard error."""
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        yield
        gc.collect()
    assert 'PyCUDA WARNING' not in capfd.readouterr().err


@pytest.fixture
def device():
    device = CudaDevice.get(0)
    yield device
    device.close()


@pytest.fixture
def owned():
    """Things to close at the end, the newest first."""
    resources = Resources()
    yield resources
    resources.close()


@pytest.fixture
def stream(device, owned):
    return owned.add(device.new_stream())


def upload(values, buffer, stream, owned):
    pinned = owned.add(PinnedBuffer(buffer.device, values.shape, values.dtype))
    pinned.array[...] = values
    buffer.copy_from_host(pinned, stream)


def download(buffer, stream):
    pinned = PinnedBuffer(buffer.device, buffer.shape, buffer.dtype)
    buffer.copy_to_host(pinned, stream)
    stream.synchronize()
    result = pinned.array.copy()
    pinned.close()
    return result


def in_threads(*functions):
    """Run each in its own thread; raises the first error."""
    errors = []

    def guarded(function):
        try:
            function()
        except BaseException as err:  # noqa: BLE001 - raised below
            errors.append(err)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


class TestDevice:
    def test_says_what_it_is(self, device):
        assert device.name
        assert device.compute_capability >= (5, 0)
        free, total = device.memory_info()
        assert 0 < free <= total
        assert abs(total - device.total_memory) < 2**30
        print(device, device.compute_capability, device.integrated, free, total)  # noqa: T201

    def test_context_in_many_threads(self, device):
        def use():
            for _ in range(20):
                with device.pushed(), device.pushed():
                    buffer = DeviceBuffer(device, (1000,), np.uint8)
                    buffer.close()

        in_threads(*[use] * 8)

    def test_memory_comes_back(self, device):
        before, _ = device.memory_info()
        buffer = DeviceBuffer(device, (256 << 20,), np.uint8)
        assert device.memory_info()[0] <= before - (200 << 20)
        buffer.close()
        assert device.memory_info()[0] >= before - (50 << 20)

    def test_more_memory_than_there_is(self, device):
        with pytest.raises(CudaError, match=r'out of memory; the GPU is full') as error:
            DeviceBuffer(device, (2 * device.total_memory,), np.uint8)
        assert not error.value.fatal
        DeviceBuffer(device, (1,), np.uint8).close()


class TestBuffers:
    def test_there_and_back(self, device, stream, owned):
        values = np.arange(100_000, dtype=np.float32)
        first = owned.add(DeviceBuffer(device, values.shape, values.dtype))
        second = owned.add(DeviceBuffer(device, values.shape, values.dtype))
        assert first.address % 256 == 0
        with device.pushed():
            upload(values, first, stream, owned)
            second.clear(stream)
            second.copy_from_device(first, stream, 4 * 50_000)
            found = download(second, stream)
        np.testing.assert_array_equal(found[:50_000], values[:50_000])
        assert not found[50_000:].any()

    def test_made_and_freed_in_different_threads(self, device):
        made = []
        in_threads(lambda: made.append(PinnedBuffer(device, (1000,), np.float16)))
        in_threads(lambda: made.append(DeviceBuffer(device, (1000,), np.float16)))
        in_threads(*[each.close for each in made])

    def test_growing(self, device, owned):
        growing = owned.add(GrowingBuffer(lambda n: DeviceBuffer(device, (n,), np.uint8)))
        assert growing.ensure(10) is growing.ensure(1000)
        assert growing.ensure(1 << 22).nbytes >= 1 << 22

    @needs_nvcc
    def test_mapped_memory_is_the_same_on_both_sides(self, device, stream, owned, add):
        buffer = owned.add(PinnedBuffer(device, (1000,), np.float32, mapped=True))
        buffer.array[:] = 1
        with device.pushed():
            add.launch(stream, (8,), (128,), buffer.address, 1000, 2.5)
            stream.synchronize()
        assert (buffer.array == 3.5).all()


class TestStreamsAndEvents:
    def test_events_in_order(self, device, stream, owned):
        start, end = (owned.add(device.new_event(timing=True)) for _ in range(2))
        buffer = owned.add(DeviceBuffer(device, (64 << 20,), np.uint8))
        with device.pushed():
            start.record(stream)
            buffer.clear(stream)
            end.record(stream)
            end.synchronize()
            assert end.query()
            assert stream.is_done()
            assert 0 < end.elapsed_ms(start) < 1000

    @pytest.mark.parametrize('blocking', [True, False])
    def test_one_stream_waits_for_another(self, device, stream, owned, blocking):
        other, event = (
            owned.add(device.new_stream()),
            owned.add(device.new_event(blocking=blocking)),
        )
        source = owned.add(DeviceBuffer(device, (64 << 20,), np.uint8))
        target = owned.add(DeviceBuffer(device, (64 << 20,), np.uint8))
        with device.pushed():
            for _ in range(5):
                source.clear(stream)
            upload(np.full(source.shape, 7, np.uint8), source, stream, owned)
            event.record(stream)
            other.wait_for_event(event)
            target.copy_from_device(source, other)
            found = download(target, other)
            stream.synchronize()
        assert (found == 7).all()


@pytest.fixture
def module(device, owned, tmp_path):
    source = tmp_path / 'add.cu'
    source.write_text(ADD)
    return owned.add(Module(device, compile_kernels(source, architecture_of(device)), 'add'))


@pytest.fixture
def add(module):
    return module.get_function('add', 'Pif')


@needs_nvcc
class TestKernels:
    @pytest.mark.parametrize('path', sorted(KERNELS.glob('*.cu')), ids=lambda path: path.stem)
    def test_every_file_compiles_and_loads(self, device, owned, path):
        owned.add(load_module(device, path.stem))

    def test_output_of_an_older_nvcc_is_translated(self, device, owned, tmp_path, monkeypatch):
        source = tmp_path / 'add.cu'
        source.write_text(ADD)
        known = sorted(compiler_module._known_architectures(find_nvcc(), 0.0))
        monkeypatch.setattr(
            compiler_module, '_known_architectures', lambda *_: frozenset(known[:1])
        )
        image = compile_kernels(source, architecture_of(device))
        assert image.startswith(b'//') == (architecture_of(device) != f'sm_{known[0]}')
        owned.add(Module(device, image, 'add')).get_function('add', 'Pif')

    def test_launch(self, device, stream, owned, add):
        buffer = owned.add(DeviceBuffer(device, (1000,), np.float32))
        with device.pushed():
            buffer.clear(stream)
            add.launch(stream, (8,), (128,), buffer.address, np.int32(1000), np.float32(0.25))
            assert (download(buffer, stream) == 0.25).all()

    def test_results_are_not_contracted(self, device, stream, owned, module):
        """Multiplied and added in two roundings, as NumPy does it."""
        a, b, c = np.float32(1.0000001), np.float32(1.0000001), np.float32(-1.0000002)
        result = owned.add(DeviceBuffer(device, (1,), np.float32))
        with device.pushed():
            kernel = module.get_function('differ', 'Pfff')
            kernel.launch(stream, (1,), (1,), result.address, a, b, c)
            assert download(result, stream)[0] == a * b + c

    def test_much_shared_memory(self, device, stream, owned, module):
        result = owned.add(DeviceBuffer(device, (1,), np.int32))
        kernel = module.get_function('fill_shared', 'Pi')
        count = 16_000
        with device.pushed():
            kernel.launch(stream, (1,), (256,), result.address, count, shared_bytes=4 * count)
            assert download(result, stream)[0] == count

    def test_unknown_name(self, module):
        with pytest.raises(CudaError, match='finding the kernel'):
            module.get_function('none', '')


class TestGraphs:
    def test_copies(self, device, stream, owned):
        pinned = owned.add(PinnedBuffer(device, (1000,), np.int32))
        back = owned.add(PinnedBuffer(device, (1000,), np.int32))
        first, second = (owned.add(DeviceBuffer(device, (1000,), np.int32)) for _ in range(2))

        def record():
            first.copy_from_host(pinned, stream)
            second.copy_from_device(first, stream)
            second.copy_to_host(back, stream)

        with device.pushed():
            graph = owned.add(capture(stream, record))
            assert graph.nodes == 3
            for value in (1, 2, 3):
                pinned.array[:] = value
                graph.launch(stream)
                stream.synchronize()
                assert (back.array == value).all()
        graph.close()

    @needs_nvcc
    def test_kernels_launched_from_another_thread(self, device, stream, owned, add):
        buffer = owned.add(DeviceBuffer(device, (1000,), np.float32))

        def launch():
            with device.pushed():
                for _ in range(10):
                    graph.launch(stream)
                stream.synchronize()

        with device.pushed():
            buffer.clear(stream)
            record = lambda: add.launch(stream, (8,), (128,), buffer.address, 1000, 1.0)  # noqa: E731
            graph = owned.add(capture(stream, record, foreign=True))
            in_threads(launch)
            assert (download(buffer, stream) == 10).all()

    def test_foreign_copies(self, device, stream, owned):
        pinned = owned.add(PinnedBuffer(device, (1000,), np.int32))
        buffer = owned.add(DeviceBuffer(device, (1000,), np.int32))
        pageable = np.zeros(1000, np.int32)

        def upload_pageable():
            device.driver.memcpy_htod_async(buffer.address, pageable, stream.raw)

        for record, problem in (
            (lambda: buffer.copy_to_host(pinned, stream), 'copies to host memory'),
            (upload_pageable, 'pageable|captur'),
        ):
            with pytest.raises((CudaError, device.driver.Error), match=problem):
                capture(stream, record, foreign=True)
        pinned.array[:] = 5
        graph = owned.add(
            capture(stream, lambda: buffer.copy_from_host(pinned, stream), foreign=True)
        )
        with device.pushed():
            graph.launch(stream)
            assert (download(buffer, stream) == 5).all()

    def test_broken_recording_leaves_stream_and_thread_usable(self, device, stream, owned):
        buffer = owned.add(DeviceBuffer(device, (1000,), np.int32))
        with pytest.raises(CudaError):
            capture(stream, stream.synchronize)
        with device.pushed():
            buffer.clear(stream)
            stream.synchronize()
            graph = owned.add(capture(stream, lambda: buffer.clear(stream)))
            graph.launch(stream)
            stream.synchronize()

    def test_recordings_in_many_threads_at_once(self, device):
        def record_and_launch():
            resources = Resources()
            stream = resources.add(device.new_stream())
            for _ in range(10):
                buffer = resources.add(DeviceBuffer(device, (1000,), np.uint8))
                with device.pushed():
                    buffer.clear(stream)
                    stream.synchronize()
                    graph = resources.add(capture(stream, lambda b=buffer: b.clear(stream)))
                    graph.launch(stream)
                    stream.synchronize()
            resources.close()

        in_threads(*[record_and_launch] * 4)


@needs_provider
class TestOnnxRuntime:
    @pytest.mark.parametrize('mode', ['any', 'runtime_graph', 'plain'])
    @pytest.mark.parametrize('path', MODELS, ids=lambda path: path.stem)
    def test_equals_the_cpu(self, path, mode):
        engine = open_cuda(path, mode)
        print(path.name, 'asked for', mode, end=' ')  # noqa: T201
        cpu = OnnxRuntimeEngine(path)
        try:
            for seed in range(3):
                tensor = picture(engine, seed)
                engine.bind_thread()
                outputs = without_ties(path, cpu.infer(tensor), engine.infer(tensor))
                equal_outputs(engine, *outputs)
            print('run as', engine.mode, engine.layout)  # noqa: T201
        finally:
            engine.close()

    @pytest.mark.parametrize('tf32', [False, True], ids=['fp32', 'tf32'])
    @pytest.mark.parametrize('path', MODELS, ids=lambda path: path.stem)
    def test_layouts_are_equal(self, path, tf32):
        """TF32 has 10 bits: what decodes boxes from a distribution shows that."""
        engines = [
            OnnxRuntimeCudaEngine(path, tf32=tf32, modes=['own_graph'], layouts=[layout])
            for layout in LAYOUTS
        ]
        try:
            for seed in range(2):
                tensor = picture(engines[0], seed)
                results = []
                for engine in engines:
                    engine.bind_thread()
                    results.append([each.copy() for each in engine.infer(tensor)])
                results = without_ties(path, *results)
                equal_outputs(engines[0], *results, share=2e-2 if tf32 else 2e-3)
            shown = [f'{engine.layout} {inference_ms(engine):.3f} ms' for engine in engines]
            print(path.stem, 'TF32' if tf32 else 'FP32', *shown)  # noqa: T201
        finally:
            for engine in engines:
                engine.close()

    @pytest.mark.parametrize('path', MODELS, ids=lambda path: path.stem)
    def test_half_is_near(self, path):
        pytest.importorskip('onnx')
        engine = OnnxRuntimeCudaEngine(path, half=True)
        cpu = OnnxRuntimeEngine(path)
        try:
            engine.bind_thread()
            print(engine.description, f'{inference_ms(engine):.3f} ms')  # noqa: T201
            assert engine.is_half
            assert engine.mode == 'own_graph'
            tensor = picture(engine, 0)
            for expected, got in zip(cpu.infer(tensor), engine.infer(tensor), strict=True):
                differences = np.abs(expected.astype(np.float64) - got)
                assert np.quantile(differences, 0.99) <= 2e-2 * max(1.0, np.abs(expected).max())
        finally:
            engine.close()

    @pytest.mark.parametrize('half', [False, True], ids=['fp32', 'fp16'])
    @pytest.mark.parametrize('layout', LAYOUTS)
    def test_head_by_one_kernel(self, tmp_path, layout, half):
        pytest.importorskip('onnx')
        import small_networks

        path = small_networks.yolo(tmp_path / 'my.onnx', size_wh=(640, 480), class_count=80)
        engine = OnnxRuntimeCudaEngine(path, half=half, layouts=[layout])
        cpu = OnnxRuntimeEngine(path)
        try:
            engine.bind_thread()
            print(engine.description)  # noqa: T201
            assert 'head in one kernel' in engine.description, 'thirty launches take longer'
            for seed in range(3):
                tensor = picture(engine, seed)
                (wanted,), (found,) = cpu.infer(tensor), engine.infer(tensor)
                pixels, scores = np.abs(wanted - found)[0, :4], np.abs(wanted - found)[0, 4:]
                print(f'boxes {pixels.max():.2g}, scores {scores.max():.2g}')  # noqa: T201
                assert pixels.max() < (1 if half else 1e-2)
                assert scores.max() < (1e-2 if half else 1e-4)
        finally:
            engine.close()

    @pytest.mark.parametrize('name', ['people_detect', 'people_pose'])
    def test_quantized_is_as_near_as_the_cpu_is_to_itself(self, name, tmp_path):
        """Where a sum lies between two steps rounding decides, and it goes on from there.

        So the sixth digit of the image moves single scores by 0.2. The GPU, which adds in another
        order, may move them as much as an image does that differs there.
        """
        path = tmp_path / f'{name}_int8.onnx'
        with open_model(name, runtime='onnxruntime_cpu') as original:
            frames = load_frames('scene://people', (640, 480), 8)
            quantize_model(model_path(name), path, (original.preprocess(b)[0] for b in frames))
        engine = OnnxRuntimeCudaEngine(path)
        cpu = open_model(path, runtime='onnxruntime_cpu')
        infer_in_float = in_float(path)
        rng = np.random.default_rng(0)
        scores = slice(4, 4 + len(cpu.info.class_names or (0,)))
        try:
            engine.bind_thread()
            print(path.name, 'run as', engine.mode, engine.layout)  # noqa: T201
            assert engine.mode == 'own_graph', 'Q/DQ nodes are computed on the GPU'
            off: dict[str, list] = {'GPU': [], 'image': []}
            for bgr in load_frames('scene://people', (640, 480), 24)[::3]:
                tensor, _ = cpu.preprocess(bgr)
                (wanted,) = infer_in_float(tensor)
                sure = wanted[0, scores].max(axis=0) > 0.5
                assert sure.any()
                noise = 1 + 1e-5 * rng.standard_normal(tensor.shape, np.float32)
                found = {
                    'GPU': engine.infer(tensor)[0],
                    'image': infer_in_float(tensor * noise)[0],
                }
                for what, each in found.items():
                    off[what].append(np.abs(wanted[0][:, sure] - each[0][:, sure]))
            joined = {what: np.concatenate(each, axis=1) for what, each in off.items()}
            for what, rows in {'boxes': slice(4), 'scores': scores}.items():
                shares = (0.5, 0.9, 0.99)
                on_gpu, by_image = (
                    np.quantile(joined[each][rows].max(axis=0), shares) for each in off
                )
                print(what, 'GPU', on_gpu.round(3), 'image', by_image.round(3))  # noqa: T201
                assert (on_gpu <= (1.5, 1.5, 2) * by_image).all()
        finally:
            engine.close()
            cpu.close()

    def test_on_its_own_buffers(self, device, owned):
        engine = owned.add(open_cuda(MODELS[0], 'any'))
        assert isinstance(engine, CudaEngine)
        tensor = picture(engine, 1)
        expected = [each.copy() for each in engine.infer(tensor)]
        engine.infer(picture(engine, 2))
        engine.bind_thread()
        with device.pushed():
            upload(tensor, engine.input_buffer, engine.stream, owned)
            engine.enqueue()
            found = [download(each, engine.stream) for each in engine.output_buffers]
        for wanted, got in zip(expected, found, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-3)

    @pytest.mark.parametrize('mode', ['any', 'runtime_graph', 'plain'])
    def test_two_engines_in_two_threads(self, mode):
        engines = [open_cuda(path, mode) for path in MODELS[:2]]
        bound = threading.Barrier(len(engines))

        def lane(engine):
            resources = Resources()
            tensors = [picture(engine, seed) for seed in range(4)]
            try:
                engine.bind_thread()
            finally:
                bound.wait(120)
            expected = [[each.copy() for each in engine.infer(tensor)] for tensor in tensors]
            with engine.device.pushed():
                for _ in range(20):
                    for tensor, wanted in zip(tensors, expected, strict=True):
                        upload(tensor, engine.input_buffer, engine.stream, resources)
                        engine.enqueue()
                        found = download(engine.output_buffers[0], engine.stream)
                        np.testing.assert_allclose(found, wanted[0], rtol=1e-2, atol=1e-2)
            resources.close()

        in_threads(*[lambda engine=engine: lane(engine) for engine in engines])
        in_threads(*[engine.close for engine in engines])

    def test_closed_and_opened_again_memory_stays_the_same(self, device):
        free = []
        for _ in range(4):
            engine = open_cuda(MODELS[0], 'any')
            engine.infer(picture(engine, 0))
            engine.bind_thread()
            engine.infer(picture(engine, 0))
            engine.close()
            free.append(device.memory_info()[0])
        assert free[-1] >= free[1] - (32 << 20)

    @pytest.mark.parametrize('mode', MODES)
    def test_opened_bound_and_closed_by_three_threads(self, device, mode):
        """ONNX Runtime ended the process when it let go of what runs of another thread left."""

        def bind_and_run(engine):
            engine.bind_thread()
            with device.pushed():
                for _ in range(3):
                    engine.enqueue()
                engine.stream.synchronize()

        for _ in range(5):
            engine = open_cuda(MODELS[0], mode)
            engine.infer(picture(engine, 0))
            thread = threading.Thread(target=bind_and_run, args=(engine,))
            thread.start()
            thread.join()
            assert engine.mode == mode
            engine.close()


def open_cuda(path, mode):
    return OnnxRuntimeCudaEngine(path, modes=MODES if mode == 'any' else [mode])


def inference_ms(engine, count=10):
    """GPU time of an inference, the mean of some in a row."""
    with engine.device.pushed():
        begun, done = (engine.device.new_event(timing=True) for _ in range(2))
        begun.record(engine.stream)
        for _ in range(count):
            engine.enqueue()
        done.record(engine.stream)
        done.synchronize()
        elapsed_ms = done.elapsed_ms(begun) / count
        begun.close()
        done.close()
    return elapsed_ms


def equal_outputs(engine, wanted, found, share=2e-3):
    """Fail where values differ by more than a share of the largest."""
    for spec, expected, got in zip(engine.outputs, wanted, found, strict=True):
        difference = np.abs(expected.astype(np.float64) - got).max()
        print(spec.name, spec.shape, f'{difference:.2g}', end=' ')  # noqa: T201
        assert difference <= share * max(1.0, np.abs(expected).max())


def without_ties(path, wanted, found):
    """The same without the keypoints that the pose model may move or not.

    It moves those of its 512 best anchors; where nobody is to be seen, scores of 1e-7 and less
    decide which those are.
    """
    if path.stem != 'people_pose':
        return wanted, found
    (wanted,), (found,) = wanted, found
    scores = wanted[0, 4]
    last = np.sort(scores)[-512]
    tied = (scores > last / 2) & (scores < last * 2)
    assert np.mean(tied) < 0.2
    wanted, found = wanted.copy(), found.copy()
    wanted[:, 5:, tied] = found[:, 5:, tied] = 0
    return [wanted], [found]


def in_float(path):
    """What a quantized model is to give; ONNX Runtime's integer kernels on the CPU round more."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    (image,) = session.get_inputs()
    return lambda tensor: session.run(None, {image.name: tensor})


def picture(engine, seed):
    """Something smooth, with values from 0 to 1, as images have them."""
    spec = engine.inputs[0]
    coarse = np.random.default_rng(seed).random((3, 8, 8), np.float32)
    rows = np.linspace(0, 7, spec.shape[2]).astype(int)
    columns = np.linspace(0, 7, spec.shape[3]).astype(int)
    return coarse[:, rows][:, :, columns][None].astype(spec.dtype)


END = """
import sys, threading, warnings
warnings.simplefilter('error')
import numpy as np
from jetson_perception.cuda import CudaDevice, DeviceBuffer, Resources
from jetson_perception.cuda.graphs import capture
{engine}
device = CudaDevice.get(0)
resources = Resources()
stream = resources.add(device.new_stream())
buffer = resources.add(DeviceBuffer(device, (1000,), np.uint8))
graph = resources.add(capture(stream, lambda: buffer.clear(stream)))
def work():
    with device.pushed():
        graph.launch(stream)
        stream.synchronize()
thread = threading.Thread(target=work)
thread.start()
thread.join()
{end}
print('end')
"""
ENGINE = """
from jetson_perception.engines.onnxruntime.cuda import OnnxRuntimeCudaEngine
engine = OnnxRuntimeCudaEngine({path!r})
engine.bind_thread()
engine.infer(np.zeros(engine.inputs[0].shape, engine.inputs[0].dtype))
"""


class TestEndOfTheProcess:
    @pytest.mark.parametrize(
        ('with_engine', 'end', 'status'),
        [
            pytest.param(False, 'resources.close(); device.close()', 0, id='closed'),
            pytest.param(
                True, 'engine.close(); resources.close(); device.close()', 0, id='engine_closed'
            ),
            pytest.param(False, '', 0, id='left_open'),
            pytest.param(True, '', 0, id='engine_left_open'),
            pytest.param(False, 'sys.exit(3)', 3, id='left_open_at_exit'),
            pytest.param(
                False, 'with device.pushed(): raise SystemExit(4)', 4, id='inside_of_the_context'
            ),
        ],
    )
    def test_is_quiet(self, with_engine, end, status):
        if with_engine and provider_problem():
            pytest.skip(provider_problem())
        engine = ENGINE.format(path=str(MODELS[0])) if with_engine else ''
        done = subprocess.run(
            [sys.executable, '-c', END.format(engine=engine, end=end)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stderr) == (status, '')
        assert done.stdout == ('end\n' if status == 0 else '')
