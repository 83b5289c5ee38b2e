"""Tiny datasets that tests write: gray pictures, and the objects that the test says are there."""

import json

import cv2
import numpy as np
import yaml


def write_picture(path, size_wh=(640, 480)):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((size_wh[1], size_wh[0], 3), 90, np.uint8))
    return path


def coco_objects(*boxes, **more):
    """Annotations of one picture from rows of left, top, width, height, category id."""
    return [
        {
            'bbox': list(box[:4]),
            'category_id': box[4],
            'area': box[2] * box[3],
            'iscrowd': 0,
            **more,
        }
        for box in boxes
    ]


def coco_folder(folder, pictures, *, names=('name_0', 'name_1'), size_wh=(640, 480), **category):
    """A COCO-format folder: a list of annotations per picture; categories have ids 10, 20, …"""
    images, annotations = [], []
    for index, objects in enumerate(pictures):
        images.append(
            {
                'id': 100 + index,
                'file_name': f'{index}.png',
                'width': size_wh[0],
                'height': size_wh[1],
            }
        )
        write_picture(folder / 'images' / f'{index}.png', size_wh)
        for each in objects:
            annotations.append({'id': len(annotations) + 1, 'image_id': 100 + index, **each})
    content = {
        'images': images,
        'annotations': annotations,
        'categories': [
            {'id': 10 * (index + 1), 'name': name, **category} for index, name in enumerate(names)
        ],
    }
    path = folder / 'annotations' / 'objects.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def yolo_folder(folder, pictures, *, names=('name_0', 'name_1'), size_wh=(640, 480), **more):
    """A YOLO-format folder: text of the label file per picture, or None for no file."""
    for index, text in enumerate(pictures):
        write_picture(folder / 'images' / 'val' / f'{index}.png', size_wh)
        if text is not None:
            label = folder / 'labels' / 'val' / f'{index}.txt'
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(text)
    path = folder / 'data.yaml'
    path.write_text(yaml.safe_dump({'val': 'images/val', 'names': list(names), **more}))
    return path
