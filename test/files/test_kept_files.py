"""Files that are kept for later processes: real files, real modes."""

import os
import time

import pytest

from jetson_perception.errors import ModelError
from jetson_perception.files.kept_files import KeptFiles
from jetson_perception.files.private_files import PrivateFolder

_CHECKSUM_BYTES = 32


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'kept'


def kept_files(path, max_bytes=1000, max_file_bytes=500):
    return KeptFiles(
        PrivateFolder(path, holds='things', error=ModelError),
        what='things',
        made='made',
        max_bytes=max_bytes,
        max_file_bytes=max_file_bytes,
    )


def test_nothing_is_kept_yet(path):
    kept = kept_files(path)
    assert kept.read('a') is None
    kept.remove('a')
    assert not path.exists()


@pytest.mark.parametrize('content', [b'', b'x', bytes(500)], ids=['empty', 'byte', 'largest'])
def test_what_is_kept_is_read_by_the_next(path, content):
    assert kept_files(path).write('a', content)
    assert kept_files(path).read('a') == content
    assert kept_files(path).read('b') is None


def test_the_last_one_counts(path):
    kept = kept_files(path)
    kept.write('a', b'first')
    kept.write('a', b'second')
    assert kept.read('a') == b'second'
    kept.remove('a')
    assert kept.read('a') is None


def append(path):
    path.write_bytes(path.read_bytes() + b'?')


def to_link(path):
    target = path.with_name('target')
    path.rename(target)
    path.symlink_to(target)


@pytest.mark.parametrize(
    'damage',
    [
        pytest.param(lambda path: path.write_bytes(b''), id='empty'),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-1]), id='cut_off'),
        pytest.param(append, id='more'),
        pytest.param(lambda path: path.write_bytes(bytes(_CHECKSUM_BYTES + 501)), id='too_large'),
        pytest.param(lambda path: path.unlink(), id='gone'),
        pytest.param(lambda path: path.chmod(0o666), id='others_may_write'),
        pytest.param(lambda path: path.parent.chmod(0o777), id='others_may_write_the_folder'),
        pytest.param(to_link, id='link'),
        pytest.param(
            lambda path: os.chown(path, 12345, -1),
            id='of_another_user',
            marks=pytest.mark.skipif(os.geteuid() != 0, reason='only root may give files away'),
        ),
    ],
)
def test_what_is_not_surely_our_own_is_not_read(path, damage):
    kept = kept_files(path)
    kept.write('a', b'content')
    damage(path / 'a')
    assert kept.read('a') is None
    path.chmod(0o700)
    assert kept.write('a', b'again')
    assert kept.read('a') == b'again'


def test_what_is_too_large_is_not_kept(path, caplog):
    kept = kept_files(path)
    assert not kept.write('a', bytes(501))
    assert kept.read('a') is None
    assert not caplog.text


def test_what_was_used_longest_ago_is_removed(path):
    kept = kept_files(path, max_bytes=3 * (100 + _CHECKSUM_BYTES))
    for age, name in enumerate('cab'):
        kept.write(name, bytes(100))
        os.utime(path / name, (0, time.time() - 100 + age))
    assert kept.read('c') is not None  # now `a` is the oldest
    kept.write('d', bytes(100))
    assert sorted(each.name for each in path.iterdir()) == ['b', 'c', 'd']


def test_the_new_one_stays_whatever_the_limit(path):
    kept = kept_files(path, max_bytes=10)
    kept.write('a', bytes(100))
    kept.write('b', bytes(100))
    assert [each.name for each in path.iterdir()] == ['b']


def test_a_folder_that_cannot_be_made(path, caplog):
    path.write_text('a file')
    kept = kept_files(path / 'below')
    assert not kept.write('a', b'content')
    assert kept.read('a') is None
    assert 'things are not kept in' in caplog.text
    assert 'will be made at every start' in caplog.text
