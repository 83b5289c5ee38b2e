"""Make the pictures of docs/people.md, which show good and bad results of the two models.

    python scenes/training/people/pictures.py --out docs/images

This needs scikit-image, because one of them shows its photographs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from dataset import TEST_PHOTOGRAPHS, photographs

from jetson_perception.drawing import draw_detections
from jetson_perception.models import YoloModel
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception_scenes.people import EVALUATION_SEED, PeopleScene, still

OPTIONS = DetectionOptions(score_threshold=0.35)
_TILE_WH = (640, 360)
_PHOTOGRAPHS = ('astronaut.png', 'camera.png', 'coffee.png', 'rocket.jpg')
_PHOTOGRAPH_HEIGHT = 300


def marked(bgr: np.ndarray, models: tuple[YoloModel, YoloModel]) -> np.ndarray:
    """The picture with all boxes of the first model, and the skeletons of the second."""
    canvas = bgr.copy()
    for model in models:
        tensor, transform = model.preprocess(bgr)
        found = model.postprocess(model.infer(tensor), transform, OPTIONS)
        draw_detections(canvas, found, model.class_names, skeleton=model.skeleton)
    return canvas


def scene_pictures() -> list[np.ndarray]:
    """Two live scenes, and two of the evaluation."""
    live = [PeopleScene((1280, 720), seed).frame(4.0)[0] for seed in (3, 5)]
    behind = photographs(TEST_PHOTOGRAPHS)
    unseen = [still(EVALUATION_SEED + index, (1280, 720), behind)[0] for index in (4, 21)]
    return live + unseen


def main() -> None:
    """Write the two pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', type=Path, required=True)
    args = parser.parse_args()
    models = (YoloModel.open('people_detect'), YoloModel.open('people_pose'))
    tiles = [
        cv2.resize(marked(bgr, models), _TILE_WH, interpolation=cv2.INTER_AREA)
        for bgr in scene_pictures()
    ]
    people = np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])])
    _write(args.out / 'people.jpg', people)
    row = []
    for bgr in photographs(_PHOTOGRAPHS):
        width = round(bgr.shape[1] * _PHOTOGRAPH_HEIGHT / bgr.shape[0])
        size_wh = (width, _PHOTOGRAPH_HEIGHT)
        row.append(cv2.resize(marked(bgr, models), size_wh, interpolation=cv2.INTER_AREA))
    _write(args.out / 'people_photographs.jpg', np.hstack(row))


def _write(path: Path, bgr: np.ndarray) -> None:
    cv2.imwrite(str(path), bgr, [cv2.IMWRITE_JPEG_QUALITY, 88])
    print(f'{path}: {path.stat().st_size} bytes')


if __name__ == '__main__':
    main()
