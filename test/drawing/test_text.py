"""Text as pixels."""

import re
import tracemalloc

import numpy as np
import pytest

from jetson_perception.drawing.fonts import font_for
from jetson_perception.drawing.text import (
    drawn_name,
    on_ground,
    put_light,
    put_line,
    rendered,
    text_height,
)


@pytest.mark.parametrize('px', [10, 17, 36])
@pytest.mark.parametrize(
    'text', ['a', 'traffic light', 'Ångström', 'қоян', 'γάτα', 'قطة', 'ỚỘ', 'gjpqy', '|']
)
def test_every_text_of_a_size_is_as_high_and_has_its_own_pixels(text, px):
    ink = rendered(text, px)
    assert ink.shape[0] == text_height(px)
    assert ink.max() > 150
    question_marks = rendered('?' * len(text), px)
    assert ink.shape != question_marks.shape or (ink != question_marks).any()


def test_spaces_take_room():
    assert rendered('   ', 20).shape[1] > rendered(' ', 20).shape[1] > 2
    assert not rendered('   ', 20).any()


@pytest.mark.parametrize('text', ['36.2%', 'orange 36.2%', '0.87 #12', '30.0 FPS', 'é 7'])
def test_a_number_takes_the_same_room_whatever_its_digits(text):
    ones = re.sub('[0-9]', '1', text)
    assert rendered(text, 17).shape == rendered(ones, 17).shape
    assert (rendered(text, 17) != rendered(ones, 17)).any()
    label, of_ones = (on_ground(each, 17, (0, 0, 0), left=3, right=5) for each in (text, ones))
    assert label.shape == of_ones.shape == (text_height(17), 8 + rendered(text, 17).shape[1], 3)
    assert not label[:, :3].any()
    assert not label[:, -5:].any()


def test_a_number_beside_letters_from_the_right_is_laid_out_with_them():
    joined = np.concatenate([rendered(piece, 20) for piece in ('قطة ', '1', '2')], axis=1)
    whole = rendered('قطة 12', 20)
    assert whole.shape != joined.shape or (whole != joined).any()


def test_kept_pixels_are_read_only():
    for pixels in (rendered('cat', 20), on_ground('cat', 20, (0, 0, 255))):
        with pytest.raises(ValueError, match='read-only'):
            pixels[0, 0] = 1


def test_long_labels_of_large_pictures_are_not_all_kept():
    tracemalloc.start()
    for number in range(150):
        on_ground(f'{number}' + 'W' * 60, 60, (0, 0, 255))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 40 << 20


@pytest.mark.parametrize(
    ('ground', 'ink'),
    [
        pytest.param((0, 0, 0), 255, id='black'),
        pytest.param((255, 255, 255), 0, id='white'),
        pytest.param((0, 0, 255), 255, id='red'),
        pytest.param((0, 255, 255), 0, id='yellow'),
        pytest.param((255, 0, 0), 255, id='blue'),
    ],
)
def test_text_contrasts_with_its_background(ground, ink):
    pixels = on_ground('|||', 36, ground, left=5, right=7)
    assert (pixels[:, :5] == ground).all()
    assert (pixels[:, -7:] == ground).all()
    assert (pixels == ink).all(axis=2).any()


@pytest.mark.parametrize('at', [(0, 0), (95, 5), (5, 95), (99, 99), (100, 100)], ids=str)
def test_text_outside_the_image_is_clipped(at):
    whole = np.full((140, 140, 3), 100, np.uint8)
    canvas = whole[20:120, 20:120]
    put_light(canvas, at, 'wide', 20)
    put_line(canvas, at, [on_ground('a', 20, (0, 0, 255)), on_ground('b', 20, (0, 0, 255))])
    canvas[:] = 100
    assert (whole == 100).all()


@pytest.mark.parametrize(
    ('names', 'class_id', 'expected'),
    [
        pytest.param(('cat',), 0, 'cat', id='named'),
        pytest.param((), 0, 'class_0', id='unnamed'),
        pytest.param(('cat',), 7, 'class_7', id='beyond_the_names'),
        pytest.param(('cat',), -1, 'class_-1', id='negative'),
        pytest.param(('кошка',), 0, 'кошка', id='another_script'),
        pytest.param(('dog', '𒀀'), 1, 'class_1', id='letters_that_no_font_has'),
        pytest.param(('a\nb\x1b',), 0, 'a\\nb\\x1b', id='control_characters'),
        pytest.param(('half \ud83d',), 0, 'half \\ud83d', id='half_of_a_pair'),
        pytest.param(('x' * 99,), 0, 'x' * 59 + '…', id='long'),
    ],
)
def test_name_of_a_class(names, class_id, expected, monkeypatch):
    monkeypatch.setenv('PATH', '')  # without fontconfig, so without fonts that are installed
    font_for.cache_clear()
    assert drawn_name(names, class_id) == expected


@pytest.mark.parametrize('name', [' ', '\u200d', '\u200c \u200d'], ids=ascii)
def test_an_invisible_name_is_drawn_as_its_id(name):
    assert drawn_name([name], 0) == 'class_0'
