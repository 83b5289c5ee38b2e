"""COCO's names and skeleton."""

from jetson_perception.tasks.keypoints import COCO_KEYPOINT_NAMES, COCO_SKELETON


def test_skeleton_joins_neighbors():
    limbs = {frozenset((COCO_KEYPOINT_NAMES[a], COCO_KEYPOINT_NAMES[b])) for a, b in COCO_SKELETON}
    assert len(COCO_KEYPOINT_NAMES) == 17
    assert len(limbs) == len(COCO_SKELETON) == 19
    for side in ('left', 'right'):
        for limb in (
            ('shoulder', 'elbow'),
            ('elbow', 'wrist'),
            ('hip', 'knee'),
            ('knee', 'ankle'),
        ):
            assert frozenset(f'{side}_{part}' for part in limb) in limbs
        assert frozenset((f'{side}_ear', f'{side}_shoulder')) in limbs
    assert frozenset(('nose', 'left_eye')) in limbs


def test_skeleton_is_symmetric():
    def mirrored(name):
        left_right = {'left': 'right', 'right': 'left'}
        side, _, part = name.partition('_')
        return f'{left_right[side]}_{part}' if side in left_right else name

    limbs = {frozenset((COCO_KEYPOINT_NAMES[a], COCO_KEYPOINT_NAMES[b])) for a, b in COCO_SKELETON}
    assert {frozenset(mirrored(name) for name in limb) for limb in limbs} == limbs
