"""IDF1 of cases that can be counted by hand."""

import numpy as np
import pytest

from jetson_perception.evaluation.identities import IdentityScore

BOXES = np.array([[0, 0, 10, 10], [50, 0, 60, 10]], np.float32)


def score_of(frames):
    score = IdentityScore()
    for found in frames:
        ids = np.array(list(found.values()), np.int64)
        xyxy = BOXES[list(found)] if found else BOXES[:0]
        score.add(np.array([4, 9]), BOXES, ids, xyxy)
    return score.idf1


@pytest.mark.parametrize(
    ('frames', 'idf1'),
    [
        pytest.param([], 1.0, id='no_frames'),
        pytest.param([{}, {}], 0.0, id='nothing_found'),
        pytest.param([{0: 1, 1: 2}] * 4, 1.0, id='all_right'),
        pytest.param([{0: 1}] * 4, 2 * 4 / (8 + 4), id='one_never_found'),
        pytest.param([{0: 1, 1: 2}] * 3 + [{0: 2, 1: 1}], 2 * 6 / 16, id='swapped_late'),
        pytest.param([{0: 1, 1: 2}] * 3 + [{0: 3, 1: 2}], 2 * 7 / 16, id='a_new_id'),
        pytest.param([{0: 1, 1: 1}] * 4, 2 * 4 / 16, id='one_id_for_both'),
        pytest.param([{0: -1, 1: -1}] * 4, 0.0, id='no_ids'),
    ],
)
def test_idf1(frames, idf1):
    assert score_of(frames) == pytest.approx(idf1)


def test_a_box_elsewhere_is_of_nobody():
    score = IdentityScore()
    score.add(np.array([0]), BOXES[:1], np.array([0]), BOXES[:1] + 6)
    assert score.idf1 == 0
