"""The TensorRT module, the logger of the process, data types, the CUDA driver."""

import logging
import sys
import threading
import types

import numpy as np
import pytest
from standin_driver import StandInDriver
from tensorrt_there import requires_tensorrt

from jetson_perception.engines.tensorrt import api as tensorrt_api
from jetson_perception.engines.tensorrt.api import (
    collect_errors,
    creation_flag,
    describe_tensorrt,
    find_gpu,
    first_error,
    has_precision_flags,
    import_tensorrt,
    is_rtx,
    last_errors,
    process_logger,
    take_log_message,
    to_numpy_dtype,
)
from jetson_perception.errors import ModelError


@pytest.fixture
def modules(monkeypatch, tmp_path):
    """Import TensorRT from files that the test writes, and from nowhere else."""
    for name in list(sys.modules):
        if name.split('.')[0] in tensorrt_api.MODULES:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, 'path', [str(tmp_path)])
    import_tensorrt.cache_clear()

    def write(**sources):
        for name, source in sources.items():
            (tmp_path / f'{name}.py').write_text(source)
        return tmp_path

    yield write
    import_tensorrt.cache_clear()
    for name in tensorrt_api.MODULES:
        sys.modules.pop(name, None)


USABLE = "Runtime = ILogger = object\n__version__ = '8.5.2'\n"


class TestImport:
    def test_nothing_there(self, modules):
        modules()
        with pytest.raises(ModelError, match=r'no module tensorrt\. On a Jetson.*apt-get install'):
            import_tensorrt()

    @pytest.mark.parametrize(
        ('there', 'taken'),
        [
            pytest.param(['tensorrt_rtx_bindings', 'tensorrt_rtx', 'tensorrt'], 'tensorrt'),
            pytest.param(['tensorrt_rtx_bindings', 'tensorrt_rtx'], 'tensorrt_rtx'),
            pytest.param(['tensorrt_rtx_bindings'], 'tensorrt_rtx_bindings'),
        ],
    )
    def test_order(self, modules, there, taken):
        modules(**dict.fromkeys(there, USABLE))
        assert import_tensorrt().__name__ == taken

    def test_a_broken_one_is_passed_over(self, modules):
        modules(tensorrt="raise ImportError('libcudart.so.12: no such file')", tensorrt_rtx=USABLE)
        assert import_tensorrt().__name__ == 'tensorrt_rtx'

    @pytest.mark.parametrize(
        ('source', 'reason'),
        [
            pytest.param(
                "raise ImportError('libnvinfer.so.10: cannot\\nopen')",
                r'tensorrt: libnvinfer\.so\.10: cannot open',
                id='library_missing',
            ),
            pytest.param(
                'import tensorrt_libs', r"No module named 'tensorrt_libs'", id='half_installed'
            ),
            pytest.param(
                "raise OSError('wrong ELF class')", 'wrong ELF class', id='other_machine'
            ),
            pytest.param('', r'no Runtime in it', id='empty'),
        ],
    )
    def test_a_broken_one_says_why(self, modules, source, reason):
        modules(tensorrt=source)
        with pytest.raises(ModelError, match=f'installed but cannot be imported: .*{reason}'):
            import_tensorrt()

    def test_a_leftover_folder_is_not_taken(self, modules):
        (modules() / 'tensorrt').mkdir()
        with pytest.raises(ModelError, match='no Runtime in it'):
            import_tensorrt()


def module(name='tensorrt', *, builder_flags=(), creation_flags=(), version='10.3.0'):
    """Names of one version."""
    made = types.ModuleType(name)
    made.__version__ = version
    made.BuilderFlag = types.SimpleNamespace(**dict.fromkeys(builder_flags, 0))
    made.NetworkDefinitionCreationFlag = types.SimpleNamespace(**dict(creation_flags))
    return made


@pytest.mark.parametrize(
    ('trt', 'described', 'rtx', 'flags'),
    [
        pytest.param(
            module(builder_flags=['FP16', 'INT8']), 'TensorRT 10.3.0', False, True, id='10.3'
        ),
        pytest.param(module(version='11.4.1'), 'TensorRT 11.4.1', False, False, id='11'),
        pytest.param(
            module('tensorrt_rtx', version='1.7'), 'TensorRT-RTX 1.7', True, False, id='rtx'
        ),
    ],
)
def test_kinds(trt, described, rtx, flags):
    assert (describe_tensorrt(trt), is_rtx(trt), has_precision_flags(trt)) == (
        described,
        rtx,
        flags,
    )


@pytest.mark.parametrize(
    ('flags', 'bit'),
    [
        pytest.param([], 0, id='8.x_has_none'),
        pytest.param([('STRONGLY_TYPED', 1)], 2, id='10'),
        pytest.param([('STRONGLY_TYPED', 0)], 1, id='11'),
    ],
)
def test_creation_flag(flags, bit):
    assert creation_flag(module(creation_flags=flags), 'STRONGLY_TYPED') == bit


class TestErrors:
    def test_none(self):
        with collect_errors() as errors:
            pass
        assert errors == []
        assert first_error(errors) == 'TensorRT did not say why'

    def test_errors_are_kept_and_the_rest_is_not(self):
        with collect_errors() as errors:
            for severity in range(5):
                take_log_message(severity, f'message {severity}')
        take_log_message(1, 'after it')
        assert errors == ['message 0', 'message 1']
        assert last_errors()[-3:] == ['message 0', 'message 1', 'after it']

    def test_the_first_counts_on_one_line(self):
        with collect_errors() as errors:
            take_log_message(1, 'Error Code 4:\n  no profile')
            take_log_message(1, 'cudaError 35')
        assert first_error(errors) == 'Error Code 4: no profile'

    def test_their_number_is_bounded_and_the_first_stays(self):
        with collect_errors() as errors:
            for index in range(1000):
                take_log_message(1, str(index))
        assert first_error(errors) == '0'
        assert len(errors) < 100
        assert last_errors()[-1] == '999'

    def test_nested_blocks(self):
        with collect_errors() as outer:
            with collect_errors() as inner:
                pass
            take_log_message(1, 'outer only')
        assert (outer, inner) == (['outer only'], [])

    def test_one_thread_at_a_time(self):
        entered = threading.Event()

        def other():
            with collect_errors() as errors:
                entered.set()
                take_log_message(1, 'of the other')
            assert errors == ['of the other']

        with collect_errors() as errors:
            thread = threading.Thread(target=other)
            thread.start()
            take_log_message(1, 'mine')
            assert not entered.is_set()
        thread.join()
        assert errors == ['mine']

    def test_levels(self, caplog):
        caplog.set_level(logging.DEBUG, logger='jetson_perception.tensorrt')
        for severity in (-1, 0, 1, 2, 3, 4, 7):
            take_log_message(severity, 'text %s')
        levels = [record.levelname for record in caplog.records]
        assert levels == ['ERROR'] * 3 + ['WARNING'] + ['DEBUG'] * 3
        assert {record.message for record in caplog.records} == {'text %s'}

    def test_what_is_raised_is_not_logged_as_an_error_too(self, caplog):
        caplog.set_level(logging.DEBUG, logger='jetson_perception.tensorrt')
        with collect_errors():
            take_log_message(1, 'raised')
        assert [record.levelname for record in caplog.records] == ['DEBUG']


@requires_tensorrt
class TestRealLogger:
    def test_there_is_one_and_it_gets_the_messages_of_tensorrt(self):
        trt = import_tensorrt()
        assert process_logger() is process_logger()
        with collect_errors() as errors:
            runtime = trt.Runtime(process_logger())
            assert runtime.deserialize_cuda_engine(b'not an engine' * 100) is None
        assert 'magicTag' in ' '.join(errors)

    def test_data_types(self):
        trt = import_tensorrt()
        assert to_numpy_dtype(trt.DataType.HALF) == np.float16
        known = {name for name in tensorrt_api._DTYPES if hasattr(trt.DataType, name)}
        assert known == set(tensorrt_api._DTYPES)


@pytest.mark.parametrize('name', ['BF16', 'FP8', 'FP4', 'INT4', 'E8M0'])
def test_a_type_that_numpy_lacks(name):
    with pytest.raises(ModelError, match=rf"'scores' is {name}.*float32 or float16"):
        to_numpy_dtype(types.SimpleNamespace(name=name), 'scores')


@pytest.fixture
def driver(monkeypatch):
    def use(stand_in):
        def load(name):
            assert name == 'libcuda.so.1'
            if isinstance(stand_in, OSError):
                raise stand_in
            return stand_in

        monkeypatch.setattr(tensorrt_api.ctypes, 'CDLL', load)

    return use


class TestCuda:
    @pytest.mark.parametrize(
        ('stand_in', 'problem'),
        [
            pytest.param(
                OSError('libcuda.so.1: cannot open'), 'there is no driver', id='no_driver'
            ),
            pytest.param(StandInDriver(init=100), 'error 100: .*sees no GPU', id='no_gpu'),
            pytest.param(StandInDriver(count=0), 'error 100: .*sees no GPU', id='gpu_hidden'),
            pytest.param(StandInDriver(init=803), '803: .*reboot', id='half_updated'),
            pytest.param(StandInDriver(init=34), '34: .*stub library', id='stub'),
            pytest.param(StandInDriver(count_code=4711), 'error 4711: see CUresult', id='other'),
        ],
    )
    def test_problems(self, driver, stand_in, problem):
        driver(stand_in)
        with pytest.raises(ModelError, match=rf'^CUDA cannot be used: .*{problem}'):
            find_gpu()

    def test_an_orin(self, driver):
        driver(StandInDriver())
        gpu = find_gpu()
        assert (gpu.name, gpu.compute_capability) == ('Orin', (8, 7))
        assert (gpu.memory_bytes, gpu.integrated) == (8_000_000_000, True)

    def test_another_index(self, driver):
        driver(StandInDriver())
        with pytest.raises(ModelError, match='no GPU 1; this machine has 1'):
            find_gpu(1)
