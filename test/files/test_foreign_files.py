"""Anything but a regular file is refused at once; regular files are read up to a limit."""

from __future__ import annotations

import os
import socket

import pytest

from jetson_perception.errors import ModelError
from jetson_perception.files import foreign_files
from jetson_perception.files.foreign_files import check_foreign_file, read_foreign_file


def _read(path, limit_bytes=100, **more):
    return read_foreign_file(path, what='model', error=ModelError, limit_bytes=limit_bytes, **more)


@pytest.mark.parametrize(
    'size', [pytest.param(0, id='empty'), pytest.param(1, id='one'), pytest.param(100, id='full')]
)
def test_a_file_within_the_limit_is_read(tmp_path, size):
    file = tmp_path / 'a'
    file.write_bytes(b'x' * size)
    assert _read(file) == b'x' * size


def test_a_file_beyond_the_limit_is_not_read(tmp_path):
    file = tmp_path / 'a'
    with file.open('wb') as opened:
        opened.truncate(1 << 40)  # a hole, which takes no room
    with pytest.raises(ModelError, match=r'model .*/a has more than 2 KiB'):
        _read(file, 2048)


def test_a_file_without_a_size_is_read_up_to_the_limit():
    assert os.stat('/proc/self/maps').st_size == 0
    with pytest.raises(ModelError, match='more than 100 bytes'):
        _read('/proc/self/maps')


def test_a_file_that_grows_is_read_up_to_the_limit(tmp_path, monkeypatch):
    file = tmp_path / 'a'
    file.write_bytes(b'x')
    real = os.read

    def grow_and_read(descriptor, count):
        with file.open('ab') as opened:
            opened.write(b'x' * 40)
        return real(descriptor, count)

    monkeypatch.setattr(foreign_files.os, 'read', grow_and_read)
    with pytest.raises(ModelError, match='more than 100 bytes'):
        _read(file)


@pytest.mark.parametrize('function', [_read, pytest.param(None, id='check_foreign_file')])
def test_anything_but_a_file_is_refused_at_once(tmp_path, function):
    def take(path):
        if function is not None:
            return function(path, hint='a pipe comes in elsewhere')
        return check_foreign_file(
            path, what='model', error=ModelError, hint='a pipe comes in elsewhere'
        )

    os.mkfifo(tmp_path / 'fifo')
    (tmp_path / 'link').symlink_to(tmp_path / 'fifo')
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / 'socket'))
        found = {
            tmp_path / 'fifo': r'is a pipe \(FIFO\); expected a regular file; a pipe comes in',
            tmp_path / 'link': 'is a pipe',
            tmp_path / 'socket': 'is a socket',
            tmp_path: 'is a folder',
            '/dev/zero': 'is a device',
        }
        for path, text in found.items():
            with pytest.raises(ModelError, match=text):
                take(path)


@pytest.mark.parametrize(
    ('path', 'text'),
    [
        pytest.param('missing', 'No such file', id='missing'),
        pytest.param('dangling', 'No such file', id='link_to_nothing'),
        pytest.param('circle', 'symbolic links', id='link_to_itself'),
        pytest.param('file/below', 'Not a directory', id='below_a_file'),
        pytest.param('n' * 256, 'File name too long', id='long_name'),
        pytest.param('d/' * 2500, 'File name too long', id='long_path'),
        pytest.param('a\0b', r'a\\x00b: the path holds a NUL', id='nul'),
        pytest.param('\ud800', r'\\ud800: the path cannot name a file', id='half_of_a_pair'),
        pytest.param('~no-such-user-here/x', 'no such user', id='home_of_nobody'),
        pytest.param('', 'is a folder', id='empty'),
    ],
)
def test_a_path_to_nothing_is_an_error_of_ours(tmp_path, monkeypatch, path, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'dangling').symlink_to('gone')
    (tmp_path / 'circle').symlink_to('circle')
    (tmp_path / 'file').write_bytes(b'x')
    with pytest.raises(ModelError, match=text):
        _read(path)


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
def test_a_file_that_may_not_be_read_is_an_error_of_ours(tmp_path):
    file = tmp_path / 'a'
    file.write_bytes(b'x')
    file.chmod(0)
    with pytest.raises(ModelError, match='cannot be read: Permission denied'):
        _read(file)


def test_the_file_read_is_the_one_that_was_checked(tmp_path, monkeypatch):
    file = tmp_path / 'a'
    file.write_bytes(b'x')
    real = os.open

    def swap_and_open(path, flags, **more):
        file.unlink()
        os.mkfifo(file)
        return real(path, flags, **more)

    monkeypatch.setattr(foreign_files.os, 'open', swap_and_open)
    with pytest.raises(ModelError, match='is a pipe'):
        _read(file)


def test_a_name_that_is_not_utf8_is_read(tmp_path):
    file = tmp_path / os.fsdecode(b'caf\xe9')
    file.write_bytes(b'x')
    assert _read(file) == b'x'
    assert check_foreign_file(file, what='model', error=ModelError) == file


def test_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'a').write_bytes(b'x')
    assert _read('~/a') == b'x'
    assert check_foreign_file('~/a', what='model', error=ModelError) == tmp_path / 'a'
