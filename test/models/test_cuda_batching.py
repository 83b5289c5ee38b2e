"""Frames of several cameras in one inference on the GPU's stand-in, against each one on the CPU.

As in test_cuda.py: the kernels are the package's own, run by the emulator.
"""

import gc
import logging
import queue
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import standin_onnxruntime
import standin_pycuda
from emulated_gpu import register_kernels
from models.test_cuda import BOTH, assert_drawn, assert_same_detections, on_gpu, picture
from onnx_models import bright_pose, color_segmentation
from pipeline.waiting import DEADLINE_S, wait_until
from ros.encoded import encode

from jetson_perception import Tiles, open_model
from jetson_perception.engines.onnxruntime.cuda import OnnxRuntimeCudaEngine
from jetson_perception.engines.onnxruntime.trial import Staging
from jetson_perception.engines.onnxruntime.wide import WideEngines, widths
from jetson_perception.errors import CudaError, ModelError
from jetson_perception.images.encodings import to_bgr, view
from jetson_perception.models.cuda import CudaPath
from jetson_perception.models.cuda_batching import open_batches
from jetson_perception.pipeline import Batching, Frame, Pipeline, RawImage, make_lane
from jetson_perception.tasks.detection_options import DetectionOptions

SIZE_WH = (64, 48)
BOXES = ((20, 20, 20, 16, 0.9), (44, 30, 10, 10, 1.0), (50, 40, 12, 8, 0.7))
#: Of each camera: width and height, and encoding.
CAMERAS = (((64, 48), 'bgr8'), ((96, 40), 'nv12'), ((30, 60), 'yuyv'))


@pytest.fixture
def standin(monkeypatch):
    standin = standin_pycuda.install(monkeypatch)
    standin.provider = standin_onnxruntime.install(monkeypatch, standin)
    for name in ('preprocess', 'segmentation', 'tint', 'yolo'):
        register_kernels(standin, name)
    yield standin
    gc.collect()
    standin.check()


def pose(tmp_path, **options):
    return bright_pose(tmp_path / 'pose.onnx', BOXES, **options)


def colors(tmp_path):
    metadata = {'task': 'semantic', 'imgsz': str([SIZE_WH[1], SIZE_WH[0]])}
    return color_segmentation(tmp_path / 'colors.onnx', dynamic=True, metadata=metadata)


class AllTogether(Batching):
    """Frames wait until so many are there."""

    waits = True

    def take(self, slot, rhythms, unless):
        return slot.take_together(self.most, self._patience, unless)

    def poll(self, slot, rhythms):
        return slot.poll_together(self.most, self._patience)

    def _patience(self, first):
        return self.most, DEADLINE_S


class Cameras:
    """A model in a lane with a frame of each camera in one batch, asked again and again."""

    def __init__(self, model, options=lambda: None):
        self.model = model
        self.errors, self._results = [], queue.Queue()
        self.lane = make_lane('lane', model, self._publish, options, self.errors.append)
        self.lane.batching = AllTogether(model.batch)
        self.pipeline = Pipeline([self.lane], inputs=len(CAMERAS))
        self.pipeline.start()

    def _publish(self, frame, result):
        self._results.put((frame.input_index, result))

    def __call__(self, raws):
        for index, raw in enumerate(raws):
            frame = Frame(lambda: None, raw=raw)
            frame.input_index = index
            self.pipeline.offer(frame)
        return dict(self._results.get(timeout=DEADLINE_S) for _ in raws)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pipeline.close()
        self.model.close()


def raw_images(seed):
    images = []
    for number, (size_wh, encoding) in enumerate(CAMERAS):
        rows = encode(picture(10 * seed + number, size_wh), encoding)
        pixels = view(rows.ravel(), *size_wh[::-1], encoding, rows.shape[1])
        images.append(RawImage(pixels, encoding, *size_wh))
    return images


def bgr_of(raw):
    return to_bgr(raw.pixels, raw.encoding)


def test_each_camera_has_its_own_fit_and_thresholds(standin, tmp_path):
    path = pose(tmp_path)
    on_cpu = open_model(path, runtime='onnxruntime_cpu')
    model = on_gpu(path)
    open_batches(model, len(CAMERAS))
    assert model.batch == 3
    every = [DetectionOptions(score_threshold=each) for each in (0.25, 0.3, 0.4, 0.45)]
    used = []

    def options():
        used.append(every[len(used) % len(every)])
        return used[-1]

    with Cameras(model, options) as cameras:
        for seed in range(4):  # plainly, then by graphs of two blocks
            raws = raw_images(seed)
            found = cameras(raws)
            for index, raw in enumerate(raws):
                tensor, transform = on_cpu.preprocess(bgr_of(raw))
                wanted = used[3 * seed + index]
                expected = on_cpu.postprocess(on_cpu.infer(tensor), transform, wanted)
                assert_same_detections(found[index], expected)
        assert len({len(each) for each in found.values()}) > 1, 'all alike shows nothing'
        times = [record.times.summary()['inference'].samples for record in cameras.lane.records]
        assert times == [4, 4, 4]
        assert not cameras.errors


def test_masks_and_their_pictures_are_of_their_own_images(standin, tmp_path):
    path = colors(tmp_path)
    model, single = on_gpu(path), open_model(path, runtime='onnxruntime_cpu')
    open_batches(model, len(CAMERAS))
    wanted = replace(BOTH, confidence=True)
    with Cameras(model, lambda: wanted) as cameras:
        for seed in range(3):
            raws = raw_images(seed)
            found = cameras(raws)
            for index, raw in enumerate(raws):
                bgr = bgr_of(raw)
                tensor, transform = single.preprocess(bgr)
                expected = single.postprocess(single.infer(tensor), transform, wanted)
                assert (found[index].mask == expected.mask).all()
                assert np.array_equal(found[index].confidence, expected.confidence)
                assert_drawn(found[index], np.array(bgr), BOTH.pictures)
        assert not cameras.errors


def test_a_batch_narrower_than_its_graph_and_one_that_fits(standin, tmp_path):
    """Of six cameras, three run in a graph for four; what is left over there is for nobody."""
    path = pose(tmp_path)
    engine = OnnxRuntimeCudaEngine(path)
    wide = engine.open_wide(6)
    assert wide.widths == (2, 4, 6)
    with pytest.raises(ModelError, match=r'did not call bind_thread'):
        wide.enqueue(2)
    images = np.random.default_rng(1).random((6, 3, 64, 64), np.float32)
    images *= np.linspace(0.2, 1, 6, dtype=np.float32)[:, None, None, None]
    expected = np.concatenate([engine.infer(image[None])[0].copy() for image in images])
    wide.bind_thread()
    staging = Staging(wide.input_buffer, wide.output_buffers)
    for count in (1, 2, 3, 4, 5, 6):
        width = next(each for each in wide.widths if each >= count)
        outputs = wide.infer(images[:count])
        np.testing.assert_allclose(outputs[0], expected[:count], rtol=1e-6)
        with engine.device.pushed():
            run = partial(wide.enqueue, count)
            (found,) = staging.run(images, run, engine.stream)
        np.testing.assert_allclose(found[:width], expected[:width], rtol=1e-6)
    with pytest.raises(ModelError, match=r'7 images were given, at most 6 fit'):
        wide.enqueue(7)
    staging.close()
    engine.close()
    engine.close()


def test_what_is_fastest_is_remembered_of_each_width(standin, tmp_path, caplog):
    path, texts = pose(tmp_path), []
    for _ in range(2):
        caplog.clear()
        engine = OnnxRuntimeCudaEngine(path)
        with caplog.at_level(logging.INFO):
            engine.bind_thread()
            engine.open_wide(3).bind_thread()
        engine.close()
        texts.append(caplog.text)
        assert 'graphs for 2, 3 images take about' in caplog.text
    assert ' ms, ' in texts[0]
    assert ' ms, ' not in texts[1]


def test_a_file_with_a_batch_of_one_takes_turns(standin, tmp_path, caplog):
    model = on_gpu(pose(tmp_path, batch=1))
    with caplog.at_level(logging.INFO):
        open_batches(model, 3)
    assert (model.batch, model.device_path.batches) == (1, None)
    assert 'cameras take turns' in caplog.text
    assert 'its batch is fixed at 1' in caplog.text
    with Cameras(model) as cameras:
        assert len(cameras(raw_images(1))) == 3
        assert not cameras.errors


@pytest.mark.parametrize('most', [0, 1])
def test_one_camera_has_what_it_had(standin, tmp_path, most):
    model = on_gpu(pose(tmp_path))
    sessions = len(standin.provider.sessions)
    open_batches(model, most)
    assert (model.batch, model.device_path.batches) == (1, None)
    assert len(standin.provider.sessions) == sessions
    model.close()


def test_tiles_and_models_on_the_cpu_take_no_batches_here(standin, tmp_path):
    path = pose(tmp_path)
    tiled = on_gpu(path)
    tiled.use_tiles(Tiles(2, 1))
    for model in (tiled, open_model(path, runtime='onnxruntime_cpu')):
        open_batches(model, 3)
        assert model.batch == 1
        model.close()


def test_batches_that_cannot_be_captured_leave_frames_one_by_one(
    standin, tmp_path, monkeypatch, caplog
):
    def fail(self):
        raise CudaError('out of memory')

    model = on_gpu(pose(tmp_path))
    open_batches(model, 3)
    monkeypatch.setattr(WideEngines, 'bind_thread', fail)
    with Cameras(model) as cameras:
        found = cameras(raw_images(1))
        assert len(found) == 3
        assert not cameras.errors
    assert 'images run one by one: out of memory' in caplog.text


@pytest.mark.parametrize('stage', ['enqueue', 'decode'])
def test_a_batch_that_fails_halfway_spoils_none_before_or_after(
    standin, tmp_path, monkeypatch, stage
):
    model = on_gpu(pose(tmp_path))
    open_batches(model, 3)
    of, name = (WideEngines, 'enqueue') if stage == 'enqueue' else (CudaPath, 'read')
    do, fails = getattr(of, name), {'from': None}

    def fail(*args):
        if fails['from'] is not None:
            fails['from'] -= 1
            if fails['from'] < 0:
                raise CudaError('launching failed: too many resources')
        return do(*args)

    monkeypatch.setattr(of, name, fail)
    with Cameras(model) as cameras:
        expected = [cameras(raw_images(seed)) for seed in range(2)]
        fails['from'] = 0 if stage == 'enqueue' else 2
        for index, raw in enumerate(raw_images(2)):
            frame = Frame(lambda: None, raw=raw)
            frame.input_index = index
            cameras.pipeline.offer(frame)
        wait_until(lambda: cameras.lane.counts.failed == 3)
        fails['from'] = None
        for seed in (0, 1):
            found = cameras(raw_images(seed))
            for index, each in found.items():
                assert_same_detections(each, expected[seed][index])


@pytest.mark.parametrize(
    ('most', 'expected'),
    [(2, (2,)), (3, (2, 3)), (4, (2, 4)), (6, (2, 4, 6)), (8, (2, 4, 8)), (9, (2, 4, 8, 9))],
)
def test_a_few_widths_serve_any_number(most, expected):
    assert widths(most) == expected
