"""Rendered oranges: the truth is exact, the same seed gives the same scene, and time moves it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from jetson_perception_scenes import oranges
from jetson_perception_scenes.light import Light
from jetson_perception_scenes.lighting import Blur, LitOrange
from jetson_perception_scenes.oranges import Look, OrangeScene, still
from jetson_perception_scenes.skin import PoreBank, paint_skin

SIZE_WH = (320, 180)
LIGHT = Light(azimuth=-2.2, elevation=1.1, color_bgr=(1.0, 1.0, 1.0), ambient=0.45, gloss=0.0)
SHARP = Blur(motion=0, defocus=0.0)


def plain_look(**changes) -> Look:
    """No noise, no blur, no shading by lamp or lens."""
    look = Look.typical(np.random.default_rng(0))
    calm = replace(look, motion_blur=0.0, defocus=0.0, noise=0.0, flicker=0.0, belt='rubber')
    return replace(calm, **changes)


def lit_orange(defects: tuple[int, ...], seed: int = 5, radius: float = 60.0) -> LitOrange:
    rng = np.random.default_rng(seed)
    skin = paint_skin(rng, radius, 0.6, defects, LIGHT, PoreBank(rng, 256, 4.0))
    return LitOrange(skin, LIGHT, SHARP, aspect=1.0)


@pytest.mark.parametrize(
    'size_wh',
    [
        pytest.param((64, 64), id='least'),
        pytest.param((65, 201), id='upright'),
        pytest.param((333, 64), id='flat'),
        pytest.param((320, 180), id='usual_shape'),
    ],
)
def test_frame_has_the_size_asked_for(size_wh):
    bgr, truth = OrangeScene(size_wh, seed=1).frame(0.0)
    assert bgr.shape == (size_wh[1], size_wh[0], 3)
    assert truth.shape == (size_wh[1], size_wh[0])
    assert bgr.dtype == truth.dtype == np.uint8
    assert truth.max() < len(oranges.CLASS_NAMES)


@pytest.mark.parametrize('size_wh', [(63, 64), (64, 63), (0, 0)])
def test_too_small_a_size(size_wh):
    with pytest.raises(ValueError, match=r'too small; expected at least 64×64'):
        OrangeScene(size_wh, seed=1)


def test_the_same_seed_gives_the_same_frame_regardless_of_earlier_ones():
    first, second = OrangeScene(SIZE_WH, 4), OrangeScene(SIZE_WH, 4)
    second.prepare()
    for time_s in (0.0, 7.3, 2.1):
        second.frame(time_s)
    for expected, found in zip(first.frame(3.4), second.frame(3.4), strict=True):
        np.testing.assert_array_equal(expected, found)


def test_another_seed_gives_another_scene():
    assert (OrangeScene(SIZE_WH, 4).frame(0.0)[0] != OrangeScene(SIZE_WH, 5).frame(0.0)[0]).any()


def test_frame_writes_into_given_buffers():
    scene = OrangeScene(SIZE_WH, 4)
    # Values that no frame has: a pixel that was not written shows.
    out = np.full((180, 320, 3), 255, np.uint8), np.full((180, 320), 255, np.uint8)
    bgr, truth = scene.frame(1.0, out)
    assert bgr is out[0]
    assert truth is out[1]
    for expected, found in zip(scene.frame(1.0), out, strict=True):
        np.testing.assert_array_equal(expected, found)


def test_noise_differs_from_frame_to_frame():
    look = plain_look(noise=4.0, speed=0.0)
    scene = OrangeScene(SIZE_WH, 2, look)
    one, other = scene.frame(0.0)[0].astype(int), scene.frame(0.01)[0].astype(int)
    assert 2.0 < np.std(one - other) < 8.0


def test_everything_moves_with_the_belt():
    look = plain_look(speed=0.5, vignette=0.0, rails=False)
    scene = OrangeScene(SIZE_WH, 9, look)
    scene._places = [replace(place, sway=0.0, spin_rate=0.0) for place in scene._places]
    shift = 45
    before, before_truth = scene.frame(0.0)
    after, after_truth = scene.frame(shift / (0.5 * 180))
    np.testing.assert_array_equal(before_truth[:, :-shift], after_truth[:, shift:])
    # Oranges that lie on each other's shadows may be painted in another order.
    same = (before[:, :-shift] == after[:, shift:]).all(axis=2)
    assert same.mean() > 0.97


def test_the_stretch_goes_round():
    look = plain_look(speed=0.5, vignette=0.0)
    scene = OrangeScene(SIZE_WH, 9, look)
    scene._places = [replace(place, sway=0.0, spin_rate=0.0) for place in scene._places]
    round_s = scene._length / (0.5 * 180)
    for expected, found in zip(scene.frame(0.0), scene.frame(round_s), strict=True):
        np.testing.assert_array_equal(expected, found)


def test_sound_oranges_have_no_defects():
    scene = OrangeScene(SIZE_WH, 3, plain_look(sound_share=1.0))
    assert not scene.frame(0.0)[1].any()


def test_leaves_hide_defects():
    look = plain_look(sound_share=0.0, crowding=1.0, rails=True)
    scene = OrangeScene(SIZE_WH, 3, look)
    bare = OrangeScene(SIZE_WH, 3, look)
    bare._leaves = []
    where = bare.frame(0.0)[1]
    row, column = np.argwhere(where)[len(np.argwhere(where)) // 2]
    leaf = scene._leaves[0][0]
    inside = np.argwhere(leaf.outline)[len(np.argwhere(leaf.outline)) // 2]
    x = int(column - inside[1]) - scene._on_screen(0, 0)
    scene._leaves = [(leaf, x, int(row - inside[0]))]
    bgr, truth = scene.frame(0.0)
    assert truth[row, column] == 0
    assert where[row, column] != 0
    hidden = (where != 0) & (truth == 0)
    assert (bgr[hidden] != bare.frame(0.0)[0][hidden]).any(axis=1).all()


def test_rails_hide_what_lies_under_them():
    scene = OrangeScene(SIZE_WH, 3, plain_look(sound_share=0.0, rails=True))
    # Not where oranges are laid; their outlines may reach a little under.
    scene._places = [replace(place, y=0.0) for place in scene._places]
    truth = scene.frame(0.0)[1]
    assert not truth[: scene._rail].any()
    assert truth[scene._rail :].any()


@pytest.mark.parametrize('defect', [pytest.param(i, id=oranges.CLASS_NAMES[i]) for i in (1, 2, 3)])
def test_truth_is_where_the_defect_was_painted(defect):
    sprite = lit_orange((defect,)).sprite(0.0)
    sound = lit_orange(()).sprite(0.0)
    assert set(np.unique(sprite.truth)) == {0, defect}
    patch = (sprite.truth == defect) & (sprite.outline > 0)
    share = patch.sum() / (sprite.outline > 0).sum()
    assert 0.01 < share < 0.45
    # The same orange without the defect differs there, and hardly anywhere else.
    change = np.abs(sprite.color.astype(int) - sound.color.astype(int)).sum(axis=2)
    away = cv2.dilate(patch.astype(np.uint8), np.ones((31, 31), np.uint8)) == 0
    assert np.median(change[patch]) > 40
    assert np.median(change[away & (sprite.outline > 0)]) <= 3


def test_truth_is_half_opacity_or_more():
    rng = np.random.default_rng(5)
    skin = paint_skin(rng, 60.0, 0.6, (2,), LIGHT, PoreBank(rng, 256, 4.0))
    assert skin.coverage is not None
    opacity = skin.coverage[..., 1]
    sprite = LitOrange(skin, LIGHT, SHARP, aspect=1.0).sprite(0.0)
    pad = (sprite.truth.shape[0] - opacity.shape[0]) // 2
    inner = sprite.truth[pad:-pad, pad:-pad] if pad > 0 else sprite.truth
    crop = -pad if pad < 0 else 0
    opacity = opacity[crop : opacity.shape[0] - crop, crop : opacity.shape[1] - crop]
    np.testing.assert_array_equal(inner == 2, opacity >= 128)


def test_later_defects_lie_over_earlier_ones():
    for seed in range(12):
        sprite = lit_orange((1, 2, 3, 1), seed=seed).sprite(0.0)
        assert sprite.truth.max() <= 3


def test_spin_turns_the_truth_with_the_skin():
    orange = lit_orange((1,), seed=8)
    upright, turned = orange.sprite(0.0), orange.sprite(np.pi / 2)
    straight = (upright.truth == 1).astype(np.uint8)
    # A quarter turn maps the grid onto itself; which way is the sprite's affair.
    quarter = [np.rot90(straight, k) for k in (1, 3)]
    agreement = [(q == (turned.truth == 1)).mean() for q in quarter]
    assert max(agreement) > 0.999
    assert min(agreement) < 0.999


def test_motion_blur_keeps_things_in_place():
    picture = np.zeros((21, 41, 3), np.uint8)
    picture[:, 20] = 250
    for motion in (2, 5, 8):
        blurred = Blur(motion, 0.0)(picture)[10, :, 0].astype(float)
        assert (blurred * np.arange(41)).sum() / blurred.sum() == pytest.approx(20.0)
        assert np.count_nonzero(blurred) == motion | 1


def test_still_is_the_same_every_time():
    for one, other in zip(still(12, SIZE_WH), still(12, SIZE_WH), strict=True):
        np.testing.assert_array_equal(one, other)


def test_stills_show_every_class():
    truths = [still(seed, SIZE_WH)[1] for seed in range(6)]
    assert set(np.unique(truths)) == {0, 1, 2, 3}


def test_evaluation_uses_its_own_seeds():
    names_and_frames = list(oranges.evaluation_stills(2, SIZE_WH))
    assert [name for name, *_ in names_and_frames] == ['oranges-1000000', 'oranges-1000001']
    np.testing.assert_array_equal(names_and_frames[1][1], still(1_000_001, SIZE_WH)[0])
    assert oranges.TRAINING_SEED < oranges.VALIDATION_SEED < oranges.EVALUATION_SEED
