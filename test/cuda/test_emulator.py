"""The emulator itself: right for sound kernels, and strict with broken ones."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from emulator.compiling import HERE, EmulationError
from emulator.emulate import ORDERS, Emulated, emulated

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which('g++') is None, reason='no g++ on this machine')

EXAMPLES = HERE / 'examples.cu'
EVERY_ORDER = pytest.mark.parametrize('order', ORDERS)


@pytest.fixture(scope='module')
def kernels() -> Emulated:
    return emulated(EXAMPLES)


@EVERY_ORDER
def test_each_thread_of_each_block_runs_once(kernels, order) -> None:
    out = np.full(2 * 3 * 4 * 5 * 2 * 3, -1, np.int32)
    kernels.launch('where', (2, 3, 4), (5, 2, 3), out, order=order)
    expected = 1000 * np.arange(24)[:, None] + np.arange(30)
    np.testing.assert_array_equal(out.reshape(24, 30), expected)


def test_arguments_of_every_type_arrive(kernels) -> None:
    out = np.zeros(1)
    scalars = (
        *(np.int8(-1), np.uint16(2), np.int32(-3), np.uint32(4), np.int64(5 << 40)),
        *(np.float32(0.5), np.float64(0.25), np.bool_(True)),
    )
    total = -1 + 2 - 3 + 4 + (5 << 40) + 0.75 + 1
    kernels.launch('take_all_types', (1,), (1,), *scalars, np.float32([7]), out)
    assert out[0] == pytest.approx(total + 7)
    kernels.launch('take_all_types', (1,), (1,), *scalars, None, out)
    assert out[0] == pytest.approx(total + 1000)


def test_a_structure_is_passed_by_value(kernels) -> None:
    limits = np.array((1, 2, 3), [('low', 'f4'), ('high', 'f4'), ('count', 'i4')])[()]
    out = np.zeros(1, np.float32)
    kernels.launch('take_structure', (1,), (1,), limits, out)
    assert out[0] == 7


@EVERY_ORDER
def test_shared_memory_and_barriers(kernels, order) -> None:
    ints, doubles = np.arange(64, dtype=np.int32), np.arange(64.0)
    kernels.launch('reverse_ints', (1,), (64,), ints, order=order)
    kernels.launch('reverse_doubles', (1,), (64,), doubles, order=order)
    np.testing.assert_array_equal(ints, range(63, -1, -1))
    np.testing.assert_array_equal(doubles, range(63, -1, -1))
    kernels.launch('reverse_dynamic', (1,), (64,), ints, order=order, shared_bytes=256)
    np.testing.assert_array_equal(ints, range(64))


def test_a_missing_barrier_shows_in_some_order(kernels) -> None:
    results = set()
    for order in ORDERS:
        values = np.arange(64, dtype=np.int32)
        kernels.launch('reverse_without_barrier', (1,), (64,), values, order=order)
        results.add(values.tobytes())
    assert len(results) == len(ORDERS)


def test_shared_memory_begins_as_garbage_in_each_block(kernels) -> None:
    out = np.zeros(3, np.int32)
    kernels.launch('count_without_clearing', (3,), (32,), out)
    np.testing.assert_array_equal(out.view(np.uint32), 0xA5A5A5A5 + 32)


@EVERY_ORDER
def test_the_last_block_sees_what_the_others_wrote(kernels, order) -> None:
    values, ended, out = (
        np.arange(50, dtype=np.int32),
        np.zeros(1, np.uint32),
        np.zeros(1, np.int32),
    )
    sums = np.full(50, -1000, np.int32)
    kernels.launch('sum_by_last_block', (50,), (32,), values, sums, ended, out, order=order)
    assert out[0] == values.sum()
    assert ended[0] == 0


@EVERY_ORDER
def test_warp_intrinsics(kernels, order) -> None:
    values = np.random.default_rng(0).integers(0, 100, 96).astype(np.float32)
    out = np.empty_like(values)
    kernels.launch('warp_sums', (1,), (96,), values, out, order=order)
    np.testing.assert_array_equal(out, values.reshape(3, 32).sum(axis=1).repeat(32))

    wide = np.arange(32, dtype=np.uint64) << np.uint64(33)
    result = np.zeros(32, np.uint64)
    kernels.launch('warp_functions', (1,), (32,), wide, result, order=order)
    expected = []
    for lane in range(32):
        value = (int(wide[31]) + 1) if lane & 1 else int(wide[lane - 2 * (lane % 8 >= 2)]) + 10
        same = sum(int(other) % 3 == int(wide[lane]) % 3 for other in wide)
        expected.append(value + 100 * same + 10000 * min(lane + 1, 31))
    assert result.tolist() == expected


def test_barriers_that_count_do_without_threads_that_ended(kernels) -> None:
    votes, out = np.zeros(50, np.int32), np.zeros(1, np.int32)
    votes[[3, 39, 45]] = 9
    kernels.launch('count_votes', (1,), (50,), votes, out)
    assert out[0] == 2 + 100
    votes[:] = 1
    kernels.launch('count_votes', (1,), (50,), votes, out)
    assert out[0] == 40 + 100 + 1000


def test_every_float16_survives(kernels) -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    wide, back = np.empty(1 << 16, np.float32), np.empty(1 << 16, np.float16)
    kernels.launch('halves', (256,), (256,), every, wide, back)
    np.testing.assert_array_equal(wide, every.astype(np.float32))
    np.testing.assert_array_equal(back, every)


def test_float32_rounds_to_float16_as_numpy_has_it(kernels) -> None:
    random = np.random.default_rng(1)
    values = np.concatenate([
        *(random.standard_normal(2000) * 10.0**power for power in range(-9, 6)),
        [0, -0.0, np.inf, -np.inf, np.nan, 65504, 65519.99, 65520, 65536, 2**-24, 2**-25],
        [2**-25 * 1.001, 2**-14, 2**-14 - 2**-25, 1 + 2**-11, 1 + 3 * 2**-11, 2047.5, 2049],
    ]).astype(np.float32)  # fmt: skip
    out = np.empty(len(values), np.float16)
    kernels.launch('narrow', (200,), (256,), values, out, np.int32(len(values)))
    with np.errstate(over='ignore'):
        expected = values.astype(np.float16)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(np.signbit(out), np.signbit(expected))


def test_products_and_sums_are_rounded_each(kernels) -> None:
    a, b, c = np.random.default_rng(2).standard_normal((3, 1024)).astype(np.float32)
    out = np.empty(1024, np.float32)
    kernels.launch('product_and_sum', (1,), (1024,), a, b, c, out)
    np.testing.assert_array_equal(out, a * b + c)


def test_conversions_saturate_as_on_a_gpu(kernels) -> None:
    values = np.float32([np.nan, np.inf, -np.inf, 3e9, -3e9, 2.9, -2.9, 0])
    out = np.empty(8, np.int32)
    kernels.launch('to_ints', (1,), (8,), values, out)
    assert out.tolist() == [0, 2**31 - 1, -(2**31), 2**31 - 1, -(2**31), 2, -2, 0]


@pytest.mark.parametrize('index', [16, 17, 5000, -2000])
def test_access_outside_a_buffer_is_an_error(kernels, index) -> None:
    values, out = np.zeros(16, np.int32), np.zeros(1, np.int32)
    with pytest.raises(EmulationError, match=r'memory fault .*thread 0,0,0 of block 0,0,0'):
        kernels.launch('write_at', (1,), (1,), values, np.int32(index))
    with pytest.raises(EmulationError, match='memory fault'):
        kernels.launch('read_at', (1,), (1,), values, np.int32(index), out)
    kernels.launch('write_at', (1,), (1,), values, np.int32(15))
    assert values[15] == 1


@pytest.mark.parametrize(
    ('count', 'index', 'problem'),
    [
        pytest.param(16, -1, '1 bytes before a buffer of 64', id='just_before'),
        pytest.param(16, -1000, '3997 bytes before', id='in_the_same_page'),
        pytest.param(15, 15, '0 bytes behind the end of a buffer of 60', id='just_behind'),
    ],
)
def test_writes_next_to_a_buffer_are_found_afterwards(kernels, count, index, problem) -> None:
    with pytest.raises(EmulationError, match=problem):
        kernels.launch('write_at', (1,), (1,), np.zeros(count, np.int32), np.int32(index))


@pytest.mark.parametrize(
    ('kernel', 'threads', 'arguments', 'problem'),
    [
        pytest.param('shared_at', 1, (np.int32(8),), 'undefined behaviour', id='shared_index'),
        pytest.param('divide', 1, (np.int32(1), np.int32(0)), 'zero|undefined', id='division'),
        pytest.param('half_a_barrier', 64, (), 'deadlock: .* __ballot_sync', id='half_a_barrier'),
        pytest.param('lane_that_ended', 32, (), 'ended|deadlock', id='lane_that_ended'),
        pytest.param('masks_that_disagree', 32, (), 'lacks|meets', id='masks'),
        pytest.param('lane_that_ended', 8, (), 'lanes beyond', id='part_of_a_warp'),
    ],
)
@EVERY_ORDER
def test_broken_kernels_are_errors(kernels, kernel, threads, arguments, problem, order) -> None:
    with pytest.raises(EmulationError, match=problem):
        kernels.launch(kernel, (1,), (threads,), *arguments, np.zeros(1, np.int32), order=order)


@pytest.mark.parametrize(
    ('kernel', 'grid', 'block', 'arguments', 'problem'),
    [
        pytest.param('nothing', (1,), (1,), (), 'no kernel', id='name'),
        pytest.param('write_at', (0,), (1,), (None, np.int32(0)), 'grid', id='empty_grid'),
        pytest.param('write_at', (1,), (1025,), (None, np.int32(0)), 'block', id='large_block'),
        pytest.param('write_at', (1,), (32, 33), (None, np.int32(0)), 'block', id='large_product'),
        pytest.param('write_at', (1,), (1,), (None,), '2 arguments, not 1', id='too_few'),
        pytest.param('write_at', (1,), (1,), (None, 3), 'NumPy scalar', id='python_int'),
        pytest.param('write_at', (1,), (1,), (None, np.int64(3)), 'int64', id='too_wide'),
        pytest.param('write_at', (1,), (1,), (None, np.uint32(3)), 'uint32', id='unsigned'),
        pytest.param('write_at', (1,), (1,), (3.5, np.int32(3)), 'an array', id='no_pointer'),
        pytest.param(
            'write_at', (1,), (1,), (np.zeros((4, 4))[:, 1], np.int32(3)), 'C order', id='strided'
        ),
    ],
)
def test_wrong_launches_are_errors(kernels, kernel, grid, block, arguments, problem) -> None:
    with pytest.raises(EmulationError, match=problem):
        kernels.launch(kernel, grid, block, *arguments)


def test_arrays_may_be_the_same_but_not_overlap(kernels) -> None:
    values = np.arange(4, dtype=np.int32)
    kernels.launch('read_at', (1,), (1,), values, np.int32(3), values)
    assert values[0] == 3
    with pytest.raises(EmulationError, match='overlaps'):
        kernels.launch('read_at', (1,), (1,), values[:3], np.int32(2), values[1:])


def test_a_read_only_array_is_not_written(kernels) -> None:
    values = np.arange(4, dtype=np.int32)
    values.setflags(write=False)
    out = np.zeros(1, np.int32)
    kernels.launch('read_at', (1,), (1,), values, np.int32(3), out)
    with pytest.raises(EmulationError, match='read-only'):
        kernels.launch('write_at', (1,), (1,), values, np.int32(0))


def test_a_buffer_is_memory_with_an_address_and_guarded_ends(kernels) -> None:
    buffer = kernels.buffer((4,), np.int32)
    kernels.launch('write_at', (1,), (1,), buffer.ctypes.data, np.int32(2))
    assert buffer[2] == 1
    kernels.launch('write_at', (1,), (1,), buffer.ctypes.data + 4, np.int32(2))
    assert buffer[3] == 1
    with pytest.raises(EmulationError, match=r'memory fault 0 bytes behind .* buffer of 16'):
        kernels.launch('write_at', (1,), (1,), buffer.ctypes.data, np.int32(4))


def test_a_source_that_does_not_compile_shows_the_compilers_words(tmp_path: Path) -> None:
    source = tmp_path / 'broken.cu'
    source.write_text('extern "C" __global__ void broken() { undeclared = 1; }')
    with pytest.raises(EmulationError, match='undeclared'):
        Emulated(source)


def test_names_can_be_defined(tmp_path: Path) -> None:
    source = tmp_path / 'defined.cu'
    source.write_text('extern "C" __global__ void defined(int* out) { out[0] = VALUE; }')
    out = np.zeros(1, np.int32)
    Emulated(source, ('VALUE=42',)).launch('defined', (1,), (1,), out)
    assert out[0] == 42


def test_threads_of_python_may_launch_at_once(kernels) -> None:
    results = []

    def launch_often() -> None:
        for _ in range(20):
            values = np.arange(64, dtype=np.int32)
            kernels.launch('reverse_ints', (1,), (64,), values)
            results.append(values.tolist() == list(range(63, -1, -1)))

    threads = [threading.Thread(target=launch_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 80
