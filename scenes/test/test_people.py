import numpy as np
import pytest

from jetson_perception.camera import open_source
from jetson_perception_scenes import people_body as body
from jetson_perception_scenes.people import (
    CLASS_NAMES,
    EVALUATION_SEED,
    MIN_SIZE_WH,
    TRAINING_SEED,
    PeopleScene,
    evaluation_stills,
    still,
)
from jetson_perception_scenes.people_figure import Figure, figure_sprite
from jetson_perception_scenes.people_raster import Canvas, Solid, Sprite, Sun
from jetson_perception_scenes.people_stage import (
    NO_CLASS,
    PERSON,
    Layer,
    lay,
    read_truth,
)
from jetson_perception_scenes.people_things import THINGS, thing_sprite

SIZE_WH = (320, 240)
FRONT_LIGHT = Sun((0.0, 0.6, 0.8), (0.6,) * 3, (0.5,) * 3, (0.3,) * 3)


def board(width, height, keypoints=()):
    """An opaque white sprite whose origin is its upper left corner."""
    points = np.zeros((17, 3), np.float32)
    points[: len(keypoints)] = np.array(keypoints, np.float32).reshape(-1, 3)
    return Sprite(
        np.full((height, width, 3), 255, np.uint8),
        np.full((height, width), 255, np.uint8),
        (0.0, 0.0),
        1.0,
        points,
    )


def truth_of(*layers, size_wh=(20, 10)):
    ids = np.zeros(size_wh[::-1], np.uint8)
    lay(np.zeros((*size_wh[::-1], 3), np.uint8), ids, layers)
    return read_truth(ids, layers)


class TestTruth:
    def test_nothing(self):
        truth = truth_of()
        assert truth.xyxy.shape == (0, 4)
        assert truth.class_id.shape == (0,)
        assert truth.keypoints.shape == (0, 17, 3)
        assert truth.area.shape == (0,)
        assert len(truth.detections()) == 0

    @pytest.mark.parametrize(
        ('corner', 'box'),
        [
            pytest.param((3, 2), (3, 2, 7, 8), id='whole'),
            pytest.param((-2, 6), (0, 6, 2, 10), id='cut_at_the_corner'),
            pytest.param((18, 0), (18, 0, 20, 6), id='cut_at_the_right'),
        ],
    )
    def test_box_is_of_visible_pixels(self, corner, box):
        truth = truth_of(Layer(board(4, 6), corner, 1.0, 1))
        assert truth.xyxy.tolist() == [list(box)]
        assert truth.class_id.tolist() == [1]
        assert truth.area.tolist() == [(box[2] - box[0]) * (box[3] - box[1])]

    def test_box_shrinks_behind_another(self):
        truth = truth_of(Layer(board(6, 6), (2, 2), 2.0, 1), Layer(board(3, 8), (5, 1), 1.0, 2))
        assert truth.xyxy.tolist() == [[2, 2, 5, 8], [5, 1, 8, 9]]

    @pytest.mark.parametrize(
        ('covered', 'there'),
        [
            pytest.param(8, True, id='a_fifth_is_seen'),
            pytest.param(9, False, id='a_tenth_is_seen'),
            pytest.param(10, False, id='nothing_is_seen'),
        ],
    )
    def test_hardly_visible_is_left_out(self, covered, there):
        truth = truth_of(
            Layer(board(10, 4), (0, 0), 2.0, 1), Layer(board(covered, 4), (0, 0), 1.0, NO_CLASS)
        )
        assert len(truth) == there

    def test_keypoint_visibility(self):
        points = [(0, 0, 1), (2, 2, 0), (4, 4, 1), (9, 1, 1), (-4, 0, 1)]
        truth = truth_of(
            Layer(board(12, 6, points), (2, 2), 2.0, PERSON),
            Layer(board(4, 4), (10, 2), 1.0, 1),
        )
        person = truth.keypoints[0]
        # Visible; hidden by its own body; visible; behind the other; left of the picture.
        assert person[:5, 2].tolist() == [2, 1, 2, 1, 0]
        assert person[0].tolist() == [2.5, 2.5, 2]
        assert person[4].tolist() == [0, 0, 0]
        assert not truth.keypoints[1].any()
        assert truth.covered[0, :5].tolist() == [False, False, False, True, False]
        assert not truth.covered[1].any()
        found = truth.detections()
        assert found.score.tolist() == [1, 1]
        assert found.keypoints[0, :5, 2].tolist() == [1, 1, 1, 1, 0]

    def test_keypoints_as_people_annotate_them(self):
        assert truth_of().annotated_keypoints().shape == (0, 17, 3)
        points = [(0, 0, 1), (2, 2, 0), (9, 1, 1), (-4, 0, 1)]
        truth = truth_of(
            Layer(board(12, 6, points), (2, 2), 2.0, PERSON),
            Layer(board(4, 4), (10, 2), 1.0, 1),
        )
        # What the other hides is not labelled; what the own body hides is.
        annotated = truth.annotated_keypoints(least_area=truth.area[0])
        assert annotated[0, :4, 2].tolist() == [2, 1, 0, 0]
        assert not annotated[0, 2].any()
        assert not truth.annotated_keypoints(least_area=truth.area[0] + 1).any()
        assert truth.area[0] < 32**2
        assert not truth.annotated_keypoints().any()
        assert truth.keypoints[0, 2].any()  # the truth itself stays

    def test_the_farther_hides_nothing(self):
        truth = truth_of(
            Layer(board(4, 4), (2, 2), 2.0, 1),
            # A joint beside the figure's own pixels, over the one behind.
            Layer(board(2, 2, [(-3, 0, 1)]), (7, 3), 1.0, PERSON),
        )
        person = truth.class_id.tolist().index(PERSON)
        assert truth.keypoints[person, 0, 2] == 1
        assert not truth.covered[person, 0]


class TestStill:
    @pytest.mark.parametrize('seed', [TRAINING_SEED, TRAINING_SEED + 4, EVALUATION_SEED + 1])
    def test_truth_is_consistent(self, seed):
        bgr, truth = still(seed, SIZE_WH)
        width, height = SIZE_WH
        assert bgr.shape == (height, width, 3)
        assert bgr.dtype == np.uint8
        x0, y0, x1, y1 = truth.xyxy.T
        assert (x0 >= 0).all()
        assert (y0 >= 0).all()
        assert (x1 <= width).all()
        assert (y1 <= height).all()
        assert ((x1 - x0) * (y1 - y0) >= truth.area).all()
        assert (truth.area > 0).all()
        assert set(truth.class_id.tolist()) <= set(range(len(CLASS_NAMES)))
        others = truth.class_id != PERSON
        assert not truth.keypoints[others].any()
        points = truth.keypoints[~others]
        assert set(np.unique(points[..., 2])) <= {0, 1, 2}
        seen = points[points[..., 2] > 0]
        assert ((seen[:, 0] >= 0) & (seen[:, 0] < width)).all()
        assert ((seen[:, 1] >= 0) & (seen[:, 1] < height)).all()
        # A visible joint lies within the box, but for a pixel of rounding.
        for box, person in zip(truth.xyxy[~others], points, strict=True):
            own = person[person[:, 2] == 2, :2]
            assert (own >= box[:2] - 1.5).all()
            assert (own <= box[2:] + 1.5).all()

    def test_same_seed_same_still(self):
        first, again = still(5, SIZE_WH), still(5, SIZE_WH)
        assert np.array_equal(first[0], again[0])
        assert np.array_equal(first[1].xyxy, again[1].xyxy)
        assert not np.array_equal(first[0], still(6, SIZE_WH)[0])

    def test_every_class_occurs(self):
        seen = {int(c) for seed in range(40) for c in still(seed, (96, 72))[1].class_id}
        assert seen == set(range(len(CLASS_NAMES)))

    def test_photographs_become_backgrounds(self):
        gray = [np.full((50, 70, 3), 128, np.uint8)]
        changed = [
            not np.array_equal(still(seed, (96, 72))[0], still(seed, (96, 72), gray)[0])
            for seed in range(12)
        ]
        assert any(changed)

    def test_evaluation_does_not_meet_training(self):
        assert EVALUATION_SEED > TRAINING_SEED
        (name, bgr, _), *rest = evaluation_stills(1, SIZE_WH)
        assert not rest
        assert name == f'people-{EVALUATION_SEED}'
        assert np.array_equal(bgr, still(EVALUATION_SEED, SIZE_WH)[0])

    @pytest.mark.parametrize('make', [still, lambda seed, size_wh: PeopleScene(size_wh, seed)])
    def test_too_small(self, make):
        with pytest.raises(ValueError, match='63×64 pixels is too small; expected at least 64×64'):
            make(1, (63, 64))


class TestScene:
    @pytest.fixture
    def scene(self):
        return PeopleScene(MIN_SIZE_WH, 3)

    def test_any_order_gives_the_same_frames(self, scene):
        later, _ = scene.frame(2.5)
        scene.frame(0.0)
        again, truth = scene.frame(2.5)
        assert np.array_equal(later, again)
        other, other_truth = PeopleScene(MIN_SIZE_WH, 3).frame(2.5)
        assert np.array_equal(again, other)
        assert np.array_equal(truth.xyxy, other_truth.xyxy)

    def test_people_move(self, scene):
        boxes = [scene.frame(time_s)[1].xyxy for time_s in (0.0, 1.0)]
        assert boxes[0].shape != boxes[1].shape or not np.array_equal(*boxes)

    def test_given_arrays_are_used(self, scene):
        width, height = MIN_SIZE_WH
        out = (np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8))
        bgr, truth = scene.frame(1.0, out)
        assert bgr is out[0]
        assert np.array_equal(bgr, scene.frame(1.0)[0])
        assert len(truth) > 0

    def test_as_a_camera(self):
        source = open_source('scene://people?fps=0&width=96&height=72')
        source.open()
        frame = source.read()
        assert source.truth_class_names == CLASS_NAMES
        assert frame.pixels.shape == (72, 96, 3)
        assert frame.truth_mask is None
        assert len(frame.truth_detections) > 0
        assert (frame.truth_detections.score == 1).all()
        source.close()


class TestBody:
    @pytest.mark.parametrize('kind', body.POSE_KINDS)
    def test_stands_on_the_floor(self, kind):
        rng = np.random.default_rng(1)
        for _ in range(20):
            skeleton = body.pose_skeleton(body.Build.sample(rng), body.sample_pose(rng, kind))
            lowest = min(float(joint[1]) for leg in skeleton.legs for joint in leg.joints)
            assert 0 < lowest < 0.2
            assert skeleton.keypoints.shape == (17, 3)

    def test_upright(self):
        skeleton = body.pose_skeleton(body.Build(height=2.0), body.Pose(bend=0.0))
        nose, left_eye, right_eye = skeleton.keypoints[:3]
        assert nose[2] > 0.05
        assert left_eye[0] > 0 > right_eye[0]
        for left in range(1, 17, 2):
            assert np.allclose(skeleton.keypoints[left] * (-1, 1, 1), skeleton.keypoints[left + 1])
        knee, ankle = skeleton.keypoints[13], skeleton.keypoints[15]
        assert 0.5 < knee[1] < 0.65
        assert ankle[1] < 0.15

    def test_arms_up(self):
        up = body.Arm(flexion=np.pi, abduction=0.0, elbow=0.0)
        skeleton = body.pose_skeleton(body.Build(), body.Pose(arms=(up, up)))
        assert (skeleton.keypoints[9:11, 1] > skeleton.keypoints[0, 1] + 0.2).all()

    @pytest.mark.parametrize(
        ('heading', 'visible'),
        [
            pytest.param(0.0, [1, 1, 1], id='front'),
            pytest.param(np.pi, [0, 0, 0], id='back'),
            pytest.param(np.pi / 2, [1, 0, 1], id='to_the_right'),
            pytest.param(-np.pi / 2, [1, 1, 0], id='to_the_left'),
        ],
    )
    def test_face_is_seen_from_ahead(self, heading, visible):
        rng = np.random.default_rng(0)
        figure = Figure.sample(rng)
        sprite = figure_sprite(
            figure,
            body.Pose(),
            heading=heading,
            elevation=0.0,
            scale=150,
            sun=FRONT_LIGHT,
            rng=rng,
        )
        assert sprite.keypoints[:3, 2].tolist() == visible


class TestRaster:
    def canvas(self):
        return Canvas((-1, -1), (1, 1), 50, np.eye(3))

    @pytest.mark.parametrize(
        ('b', 'rb'),
        [
            pytest.param((0.3, 0.2, 0.0), 0.2, id='across'),
            pytest.param((0.1, 0.0, 0.5), 0.2, id='to_the_camera'),
            pytest.param((0.1, 0.0, -0.5), 0.3, id='away'),
            pytest.param((0.0, 0.0, 0.0), 0.4, id='sphere'),
            pytest.param((0.02, 0.0, 0.3), 0.1, id='end_before_end'),
        ],
    )
    def test_depth_is_that_of_the_nearest_sphere(self, b, rb):
        canvas = self.canvas()
        ra = 0.4
        a, b = np.zeros(3), np.array(b)
        canvas.add(Solid(a, b, ra, rb, np.full(3, 200, np.float32)))
        x = (np.arange(100) + 0.5) / 50 - 1
        expected = np.full((100, 100), -1e3)
        for t in np.linspace(0, 1, 2001):
            center, radius = a + t * (b - a), ra + t * (rb - ra)
            square = radius**2 - (x[None] - center[0]) ** 2 - (-x[:, None] - center[1]) ** 2
            inside = square > 0
            surface = center[2] + np.sqrt(np.maximum(square, 0))
            expected = np.where(inside, np.maximum(expected, surface), expected)
        hit = expected > -10
        assert (hit == (canvas.depth > -10)).mean() > 0.999
        both = hit & (canvas.depth > -10)
        assert np.abs(canvas.depth - expected)[both].max() < 2e-3

    def test_nearer_hides_farther(self):
        canvas = self.canvas()
        near, far = np.array([0, 0, 0.5]), np.zeros(3)
        red, blue = np.array([0, 0, 255.0]), np.array([255.0, 0, 0])
        canvas.add(Solid(near, near, 0.2, 0.2, red))
        canvas.add(Solid(far, far, 0.4, 0.4, blue))
        assert canvas.color[50, 50].tolist() == [0, 0, 255]
        assert canvas.color[50, 66].tolist() == [255, 0, 0]
        assert canvas.hides(far, 0.45)
        assert not canvas.hides(near, 0.25)

    def test_a_face_is_seen_from_its_front_alone(self):
        corners = np.array([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]])
        canvas = self.canvas()
        canvas.add_face(corners[::-1], np.full(3, 9.0))
        assert not canvas.color.any()
        canvas.add_face(corners, np.full(3, 9.0))
        assert canvas.color[50, 50].tolist() == [9, 9, 9]

    @pytest.mark.parametrize('kind', THINGS)
    def test_things_stand_on_their_foot(self, kind):
        sprite = thing_sprite(
            kind,
            np.random.default_rng(2),
            heading=0.0,
            elevation=0.0,
            scale=60,
            sun=FRONT_LIGHT,
        )
        rows = np.flatnonzero(sprite.alpha.max(axis=1) > 127)
        assert abs(rows[-1] - sprite.origin_xy[1]) < 4
        assert sprite.color.max() > 20
