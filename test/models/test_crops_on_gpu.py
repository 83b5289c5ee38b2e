"""Boxes looked at on the GPU against the CPU, with stand-ins for GPU and CUDA provider.

As in test_cuda.py: the kernels are the package's own, run by the emulator.
"""

import gc
import queue
import threading
from dataclasses import replace

import pytest
import standin_onnxruntime
import standin_pycuda
from emulated_gpu import register_kernels
from models.test_cuda import assert_same_detections, on_gpu, picture
from onnx_models import bright_pose, color_classifier, detector, instance_segmenter
from pipeline.waiting import DEADLINE_S, wait_until
from ros.encoded import encode

from jetson_perception import CropModel, CropOptions, open_model
from jetson_perception.errors import CudaError, ImageError
from jetson_perception.images.encodings import to_bgr, view
from jetson_perception.models.cuda_batching import open_batches
from jetson_perception.pipeline import (
    Batching,
    CropCudaLane,
    CropLane,
    CudaLane,
    Frame,
    Pipeline,
    RawImage,
    make_crop_lane,
    make_lane,
)

SIZE_WH = (96, 64)
BOXES = [(20, 20, 31, 25, 0, 0.9), (60, 30, 40, 40, 1, 0.8), (90, 60, 20, 20, 0, 0.7)]


@pytest.fixture
def standin(monkeypatch):
    standin = standin_pycuda.install(monkeypatch)
    standin_onnxruntime.install(monkeypatch, standin)
    for name in ('preprocess', 'yolo', 'instance_masks'):
        register_kernels(standin, name)
    yield standin
    gc.collect()
    standin.check()


class Cascade:
    """A detector and what looks at its boxes, in a pipeline."""

    def __init__(self, first, second, options=CropOptions, inputs=1):
        self.models = first, second
        self.crops = CropModel(second, second.batch)
        self.out, self.errors = {'det': queue.Queue(), 'crop': queue.Queue()}, []
        self.lanes = [
            make_lane('det', first, self._put('det'), on_error=self.errors.append),
            make_crop_lane(
                'crop',
                self.crops,
                self._put('crop'),
                lambda: None,
                self.errors.append,
                follows='det',
                crop_options=options,
            ),
        ]
        self.lanes[1].batching = Batching(second.batch)
        self.pipeline = Pipeline(self.lanes, inputs=inputs)
        self.pipeline.start()

    def _put(self, name):
        return lambda frame, result: self.out[name].put(result)

    def next(self, name='crop'):
        return self.out[name].get(timeout=DEADLINE_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pipeline.close()
        for model in self.models:
            model.close()


def raw_frame(seed, encoding, *, convert=True):
    """A frame in an encoding, which the CPU must not convert unless told, and its picture."""
    rows = encode(picture(seed, SIZE_WH), encoding)
    pixels = view(rows.ravel(), SIZE_WH[1], SIZE_WH[0], encoding, rows.shape[1])
    bgr = to_bgr(pixels, encoding)

    def load():
        assert convert, 'the image was converted on the CPU'
        return bgr

    return Frame(load, raw=RawImage(pixels, encoding, *SIZE_WH)), bgr


@pytest.fixture
def paths(tmp_path):
    spots = [(10, 8, 12, 12, 0.9), (20, 18, 20, 28, 0.7)]
    return {
        'det': detector(tmp_path / 'det.onnx', BOXES, size_wh=SIZE_WH),
        'pose': bright_pose(tmp_path / 'pose.onnx', spots, size_wh=(32, 32), batch=1),
        'seg': instance_segmenter(
            tmp_path / 'seg.onnx', [(16, 16, 24, 32, 1, 0.9)], size_wh=(32, 32)
        ),
        'colors': color_classifier(tmp_path / 'colors.onnx'),
    }


@pytest.mark.parametrize(
    ('encoding', 'kind'), [('bgr8', 'pose'), ('nv12', 'seg'), ('bayer_rggb8', 'pose')]
)
def test_as_on_the_cpu_without_converting_there(standin, paths, encoding, kind):
    options = CropOptions(margin=0.1, most=2, one_each=kind == 'seg')
    det, second = (open_model(paths[name], runtime='onnxruntime_cpu') for name in ('det', kind))
    with Cascade(on_gpu(paths['det']), on_gpu(paths[kind]), lambda: options) as cascade:
        assert [type(lane) for lane in cascade.lanes] == [CudaLane, CropCudaLane]
        for seed in range(2):
            frame, bgr = raw_frame(seed, encoding, convert=False)
            cascade.pipeline.offer(frame)
            found = cascade.next()
            expected = CropModel(second)(bgr, det(bgr), options)
            assert_same_detections(found, expected)
            assert found.parent_ids == expected.parent_ids
            assert set(found.parent_ids) == {'#0', '#1'}
        wait_until(lambda: not cascade.lanes[1].counts.under_way)
        assert {'inference', 'postprocess'} < cascade.lanes[1].times.summary().keys()
        assert not cascade.errors
    det.close()
    second.close()


@pytest.mark.parametrize(
    ('most', 'batches'),
    [pytest.param(2, [2], id='one_is_left_over'), pytest.param(3, [3], id='all_at_once')],
)
@pytest.mark.parametrize('encoding', ['bgr8', 'nv12'])
def test_boxes_of_an_image_in_one_inference(standin, paths, tmp_path, encoding, most, batches):
    spots = [(10, 8, 12, 12, 0.9), (20, 18, 20, 28, 0.7)]
    path = bright_pose(tmp_path / 'open.onnx', spots, size_wh=(32, 32))
    options = CropOptions(margin=0.1)
    det, one = (open_model(each, runtime='onnxruntime_cpu') for each in (paths['det'], path))
    second = on_gpu(path)
    open_batches(second, most, 'crops')
    assert second.batch == most
    begin, begun = second.device_path.batches.begin_regions, []

    def counted(slot, regions, options):
        begun.append(len(regions))
        return begin(slot, regions, options)

    second.device_path.batches.begin_regions = counted
    with Cascade(on_gpu(paths['det']), second, lambda: options) as cascade:
        for seed in range(4):  # plainly, then by graphs of two blocks
            frame, bgr = raw_frame(seed, encoding, convert=False)
            cascade.pipeline.offer(frame)
            found = cascade.next()
            expected = CropModel(one, 1)(bgr, det(bgr), options)
            assert_same_detections(found, expected)
            assert found.parent_ids == expected.parent_ids
            assert set(found.parent_ids) == {'#0', '#1', '#2'}
        assert begun == batches * 4
        assert not cascade.errors
    det.close()
    one.close()


@pytest.mark.parametrize('place', ['first_on_cpu', 'second_on_host'])
def test_where_only_one_of_them_is_on_the_gpu(standin, paths, place):
    if place == 'first_on_cpu':
        first, second = open_model(paths['det'], runtime='onnxruntime_cpu'), on_gpu(paths['pose'])
    else:  # no kernel decodes a classifier
        first = on_gpu(paths['det'])
        second = open_model(paths['colors'], runtime='onnxruntime_cuda')
    with Cascade(first, second) as cascade:
        assert type(cascade.lanes[1]) is (CropLane if second.device_path is None else CropCudaLane)
        frame, bgr = raw_frame(1, 'bgr8')
        cascade.pipeline.offer(frame)
        found = cascade.next()
        objects = cascade.next('det')
        assert len(objects) == 3
        kind = 'colors' if second.device_path is None else 'pose'
        with open_model(paths[kind], runtime='onnxruntime_cpu') as model:
            expected = CropModel(model)(bgr, objects, CropOptions())
        if kind == 'pose':
            assert_same_detections(found, expected)
        else:
            assert found.named().class_id.tolist() == expected.named().class_id.tolist()
        assert not cascade.errors


def test_no_boxes_need_no_gpu(standin, paths):
    with Cascade(on_gpu(paths['det']), on_gpu(paths['pose'])) as cascade:
        cascade.lanes[0]._options = lambda: replace(
            cascade.models[0].options, score_threshold=0.95
        )
        cascade.pipeline.offer(raw_frame(1, 'nv12')[0])
        found = cascade.next()
        assert len(found) == 0
        assert found.parent_ids == ()


def test_the_first_never_waits_for_room_on_the_gpu(standin, paths):
    """Of four cameras, a frame of each waits for the second engine, which is at a fifth."""
    held, is_held = threading.Event(), threading.Event()

    def options():
        is_held.set()
        assert held.wait(DEADLINE_S)
        return CropOptions()

    with Cascade(on_gpu(paths['det']), on_gpu(paths['pose']), options, inputs=4) as cascade:
        try:
            for seed in range(10):
                frame, _ = raw_frame(seed, 'bgr8')
                frame.input_index = seed % 4
                cascade.pipeline.offer(frame)
                assert len(cascade.next('det')) == 3
                assert is_held.wait(DEADLINE_S)
        finally:
            held.set()
        for _ in range(5):
            assert len(cascade.next()) == 6
        wait_until(lambda: cascade.lanes[1].counts.processed == 5)
        assert cascade.lanes[1].counts.skipped == 5
        # Everything is free again.
        (frames,) = cascade.pipeline._device_frames
        assert len(frames._free) == frames._count


def test_a_gpu_that_fails_for_good_ends_the_lane(standin, paths):
    def fail(work):
        raise CudaError('a launch failed')

    with Cascade(on_gpu(paths['det']), on_gpu(paths['pose'])) as cascade:
        path = cascade.lanes[1].path
        wait = path.fatal_problem
        path.finish, path.fatal_problem = fail, lambda: wait() or CudaError('gone', fatal=True)
        cascade.pipeline.offer(raw_frame(0, 'bgr8')[0])
        cascade.next('det')
        wait_until(lambda: cascade.lanes[1].fatal is not None)
        assert [str(error) for error in cascade.errors] == ['a launch failed']
        cascade.pipeline.offer(raw_frame(1, 'bgr8')[0])  # the first goes on
        assert len(cascade.next('det')) == 3


def test_a_box_that_cannot_be_used_waits_for_those_before(standin, paths):
    """What is enqueued for them reads the frame, whose place another one gets."""
    with Cascade(on_gpu(paths['det']), on_gpu(paths['pose'])) as cascade:
        path, told = cascade.lanes[1].path, []
        begin, wait = path.begin_region, path.fatal_problem

        def begin_one(*args):
            told.append('begun')
            if len(told) > 1:
                raise ImageError('no such region')
            return begin(*args)

        def waited():
            told.append('waited')
            return wait()

        path.begin_region, path.fatal_problem = begin_one, waited
        cascade.pipeline.offer(raw_frame(0, 'bgr8')[0])
        cascade.next('det')
        wait_until(lambda: cascade.errors)
        assert told == ['begun', 'begun', 'waited']
        assert cascade.lanes[1].fatal is None
        path.begin_region = begin
        cascade.pipeline.offer(raw_frame(1, 'bgr8')[0])
        cascade.next()
