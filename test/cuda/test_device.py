import re
import sys
import threading

import pytest
import standin_pycuda
from pipeline.waiting import DEADLINE_S
from standin_driver import StandInDriver

from jetson_perception.cuda import CudaDevice, CudaError, cuda_problem, presence
from jetson_perception.cuda.device import translated
from jetson_perception.engines.tensorrt.availability import tensorrt_problem


def install_driver(monkeypatch, driver):
    """Have the driver's library be a stand-in; None for none."""
    if driver is not None:
        driver.install(monkeypatch, presence)
        return

    def load(name):
        raise OSError(f'{name}: cannot open shared object file')

    monkeypatch.setattr(presence.ctypes, 'CDLL', load)


class TestNoGpu:
    @pytest.mark.parametrize(
        ('driver', 'reason'),
        [
            pytest.param(None, 'there is no NVIDIA GPU here', id='no_driver'),
            pytest.param(StandInDriver(init=100), 'driver shows no GPU', id='not_in_container'),
            pytest.param(StandInDriver(init=999), r'\(CUDA error 999\)', id='does_not_start'),
            pytest.param(StandInDriver(count=0), 'driver shows no GPU; ', id='hidden'),
            pytest.param(StandInDriver(count_code=3), r'\(CUDA error 3\)', id='not_counted'),
        ],
    )
    @pytest.mark.parametrize('module', ['pycuda', 'pycuda.driver'], ids=['missing', 'broken'])
    def test_that_is_the_reason_whatever_there_is_of_pycuda(
        self, monkeypatch, driver, reason, module
    ):
        standin_pycuda.install(monkeypatch)
        monkeypatch.setitem(sys.modules, module, None)
        install_driver(monkeypatch, driver)
        with pytest.raises(CudaError, match=reason):
            CudaDevice.get()
        for problem in (cuda_problem(), tensorrt_problem()):
            assert re.search(reason, problem)
            assert 'pycuda' not in problem

    def test_no_pycuda(self, monkeypatch):
        install_driver(monkeypatch, StandInDriver())
        monkeypatch.setitem(sys.modules, 'pycuda', None)
        assert 'pip install pycuda' in cuda_problem()
        with pytest.raises(CudaError, match=r'pycuda cannot be imported .*pip install pycuda'):
            CudaDevice.get()

    @pytest.mark.parametrize(
        ('text', 'advice'),
        [
            ('_driver.so: undefined symbol: cuCtxCreate_v4', 'update the driver, or build pycuda'),
            ('libcurand.so.10: cannot open shared object file', 'pip install pycuda'),
        ],
    )
    @pytest.mark.filterwarnings('error')
    def test_pycuda_that_cannot_be_loaded(self, monkeypatch, tmp_path, text, advice):
        install_driver(monkeypatch, StandInDriver())
        package = tmp_path / 'pycuda'
        package.mkdir()
        (package / '__init__.py').touch()
        (package / 'driver.py').write_text(
            f'import warnings\nwarnings.warn("of no use")\nraise ImportError({text!r})'
        )
        monkeypatch.syspath_prepend(tmp_path)
        for name in ('pycuda', 'pycuda.driver'):
            monkeypatch.delitem(sys.modules, name, raising=False)
        assert text in cuda_problem()
        assert advice in cuda_problem()
        sys.modules.pop('pycuda')

    def test_driver_that_does_not_start(self, monkeypatch):
        standin = standin_pycuda.install(monkeypatch)

        def init(flags=0):
            raise standin.driver.LogicError(
                'cuInit failed: CUDA driver version is insufficient for CUDA runtime version'
            )

        standin.driver.init = init
        assert 'update the driver' in cuda_problem()

    @pytest.mark.parametrize(
        ('count', 'index', 'there'), [(0, 0, 'none'), (1, 1, '0'), (2, 2, '0 to 1'), (1, -1, '0')]
    )
    def test_no_such_device(self, monkeypatch, count, index, there):
        standin_pycuda.install(monkeypatch, devices=count)
        assert cuda_problem(index).endswith(f'shows: {there}')
        with pytest.raises(CudaError, match=rf'there is no GPU {index}; .*: {there}$'):
            CudaDevice.get(index)


@pytest.mark.usefixtures('standin')
def test_no_problem():
    assert cuda_problem() == ''


class TestDevice:
    def test_says_what_it_is(self, device):
        assert device.index == 0
        assert device.compute_capability == (8, 7)
        assert device.integrated is False
        assert device.memory_info() == (8 << 30, 8 << 30)
        assert 'stand-in' in repr(device)

    def test_there_is_only_one_object(self, device):
        again = CudaDevice.get(0)
        assert again is device
        again.close()

    def test_closed_more_often_than_opened(self, standin):
        device = CudaDevice.get(0)
        device.close()
        with pytest.raises(CudaError, match='more often than it was opened'):
            device.close()

    def test_the_collector_may_close_one_while_another_is_got(self, standin):
        """It runs wherever something is allocated, so also under the lock."""
        device = CudaDevice.get(0)

        def close_under_lock():
            with CudaDevice._lock:
                device.close()

        thread = threading.Thread(target=close_under_lock, daemon=True)
        thread.start()
        thread.join(DEADLINE_S)
        assert not thread.is_alive()

    def test_many_threads_get_one_device(self, standin):
        devices = []
        start = threading.Barrier(8)

        def get():
            start.wait()
            devices.append(CudaDevice.get(0))

        threads = [threading.Thread(target=get) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(map(id, devices))) == 1
        for device in devices:
            device.close()

    def test_context_is_current_only_where_it_was_pushed(self, standin, device):
        with pytest.raises(standin.driver.LogicError, match='no currently active context'):
            standin.driver.mem_get_info()
        with device.pushed(), device.pushed():
            standin.driver.mem_get_info()
            assert len(standin.stack()) == 1  # pushing again would only cost time
        assert standin.stack() == []

    def test_context_is_popped_after_an_error(self, standin, device):
        with pytest.raises(ZeroDivisionError), device.pushed():
            raise ZeroDivisionError
        assert standin.stack() == []

    def test_two_devices_in_each_other(self, monkeypatch):
        standin = standin_pycuda.install(monkeypatch, devices=2)
        first, second = CudaDevice.get(0), CudaDevice.get(1)
        with first.pushed(), second.pushed(), first.pushed():
            assert [context.index for context in standin.stack()] == [0, 1, 0]
        assert standin.stack() == []


class TestEndOfTheProcess:
    def test_context_is_released(self, standin):
        device = CudaDevice.get(0)
        device.close()
        context = device._context
        assert context.valid
        (at_exit,) = standin.at_exit
        at_exit()
        assert not context.valid
        assert standin.stack() == []

    def test_context_in_use_is_left_alone(self, standin, device):
        with device.pushed():
            stream = device.new_stream()
        (at_exit,) = standin.at_exit
        at_exit()
        assert device._context.valid
        stream.close()


class TestStreamsAndEvents:
    def test_an_event_waits_for_earlier_work(self, standin, device):
        stream, event = device.new_stream(), device.new_event()
        with device.pushed():
            assert event.query()  # never recorded
            event.record(stream)
            event.synchronize()
            assert event.query()
            assert stream.is_done()
        event.close()
        stream.close()

    def test_elapsed_time(self, device):
        stream = device.new_stream()
        start, end, plain = device.new_event(timing=True), device.new_event(timing=True), None
        plain = device.new_event()
        with device.pushed():
            for event in (start, plain, end):
                event.record(stream)
            end.synchronize()
            assert end.elapsed_ms(start) > 0
            with pytest.raises(CudaError, match='reading the time between two events failed'):
                plain.elapsed_ms(start)
        for each in (start, end, plain, stream):
            each.close()

    def test_one_stream_waits_for_another(self, standin, device):
        first, second, event = device.new_stream(), device.new_stream(), device.new_event()
        with device.pushed():
            event.record(first)
            second.wait_for_event(event)
            second.synchronize()
            assert first.is_done()
        for each in (event, first, second):
            each.close()

    def test_closing_from_any_thread_twice(self, standin, device):
        things = [device.new_stream(), device.new_event()]

        def close():
            for thing in things:
                thing.close()
                thing.close()

        thread = threading.Thread(target=close)
        thread.start()
        thread.join()
        assert standin.faults == []

    def test_closed_stream_is_not_the_default_one(self, device):
        stream, event = device.new_stream(), device.new_event()
        stream.close()
        with device.pushed(), pytest.raises(TypeError):
            event.record(stream)
        event.close()

    def test_device_synchronize_waits_for_every_stream(self, device):
        streams = [device.new_stream() for _ in range(2)]
        event = device.new_event()
        with device.pushed():
            for stream in streams:
                event.record(stream)
        device.synchronize()
        with device.pushed():
            assert all(stream.is_done() for stream in streams)
        for each in (event, *streams):
            each.close()


class TestErrors:
    @pytest.mark.parametrize(
        ('text', 'fatal', 'advice'),
        [
            ('cuMemAlloc failed: out of memory', False, 'the GPU is full'),
            (
                'cuEventSynchronize failed: an illegal memory access was encountered',
                True,
                'restarted',
            ),
            ('cuStreamSynchronize failed: unspecified launch failure', True, 'restarted'),
            ('cuLaunchKernel failed: invalid argument', False, 'invalid argument'),
            ('cuInit failed: no CUDA-capable device is detected', False, 'CUDA_VISIBLE_DEVICES'),
        ],
    )
    def test_says_what_to_do_and_whether_it_is_fatal(self, text, fatal, advice):
        error = translated(RuntimeError(text), 'working')
        assert error.fatal is fatal
        assert str(error).startswith(f'working failed: {text}')
        assert advice in str(error)

    @pytest.mark.parametrize('name', ['event', 'stream', 'record', 'device'])
    def test_failure_on_the_gpu_is_fatal_wherever_it_shows(self, standin, device, name):
        stream, event = device.new_stream(), device.new_event()
        calls = {
            'event': event.synchronize,
            'stream': stream.synchronize,
            'record': lambda: event.record(stream),
            'device': device.synchronize,
        }
        standin.failure = ZeroDivisionError()
        with device.pushed():
            # No traceback may outlive this: it holds what belongs to the stand-in.
            assert is_fatal(calls[name])
            assert is_fatal(stream.close)  # and it closes all the same
            event.close()


def is_fatal(call):
    try:
        call()
    except CudaError as err:
        return err.fatal
    return None
