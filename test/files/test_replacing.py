"""Files that exist completely or not at all."""

import errno
import os
import stat

import pytest

from jetson_perception.files.replacing import replace_file


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize('durable', [False, True])
@pytest.mark.parametrize(
    'content',
    [
        pytest.param(b'', id='empty'),
        pytest.param(b'new', id='bytes'),
        pytest.param(memoryview(b'new'), id='memoryview'),
    ],
)
def test_replaces(tmp_path, content, durable):
    path = tmp_path / 'a'
    for _ in range(2):
        replace_file(path, content, durable=durable)
        assert path.read_bytes() == bytes(content)
    assert os.listdir(tmp_path) == ['a']


def test_modes(tmp_path):
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / 'a', b'')
        assert mode(tmp_path / 'a') == 0o640
        (tmp_path / 'a').chmod(0o604)
        replace_file(tmp_path / 'a', b'')
        assert mode(tmp_path / 'a') == 0o604
        replace_file(tmp_path / 'a', b'', mode=0o666)
        assert mode(tmp_path / 'a') == 0o666
    finally:
        os.umask(before)


def test_leftovers_of_a_killed_process_do_no_harm(tmp_path):
    (tmp_path / 'a.tmp').write_text('half')
    replace_file(tmp_path / 'a', b'whole', temporary=tmp_path / 'a.tmp')
    assert os.listdir(tmp_path) == ['a']


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    replace_file(tmp_path / 'a', b'old')

    def fail(*_):
        raise OSError(errno.EIO, 'Input/output error')

    for name in ('fsync', 'replace'):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            with pytest.raises(OSError, match='Input/output'):
                replace_file(tmp_path / 'a', b'new', durable=True)
        assert (tmp_path / 'a').read_bytes() == b'old'
        assert os.listdir(tmp_path) == ['a']


@pytest.mark.parametrize(
    ('code', 'told'),
    [
        pytest.param(errno.EINVAL, False, id='folders_cannot_be_synchronized_here'),
        pytest.param(errno.EIO, True, id='disk_fails'),
    ],
)
def test_folder_that_cannot_be_synchronized(tmp_path, monkeypatch, code, told):
    real = os.fsync

    def fail_for_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(os, 'fsync', fail_for_folders)
    if told:
        with pytest.raises(OSError, match=os.strerror(code)):
            replace_file(tmp_path / 'a', b'new', durable=True)
    else:
        replace_file(tmp_path / 'a', b'new', durable=True)
    assert (tmp_path / 'a').read_bytes() == b'new'
