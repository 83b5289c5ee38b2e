import pytest

from jetson_perception.benchmark.machine import load, load_note
from jetson_perception.engines.onnxruntime.cpu import available_cores


@pytest.mark.parametrize(
    ('share', 'is_told'),
    [
        pytest.param(0.0, False, id='idle'),
        pytest.param(0.5, False, id='half_of_the_cores'),
        pytest.param(0.6, True, id='more'),
    ],
)
def test_a_busy_machine_is_told(share, is_told):
    note = load_note(share * available_cores(), 'anything was sent')
    assert bool(note) == is_told
    assert not note or note.endswith(' before anything was sent')


def test_load():
    assert load() >= 0
