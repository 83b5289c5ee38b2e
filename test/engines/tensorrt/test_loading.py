"""Plans that TensorRT does not take: what TensorRT-RTX says of them, which needs no GPU."""

import pytest
import standin_pycuda
from onnx_models import color_segmentation, quantize_input
from tensorrt_there import without_wheel

from jetson_perception.engines.request import EngineRequest
from jetson_perception.engines.tensorrt.api import find_gpu, import_tensorrt, is_rtx
from jetson_perception.engines.tensorrt.builder import PRECISIONS, build_engine
from jetson_perception.engines.tensorrt.cache import EngineCache
from jetson_perception.engines.tensorrt.loading import LoadedEngines, PlanRefusedError
from jetson_perception.engines.tensorrt.opening import open_tensorrt
from jetson_perception.engines.tensorrt.plan_file import plan_version
from jetson_perception.errors import ModelError

pytestmark = [pytest.mark.tensorrt, without_wheel]


@pytest.fixture(scope='module')
def rtx():
    trt = import_tensorrt()
    if not is_rtx(trt):
        pytest.skip('TensorRT itself is here, and cannot be loaded without CUDA')
    return trt


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    return color_segmentation(tmp_path_factory.mktemp('model') / 'my.onnx')


@pytest.fixture(scope='module')
def plan(rtx, path):
    return build_engine(path).plan


@pytest.mark.parametrize(
    ('damage', 'text'),
    [
        pytest.param(lambda plan: b'', 'it is cut off, or', id='empty'),
        pytest.param(lambda plan: plan[:10], 'it is cut off, or', id='very_short'),
        pytest.param(lambda plan: plan[:40], 'it is cut off, or', id='short'),
        pytest.param(lambda plan: plan[: len(plan) // 2], 'it is cut off, or', id='cut_off'),
        pytest.param(lambda plan: plan + b'more', 'it is cut off, or', id='longer'),
        pytest.param(lambda plan: b'no engine ' * 100, 'it is not an engine of this', id='text'),
        pytest.param(
            lambda plan: b'ftrt' + plan[4:],
            r'of TensorRT 1\.7\.1\.\d+, cannot be loaded by TensorRT-RTX 1\.7\.1\.\d+ '
            r'\(neither runs engines of the other\): it is not an engine of this',
            id='of_tensorrt',
        ),
    ],
)
def test_damaged(rtx, path, plan, damage, text):
    with pytest.raises(PlanRefusedError, match=text):
        LoadedEngines().load(rtx, damage(plan), path, device=0)


def skip_where_cuda_can_be_used():
    try:
        find_gpu()
    except ModelError:
        return
    pytest.skip('CUDA can be used here')


def test_undamaged_where_cuda_cannot_be_used(rtx, path, plan):
    """Not refused: to build it again would not help."""
    skip_where_cuda_can_be_used()
    with pytest.raises(ModelError, match=r'CUDA failed; .*cudaError 35') as error:
        LoadedEngines().load(rtx, plan, path, device=0)
    assert type(error.value) is ModelError


@pytest.mark.parametrize('precision', PRECISIONS)
@pytest.mark.parametrize('dynamic', [False, True])
def test_a_model_is_built_and_kept(rtx, monkeypatch, tmp_path, precision, dynamic):
    """All of the way but the last step, to load it."""
    skip_where_cuda_can_be_used()
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    standin_pycuda.install(monkeypatch, compute_capability=(8, 6))
    path = color_segmentation(tmp_path / 'my.onnx', dynamic=dynamic)
    if precision == 'int8':
        path = quantize_input(path)
    told = []
    request = EngineRequest(
        path,
        input_size_wh=(96, 64) if dynamic else None,
        precision=precision,
        progress=lambda fraction, phase: told.append(fraction),
    )
    for builds in (True, False):
        told.clear()
        with pytest.raises(ModelError, match='CUDA failed'):
            open_tensorrt(request)
        assert bool(told) == builds
        [entry] = EngineCache().entries()
        assert entry.problem == ''
        assert entry.runtime.startswith('TensorRT-RTX 1.')
        assert entry.options['precision'] == precision
        assert entry.options['size_wh'] == ([[96, 64]] * 3 if dynamic else [])


def test_head_says_what_built_it(rtx, plan):
    assert plan_version(plan) == f'TensorRT-RTX {rtx.__version__}'
