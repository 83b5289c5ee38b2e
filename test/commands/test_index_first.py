"""The index of an MP4 before its frames."""

import struct

import av
import numpy as np
import pytest

from jetson_perception.commands import index_first
from jetson_perception.commands.index_first import put_index_first
from jetson_perception.commands.recording import write_video


def boxes(path):
    """Names of the outermost boxes of an MP4."""
    data, at, names = path.read_bytes(), 0, []
    while at < len(data):
        size, name = struct.unpack('>I4s', data[at : at + 8])
        names.append(name.decode())
        at += size
    return names


def frames(path):
    """Time in ms, and pixels of each frame."""
    with av.open(str(path)) as file:
        return [(round(1e3 * each.time), each.to_ndarray()) for each in file.decode(video=0)]


@pytest.fixture
def last(tmp_path, monkeypatch):
    """A video whose index is at the end."""
    with monkeypatch.context() as patched:
        patched.setattr('jetson_perception.commands.recording.put_index_first', lambda _: False)
        with write_video(tmp_path / 'a.mp4', (64, 48), 10.0) as video:
            for level, time_s in ((10, 0.0), (90, 0.1), (170, 0.5), (250, 0.6)):
                video.write(np.full((48, 64, 3), level, np.uint8), time_s)
    names = boxes(video.path)
    assert names.index('moov') > names.index('mdat')
    return video.path


def test_frames_stay_the_same(last):
    before = frames(last)
    assert put_index_first(last)
    names = boxes(last)
    assert names.index('moov') < names.index('mdat')
    after = frames(last)
    assert [time_ms for time_ms, _ in after] == [time_ms for time_ms, _ in before]
    assert all(
        np.array_equal(one, other) for (_, one), (_, other) in zip(before, after, strict=True)
    )
    assert [each.name for each in last.parent.iterdir()] == ['a.mp4']


def test_what_is_written_has_it_first(tmp_path):
    with write_video(tmp_path / 'a.mp4', (64, 48), 10.0) as video:
        video.write(np.zeros((48, 64, 3), np.uint8))
    names = boxes(video.path)
    assert names.index('moov') < names.index('mdat')


def test_one_whose_writing_is_cut_off_is_not_copied(tmp_path):
    def write():
        with write_video(tmp_path / 'a.mp4', (64, 48), 10.0) as video:
            video.write(np.zeros((48, 64, 3), np.uint8))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    names = boxes(tmp_path / 'a.mp4')
    assert names.index('moov') > names.index('mdat')


@pytest.mark.parametrize('why', ['damaged', 'large', 'link', 'full'])
def test_what_cannot_be_copied_stays(last, monkeypatch, why):
    if why == 'damaged':
        last.write_bytes(last.read_bytes()[:200])
    elif why == 'large':
        monkeypatch.setattr(index_first, '_LARGEST_BYTES', 100)
    elif why == 'full':
        room = index_first.shutil.disk_usage(last.parent)._replace(free=1000)
        monkeypatch.setattr(index_first.shutil, 'disk_usage', lambda _: room)
    before = last.read_bytes()
    path = last
    if why == 'link':
        path = last.with_name('link.mp4')
        path.symlink_to(last)
    assert not put_index_first(path)
    assert last.read_bytes() == before
    assert not [each for each in last.parent.iterdir() if each.name.endswith('.part')]
