"""Objects in space against rendered scenes: the accuracy that docs/depth.md states."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from depth.ray_casting import Ball, Box, Floor, Wall, camera, in_millimeters, render, with_noise

from jetson_perception.depth import DepthImage, Rays, locate
from jetson_perception.errors import ImageError, ParameterError
from jetson_perception.tasks.results import Detections

SCENES = {
    'ball': ([Ball((0, 0, 2), 0.3)], [Wall(4)]),
    'ball_at_the_edge': ([Ball((-0.9, 0.4, 2.5), 0.4)], [Wall(5)]),
    'turned_box': ([Box((0.4, 0, 3), (0.5, 0.8, 0.5), 0.6)], [Wall(5), Floor(0.8)]),
    'person': ([Box((-0.5, 0, 4), (0.5, 1.7, 0.3))], [Wall(6), Floor(0.85)]),
    'person_near_a_wall': ([Box((-0.5, 0, 4), (0.5, 1.7, 0.3))], [Wall(4.6), Floor(0.85)]),
    'far_person': ([Box((1, 0, 9), (0.6, 1.7, 0.4), 0.2)], [Wall(12), Floor(0.9)]),
    'car': ([Box((0.5, 0.4, 6), (1.8, 1.4, 4), 1.0)], [Wall(15), Floor(1.1)]),
    'car_from_behind': ([Box((1.5, 0.4, 6), (1.8, 1.4, 4), 0.3)], [Wall(15), Floor(1.1)]),
    'pole': ([Box((0.1, 0, 3), (0.06, 1.5, 0.06), 0.2)], [Wall(5)]),
    'before_the_sky': ([Ball((0.3, -0.2, 3), 0.25)], []),
    'beside_a_slanted_wall': ([Ball((-0.8, 0, 3), 0.4)], [Wall(4, 0.5)]),
}
#: One thing before half of another: boxes cannot tell them apart, masks can.
COVERED = ([Ball((0, 0, 2), 0.3), Ball((0.25, 0, 3), 0.4)], [Wall(6)])

PINHOLE = camera()
CAMERAS = {
    'plumb_bob': camera(distortion=(-0.25, 0.08, 0.001, -0.002, 0.0)),
    'rational_polynomial': camera(
        model='rational_polynomial', distortion=(0.5, -0.2, 0.001, 0.0, 0.1, 0.8, -0.1, 0.05)
    ),
    'equidistant': camera(focal=320.0, model='equidistant', distortion=(0.02, -0.01, 0.003, 0.0)),
}


@cache
def rendered(scene, with_masks):
    """A scene as the pinhole sees it; rendering takes longer than what is tested."""
    return render(PINHOLE, *SCENES[scene], with_masks=with_masks)


def locate_in(depth, truth, calibration):
    image = DepthImage(in_millimeters(np.nan_to_num(depth, nan=0.0, posinf=0.0)), 0.001)
    return locate(truth.detections, image, Rays(calibration), truth.size_wh)


def require_accuracy(found, truth, *, of_center=0.03, of_size=0.1):
    """The errors of the center, as a share of the distance, and of width and height."""
    assert len(found) == len(truth.detections)
    distance = np.linalg.norm(truth.centers, axis=1)
    off = np.linalg.norm(found.center - truth.centers, axis=1) / distance
    sides = np.abs(found.size / truth.sizes - 1)[:, :2]
    assert off.max() <= of_center, f'centers are {100 * off} % off'
    assert sides.max() <= of_size, f'widths and heights are {100 * sides} % off'


@pytest.mark.parametrize('with_masks', [False, True], ids=['box', 'mask'])
@pytest.mark.parametrize('scene', SCENES)
def test_a_scene(scene, with_masks):
    depth, truth = rendered(scene, with_masks)
    require_accuracy(locate_in(depth, truth, PINHOLE), truth)


@pytest.mark.parametrize('with_masks', [False, True], ids=['box', 'mask'])
@pytest.mark.parametrize('scene', SCENES)
def test_a_scene_with_noise_and_holes(scene, with_masks):
    """Without a mask, depths between a small object and what is far behind it count as its."""
    depth, truth = rendered(scene, with_masks)
    of_center = 0.05 if scene == 'far_person' and not with_masks else 0.03
    found = locate_in(with_noise(depth), truth, PINHOLE)
    require_accuracy(found, truth, of_center=of_center)


@pytest.mark.parametrize('scene', ['ball', 'ball_at_the_edge', 'turned_box', 'person'])
@pytest.mark.parametrize('lens', CAMERAS)
def test_a_lens(lens, scene):
    depth, truth = render(CAMERAS[lens], *SCENES[scene])
    require_accuracy(locate_in(depth, truth, CAMERAS[lens]), truth)


def test_a_lens_that_is_not_undone_is_seen():
    """The camera matters: otherwise the tests above would show nothing."""
    lens = CAMERAS['plumb_bob']
    depth, truth = render(lens, *SCENES['ball_at_the_edge'])
    with pytest.raises(AssertionError, match='off'):
        require_accuracy(locate_in(depth, truth, PINHOLE), truth)


def test_a_mask_tells_what_covers_from_what_is_covered():
    depth, truth = render(PINHOLE, *COVERED, with_masks=True)
    require_accuracy(locate_in(depth, truth, PINHOLE), truth)


def test_a_box_has_the_nearest_surface_in_its_middle():
    depth, truth = render(PINHOLE, *COVERED)
    found = locate_in(depth, truth, PINHOLE)
    assert found.center[1, 2] == pytest.approx(found.center[0, 2], abs=0.1)


@pytest.mark.parametrize('shrunk', [2, 3, 4])
@pytest.mark.parametrize('with_masks', [False, True], ids=['box', 'mask'])
def test_depth_of_another_resolution(shrunk, with_masks):
    large = camera((960, 720), 790.0)
    _, truth = render(large, *SCENES['turned_box'], with_masks=with_masks)
    small = large.scaled_to((960 // shrunk, 720 // shrunk))
    depth, _ = render(small, *SCENES['turned_box'])
    image = DepthImage(depth.astype(np.float32), 1.0)
    require_accuracy(locate(truth.detections, image, Rays(large), (960, 720)), truth)


def boxes(*xyxy, keypoints=None):
    count = len(xyxy)
    return Detections(
        np.array(xyxy, np.float32).reshape(count, 4),
        np.linspace(0.9, 0.1, count, dtype=np.float32),
        np.arange(count, dtype=np.int32),
        keypoints,
        track_id=np.arange(7, 7 + count),
    )


def wall(meters=2.0, size_wh=(640, 480)):
    return DepthImage(np.full(size_wh[::-1], meters, np.float32), 1.0)


def test_only_the_pixels_of_its_mask_are_an_objects():
    """Three boxes on each other: a small object, a large one behind it, one without a pixel."""
    found = boxes(*[(100, 100, 200, 200)] * 3)
    ids = np.zeros((480, 640), np.uint8)
    ids[100:200, 100:200] = 2
    ids[100:200, 100:110] = 1
    depth = wall(4.0)
    depth.values[100:200, 100:110] = 2.0
    located = locate(replace(found, instance_ids=ids), depth, Rays(PINHOLE), (640, 480))
    assert located.center[:, 2] == pytest.approx([2, 4])
    assert located.without_depth == 1
    assert located.detections.class_id.tolist() == [0, 1]


@pytest.mark.parametrize(
    'box',
    [
        pytest.param((100, 100, 100, 200), id='no_width'),
        pytest.param((100, 100, 200, np.nan), id='not_a_number'),
        pytest.param((200, 200, 100, 100), id='inside_out'),
        pytest.param((-90, 100, -10, 200), id='left_of_the_image'),
        pytest.param((100, 480, 200, 600), id='below_the_image'),
    ],
)
def test_boxes_without_area_in_the_image(box):
    found = locate(boxes(box, (10, 10, 90, 90)), wall(), Rays(PINHOLE), (640, 480))
    assert (len(found), found.without_depth) == (1, 1)
    assert found.detections.class_id.tolist() == [1]
    assert found.detections.track_id.tolist() == [8]


def test_nothing_found():
    found = locate(Detections.empty(3), wall(), Rays(PINHOLE), (640, 480))
    assert (found.center.shape, found.size.shape) == ((0, 3), (0, 3))
    assert found.keypoints.shape == (0, 3, 3)


def test_a_box_smaller_than_a_pixel_of_the_depth():
    found = locate(boxes((101, 101, 102, 102)), wall(size_wh=(64, 48)), Rays(PINHOLE), (640, 480))
    assert found.without_depth == 1  # one depth is no measurement


@pytest.mark.parametrize('value', [0.0, -1.0, np.nan, np.inf, 1e-9, 2e4, 3e38])
def test_no_depth(value):
    found = locate(boxes((10, 10, 90, 90)), wall(value), Rays(PINHOLE), (640, 480))
    assert (len(found), found.without_depth) == (0, 1)


def test_depths_of_another_order_are_no_trouble():
    """Damaged floats reach from nothing to the stars."""
    depth = wall()
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, 480, 20000), rng.integers(0, 640, 20000)
    depth.values[rows, columns] = np.float32(10) ** rng.uniform(-38, 38, 20000)
    found = locate(boxes((100, 100, 300, 300)), depth, Rays(PINHOLE), (640, 480))
    assert found.center[0, 2] == pytest.approx(2, rel=0.05)


def test_keypoints():
    points = [[[200, 200, 0.9], [0, 0, 0.5], [-5, 50, 0.5], [299, 299, 0.5], [150.5, 210, 1]]]
    depth = wall(4.0)
    depth.values[100:300, 100:300] = 2.0
    depth.values[205:216, 145:156] = np.nan
    found = locate(
        boxes((100, 100, 300, 300), keypoints=np.array(points, np.float32)),
        depth,
        Rays(PINHOLE),
        (640, 480),
    )
    on, behind, outside, edge, hole = found.keypoints[0]
    slopes = Rays(PINHOLE).slopes(np.array([[200, 200], [299, 299]]))
    np.testing.assert_allclose(on, [*(2 * slopes[0]), 2], rtol=1e-5)
    np.testing.assert_allclose(edge, [*(2 * slopes[1]), 2], rtol=1e-5)
    for each in (behind, outside, hole):
        assert np.isnan(each).all()


def test_another_view():
    with pytest.raises(ImageError, match='the depth image is 640×400, the image 640×480'):
        locate(boxes((0, 0, 9, 9)), wall(size_wh=(640, 400)), Rays(PINHOLE), (640, 480))


def test_a_calibration_of_another_view():
    wide = Rays(camera((1280, 720)))
    with pytest.raises(ParameterError, match='the calibration is for 1280x720'):
        locate(boxes((0, 0, 9, 9)), wall(), wide, (640, 480))
