"""An engine in a process of its own gives what it gives in ours, and can be ended."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from engines.isolation.descriptors import few_descriptors
from onnx_models import color_segmentation, endless_segmentation
from pipeline.waiting import wait_until

from jetson_perception.engines import open_engine
from jetson_perception.engines.isolation import engine as engine_module
from jetson_perception.engines.isolation import process as process_module
from jetson_perception.engines.isolation.engine import IsolatedEngine
from jetson_perception.engines.request import EngineRequest
from jetson_perception.errors import BuildCanceled, ModelError, ParameterError

DARK = np.zeros((1, 3, 48, 64), np.float32)
BRIGHT = np.ones_like(DARK)
#: What to put before a command so that it has id 1, as in a container.
NAMESPACE = ('unshare', '--user', '--map-root-user', '--pid', '--fork', '--kill-child')


def isolated(path, **options):
    return open_engine(path, isolation='process', threads=1, **options)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def is_zombie(pid):
    return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] == 'Z'


def ticks(pid):
    """How much of the processor a process has had, clock ticks."""
    return sum(map(int, Path(f'/proc/{pid}/stat').read_text().split()[13:15]))


def wait_until_it_runs(engine, tensor):
    def runs():
        try:
            return engine.infer(tensor)
        except ModelError:
            return None

    wait_until(runs)


def test_outputs_and_what_is_known_of_the_model_are_the_same(tmp_path):
    path = color_segmentation(tmp_path / 'colors.onnx')
    tensor = np.random.default_rng(0).random(DARK.shape, np.float32)
    with closing(open_engine(path, threads=1)) as ours, closing(isolated(path)) as other:
        assert other.description == f'{ours.description}, in a process of its own'
        assert other.info == ours.info
        assert (other.inputs, other.outputs) == (ours.inputs, ours.outputs)
        for each in (tensor, tensor[:, :, ::-1]):
            for found, expected in zip(other.infer(each), ours.infer(each), strict=True):
                np.testing.assert_array_equal(found, expected)
        with pytest.raises(ModelError, match='float32'):
            other.infer(tensor.astype(np.float64))
        other.infer(tensor)
        pid = other.pid
    assert not is_alive(pid)
    other.close()
    with pytest.raises(ModelError, match='the engine is closed'):
        other.infer(tensor)


@pytest.mark.parametrize(
    ('options', 'error', 'told'),
    [
        pytest.param({'isolation': 'thread'}, ParameterError, 'isolation is', id='choice'),
        pytest.param({'runtime': 'tensorrt'}, ModelError, "'tensorrt' cannot be used", id='none'),
        pytest.param({'input_size_wh': (32, 32)}, ParameterError, 'input', id='size'),
    ],
)
def test_errors_of_opening_are_raised_here(tmp_path, options, error, told):
    path = color_segmentation(tmp_path / 'colors.onnx')
    with pytest.raises(error, match=told) as raised:
        open_engine(path, **{'isolation': 'process', **options})
    assert 'process of the engine' not in str(raised.value)


def test_one_that_hangs_is_ended_and_started_again(tmp_path, caplog):
    path = endless_segmentation(tmp_path / 'endless.onnx')
    with closing(isolated(path, inference_limit_s=0.5)) as engine:
        engine.infer(DARK)
        before = engine.pid
        begun = time.monotonic()
        with pytest.raises(ModelError, match=r'did not answer within 0\.5 s'):
            engine.infer(BRIGHT)
        assert time.monotonic() - begun >= 0.5
        with pytest.raises(ModelError, match='is being started again'):
            engine.infer(DARK)
        assert not is_alive(before)
        wait_until_it_runs(engine, DARK)
        assert engine.pid != before
    assert 'it is started again' in caplog.text
    assert 'the engine runs again, after ' in caplog.text


@pytest.mark.slow
def test_one_that_is_killed_or_interrupted_is_started_again(tmp_path, caplog):
    path = endless_segmentation(tmp_path / 'endless.onnx')
    with closing(isolated(path)) as engine:
        engine.interrupt()  # nothing is under way
        engine.infer(DARK)
        os.kill(engine.pid, signal.SIGKILL)
        with pytest.raises(ModelError, match='was ended by signal 9'):
            engine.infer(DARK)
        wait_until_it_runs(engine, DARK)
        pid, raised = engine.pid, []
        caplog.clear()

        def infer():
            try:
                engine.infer(BRIGHT)
            except ModelError as error:
                raised.append(error)

        thread = threading.Thread(target=infer)
        thread.start()
        wait_until(lambda: engine.interrupt() or raised)
        thread.join()
        assert 'was ended by signal 9' in str(raised[0])
        assert not is_alive(pid)
        assert not caplog.messages, 'it was asked for: there is no error'
        assert 'engine process' not in [each.name for each in threading.enumerate()]
        wait_until_it_runs(engine, DARK)


@pytest.mark.slow
def test_one_that_cannot_be_opened_again_is_tried_until_it_can(tmp_path, caplog):
    path = color_segmentation(tmp_path / 'colors.onnx')
    with closing(isolated(path)) as engine:
        content = path.read_bytes()
        path.unlink()
        os.kill(engine.pid, signal.SIGKILL)
        with pytest.raises(ModelError, match='was ended'):
            engine.infer(DARK)
        wait_until(lambda: 'it is tried again in 1 s' in caplog.text)
        path.write_bytes(content)
        wait_until_it_runs(engine, DARK)


@pytest.mark.slow
def test_one_that_this_process_has_no_descriptors_for_is_tried_until_it_has(tmp_path, caplog):
    path = color_segmentation(tmp_path / 'colors.onnx')
    with closing(isolated(path)) as engine:
        os.kill(engine.pid, signal.SIGKILL)
        wait_until(lambda: is_zombie(engine.pid))
        with few_descriptors(2):
            with pytest.raises(ModelError, match='was ended'):
                engine.infer(DARK)
            wait_until(lambda: 'it is tried again in 1 s' in caplog.text)
        assert 'Too many open files' in caplog.text
        wait_until_it_runs(engine, DARK)


@pytest.mark.slow
def test_one_whose_start_fails_in_another_way_is_tried_until_it_succeeds(
    tmp_path, caplog, monkeypatch
):
    path = color_segmentation(tmp_path / 'colors.onnx')
    monkeypatch.setattr(engine_module, '_FIRST_PAUSE_S', 0.01)
    with closing(isolated(path)) as engine:
        first, orders = engine_module.EngineProcess, []

        def fails_once(order, **options):
            orders.append(order.runtime)
            if len(orders) == 1:
                raise MemoryError('none is left')
            return first(order, **options)

        monkeypatch.setattr(engine_module, 'EngineProcess', fails_once)
        os.kill(engine.pid, signal.SIGKILL)
        with monkeypatch.context() as patches:
            patches.setattr(threading.Thread, 'start', cannot_start)
            with pytest.raises(ModelError, match='was ended'):
                engine.infer(DARK)
        assert "its process is not started again: can't start new thread" in caplog.text
        wait_until_it_runs(engine, DARK)
    assert 'unexpected MemoryError: none is left; it is tried again' in caplog.text
    assert set(orders) == {'onnxruntime_cpu'}, "the runtime that 'auto' chose first"


def cannot_start(thread):
    raise RuntimeError("can't start new thread")


@pytest.mark.slow
@pytest.mark.parametrize(
    ('call', 'error', 'raised'),
    [
        pytest.param('poll', KeyboardInterrupt, KeyboardInterrupt, id='interrupted'),
        pytest.param('recv', pickle.UnpicklingError('?'), ModelError, id='unreadable'),
    ],
)
def test_what_is_left_of_a_failed_call_is_not_taken_for_the_next_answer(
    tmp_path, monkeypatch, call, error, raised
):
    with closing(isolated(color_segmentation(tmp_path / 'colors.onnx'))) as engine:
        expected = [each.copy() for each in engine.infer(DARK)]
        done = getattr(process_module.Connection, call)

        def fails(*args):
            assert done(*args)
            raise error

        with monkeypatch.context() as patches:
            patches.setattr(process_module.Connection, call, fails)
            with pytest.raises(raised):
                engine.infer(BRIGHT)
        found = []

        def infers():
            with suppress(ModelError):
                found.extend(engine.infer(DARK))
            return found

        wait_until(infers)
        for each, right in zip(found, expected, strict=True):
            np.testing.assert_array_equal(each, right)


def test_signals_to_all_processes_of_a_service_are_for_the_node_alone(tmp_path):
    with closing(isolated(color_segmentation(tmp_path / 'colors.onnx'))) as engine:
        for each in (signal.SIGTERM, signal.SIGINT):
            os.kill(engine.pid, each)
            engine.infer(DARK)


def test_modules_in_the_working_directory_are_not_run(tmp_path, monkeypatch):
    path = color_segmentation(tmp_path / 'colors.onnx')
    (tmp_path / 'numpy.py').write_text('raise SystemExit(7)')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('PYTHONPATH', os.environ.get('PYTHONPATH', '') + os.pathsep)
    with closing(isolated(path)) as engine:
        engine.infer(DARK)


@pytest.mark.skipif(
    shutil.which('unshare') is None
    or subprocess.run([*NAMESPACE, 'true'], capture_output=True, check=False).returncode != 0,
    reason='this user may make no namespaces for processes',
)
def test_a_node_may_be_the_first_process_of_a_container(tmp_path):
    path = color_segmentation(tmp_path / 'colors.onnx')
    code = f"""
import os, numpy as np
from jetson_perception.engines import open_engine
engine = open_engine({str(path)!r}, isolation='process', threads=1)
engine.infer(np.zeros({DARK.shape}, np.float32))
engine.close()
print(os.getpid(), end='')
"""
    found = subprocess.run(
        [*NAMESPACE, sys.executable, '-c', code],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert found.stdout == '1', found.stderr


def test_opening_can_be_called_off(tmp_path):
    cancel = threading.Event()
    cancel.set()
    request = EngineRequest(color_segmentation(tmp_path / 'colors.onnx'), cancel=cancel)
    with pytest.raises(BuildCanceled):
        IsolatedEngine('auto', request, 1.0)


@pytest.mark.slow
def test_the_process_ends_with_a_parent_that_is_killed(tmp_path):
    """Even in the middle of an inference that does not end."""
    path = endless_segmentation(tmp_path / 'endless.onnx')
    code = f"""
import threading, numpy as np
from jetson_perception.engines import open_engine
engine = open_engine({str(path)!r}, isolation='process', threads=1)
bright = np.ones({DARK.shape}, np.float32)
threading.Thread(target=engine.infer, args=(bright,), daemon=True).start()
print(engine.pid, flush=True)
threading.Event().wait()
"""
    with subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        begun = ticks(pid)
        wait_until(lambda: ticks(pid) > begun + 20)  # it is in the inference
        parent.kill()
    try:
        wait_until(lambda: not is_alive(pid))
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # or it would compute for ever
