"""TensorRT itself on a GPU, where there is one: what the stand-in cannot show.

Run on a Jetson with ``pytest test/engines/tensorrt/test_on_device.py -rP``, it also prints what
this version of TensorRT logs for plans that it does not take.
"""

import gc
import logging
import threading

import numpy as np
import pytest
from onnx_models import color_segmentation

from jetson_perception.cuda import CudaDevice
from jetson_perception.engines import open_engine
from jetson_perception.engines.tensorrt.availability import tensorrt_problem
from jetson_perception.engines.tensorrt.cache import EngineCache
from jetson_perception.engines.tensorrt.engine import TensorRTEngine
from jetson_perception.engines.tensorrt.loading import PlanRefusedError
from jetson_perception.errors import ModelError
from jetson_perception.model_info import ModelInfo

_log = logging.getLogger(__name__)

PROBLEM = tensorrt_problem()
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.tensorrt,
    pytest.mark.skipif(bool(PROBLEM), reason=PROBLEM.partition('. ')[0]),
]


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@pytest.fixture
def plan(tmp_path):
    """A plan that this machine built, and its model."""
    model = color_segmentation(tmp_path / 'planned.onnx')
    open_engine(model, runtime='tensorrt', precision='fp32').close()
    [entry] = EngineCache().entries()
    return (EngineCache().folder / f'{entry.digest}.plan').read_bytes(), model


def assert_computes(engine, path, tolerance):
    size_wh = engine.info.input_size_wh
    reference = open_engine(path, runtime='onnxruntime_cpu', input_size_wh=size_wh)
    random = np.random.default_rng(3)
    for _ in range(4):
        tensor = random.random(engine.inputs[0].shape).astype(engine.inputs[0].dtype)
        for got, expected in zip(engine.infer(tensor), reference.infer(tensor), strict=True):
            assert got.shape == expected.shape
            np.testing.assert_allclose(
                got.astype(np.float64), expected.astype(np.float64), atol=tolerance
            )


# FP16 has 11 bits: values up to 13 are off by 13 / 2048 where each step rounds.
@pytest.mark.parametrize(('precision', 'tolerance'), [('fp32', 5e-3), ('fp16', 5e-2)])
@pytest.mark.parametrize('dynamic', [False, True])
def test_equals_onnx_runtime(tmp_path, precision, tolerance, dynamic):
    path = color_segmentation(tmp_path / 'my.onnx', dynamic=dynamic)
    for _ in range(2):  # built, then from the cache
        engine = open_engine(path, runtime='tensorrt', precision=precision, input_size_wh=(64, 48))
        assert_computes(engine, path, tolerance)
        assert engine._runner.graph is not None
        engine.close()


def test_with_and_without_a_graph(plan):
    content, path = plan
    engines = [
        TensorRTEngine(content, path=path, info=ModelInfo(), use_graph=use_graph)
        for use_graph in (False, True)
    ]
    for engine in [*engines, *engines]:
        assert_computes(engine, path, 5e-3)
    for engine in engines:
        engine.close()


def test_two_engines_in_two_threads(plan, tmp_path):
    content, path = plan
    engines = [TensorRTEngine(content, path=path, info=ModelInfo()) for _ in range(2)]
    failures = []

    def work(engine):
        try:
            for _ in range(50):
                assert_computes(engine, path, 5e-3)
        except BaseException as err:  # noqa: BLE001 - looked at below
            failures.append(err)

    threads = [threading.Thread(target=work, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.close()
    assert not failures


def test_memory_comes_back(plan):
    content, path = plan
    device = CudaDevice.get()
    left = []
    for _ in range(6):
        engine = TensorRTEngine(content, path=path, info=ModelInfo())
        assert_computes(engine, path, 5e-3)
        engine.close()
        gc.collect()
        left.append(device.memory_info()[0])
    device.close()
    # What the first opening loads once, libraries above all, stays.
    assert left[-1] >= left[1] - (8 << 20)


@pytest.mark.parametrize(
    'damage',
    [
        pytest.param(lambda plan: b'', id='empty'),
        pytest.param(lambda plan: plan[:20], id='very_short'),
        pytest.param(lambda plan: plan[: len(plan) // 2], id='cut_off'),
        pytest.param(lambda plan: b'no engine ' * 100, id='no_engine'),
    ],
)
def test_files_that_are_not_plans(plan, damage):
    content, path = plan
    with pytest.raises(PlanRefusedError) as error:
        TensorRTEngine(damage(content), path=path, info=ModelInfo())
    _log.warning('%s', error.value)


def test_a_model_with_an_unknown_operator(tmp_path):
    onnx = pytest.importorskip('onnx')
    path = color_segmentation(tmp_path / 'my.onnx')
    model = onnx.load(path)
    model.graph.node[0].op_type = 'NobodyHasThis'
    model.graph.node[0].domain = 'nobody'
    model.opset_import.add(domain='nobody', version=1)
    onnx.save(model, path)
    with pytest.raises(ModelError, match='NobodyHasThis') as error:
        open_engine(path, runtime='tensorrt')
    _log.warning('%s', error.value)
