"""What an engine on CUDA leaves for the next start: on stand-ins for GPU and provider."""

import json
import os
import shutil
import sys

import numpy as np
import pytest
import small_networks
import standin_onnxruntime
from emulated_gpu import register_kernels

from jetson_perception.engines.onnxruntime import candidates as candidates_module
from jetson_perception.engines.onnxruntime import kept as kept_module
from jetson_perception.engines.onnxruntime.candidate import Candidate
from jetson_perception.engines.onnxruntime.cpu import OnnxRuntimeEngine
from jetson_perception.engines.onnxruntime.cuda import OnnxRuntimeCudaEngine
from jetson_perception.engines.onnxruntime.kept import KeptFindings, kept_findings
from jetson_perception.files.private_files import cache_folder

BEST = 'own graph, NHWC with fused bias, head in one kernel'


@pytest.fixture(autouse=True)
def _times(monkeypatch):
    """Our own kernel for the head is faster, and so is NHWC."""
    monkeypatch.setattr(
        Candidate,
        'launch_ms',
        lambda candidate: (
            3.0 - candidate.variant.decodes_head - (candidate.variant.layout == 'nhwc')
        ),
    )


@pytest.fixture(autouse=True)
def _kernels(standin):
    register_kernels(standin, 'yolo_head')


@pytest.fixture
def path(tmp_path):
    return small_networks.yolo(tmp_path / 'my.onnx', size_wh=(64, 32))


@pytest.fixture
def start(monkeypatch, standin, tmp_path, path):
    """Runs the model once as a new process would; gives the provider with its sessions."""

    def started(ends='', half=False, in_fp16='run', **options):
        provider = standin_onnxruntime.install(
            monkeypatch, standin, cache=tmp_path / 'cache', half=in_fp16, **options
        )
        engine = OnnxRuntimeCudaEngine(path, half=half)
        engine.bind_thread()
        assert engine.description.endswith(ends or engine.description)
        assert is_right(engine, path)
        engine.close()
        return provider

    return started


def is_right(engine, path):
    spec = engine.inputs[0]
    tensor = np.random.default_rng(1).random(spec.shape, np.float32)
    (found,), (wanted,) = engine.infer(tensor), OnnxRuntimeEngine(path).infer(tensor)
    return np.abs(found - wanted).max() < (0.1 if engine.is_half else 1e-4)


def findings():
    """The one file that says what was found out."""
    (file,) = cache_folder('findings').iterdir()
    return file


@pytest.mark.parametrize('half', [False, True], ids=['as_it_is', 'converted'])
def test_the_next_start_makes_one_session(start, half):
    ends = BEST + ', converted to FP16' * half
    assert len(start(ends, half).sessions) == 4
    for _ in range(2):
        assert len(start(ends, half).sessions) == 1


def test_the_next_start_needs_no_onnx(start, monkeypatch):
    start(half=True)
    monkeypatch.setitem(sys.modules, 'onnx', None)
    assert len(start(BEST + ', converted to FP16', half=True).sessions) == 1


def test_runs_before_it_is_bound(start, path, monkeypatch, standin, tmp_path):
    start()
    provider = standin_onnxruntime.install(monkeypatch, standin, cache=tmp_path / 'cache')
    engine = OnnxRuntimeCudaEngine(path)
    assert is_right(engine, path)
    assert len(provider.sessions) == 1
    engine.close()


@pytest.mark.parametrize(
    'change',
    [
        pytest.param(
            lambda patch, path: patch.setattr(candidates_module, 'driver_release', lambda: '2'),
            id='driver',
        ),
        pytest.param(
            lambda patch, path: patch.setattr(kept_module, 'runtime_version', lambda: '9.9'),
            id='runtime',
        ),
        pytest.param(
            lambda patch, path: patch.setattr(kept_module, 'code_digest', lambda: 'other'),
            id='our_code',
        ),
        pytest.param(
            lambda patch, path: small_networks.yolo(path, size_wh=(64, 32), class_count=5),
            id='file',
        ),
        pytest.param(
            lambda patch, path: patch.setenv('JETSON_PERCEPTION_ONNXRUNTIME_HEADS', 'runtime'),
            id='choices',
        ),
    ],
)
def test_another_one_is_tried_anew(start, monkeypatch, path, change):
    start()
    change(monkeypatch, path)
    assert len(start().sessions) > 1
    assert len(start().sessions) == 1
    assert len(list(cache_folder('findings').iterdir())) == 2


def test_another_precision_is_tried_anew(start):
    start()
    assert len(start(half=True).sessions) == 4


def test_a_copy_of_the_file_is_known(start, path, tmp_path, monkeypatch, standin):
    start()
    copy = shutil.copy(path, tmp_path / 'copy.onnx')
    provider = standin_onnxruntime.install(monkeypatch, standin, cache=tmp_path / 'cache')
    engine = OnnxRuntimeCudaEngine(copy)
    engine.bind_thread()
    assert is_right(engine, path)
    assert len(provider.sessions) == 1
    engine.close()


def rewritten(**values):
    def change(path):
        kept = kept_findings()
        record = json.loads(kept.read(path.name))
        kept.write(path.name, json.dumps(record | values).encode())

    return change


@pytest.mark.parametrize(
    'damage',
    [
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-1]), id='cut_off'),
        pytest.param(lambda path: path.write_bytes(b''), id='empty'),
        pytest.param(
            lambda path: path.write_bytes(path.read_bytes().replace(b'nhwc', b'nchw')),
            id='changed',
        ),
        pytest.param(lambda path: path.chmod(0o666), id='others_may_write'),
        pytest.param(rewritten(variant=None), id='no_variant'),
        pytest.param(
            lambda path: os.chown(path, 12345, -1),
            id='of_another_user',
            marks=pytest.mark.skipif(os.geteuid() != 0, reason='only root may give files away'),
        ),
    ],
)
def test_damage_is_tried_anew_and_replaced(start, damage):
    start()
    damage(findings())
    assert len(start(BEST).sessions) >= 3
    assert len(start(BEST).sessions) == 1


def test_what_does_not_run_any_more_is_tried_anew(start, caplog):
    start(BEST)
    with caplog.at_level('INFO', 'jetson_perception'):
        start('NCHW, head in one kernel', nhwc='refused')
    assert 'my.onnx: does not run as it did, and is tried anew: ' in caplog.text
    assert len(start('NCHW, head in one kernel', nhwc='refused').sessions) == 1


def test_a_graph_that_cannot_be_captured_any_more(start, caplog):
    start(BEST)
    with caplog.at_level('INFO', 'jetson_perception'):
        start('runtime graph, NCHW', refuses_recording=True)
    assert 'my.onnx: does not run as it did, and is tried anew: ' in caplog.text


def test_a_cut_model_that_was_removed_is_cut_again(start):
    start(BEST)
    shutil.rmtree(cache_folder('converted'))
    assert len(start(BEST).sessions) == 2
    assert len(start(BEST).sessions) == 1


@pytest.mark.parametrize('in_fp16', ['refused', 'overflow'])
def test_fp16_that_does_not_work_is_not_tried_again(start, in_fp16, caplog, monkeypatch):
    # For the stand-in, what is given as bytes is in FP16, as the model without its head is.
    monkeypatch.setenv('JETSON_PERCEPTION_ONNXRUNTIME_HEADS', 'runtime')
    start('own graph, NHWC with fused bias', half=True, in_fp16=in_fp16)
    assert 'does not run in FP16' in caplog.text
    caplog.clear()
    assert len(start('own graph, NHWC with fused bias', half=True).sessions) == 1
    assert not caplog.records


def test_where_nothing_can_be_kept_the_process_remembers(
    monkeypatch, standin, tmp_path, path, caplog
):
    (tmp_path / 'cache').write_text('a file')
    provider = standin_onnxruntime.install(monkeypatch, standin, cache=tmp_path / 'cache')
    for count in (4, 6, 8):  # the model without its head is not kept either
        engine = OnnxRuntimeCudaEngine(path)
        engine.bind_thread()
        assert engine.description.endswith(BEST)
        assert is_right(engine, path)
        engine.close()
        assert len(provider.sessions) == count
    assert 'findings about models are not kept in' in caplog.text
    monkeypatch.setattr(KeptFindings, '_in_memory', {})


def test_two_engines_that_are_opened_before_either_is_bound(monkeypatch, standin, tmp_path, path):
    provider = standin_onnxruntime.install(monkeypatch, standin, cache=tmp_path / 'cache')
    engines = [OnnxRuntimeCudaEngine(path) for _ in range(2)]
    for engine in engines:
        engine.bind_thread()
        assert engine.description.endswith(BEST)
        assert is_right(engine, path)
    assert len(provider.sessions) == 6  # two whole models, three trials, and what is known
    for engine in engines:
        engine.close()
