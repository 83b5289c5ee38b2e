"""The pipeline at full rate: every frame through every engine, none skipped, failures reported."""

import cv2
import numpy as np
import pytest
from onnx_models import color_segmentation, detector, pose_detector

from jetson_perception.benchmark import end_to_end
from jetson_perception.benchmark.end_to_end import FullRate
from jetson_perception.errors import ModelError, PerceptionError
from jetson_perception.models import open_model
from jetson_perception.pipeline import LatestSlot, Pipeline


@pytest.fixture
def models(tmp_path):
    paths = {
        'det': detector(tmp_path / 'd.onnx', size_wh=(64, 64), boxes=[(32, 32, 20, 20, 1, 0.9)]),
        'pose': pose_detector(tmp_path / 'p.onnx', size_wh=(64, 64)),
        'seg': color_segmentation(tmp_path / 's.onnx'),
    }
    opened = {name: open_model(path) for name, path in paths.items()}
    yield opened
    for model in opened.values():
        model.close()


FRAMES = [np.full((48, 64, 3), value, np.uint8) for value in (10, 100, 200)]


def test_every_frame_passes_every_engine(models):
    with FullRate(models) as pipeline:
        first = pipeline.run(FRAMES, count=10)
        second = pipeline.run(FRAMES, count=15)
    assert (first.timing.frames, second.timing.frames) == (10, 15)
    assert first.timing.rate_hz > 0
    assert 0 < first.timing.median_ms <= first.timing.p99_ms
    warm_up = 4
    for counts in second.counts.values():
        assert counts.received == counts.processed == 25 + 2 * warm_up
        assert counts.skipped == counts.failed == 0
    assert set(second.stages) == {'det', 'pose', 'seg'}
    assert second.stages['det']['inference'].samples <= 15 + 1
    assert not second.errors
    assert pipeline.frames_done == 25 + 2 * warm_up


def test_without_a_number_of_frames_the_time_decides(models):
    with FullRate(models) as pipeline:
        run = pipeline.run(FRAMES, seconds=0.02)
    assert run.timing.frames >= 4


def test_one_frame_at_a_time(models, monkeypatch):
    most = 0
    offer = Pipeline.offer

    def watched(pipeline, frame):
        nonlocal most
        most = max(most, full_rate._offered - full_rate._done)  # this frame is among them
        offer(pipeline, frame)

    monkeypatch.setattr(Pipeline, 'offer', watched)
    with FullRate(models) as full_rate:
        run = full_rate.run(FRAMES, count=10, one_at_a_time=True)
        assert run.timing.frames == 10
        assert most == 1
        assert full_rate.run(FRAMES, count=10).timing.frames == 10


def test_drawing_runs_at_the_same_time(models):
    with FullRate(models) as pipeline:
        assert pipeline.run(FRAMES, count=5).drawn == 0
        run = pipeline.run(FRAMES, count=30, draw=True)
    assert run.timing.frames == 30
    assert all(counts.skipped == 0 for counts in run.counts.values())
    assert 0 < pipeline._drawn <= 34
    assert int(FRAMES[0].max()) == 10, 'frames are not drawn on'


def test_a_failed_frame_is_reported_and_the_rest_runs(models):
    class Weak:
        """The detector, which fails on every third frame."""

        def __init__(self, model):
            self._model, self._calls = model, 0

        def __getattr__(self, name):
            return getattr(self._model, name)

        def infer(self, tensor):
            self._calls += 1
            if self._calls % 3 == 0:
                raise ModelError('no such luck')
            return self._model.infer(tensor)

    with FullRate({**models, 'det': Weak(models['det'])}) as pipeline:
        run = pipeline.run(FRAMES, count=20)
    assert run.timing.frames == 20
    assert run.counts['det'].failed == 8
    assert run.counts['pose'].processed == 24
    assert run.errors
    assert run.errors[0] == 'no such luck'


def test_a_stalled_pipeline_raises_instead_of_hanging(models, monkeypatch):
    monkeypatch.setattr(end_to_end, '_STALLED_S', 0.2)
    with FullRate(models) as pipeline:
        pipeline._pipeline.close()  # nobody takes frames any more
        pipeline._lanes[0].slot = LatestSlot()
        with pytest.raises(PerceptionError, match=r'of 1 frame 0 came back'):
            pipeline.run(FRAMES, count=3)


def test_results_are_those_of_the_model(models, monkeypatch):
    seen = []

    def builder(model):
        return lambda result, header: seen.append((model, result))

    monkeypatch.setattr(end_to_end, 'message_builder', builder)
    picture = cv2.resize(FRAMES[1], (128, 96))
    with FullRate(models) as pipeline:
        pipeline.run([picture], count=2)
    for model, result in seen:
        expected = model(picture)
        if model is models['seg']:
            np.testing.assert_array_equal(result.mask, expected.mask)
        else:
            np.testing.assert_array_equal(result.xyxy, expected.xyxy)
    assert len(seen) == 3 * 6
