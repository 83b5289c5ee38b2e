"""The whole way on the GPU against the way on the CPU, with stand-ins for GPU and CUDA provider.

The kernels are the package's own, run by the emulator; the networks run on ONNX Runtime's CPU
provider, on the stand-in's memory. What is shown is that all parts go together, not their speed.
"""

import gc
import logging
import platform
import queue
import threading

import numpy as np
import onnx
import pytest
import small_networks
import standin_onnxruntime
import standin_pycuda
from emulated_gpu import register_kernels
from onnx_models import (
    color_segmentation,
    detector,
    instance_segmenter,
    pose_detector,
    with_input,
)
from pipeline.waiting import DEADLINE_S, wait_until
from ros.encoded import encode, padded

from jetson_perception import Tiles
from jetson_perception.cuda import compiler, pictures
from jetson_perception.drawing import color_mask, draw_segmentation
from jetson_perception.engines.onnxruntime.cuda import OnnxRuntimeCudaEngine
from jetson_perception.engines.onnxruntime.session import CudaSession
from jetson_perception.errors import CudaError, ModelError, ParameterError
from jetson_perception.images.encodings import ENCODINGS, to_bgr, view
from jetson_perception.models import SegmentationModel, YoloModel, open_model
from jetson_perception.models import cuda as cuda_models
from jetson_perception.palette import color
from jetson_perception.pipeline import CudaLane, Frame, Lane, Pipeline, RawImage, make_lane
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.segmentation import PictureOptions, SegmentationOptions

BOXES = (
    (30, 20, 20, 16, 0, 0.9),
    (31, 21, 20, 16, 0, 0.8),
    (31, 21, 20, 16, 1, 0.7),
    (50, 40, 10, 10, 1, 0.3),
    (5, 5, 30, 30, 0, 0.2),
)

#: Levels by which a confidence may be off: OpenCV rounds what it resizes otherwise on aarch64.
ROUNDED = 0 if platform.machine() == 'x86_64' else 2


@pytest.fixture
def standin(monkeypatch):
    """A GPU with the package's kernels, and a CUDA provider for ONNX Runtime."""
    standin = standin_pycuda.install(monkeypatch)
    standin_onnxruntime.install(monkeypatch, standin)
    for name in ('preprocess', 'segmentation', 'tint', 'yolo', 'instance_masks'):
        register_kernels(standin, name)
    cuda_models._tell_once.cache_clear()
    yield standin
    gc.collect()
    standin.check()


def on_gpu(path):
    """A model on the stand-in GPU, by what the file says that it is."""
    engine = OnnxRuntimeCudaEngine(path)
    return (SegmentationModel if engine.info.task == 'semantic' else YoloModel)(engine)


class Running:
    """A model in a lane of its own, asked frame by frame."""

    def __init__(self, model, options=lambda: None):
        self.model = model
        self.errors = []
        self._results = queue.Queue()
        self.lane = make_lane(
            'lane',
            model,
            lambda frame, result: self._results.put(result),
            options,
            self.errors.append,
        )
        self.pipeline = Pipeline([self.lane])
        self.pipeline.start()

    def __call__(self, frame):
        self.pipeline.offer(frame)
        return self._results.get(timeout=DEADLINE_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pipeline.close()
        self.model.close()


def picture(seed, size_wh):
    """Coarse noise, so that classes have areas."""
    width, height = size_wh
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    rows = np.arange(height) * 6 // height
    columns = np.arange(width) * 8 // width
    return np.ascontiguousarray(coarse[rows][:, columns])


def assert_same_detections(found, expected):
    assert np.array_equal(found.class_id, expected.class_id)
    np.testing.assert_allclose(found.xyxy, expected.xyxy, atol=1e-3)
    np.testing.assert_allclose(found.score, expected.score, atol=1e-6)
    assert (found.keypoints is None) == (expected.keypoints is None)
    if expected.keypoints is not None:
        np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=1e-3)
    assert (found.instance_ids is None) == (expected.instance_ids is None)
    if expected.instance_ids is not None:
        assert np.array_equal(found.instance_ids, expected.instance_ids)


@pytest.mark.parametrize(
    ('node', 'make', 'kernels'),
    [
        pytest.param(
            'yolo_node', small_networks.yolo, {'preprocess', 'yolo', 'yolo_head'}, id='yolo'
        ),
        pytest.param(
            'seg_node', color_segmentation, {'preprocess', 'segmentation', 'tint'}, id='seg'
        ),
    ],
)
def test_kernels_are_compiled_while_the_model_is_opened(
    standin, tmp_path, monkeypatch, node, make, kernels
):
    begun, all_begun, seen = set(), threading.Event(), []
    compile_kernels, init = compiler.compile_kernels, CudaSession.__init__

    def begin(source, *arguments):
        begun.add(source.stem)
        if begun >= kernels:
            all_begun.set()
        return compile_kernels(source, *arguments)

    def load(session, *arguments, **more):
        seen.append(all_begun.wait(DEADLINE_S))
        init(session, *arguments, **more)

    monkeypatch.setattr(compiler, 'compile_kernels', begin)
    monkeypatch.setattr(CudaSession, '__init__', load)
    with open_model(make(tmp_path / 'my.onnx'), runtime='onnxruntime_cuda', node=node):
        assert seen == [True]
    assert begun == kernels


SIZES = [(64, 48), (90, 61), (33, 70), (200, 48), (64, 48), (64, 48), (64, 48)]


@pytest.mark.parametrize('options', [SegmentationOptions(), SegmentationOptions('network')])
def test_segmentation_equals_the_cpus(standin, tmp_path, options):
    path = color_segmentation(tmp_path / 'colors.onnx')
    on_cpu = SegmentationModel.open(path, runtime='onnxruntime_cpu')
    with Running(SegmentationModel(OnnxRuntimeCudaEngine(path)), lambda: options) as running:
        assert isinstance(running.lane, CudaLane)
        for seed, size_wh in enumerate(SIZES):
            bgr = picture(seed, size_wh)
            found = running(Frame(lambda bgr=bgr: bgr))
            tensor, transform = on_cpu.preprocess(bgr)
            expected = on_cpu.postprocess(on_cpu.infer(tensor), transform, options)
            assert found.mask.shape == expected.mask.shape
            assert np.mean(found.mask != expected.mask) < 1e-3
            assert len(np.unique(expected.mask)) > 2
            assert found.pixels.sum() == found.mask.size
        assert not running.errors


def test_confidence_comes_and_goes_with_who_wants_it(standin, tmp_path):
    path = color_segmentation(tmp_path / 'colors.onnx')
    on_cpu = SegmentationModel.open(path, runtime='onnxruntime_cpu')
    wants = {'options': SegmentationOptions()}
    with Running(
        SegmentationModel(OnnxRuntimeCudaEngine(path)), lambda: wants['options']
    ) as running:
        for number, size_wh in enumerate(SIZES * 2):
            is_wanted = number % 3 > 0
            wants['options'] = SegmentationOptions(confidence=is_wanted)
            bgr = picture(number, size_wh)
            found = running(Frame(lambda bgr=bgr: bgr))
            assert (found.confidence is not None) == is_wanted
            if is_wanted:
                tensor, transform = on_cpu.preprocess(bgr)
                outputs = on_cpu.infer(tensor)
                expected = on_cpu.postprocess(outputs, transform, wants['options'])
                same = found.mask == expected.mask
                off = np.abs(found.confidence[same].astype(int) - expected.confidence[same])
                assert off.max() <= ROUNDED
        assert not running.errors


@pytest.mark.parametrize(
    ('shape', 'dtype'),
    [
        pytest.param((1, 48, 64, 3), np.float32, id='channels_last'),
        pytest.param((1, 48, 64, 3), np.uint8, id='bytes_channels_last'),
        pytest.param((1, 3, 48, 64), np.int32, id='integers'),
        pytest.param((1, 1, 48, 64), np.float32, id='gray'),
        pytest.param((1, 48, 64, 4), np.uint8, id='alpha'),
    ],
)
def test_other_inputs_equal_the_cpus(standin, tmp_path, shape, dtype):
    usual = color_segmentation(tmp_path / 'usual.onnx')
    path = with_input(tmp_path / 'my.onnx', usual, shape=shape, dtype=dtype)
    on_cpu = SegmentationModel.open(path, runtime='onnxruntime_cpu')
    with Running(SegmentationModel(OnnxRuntimeCudaEngine(path))) as running:
        assert isinstance(running.lane, CudaLane)
        for seed, size_wh in enumerate(SIZES[:3]):
            bgr = picture(seed, size_wh)
            found, expected = running(Frame(lambda bgr=bgr: bgr)), on_cpu(bgr)
            assert np.mean(found.mask != expected.mask) < 1e-3
            assert len(np.unique(expected.mask)) > 1
        assert not running.errors


@pytest.mark.parametrize('second', [None, 'orig_target_sizes'], ids=['batch', 'size'])
def test_inputs_that_only_a_cpu_takes(standin, tmp_path, second):
    path = color_segmentation(tmp_path / 'my.onnx')
    if second is None:
        path = with_input(tmp_path / 'batch.onnx', path, shape=(2, 3, 48, 64))
    else:
        file = onnx.load(path)
        file.graph.input.append(onnx.helper.make_tensor_value_info(second, 7, [1, 2]))
        onnx.save(file, path)
    with pytest.raises(ModelError, match=r"or run it on the CPU.*'onnxruntime_cpu'"):
        OnnxRuntimeCudaEngine(path)
    with SegmentationModel.open(path, runtime='onnxruntime_cpu') as model:
        assert len(np.unique(model(picture(0, (64, 48))).mask)) > 2


COLORS = tuple(color(index) for index in range(4))
BOTH = SegmentationOptions(pictures=PictureOptions(True, True, COLORS))


def assert_drawn(found, bgr, wanted):
    """Fail unless a result has the pictures that are wanted, as `drawing` makes them."""
    colors = np.array(COLORS, np.uint8)
    assert (found.colored is not None) == wanted.colored
    if wanted.colored:
        np.testing.assert_array_equal(found.colored, color_mask(found.mask, colors))
    assert (found.tinted is not None) == wanted.tinted
    if wanted.tinted:
        expected = bgr.copy()
        draw_segmentation(expected, found, colors, wanted.blend)
        np.testing.assert_array_equal(found.tinted, expected)


@pytest.mark.parametrize('integrated', [False, True])
@pytest.mark.parametrize('size_wh', [(64, 48), (89, 61)])
@pytest.mark.parametrize('encoding', ENCODINGS)
def test_pictures_equal_the_cpus(standin, tmp_path, encoding, size_wh, integrated):
    standin.integrated = integrated
    if encoding.startswith(('yuv', 'yuyv', 'uyvy', 'nv', 'bayer')):  # these have even sides
        size_wh = tuple(side // 2 * 2 for side in size_wh)
    path = color_segmentation(tmp_path / 'colors.onnx')
    rows = padded(encode(picture(1, size_wh), encoding), 6)
    pixels = view(rows.ravel(), *size_wh[::-1], encoding, rows.shape[1])

    def convert():
        raise AssertionError('the image was converted on the CPU')

    with Running(SegmentationModel(OnnxRuntimeCudaEngine(path)), lambda: BOTH) as running:
        found = running(Frame(convert, raw=RawImage(pixels, encoding, *size_wh)))
    assert len(found.pixels.nonzero()[0]) > 1
    assert_drawn(found, np.array(to_bgr(pixels, encoding)), BOTH.pictures)


def test_pictures_come_and_go_with_who_wants_them(standin, tmp_path):
    """The graph that makes the mask stays as it is, and so does the memory."""
    path = color_segmentation(tmp_path / 'colors.onnx')
    wants = [
        None,
        PictureOptions(colored=True, colors=COLORS),
        PictureOptions(tinted=True, colors=COLORS),
        PictureOptions(True, True, COLORS, blend=0.25),
        PictureOptions(True, True, COLORS, blend=1.0),
        PictureOptions(colors=COLORS),
    ]
    chosen = {'options': SegmentationOptions()}
    with Running(
        SegmentationModel(OnnxRuntimeCudaEngine(path)), lambda: chosen['options']
    ) as running:
        path = running.model.device_path
        bgr = picture(3, (64, 48))
        for _ in range(8):
            assert_drawn(running(Frame(lambda: bgr)), bgr, PictureOptions())
        graphs = [work.graph for work in (path._work, path._next_work)]
        assert None not in graphs
        assert not [name for name in standin.launches if name.startswith(('tint', 'color'))]
        for number in range(24):
            wanted = wants[number // 4]
            chosen['options'] = SegmentationOptions(pictures=wanted)
            seen = picture(number, (64, 48))
            found = running(Frame(lambda seen=seen: seen))
            assert_drawn(found, seen, wanted or PictureOptions())
        assert [work.graph for work in (path._work, path._next_work)] == graphs
        allocations = standin.allocations
        chosen['options'] = BOTH
        for _ in range(4):  # the tables are filled anew, by way of memory that is not kept
            running(Frame(lambda: bgr))
        tables = standin.allocations - allocations
        for _ in range(10):
            assert_drawn(running(Frame(lambda: bgr)), bgr, BOTH.pictures)
        assert standin.allocations - allocations == tables == 2 * 2


def test_a_mask_of_the_networks_size_has_no_pictures(standin, tmp_path):
    path = color_segmentation(tmp_path / 'colors.onnx')
    options = SegmentationOptions('network', pictures=BOTH.pictures)
    with Running(SegmentationModel(OnnxRuntimeCudaEngine(path)), lambda: options) as running:
        found = running(Frame(lambda: picture(1, (128, 96))))
    assert (found.colored, found.tinted) == (None, None)


def test_pictures_of_two_frames_in_flight_are_separate_and_stay(standin, tmp_path):
    path = color_segmentation(tmp_path / 'colors.onnx')
    wants = [PictureOptions(True, True, COLORS, blend=blend) for blend in (0.2, 0.6, 0.9)]
    wants.insert(1, PictureOptions(tinted=True, colors=COLORS))
    taken, kept = [], []

    def options():
        taken.append(wants[len(taken) % 4])
        return SegmentationOptions(pictures=taken[-1])

    model = SegmentationModel(OnnxRuntimeCudaEngine(path))
    lane = make_lane('lane', model, lambda frame, result: kept.append((frame, result)), options)
    path = model.device_path
    begin, finish = path.begin, path.finish
    under_way, most = set(), []

    def watched_begin(*args):
        work = begin(*args)
        under_way.add(work)
        most.append(len(under_way))
        return work

    def watched_finish(work):
        under_way.remove(work)
        return finish(work)

    path.begin, path.finish = watched_begin, watched_finish
    pipeline = Pipeline([lane])
    pipeline.start()
    for number in range(40):
        assert lane.slot.wait_until_taken(DEADLINE_S)
        bgr = picture(number, (64 + 2 * (number % 3), 48))
        pipeline.offer(Frame(lambda bgr=bgr: bgr, header=bgr))
    wait_until(lambda: lane.counts.processed == 40)
    pipeline.close()
    model.close()
    assert max(most) == 2
    for (frame, result), wanted in zip(kept, taken, strict=True):
        assert_drawn(result, frame.header, wanted)


@pytest.mark.parametrize('stage', ['begin', 'enqueue'])
def test_a_picture_that_fails_costs_no_mask(standin, tmp_path, monkeypatch, caplog, stage):
    path = color_segmentation(tmp_path / 'colors.onnx')
    fails = {'now': False}
    do = getattr(pictures._Block, stage)

    def fail(*args):
        if fails['now']:
            raise CudaError('launching a kernel failed: too many resources')
        do(*args)

    monkeypatch.setattr(pictures._Block, stage, fail)
    bgr = picture(1, (64, 48))
    with Running(SegmentationModel(OnnxRuntimeCudaEngine(path)), lambda: BOTH) as running:
        for _ in range(4):
            assert_drawn(running(Frame(lambda: bgr)), bgr, BOTH.pictures)
        fails['now'] = True
        for _ in range(6):
            found = running(Frame(lambda: bgr))
            assert_drawn(found, bgr, PictureOptions())
            assert np.count_nonzero(found.pixels) > 1
        assert not running.errors
    assert caplog.text.count('pictures are drawn on the CPU') == 1


def test_a_gpu_that_fails_at_a_picture_stops_the_lane(standin, tmp_path, monkeypatch):
    def fail(*_):
        raise CudaError('an illegal memory access', fatal=True)

    path = color_segmentation(tmp_path / 'colors.onnx')
    monkeypatch.setattr(pictures._Block, 'enqueue', fail)
    with Running(SegmentationModel(OnnxRuntimeCudaEngine(path)), lambda: BOTH) as running:
        running.pipeline.offer(Frame(lambda: picture(1, (64, 48))))
        wait_until(lambda: running.lane.fatal is not None)


@pytest.mark.parametrize('make', [detector, pose_detector, instance_segmenter])
def test_detections_equal_the_cpus(standin, tmp_path, make):
    boxes = BOXES if make is not pose_detector else tuple((*box[:4], 0, box[5]) for box in BOXES)
    path = make(tmp_path / 'model.onnx', boxes, size_wh=(64, 64))
    on_cpu = YoloModel.open(path, runtime='onnxruntime_cpu')
    chosen = {'options': DetectionOptions()}
    with Running(YoloModel(OnnxRuntimeCudaEngine(path)), lambda: chosen['options']) as running:
        assert isinstance(running.lane, CudaLane)
        for options in (
            DetectionOptions(),
            DetectionOptions(score_threshold=0.1, iou_threshold=0.5),
            DetectionOptions(class_agnostic=True),
            DetectionOptions(max_detections=1),
            DetectionOptions(class_ids=(1,)),
            DetectionOptions(score_threshold=0.95),
            DetectionOptions(class_score_thresholds=((0, 0.85),)),
        ):
            chosen['options'] = options
            for seed, size_wh in enumerate(SIZES[-4:]):
                bgr = picture(seed, size_wh)
                found = running(Frame(lambda bgr=bgr: bgr))
                tensor, transform = on_cpu.preprocess(bgr)
                expected = on_cpu.postprocess(on_cpu.infer(tensor), transform, options)
                assert_same_detections(found, expected)
        assert not running.errors


@pytest.mark.parametrize(
    ('make', 'encoding', 'integrated'),
    [
        pytest.param(detector, 'bgr8', False, id='boxes'),
        pytest.param(pose_detector, 'nv12', True, id='keypoints'),
        pytest.param(instance_segmenter, 'bayer_rggb8', False, id='masks'),
    ],
)
def test_tiles_equal_the_cpus(standin, tmp_path, make, encoding, integrated):
    standin.integrated = integrated
    boxes = tuple((*box[:4], 0, box[5]) for box in BOXES)
    path = make(tmp_path / 'model.onnx', boxes, size_wh=(64, 64))
    on_cpu = YoloModel.open(path, runtime='onnxruntime_cpu')
    on_cpu.use_tiles(Tiles(2, 2))
    model = YoloModel(OnnxRuntimeCudaEngine(path))
    model.use_tiles(Tiles(2, 2))
    with Running(model) as running:
        assert isinstance(running.lane, CudaLane)
        for seed, size_wh in enumerate([(90, 62), (200, 48), (90, 62), (90, 62)]):
            rows = encode(picture(seed, size_wh), encoding)
            pixels = view(rows.ravel(), *size_wh[::-1], encoding, rows.shape[1])
            found = running(Frame(lambda: 1 / 0, raw=RawImage(pixels, encoding, *size_wh)))
            expected = on_cpu(np.array(to_bgr(pixels, encoding)))
            assert len(expected) > 4
            assert_same_detections(found, expected)
        assert not running.errors


def test_tiles_of_images_that_differ(standin, tmp_path):
    """Each tile is another part of the image, of two images in flight."""
    path = small_networks.yolo(tmp_path / 'my.onnx', 'pose', size_wh=(64, 64))
    tiles, options = Tiles(3, 2), DetectionOptions(0.01)
    on_cpu = YoloModel.open(path, options=options, runtime='onnxruntime_cpu')
    on_cpu.use_tiles(tiles)
    model = YoloModel(OnnxRuntimeCudaEngine(path), options)
    model.use_tiles(tiles)
    published = queue.Queue()
    lane = make_lane('lane', model, lambda frame, result: published.put((frame, result)))
    pipeline = Pipeline([lane])
    pipeline.start()
    for seed in range(6):
        assert lane.slot.wait_until_taken(DEADLINE_S)
        bgr = picture(seed, (150 + 10 * (seed % 2), 100))
        pipeline.offer(Frame(lambda bgr=bgr: bgr, header=bgr))
    seen = [published.get(timeout=DEADLINE_S) for _ in range(6)]
    for frame, found in seen:
        expected = on_cpu(frame.header)
        assert len(expected) > 4
        # Of two that are as sure, either may come first.
        one, other = (np.lexsort(np.rint(each.xyxy).T) for each in (found, expected))
        np.testing.assert_allclose(found.xyxy[one], expected.xyxy[other], atol=0.1)
        np.testing.assert_allclose(found.keypoints[one], expected.keypoints[other], atol=0.1)
    pipeline.close()
    model.close()


def test_tiles_again_and_none(standin, tmp_path):
    path = detector(tmp_path / 'model.onnx', BOXES, size_wh=(64, 64))
    with YoloModel(OnnxRuntimeCudaEngine(path)) as model:
        whole, before = model.device_path.input_key, len(standin.memory)
        for _ in range(3):
            model.use_tiles(Tiles(3, 3))
            assert model.device_path.input_key != whole
            model.use_tiles(None)
            assert (model.device_path.input_key, len(standin.memory)) == (whole, before)


@pytest.mark.parametrize('encoding', ['rgb8', 'bgra8', 'mono8', 'yuyv', 'nv12', 'bayer_rggb8'])
def test_an_image_is_converted_on_the_gpu_as_on_the_cpu(standin, tmp_path, encoding):
    path = color_segmentation(tmp_path / 'colors.onnx')
    on_cpu = SegmentationModel.open(path, runtime='onnxruntime_cpu')
    width, height = 64, 48
    shape = {
        'rgb8': (height, width, 3),
        'bgra8': (height, width, 4),
        'yuyv': (height, width, 2),
        'nv12': (height * 3 // 2, width),
    }.get(encoding, (height, width))
    pixels = np.random.default_rng(3).integers(0, 256, shape, np.uint8)

    def convert():
        raise AssertionError('the image was converted on the CPU')

    with Running(SegmentationModel(OnnxRuntimeCudaEngine(path))) as running:
        found = running(Frame(convert, raw=RawImage(pixels, encoding, width, height)))
        assert np.array_equal(found.mask, on_cpu(to_bgr(pixels, encoding)).mask)


def test_two_engines_of_one_input_share_its_preprocessing_and_both_find_theirs(standin, tmp_path):
    paths = [
        detector(tmp_path / 'detector.onnx', BOXES, size_wh=(64, 64)),
        pose_detector(tmp_path / 'pose.onnx', ((20, 20, 10, 10, 0, 0.6),), size_wh=(64, 64)),
    ]
    models = [on_gpu(path) for path in paths]
    results = [queue.Queue(), queue.Queue()]
    lanes = [
        make_lane(f'lane{i}', model, lambda frame, result, i=i: results[i].put(result))
        for i, model in enumerate(models)
    ]
    pipeline = Pipeline(lanes)
    pipeline.start()
    standin.launches.clear()
    for number in range(5):
        bgr = picture(number, (90, 60))
        for lane in lanes:
            assert lane.slot.wait_until_taken(DEADLINE_S)
        pipeline.offer(Frame(lambda bgr=bgr: bgr))
    for _ in range(5):
        assert len(results[0].get(timeout=DEADLINE_S)) == 3
        assert len(results[1].get(timeout=DEADLINE_S)) == 1
    pipeline.close()
    assert len([name for name in standin.launches if name.startswith('preprocess')]) == 5
    for model in models:
        model.close()


def test_post_processing_becomes_a_graph_that_lasts_while_options_change(standin, tmp_path):
    path = detector(tmp_path / 'detector.onnx', BOXES, size_wh=(64, 64))
    chosen = {'options': DetectionOptions()}
    with Running(YoloModel(OnnxRuntimeCudaEngine(path)), lambda: chosen['options']) as running:
        frames = [Frame(lambda: picture(1, (64, 64))) for _ in range(12)]
        counts = []
        for index, frame in enumerate(frames):
            if index == 8:
                chosen['options'] = DetectionOptions(score_threshold=0.85)
            counts.append(len(running(frame)))
        assert counts == [3] * 8 + [1] * 4
        works = (running.model.device_path._work, running.model.device_path._next_work)
        assert all(work.graph is not None for work in works)


def test_in_steady_state_nothing_is_allocated(standin, tmp_path):
    path = color_segmentation(tmp_path / 'colors.onnx')
    options = SegmentationOptions()
    with Running(SegmentationModel(OnnxRuntimeCudaEngine(path)), lambda: options) as running:
        for number in range(30):
            running(Frame(lambda: picture(2, (64, 48))))
            if number == 10:
                allocations = standin.allocations
        assert standin.allocations == allocations


def test_if_kernels_cannot_be_compiled_the_cpu_takes_over_with_one_warning(
    standin, tmp_path, monkeypatch, caplog
):
    def no_compiler(*_, **__):
        raise CudaError('there is no CUDA compiler (nvcc)')

    path = detector(tmp_path / 'detector.onnx', BOXES, size_wh=(64, 64))
    monkeypatch.setattr(compiler, 'compile_kernels', no_compiler)
    with caplog.at_level(logging.WARNING), on_gpu(path) as first:
        assert first.device_path is None
        with Running(on_gpu(path)) as running:
            assert type(running.lane) is Lane
            bgr = picture(1, (90, 60))
            found = running(Frame(lambda: bgr))
            assert_same_detections(found, YoloModel.open(path, runtime='onnxruntime_cpu')(bgr))
    told = [record.message for record in caplog.records if 'stay on the CPU' in record.message]
    assert len(told) == 1
    assert 'there is no CUDA compiler' in told[0]


def test_a_model_on_the_cpu_has_no_device_path(tmp_path):
    path = color_segmentation(tmp_path / 'colors.onnx')
    with open_model(path, runtime='onnxruntime_cpu') as model:
        assert model.device_path is None
        model.bind_thread()


def test_a_capture_that_the_driver_refuses_leaves_plain_launches(
    standin, tmp_path, monkeypatch, caplog
):
    def refuse(*_, **__):
        raise CudaError('capturing a CUDA graph failed: not permitted')

    path = detector(tmp_path / 'detector.onnx', BOXES, size_wh=(64, 64))
    monkeypatch.setattr(cuda_models, 'capture', refuse)
    with (
        caplog.at_level(logging.WARNING),
        Running(YoloModel(OnnxRuntimeCudaEngine(path))) as running,
    ):
        for _ in range(6):
            assert len(running(Frame(lambda: picture(1, (64, 64))))) == 3
        assert not running.errors
    assert caplog.text.count('without a CUDA graph') == 1


def test_a_pipeline_can_be_closed_and_a_new_one_started_with_the_same_model(standin, tmp_path):
    path = detector(tmp_path / 'detector.onnx', BOXES, size_wh=(64, 64))
    model = YoloModel(OnnxRuntimeCudaEngine(path))
    for _ in range(3):
        running = Running(model)
        assert len(running(Frame(lambda: picture(1, (64, 64))))) == 3
        running.pipeline.close()
    model.close()


def test_options_that_cannot_be_used_fail_their_frame_and_no_other(standin, tmp_path):
    path = detector(tmp_path / 'detector.onnx', BOXES, size_wh=(64, 64))
    wrong = iter([False, True, False, False])

    def options():
        if next(wrong):
            raise ParameterError('score_threshold is 7', 'score_threshold')
        return DetectionOptions()

    with Running(YoloModel(OnnxRuntimeCudaEngine(path)), options) as running:
        assert len(running(Frame(lambda: picture(1, (64, 64))))) == 3
        running.pipeline.offer(Frame(lambda: picture(1, (64, 64))))
        wait_until(lambda: running.lane.counts.failed == 1)
        for _ in range(2):
            assert len(running(Frame(lambda: picture(1, (64, 64))))) == 3


def test_many_frames_at_full_rate_through_three_engines(standin, tmp_path):
    paths = [
        detector(tmp_path / 'detector.onnx', BOXES, size_wh=(64, 64)),
        color_segmentation(tmp_path / 'colors.onnx'),
        pose_detector(tmp_path / 'pose.onnx', ((20, 20, 10, 10, 0, 0.6),), size_wh=(64, 64)),
    ]
    models = [on_gpu(path) for path in paths]
    lock, wrong = threading.Lock(), []
    frames = [picture(number, (64 + number % 3, 48)) for number in range(6)]
    with SegmentationModel.open(paths[1], runtime='onnxruntime_cpu') as on_cpu:
        masks = [on_cpu(bgr).mask for bgr in frames]

    def check(frame, result, lane):
        if lane == 1:
            right = np.mean(result.mask != masks[frame.header]) < 1e-3
        else:
            right = len(result) == (3, None, 1)[lane]
        with lock:
            if not right:
                wrong.append((frame.header, lane))

    lanes = [
        make_lane(f'lane{i}', model, lambda frame, result, i=i: check(frame, result, i))
        for i, model in enumerate(models)
    ]
    pipeline = Pipeline(lanes)
    pipeline.start()
    for number in range(60):
        kind = number % len(frames)
        for lane in lanes:
            assert lane.slot.wait_until_taken(DEADLINE_S)
        pipeline.offer(Frame(lambda kind=kind: frames[kind], header=kind))
    wait_until(lambda: all(lane.counts.processed == 60 for lane in lanes))
    pipeline.close()
    assert not wrong
    for model in models:
        model.close()
