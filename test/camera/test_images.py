import os
import threading

import cv2
import numpy as np
import pytest

from jetson_perception.camera.images import ImagesSource, picture_paths
from jetson_perception.errors import EndOfStream, SourceError


def write(folder, names, size_wh=(8, 6)):
    """Pictures whose gray level is their place in `names`, times 10."""
    for place, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        assert cv2.imwrite(str(path), np.full((size_wh[1], size_wh[0], 3), place * 10, np.uint8))


def levels(source, limit=20):
    found = []
    try:
        for _ in range(limit):
            found.append(round(float(source.read().pixels.mean()) / 10))
    except EndOfStream as end:
        return found, str(end)
    return found, ''


def test_natural_order(tmp_path):
    write(tmp_path, ['1.png', '2.png', '10.png', 'a.bmp', 'b2.PNG', 'b10.png'])
    (tmp_path / 'notes.txt').write_text('no picture')
    (tmp_path / 'folder.d').mkdir()
    source = ImagesSource(f'images://{tmp_path}', frame_rate=0)
    source.open()
    assert levels(source) == ([0, 1, 2, 3, 4, 5], f'images://{tmp_path} ended after 6 pictures')
    assert not source.live


def test_pattern(tmp_path):
    write(tmp_path, ['left_1.png', 'right_1.png', 'left_2.png'])
    source = ImagesSource(f'images://{tmp_path}/left_*.png', frame_rate=0)
    source.open()
    assert levels(source)[0] == [0, 2]


def test_one_picture_loops(tmp_path):
    write(tmp_path, ['only.png'])
    source = ImagesSource(f'images://{tmp_path}/only.png', frame_rate=0, loop=True)
    source.open()
    assert levels(source, limit=3) == ([0, 0, 0], '')


@pytest.mark.parametrize(
    ('size_wh', 'shape'), [(None, (6, 8, 3)), ((16, 4), (4, 16, 3)), ((8, 6), (6, 8, 3))]
)
def test_size(tmp_path, size_wh, shape):
    write(tmp_path, ['a.png'])
    source = ImagesSource(f'images://{tmp_path}', size_wh=size_wh, frame_rate=0)
    source.open()
    assert source.read().pixels.shape == shape


@pytest.mark.parametrize('depth', [np.uint8, np.uint16])
def test_gray_and_deep_pictures_come_as_bgr8(tmp_path, depth):
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((6, 8), np.iinfo(depth).max, depth))
    source = ImagesSource(f'images://{tmp_path}')
    source.open()
    pixels = source.read().pixels
    assert pixels.dtype == np.uint8
    assert pixels.shape == (6, 8, 3)
    assert (pixels == 255).all()


def test_damaged_pictures_are_skipped(tmp_path, caplog):
    write(tmp_path, ['1.png', '2.png', '3.png', '4.png', '5.png'])
    (tmp_path / '2.png').write_bytes(b'no picture')
    (tmp_path / '3.png').write_bytes(b'')
    source = ImagesSource(f'images://{tmp_path}', frame_rate=0)
    source.open()
    assert levels(source)[0] == [0, 3, 4]
    assert f'{tmp_path}/2.png is damaged or not a picture: it begins with 6e 6f 20' in caplog.text
    assert f'{tmp_path}/3.png is empty; ' in caplog.text


def test_formats_that_are_not_documented_and_pipes_are_skipped(tmp_path, caplog):
    write(tmp_path, ['1.png'])
    (tmp_path / '2.png').write_bytes(b'GIF89a\xff\xff\x80\x3e\x80\0\0' + bytes(16))
    os.mkfifo(tmp_path / '3.png')
    source = ImagesSource(f'images://{tmp_path}', frame_rate=0)
    source.open()
    assert levels(source)[0] == [0]
    assert f'{tmp_path}/2.png is GIF, which is not supported; JPEG, PNG,' in caplog.text
    assert f'{tmp_path}/3.png is a pipe (FIFO); expected a regular file; skipped' in caplog.text


def test_a_damaged_picture_is_skipped_in_every_round(tmp_path, caplog):
    write(tmp_path, ['1.png', '2.png'])
    (tmp_path / '1.png').write_bytes(b'no picture')
    source = ImagesSource(f'images://{tmp_path}', frame_rate=0, loop=True)
    source.open()
    assert levels(source, limit=4) == ([1, 1, 1, 1], '')
    assert caplog.text.count('skipped') == 1  # and told of once


@pytest.mark.parametrize('loop', [False, True])
def test_nothing_but_damaged_pictures(tmp_path, loop):
    for name in ('1.png', '2.png'):
        (tmp_path / name).write_bytes(b'no picture')
    source = ImagesSource(f'images://{tmp_path}', frame_rate=0, loop=loop)
    source.open()
    with pytest.raises(SourceError, match='none of the 2 pictures can be read') as caught:
        source.read()
    assert not isinstance(caught.value, EndOfStream)


def test_pictures_that_vanish_while_they_loop(tmp_path):
    write(tmp_path, ['1.png', '2.png'])
    source = ImagesSource(f'images://{tmp_path}', frame_rate=0, loop=True)
    source.open()
    source.read()
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(SourceError, match='none of the 2 pictures'):
        source.read()


@pytest.mark.parametrize(
    ('target', 'text'),
    [
        pytest.param('', r'the folder .* holds no pictures \(\.bmp \.jpeg', id='empty_folder'),
        pytest.param('nope', 'there is no .*nope; expected a picture, a folder', id='missing'),
        pytest.param('*.png', r'no picture matches .*\*\.png; expected', id='pattern'),
    ],
)
def test_no_pictures(tmp_path, target, text):
    with pytest.raises(SourceError, match=text):
        picture_paths(f'{tmp_path}/{target}')


def test_brackets_in_a_name_are_not_a_pattern(tmp_path):
    write(tmp_path, ['shots [1]/a.png'])
    assert picture_paths(f'{tmp_path}/shots [1]') == [tmp_path / 'shots [1]' / 'a.png']


def test_a_pattern_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    for name in ('left_1.png', 'right_1.png'):
        (tmp_path / name).touch()
    assert picture_paths('~/left_*.png') == [tmp_path / 'left_1.png']


def test_read_needs_open(tmp_path):
    write(tmp_path, ['a.png'])
    source = ImagesSource(f'images://{tmp_path}')
    with pytest.raises(SourceError, match=r'is not open; call open\(\) first'):
        source.read()


def test_close_ends_a_read_that_waits(tmp_path):
    write(tmp_path, ['a.png', 'b.png'])
    source = ImagesSource(f'images://{tmp_path}', frame_rate=0.001)
    source.open()
    source.read()
    errors = []

    def read():
        try:
            source.read()
        except SourceError as err:
            errors.append(str(err))

    reader = threading.Thread(target=read)
    reader.start()
    source.close()
    source.close()
    reader.join(10)
    assert not reader.is_alive()
    assert len(errors) == 1


@pytest.mark.parametrize(
    'target',
    [
        pytest.param('a\0b/*.png', id='nul'),
        pytest.param('~no-such-user-here/*.png', id='home_of_nobody'),
        pytest.param('n' * 256, id='long_name'),
        pytest.param('[' * 5000, id='brackets'),
        pytest.param('fifo.png', id='pipe'),
    ],
)
def test_paths_to_nothing(tmp_path, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / 'fifo.png')
    with pytest.raises(SourceError):
        picture_paths(target)


@pytest.mark.parametrize(
    ('names', 'rest'),
    [
        pytest.param(['notes.txt'], '', id='neither'),
        pytest.param(
            ['b 10.mp4', 'b 2.MOV'],
            ', but 2 videos; a source is one of them, such as file://{folder}/b 2.MOV',
            id='videos',
        ),
        pytest.param(
            ['a.mcap', 'notes.txt'],
            ', but 1 recording; a source is one of them, such as bag://{folder}/a.mcap',
            id='recording',
        ),
    ],
)
def test_a_folder_of_something_else_is_told(tmp_path, names, rest):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(SourceError) as error:
        picture_paths(str(tmp_path))
    assert str(error.value).partition('.webp)')[2] == rest.format(folder=tmp_path)
