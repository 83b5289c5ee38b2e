"""Names of files that are no UTF-8, as old archives leave behind, on every way into a library.

OpenCV ends the process on such a name, so all of it runs in one of its own.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from dataset_folders import coco_folder, coco_objects, yolo_folder
from onnx_models import color_segmentation

from jetson_perception.errors import ModelError
from jetson_perception.files.native_paths import (
    is_utf8,
    native_path,
    native_path_to_read,
    native_path_to_write,
)

NAME = os.fsdecode(b'caf\xe9')

COMMANDS = """
import json, sys
from jetson_perception.commands.main import main
codes = []
for arguments in json.loads(sys.argv[1]):
    sys.stderr.flush()
    codes.append(main(arguments))
json.dump(codes, open('codes.json', 'w'))
"""

LIBRARY = """
import logging, os
from pathlib import Path
import numpy as np
from jetson_perception.camera import open_source
from jetson_perception.drawing import draw_detections
from jetson_perception.engines.class_names import read_class_names
from jetson_perception.errors import EndOfStream, PerceptionError
from jetson_perception.evaluation.opening import open_dataset
from jetson_perception.images.picture_files import read_picture, write_picture
from jetson_perception.commands.recording import write_video
from jetson_perception.tasks.results import Detections

logging.basicConfig(format='%(message)s')
name = 'caf\\udce9'
for source in ('pictures', f'pictures/{name}.png', f'{name}.mp4', f'file://{name}.mp4'):
    opened = open_source(source, frame_rate=0)
    opened.open()
    count = 0
    try:
        while opened.read().pixels.shape == (48, 64, 3):
            count += 1
    except EndOfStream:
        print(ascii(source), count)
    opened.close()
for dataset in ('yolo', 'coco', 'masks'):
    print(dataset, [ascii(picture.name) for picture in open_dataset(dataset).pictures])
print(read_class_names(f'{name}.txt'))
canvas = np.zeros((48, 64, 3), np.uint8)
found = Detections(np.array([[1, 1, 9, 9]], 'f4'), np.array([1], 'f4'), np.array([0], 'i4'))
draw_detections(canvas, found, [name])
folder = Path(f'written_{name}')
folder.mkdir()
write_picture(folder / f'{name}.png', canvas)
assert (read_picture(folder / f'{name}.png') == canvas).all()
with write_video(folder / 'video.mp4', (64, 48), 30.0) as video:
    for _ in range(3):
        video.write(canvas)
opened = open_source(str(video.path), frame_rate=0)
opened.open()
opened.read()
opened.close()
print(sorted(map(ascii, os.listdir(folder))))
try:
    with write_video(folder / f'{name}.mp4', (64, 48), 30.0):
        print('written')
except PerceptionError as err:
    print(ascii(err))
try:
    open_source(f'file://none{name}.mp4').open()
except PerceptionError as err:
    print(ascii(err))
"""


def write_video(path):
    plain = path.with_name('plain.mp4')
    writer = cv2.VideoWriter(str(plain), cv2.VideoWriter.fourcc(*'mp4v'), 10.0, (64, 48))
    for level in range(5):
        writer.write(np.full((48, 64, 3), 40 * level, np.uint8))
    writer.release()
    plain.rename(path)


@pytest.fixture
def folder(tmp_path):
    """A folder with files of such names: pictures, a video, a model, datasets, class names."""
    png = cv2.imencode('.png', np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    color_segmentation(tmp_path / 'm.onnx')
    (tmp_path / f'{NAME}.onnx').write_bytes((tmp_path / 'm.onnx').read_bytes())
    (tmp_path / f'{NAME}.txt').write_text('a\nb\n')
    (tmp_path / 'pictures').mkdir()
    (tmp_path / 'pictures' / f'{NAME}.png').write_bytes(png)
    (tmp_path / 'pictures' / f'{NAME}_damaged.png').write_bytes(b'no picture')
    write_video(tmp_path / f'{NAME}.mp4')
    for part in ('images', 'masks'):
        (tmp_path / 'masks' / part).mkdir(parents=True)
    (tmp_path / 'masks' / 'images' / f'{NAME}.png').write_bytes(png)
    mask = cv2.imencode('.png', np.zeros((48, 64), np.uint8))[1].tobytes()
    (tmp_path / 'masks' / 'masks' / f'{NAME}.png').write_bytes(mask)
    (tmp_path / 'yolo').mkdir()
    yolo_folder(tmp_path / 'yolo', ['0 0.5 0.5 0.2 0.2'])
    for part, ending in (('images', 'png'), ('labels', 'txt')):
        (found,) = (tmp_path / 'yolo' / part / 'val').iterdir()
        found.rename(found.with_name(f'{NAME}.{ending}'))
    objects = coco_folder(tmp_path / 'coco', [coco_objects((9, 9, 9, 9, 10))])
    (tmp_path / 'coco' / 'images' / '0.png').rename(tmp_path / 'coco' / 'images' / f'{NAME}.png')
    objects.write_text(objects.read_text().replace('0.png', r'caf\udce9.png'))
    return tmp_path


def run(script, folder, *arguments):
    return subprocess.run(
        [sys.executable, '-X', 'faulthandler', '-c', script, *arguments],
        cwd=folder,
        env={**os.environ, 'NO_COLOR': '1', 'COLUMNS': '200', 'PYTHONIOENCODING': 'utf-8'},
        capture_output=True,
        encoding='utf-8',  # what is printed has to be, whatever the names are
        check=False,
    )


def test_commands(folder):
    output = f'out_{NAME}'
    commands = [
        (['run', 'm.onnx', 'pictures', '--output', output, '--json'], 1),  # one is damaged
        (['run', 'm.onnx', f'{NAME}.mp4', '--output', output], 0),
        (['run', 'm.onnx', f'none{NAME}.mp4'], 1),
        (['info', f'{NAME}.onnx'], 1),
        (['evaluate', '--model', 'm.onnx', '--dataset', 'masks', '--json', f'{NAME}.json'], 0),
        (['evaluate', '--model', 'm.onnx', '--dataset', f'none{NAME}'], 1),
        (['compare', 'm.onnx', 'm.onnx', '--images', f'pictures/{NAME}.png'], 0),
    ]
    done = run(COMMANDS, folder, json.dumps([arguments for arguments, _ in commands]))
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / 'codes.json').read_text()) == [code for _, code in commands]
    assert r'caf\xe9_damaged.png is damaged or not a picture' in done.stderr
    assert r'caf\xe9.onnx: the path is not UTF-8, which libraries need; rename' in done.stderr
    assert set(os.listdir(folder / output)) == {
        *(f'{NAME}.jpg', f'{NAME}_mask.png'),
        *('caf\ufffd.mp4', 'results.jsonl'),
    }
    assert json.loads((folder / f'{NAME}.json').read_text())['dataset'] == 'masks'


def test_library(folder):
    done = run(LIBRARY, folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:4] == [
        "'pictures' 1",
        r"'pictures/caf\udce9.png' 1",
        r"'caf\udce9.mp4' 5",
        r"'file://caf\udce9.mp4' 5",
    ]
    for line, dataset in zip(lines[4:7], ('yolo', 'coco', 'masks'), strict=True):
        assert line == rf"""{dataset} ["'caf\\udce9.png'"]"""
    assert lines[7] == "('a', 'b')"
    assert re.fullmatch(r"""\["'caf\\\\udce9.png'", "'video\.\w+'"\]""", lines[8])
    assert 'the name is not UTF-8, which OpenCV needs' in lines[9]
    assert 'there is no' in lines[10]


class TestNativePaths:
    def test_plain_names_stay(self, tmp_path):
        path = tmp_path / 'é.onnx'
        assert is_utf8(path)
        assert native_path(path, what='model', error=ModelError) == str(path)
        with native_path_to_read(path) as native:
            assert native == str(path)
        with native_path_to_write(path) as native:
            assert native == str(path)

    def test_others_are_refused_or_replaced(self, tmp_path):
        path = tmp_path / f'{NAME}.onnx'
        path.write_bytes(b'content')
        with pytest.raises(ModelError, match=r'^model .*caf\\xe9\.onnx: the path is not UTF-8'):
            native_path(path, what='model', error=ModelError)
        with native_path_to_read(path) as native:
            assert Path(native).read_bytes() == b'content'
        (tmp_path / NAME).mkdir()
        with native_path_to_write(tmp_path / NAME / 'a.txt') as native:
            Path(native).write_text('x')
        assert (tmp_path / NAME / 'a.txt').read_text() == 'x'
        with pytest.raises(FileNotFoundError), native_path_to_read(tmp_path / f'none{NAME}'):
            pass
