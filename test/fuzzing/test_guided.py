"""The inputs that a coverage-guided search chose, and how bytes stand for inputs.

`tools/fuzz_guided.py` looks for others.
"""

from __future__ import annotations

import logging
from random import Random

import pytest
from fuzzing import guided
from fuzzing.guard import check, no_hang
from fuzzing.guided import ChosenNumbers, chosen_input, first_inputs, read_corpus, write_corpus
from fuzzing.targets import TARGETS, Target

EACH_TARGET = pytest.mark.parametrize(
    'target', [pytest.param(each, id=each.name) for each in TARGETS]
)


@pytest.fixture(autouse=True)
def quiet(caplog):
    """What parsers leave out with a warning is no finding."""
    with caplog.at_level(logging.CRITICAL, 'jetson_perception'):
        yield


@EACH_TARGET
def test_inputs_of_the_corpus(target):
    inputs = read_corpus(target)
    assert inputs, 'no corpus: `python tools/fuzz_guided.py --save`'
    assert sum(map(len, inputs)) <= guided.MOST_CORPUS_BYTES
    for data in inputs:
        with no_hang():
            check(target.call, chosen_input(target, data))


def test_every_corpus_belongs_to_a_target():
    names = {target.name.replace(' ', '_') for target in TARGETS}
    assert {path.stem for path in guided.CORPORA.iterdir()} <= names


@EACH_TARGET
@pytest.mark.parametrize('data', [b'', b'\x01', b'\0' * 50, b'\xff' * 4096], ids=len)
def test_any_bytes_give_an_input(target, data):
    with no_hang():
        assert chosen_input(target, data) == chosen_input(target, data)


@EACH_TARGET
def test_the_search_begins_with_inputs_of_the_generator(target):
    inputs = first_inputs(target, 5)
    assert len(inputs) >= 5
    assert inputs == first_inputs(target, 5)
    for data in inputs:
        chosen_input(target, data)


def test_numbers_come_from_the_bytes():
    numbers = ChosenNumbers(b'\x05\xff\x02\x80\xff\xff')
    assert numbers.randrange(8) == 5
    assert numbers.getrandbits(12) == 0x2FF
    assert numbers.random() == 0xFF80 / 65536
    assert numbers.randbytes(2) == b'\xff\0'


def test_numbers_are_zeros_after_the_bytes():
    numbers = ChosenNumbers(b'')
    assert [numbers.randrange(3), numbers.random(), numbers.choice('xyz')] == [0, 0.0, 'x']
    assert sorted(numbers.sample(range(4), 4)) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ('example', 'data', 'expected'),
    [(b'', b'\x01a\xff', b'a\xff'), ('', b'\x01a\xff', 'a\udcff'), (b'', b'\0a', b'made')],
)
def test_bytes_and_text_stand_for_themselves(example, data, expected):
    made = b'made' if isinstance(example, bytes) else 'made'
    assert chosen_input(Target('x', lambda _: made, repr), data) == expected


def test_what_is_neither_bytes_nor_text_is_made():
    target = Target('x', lambda rng: [rng.randrange(256)], repr)
    assert chosen_input(target, b'\x01\x07') == [7]


def test_the_shortest_inputs_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(guided, 'CORPORA', tmp_path / 'corpora')
    target = Target('a b', lambda _: b'', repr)
    assert read_corpus(target) == []
    random = Random(1)
    inputs = [random.randbytes(size) for size in range(400)]
    write_corpus(target, [*reversed(inputs), inputs[7]])
    kept = read_corpus(target)
    assert kept == inputs[: len(kept)]
    assert guided.MOST_CORPUS_BYTES - 400 < sum(map(len, kept)) <= guided.MOST_CORPUS_BYTES
