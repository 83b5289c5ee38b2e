"""Places of labels."""

import pytest

from jetson_perception.drawing.placing import Places

HEIGHT = 20


def places():
    return Places((320, 240), HEIGHT)


@pytest.mark.parametrize(
    ('box', 'expected'),
    [
        pytest.param((40, 60, 200, 180), (40, 40), id='above'),
        pytest.param((40, 20, 200, 180), (40, 0), id='just_above'),
        pytest.param((40, 10, 200, 180), (40, 10), id='inside_its_upper_edge'),
        pytest.param((40, -30, 200, 180), (40, 181), id='below'),
        pytest.param((40, -30, 200, 235), (40, 215), id='inside_its_lower_edge'),
        pytest.param((40, -30, 200, 300), (40, 0), id='around_the_image'),
        pytest.param((300, 60, 319, 180), (220, 40), id='at_the_right'),
        pytest.param((-50, 60, 100, 180), (0, 40), id='at_the_left'),
        pytest.param((40, 500, 200, 600), (40, 220), id='outside'),
    ],
)
def test_one_label(box, expected):
    assert places().place(box, 100) == expected


def test_labels_of_one_box_go_around_it():
    many = places()
    taken = [many.place((40, 60, 200, 180), 100) for _ in range(9)]
    around = [(40, 40), (40, 60), (40, 181), (40, 160), (40, 20), (40, 0)]
    assert taken == [*around, (40, 80), (40, 100), (40, 40)]


def test_labels_at_the_upper_edge_of_the_image_go_below_each_other():
    many = places()
    taken = [many.place((40, -5, 200, 300), 100) for _ in range(3)]
    assert taken == [(40, 0), (40, 20), (40, 40)]


def test_a_part_that_is_taken_is_kept_clear():
    some = places()
    some.take(0, 0, 100, 50)
    assert some.place((40, 60, 200, 180), 100) == (40, 60)
    assert some.place((100, 60, 200, 90), 100) == (100, 40)
    assert some.place((200, 60, 300, 180), 100) == (200, 40)


def test_a_label_wider_than_the_image():
    assert places().place((40, 60, 200, 180), 1000) == (0, 40)
