"""Models that search images tile by tile, with real networks on ONNX Runtime."""

import queue

import numpy as np
import onnx
import pytest
import small_networks
from onnx_models import detector, instance_segmenter, oriented_detector, pose_detector
from pipeline.waiting import DEADLINE_S

from jetson_perception import Tiles
from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.models import YoloModel
from jetson_perception.models.detection_params import DetectionParams
from jetson_perception.models.tiling import TiledSearch
from jetson_perception.pipeline import Frame, Lane, Pipeline, make_lane
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.tile_merging import merge_tiles

TILES = Tiles(2, 2, 0.2)
ALL = DetectionOptions(score_threshold=0.01, max_detections=1000)


def picture(seed=0, size_wh=(180, 150)):
    """Coarse noise."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    rows = np.arange(size_wh[1]) * 6 // size_wh[1]
    columns = np.arange(size_wh[0]) * 8 // size_wh[0]
    return np.ascontiguousarray(coarse[rows][:, columns])


def opened(path):
    return YoloModel.open(path, runtime='onnxruntime_cpu')


@pytest.mark.parametrize(
    ('batch', 'together'), [pytest.param(1, 1, id='one_by_one'), pytest.param('n', 5, id='batch')]
)
@pytest.mark.parametrize('task', ['detect', 'pose'])
def test_equals_each_tile_by_itself(tmp_path, task, batch, together):
    metadata_wh = (64, 64)
    path = small_networks.yolo(tmp_path / 'my.onnx', task, size_wh=metadata_wh, batch=batch)
    bgr = picture()
    with opened(path) as model:
        regions = TILES.regions((180, 150))
        found, fitted = [], []
        for each in regions:
            tensor, transform = model.preprocess(each.of(bgr))
            found.append(model.postprocess(model.infer(tensor), transform, ALL))
            fitted.append(transform)
        expected = merge_tiles(found, regions, fitted, (180, 150), ALL)
        assert len(expected) > 4
        whole_key, before = model.input_key, model(bgr)
        model.use_tiles(TILES)
        assert model._search.together == together
        assert model.input_key != whole_key
        for _ in range(2):  # memory is used again
            tensor, transform = model.preprocess(bgr)
            result = model.postprocess(model.infer(tensor), transform, ALL)
            np.testing.assert_allclose(result.xyxy, expected.xyxy, atol=1e-2)
            np.testing.assert_allclose(result.score, expected.score, atol=1e-5)
            if task == 'pose':
                np.testing.assert_allclose(result.keypoints, expected.keypoints, atol=1e-2)
        model.use_tiles(None)
        assert model.tiles is None
        np.testing.assert_array_equal(model(bgr).xyxy, before.xyxy)


class Reusing:
    """An engine that gives the same arrays again, as one on a GPU does."""

    shareable = False

    def __init__(self, engine):
        self._engine = engine
        self._given = None

    def infer(self, tensor):
        outputs = self._engine.infer(tensor)
        if self._given is None:
            self._given = [np.empty_like(each) for each in outputs]
        for mine, output in zip(self._given, outputs, strict=True):
            np.copyto(mine, output)
        return self._given


def test_outputs_that_the_engine_uses_again(tmp_path):
    path = small_networks.yolo(tmp_path / 'my.onnx', size_wh=(64, 64))
    with opened(path) as model:
        model.use_tiles(TILES)
        search = TiledSearch(Reusing(model.engine), model.preprocessor, model.layout, TILES)
        for seed in range(3):
            tensor, transform = model.preprocess(picture(seed))
            expected = model.postprocess(model.infer(tensor), transform, ALL)
            found = search.postprocess(search.infer(tensor), transform, ALL)
            np.testing.assert_array_equal(found.xyxy, expected.xyxy)


@pytest.mark.parametrize('make', [detector, pose_detector, instance_segmenter, oriented_detector])
def test_results_are_in_pixels_of_the_image(tmp_path, make):
    """A network that always finds one object in the middle finds it in the middle of each tile."""
    with opened(make(tmp_path / 'my.onnx')) as model:
        model.use_tiles(Tiles(2, 1, 0.0, whole_image=False))
        assert len(model.preprocess(picture(1, (1280, 640)))[0]) == 2
        result = model(picture(1, (1280, 640)))
    centers = (result.xyxy[:, :2] + result.xyxy[:, 2:]) / 2
    np.testing.assert_allclose(np.sort(centers[:, 0]), [320, 960], atol=1)
    if make is pose_detector:
        np.testing.assert_allclose(result.keypoints[1, :, 0] - result.keypoints[0, :, 0], 640)
    if make is oriented_detector:
        np.testing.assert_allclose(np.sort(result.oriented[:, 0]), [320, 960])
    if make is instance_segmenter:
        assert result.instance_ids.shape == (640, 1280)
        assert sorted({*result.instance_ids[240, (320, 960)]}) == [1, 2]
        assert np.count_nonzero(result.instance_ids) == 2 * 100 * 80


def test_an_image_smaller_than_the_number_of_tiles(tmp_path):
    boxes = ((32, 24, 10, 8, 0, 0.9),)
    with opened(detector(tmp_path / 'my.onnx', boxes, size_wh=(64, 64))) as model:
        model.use_tiles(Tiles(8, 8))
        assert len(model(np.zeros((3, 2, 3), np.uint8))) >= 1


def test_a_lane_takes_tiles_of_frames_of_any_size(tmp_path):
    path = small_networks.yolo(tmp_path / 'my.onnx', size_wh=(64, 64), batch='n')
    published = queue.Queue()
    with opened(path) as model:
        model.use_tiles(TILES)
        bgrs = [picture(seed, size_wh) for seed, size_wh in enumerate([(180, 150), (90, 61)] * 3)]
        expected = [model(bgr) for bgr in bgrs]
        lane = make_lane('lane', model, lambda frame, result: published.put(result))
        assert type(lane) is Lane
        pipeline = Pipeline([lane])
        pipeline.start()
        for bgr, each in zip(bgrs, expected, strict=True):
            pipeline.offer(Frame(lambda bgr=bgr: bgr))
            result = published.get(timeout=DEADLINE_S)
            np.testing.assert_array_equal(result.xyxy, each.xyxy)
        pipeline.close()


def test_parameters(tmp_path):
    with opened(detector(tmp_path / 'my.onnx')) as model:
        model.set_up(DetectionParams())
        assert model.tiles is None
        params = DetectionParams(tiles=(3, 2), tile_overlap=0.1, tile_whole_image=False)
        model.set_up(params)
        assert model.tiles == Tiles(3, 2, 0.1, whole_image=False)
        model.set_up(DetectionParams(tiles=(1, 1)))
        assert model.tiles is None
    assert 'expected the numbers of columns and rows' in DetectionParams(tiles=(2,)).problem()
    assert 'at most 64' in DetectionParams(tiles=(9, 9)).problem()
    with pytest.raises(ParameterError, match='expected the numbers'):
        DetectionParams(tiles=(2, 0)).tiling()


def test_a_value_that_is_not_finite_fails_the_image(tmp_path):
    path = detector(tmp_path / 'my.onnx')
    file = onnx.load(path)
    for tensor in file.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor).copy()
        if values.dtype == np.float32 and values.size > 1000:
            values[...] = np.nan
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    onnx.save(file, path)
    with opened(path) as model:
        model.use_tiles(TILES)
        with pytest.raises(ModelError, match='NaN or infinite scores'):
            model(picture())
