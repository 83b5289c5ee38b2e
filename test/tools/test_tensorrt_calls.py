"""Holding our calls against the signatures that a library documents."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'tools'))

from check_tensorrt import USED
from tensorrt_calls import Call, calls_of, signatures

ONE = (
    'get(self: a.b.C, name: str, index: typing.SupportsInt = 0) -> list[a.b.D]\n\n\n    Text (x).'
)
OVERLOADED = """get(*args, **kwargs)
Overloaded function.

1. get(self: a.C, data: typing.Annotated[a.B, "x, y"]) -> a.D

    Text.

2. get(self: a.C, reader: a.Reader, size: int, other: tuple[int, ...] = (1, 2)) -> a.D
"""


def call(count, *names):
    return Call('get', 'a.py:1', count, frozenset(names))


@pytest.mark.parametrize(
    ('text', 'names'),
    [
        pytest.param('', [], id='nothing'),
        pytest.param('Some words (self: as one says) about it.', [], id='prose'),
        pytest.param(ONE, [('name', 'index')], id='one'),
        pytest.param(OVERLOADED, [('data',), ('reader', 'size', 'other')], id='overloaded'),
        pytest.param('go(self: a.C) -> None', [()], id='no_arguments'),
    ],
)
def test_signatures(text, names):
    assert [each.names for each in signatures(text)] == names


@pytest.mark.parametrize(
    ('made', 'fits'),
    [
        pytest.param(call(0), False, id='too_few'),
        pytest.param(call(1), True, id='the_least'),
        pytest.param(call(2), True, id='all'),
        pytest.param(call(3), False, id='too_many'),
        pytest.param(call(1, 'index'), True, id='by_name'),
        pytest.param(call(0, 'name'), True, id='all_by_name'),
        pytest.param(call(1, 'name'), False, id='one_twice'),
        pytest.param(call(1, 'other'), False, id='an_unknown_name'),
    ],
)
def test_a_call_fits(made, fits):
    (taken,) = signatures(ONE)
    assert taken.fits(made) == fits


def test_our_calls_are_found():
    names = {each.name for each in calls_of(USED)}
    assert {'Runtime', 'deserialize_cuda_engine', 'set_input_shape', 'execute_async_v3'} <= names
    assert not names & {'FLOAT', 'num_io_tensors'}, 'these are no methods'
