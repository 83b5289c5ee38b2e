"""What the check on aarch64 calls a difference; the check itself takes a root and an emulator."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools'))

from aarch64_checks import parity  # noqa: E402


def line(source, **rest):
    return json.dumps({'source': source, 'frame': 0, **rest})


BOX = {'class_id': 1, 'class_name': 'cup', 'score': 0.9, 'xyxy': [1.0, 2.0, 30.0, 40.0]}


def test_equal_records_of_other_folders_do_not_differ():
    one = [line('/here/a.png', detections=[BOX]), line('/here/b.png', detections=[])]
    other = [line('/there/b.png', detections=[]), line('/there/a.png', detections=[BOX])]
    found = parity.compare_records(one, other)
    assert found.records == 2
    assert found.other == []
    assert set(found.largest.values()) == {0}


def test_numbers_differ_by_degree_and_by_key():
    moved = {**BOX, 'score': 0.875, 'xyxy': [1.0, 2.5, 30.0, 39.0]}
    found = parity.compare_records(
        [line('a.png', detections=[BOX])], [line('a.png', detections=[moved])]
    )
    assert found.other == []
    assert found.largest == {'score': pytest.approx(0.025), 'xyxy': 1.0}


@pytest.mark.parametrize(
    'other',
    [
        pytest.param([{**BOX, 'class_id': 2}], id='class'),
        pytest.param([{**BOX, 'class_name': 'pot'}], id='name'),
        pytest.param([], id='one_less'),
        pytest.param([BOX, BOX], id='one_more'),
        pytest.param([{**BOX, 'track_id': 3}], id='key'),
        pytest.param([{**BOX, 'score': None}], id='no_number'),
    ],
)
def test_what_is_no_matter_of_degree_is_told(other):
    found = parity.compare_records(
        [line('a.png', detections=[BOX])], [line('a.png', detections=other)]
    )
    assert len(found.other) == 1
    assert found.other[0].startswith('a.png.detections')


def test_an_object_about_the_threshold_may_be_missing():
    faint = {**BOX, 'score': 0.26}
    one, other = [line('a.png', detections=[BOX, faint])], [line('a.png', detections=[BOX])]
    for found in (parity.compare_records(one, other), parity.compare_records(other, one)):
        assert found.other == []
        assert found.largest['score'] == 0


def test_a_missing_picture_is_told():
    found = parity.compare_records([line('a.png'), line('b.png')], [line('a.png')])
    assert found.records == 1
    assert 'b.png' in found.other[0]


def test_the_farthest_value_is_found_in_arrays_of_its_kind():
    one = {'m/a/output0': np.float32([1, -4]), 'm/a/tensor': np.float32([9])}
    other = {'m/a/output0': np.float32([1.5, -4]), 'm/a/tensor': np.float32([0])}
    assert parity.farthest(one, other, 'output') == (0.5, 0.125)
    assert parity.farthest(one, other, 'tensor') == (9.0, 1.0)


@pytest.mark.parametrize(
    'other',
    [
        pytest.param({}, id='missing'),
        pytest.param({'m/a/output0': np.float32([[1, 2]])}, id='shape'),
        pytest.param({'m/a/output0': np.float32([1, np.nan])}, id='nan'),
        pytest.param({'m/a/output0': np.float32([1, 2]), 'm/b/output0': np.zeros(1)}, id='more'),
    ],
)
def test_what_cannot_be_compared_is_infinitely_far(other):
    one = {'m/a/output0': np.float32([1, 2])}
    assert parity.farthest(one, other, 'output') == (np.inf, np.inf)


def test_nothing_to_compare_is_no_agreement():
    assert parity.farthest({}, {}, 'output') == (np.inf, np.inf)


def test_masks_are_compared_pixel_by_pixel(tmp_path):
    here, there = tmp_path / 'here', tmp_path / 'there'
    for folder, value in ((here, 0), (there, 1)):
        folder.mkdir()
        mask = np.zeros((4, 5), np.uint8)
        mask[0, 0] = value
        cv2.imwrite(str(folder / 'a_mask.png'), mask)
    cv2.imwrite(str(here / 'b_mask.png'), mask)
    assert dict(parity.masks(here, there)) == {'a_mask.png': 0.95, 'b_mask.png': 0.0}
