"""Results of several engines on one picture."""

import cv2
import numpy as np
import pytest

from jetson_perception.drawing import (
    Overlay,
    draw_classification,
    draw_detections,
    draw_frame_rate,
    draw_legend,
)
from jetson_perception.palette import palette
from jetson_perception.tasks.results import Classification, Detections, Segmentation

BOX = (100, 100, 300, 400)


def gray():
    return np.full((480, 640, 3), 100, np.uint8)


def found(*boxes, class_id=0, score=0.9):
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(n, 4),
        np.full(n, score, np.float32),
        np.full(n, class_id, np.int32),
    )


def drawn(name_engines=True, names=('person', 'dog'), **engines):
    canvas = gray()
    overlay = Overlay(name_engines=name_engines)
    for name, result in engines.items():
        overlay.engine = name
        draw_detections(canvas, result, names, overlay=overlay)
    overlay.draw(canvas)
    return canvas


def label_width(canvas):
    """Of the label above the box at (100, 100)."""
    return int((canvas[90] != 100).any(axis=1).sum())


def box_lines(canvas):
    """How many vertical lines the middle of the picture has."""
    row = (canvas[300] != 100).any(axis=1).astype(np.int8)
    return int((np.diff(row) == 1).sum())


@pytest.mark.parametrize(
    ('other', 'lines'),
    [
        pytest.param(found(BOX), 2, id='equal'),
        pytest.param(found((104, 98, 306, 405)), 2, id='nearly_equal'),
        pytest.param(found((140, 150, 360, 450)), 4, id='of_another_object'),
        pytest.param(found((104, 100, 308, 404), class_id=1), 4, id='of_another_class'),
        pytest.param(found(), 2, id='none'),
    ],
)
def test_boxes_that_two_engines_agree_on_are_drawn_once(other, lines):
    assert box_lines(drawn(det=found(BOX), pose=other)) == lines


@pytest.mark.parametrize(
    ('other_name', 'lines'),
    [
        pytest.param('𒀀', 2, id='equal'),
        pytest.param('𒀁', 4, id='another'),
        pytest.param('class_0', 4, id='called_as_the_first_is_drawn'),
    ],
)
def test_names_without_a_font_are_compared_by_their_letters(other_name, lines, monkeypatch):
    monkeypatch.setenv('PATH', '')  # without fontconfig, so without fonts that are installed
    canvas = gray()
    overlay = Overlay(name_engines=True)
    for overlay.engine, box, name in [('zh', BOX, '𒀀'), ('th', (110, 98, 311, 405), other_name)]:
        draw_detections(canvas, found(box), [name], overlay=overlay)
    overlay.draw(canvas)
    assert box_lines(canvas) == lines


def test_equal_boxes_of_one_engine_are_both_drawn():
    """It has a threshold of its own for that, which is to be seen."""
    assert box_lines(drawn(det=found(BOX, (106, 100, 310, 400)))) == 4


def test_a_box_has_one_twin_an_engine():
    twins = found((102, 100, 302, 400), (110, 100, 312, 400))
    assert box_lines(drawn(det=found(BOX), pose=twins)) == 4


def test_labels_name_engines_where_there_are_several():
    widths = [
        label_width(drawn(name_engines=False, det=found(BOX))),
        label_width(drawn(det=found(BOX))),
        label_width(drawn(det=found(BOX), pose=found(BOX))),
        label_width(drawn(det=found(BOX), pose=found(BOX), face=found(BOX))),
    ]
    assert widths == sorted(set(widths))


def test_one_engine_draws_as_without_an_overlay():
    canvas = gray()
    draw_detections(canvas, found(BOX, (50, 50, 90, 90)), ('person',))
    same = drawn(name_engines=False, names=('person',), det=found(BOX, (50, 50, 90, 90)))
    assert np.array_equal(canvas, same)


def panel_height(*results):
    canvas = gray()
    overlay = Overlay(name_engines=True)
    for name, draw, result in results:
        overlay.engine = name
        draw(canvas, result, overlay)
    overlay.draw(canvas)
    return cv2.boundingRect((canvas != 100).any(axis=2).astype(np.uint8))[3]


def test_panels_of_several_engines_are_stacked():
    scene = Classification(np.array([1], np.int32), np.array([0.8], np.float32))
    mask = np.ones((480, 640), np.uint8)
    area = Segmentation(mask, np.bincount(mask.ravel(), minlength=2))

    def classes(canvas, result, overlay):
        draw_classification(canvas, result, ('indoors', 'outdoors'), overlay)

    def legend(canvas, result, overlay):
        draw_legend(canvas, result, palette(2), ('background', 'floor'), overlay)

    one = panel_height(('scene', classes, scene))
    other = panel_height(('floor', legend, area))
    both = panel_height(('scene', classes, scene), ('floor', legend, area))
    assert one == other
    assert both > 1.5 * one


def test_labels_keep_off_the_frame_rate():
    box = found((4, 22, 200, 200))  # the label's usual place is the corner
    canvas, rate_alone = gray(), gray()
    overlay = Overlay()
    draw_detections(canvas, box, ('person',), overlay=overlay)
    overlay.add_frame_rate(29.97)
    overlay.draw(canvas)
    draw_frame_rate(rate_alone, 29.97)
    left, top, width, height = cv2.boundingRect((rate_alone != 100).any(axis=2).astype(np.uint8))
    corner = np.s_[top : top + min(height, 20), left : left + width]
    assert np.array_equal(canvas[corner], rate_alone[corner])


@pytest.mark.parametrize('size_wh', [(640, 480), (90, 40), (8, 8)], ids=str)
def test_each_engine_has_its_own_frame_rate(size_wh):
    """One number for all was the fastest one's, and so that of no picture."""
    canvases = []
    for rates in ({'det': 7.7}, {'det': 7.7, 'pose': 2.5}, {'det': 7.7, 'pose': 3.5}):
        canvas = np.full((size_wh[1], size_wh[0], 3), 100, np.uint8)
        overlay = Overlay(name_engines=True)
        for overlay.engine, hz in rates.items():
            overlay.add_frame_rate(hz)
        overlay.draw(canvas)
        canvases.append(canvas)
    one, two, other = canvases
    width = changed_width(one)
    assert 0 < width <= size_wh[0]
    if size_wh == (640, 480):
        assert 1.8 * width < changed_width(two) < 3 * width
        assert np.array_equal(one[:, : width - 12], two[:, : width - 12])
        assert not np.array_equal(two, other)


def changed_width(canvas):
    return int((canvas != 100).any(axis=(0, 2)).sum())


def test_an_engine_without_a_rate_is_not_named():
    canvas = gray()
    overlay = Overlay(name_engines=True)
    overlay.engine = 'det'
    overlay.add_frame_rate(0.0)
    overlay.draw(canvas)
    assert (canvas == 100).all()


def test_nothing_to_draw():
    canvas = gray()
    Overlay(name_engines=True).draw(canvas)
    assert (canvas == 100).all()
