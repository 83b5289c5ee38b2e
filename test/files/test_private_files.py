"""A folder that only its user can write to: real files, real modes."""

import os
import stat

import pytest
from small_disk import small_disk

from jetson_perception.errors import ModelError
from jetson_perception.files.private_files import PrivateFolder, cache_folder


def private(path):
    return PrivateFolder(path, holds='engines', error=ModelError)


@pytest.fixture
def folder(tmp_path):
    made = private(tmp_path / 'kept')
    made.make()
    return made


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


class TestPlace:
    def test_follows_xdg(self, monkeypatch, tmp_path):
        monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
        assert cache_folder('engines') == tmp_path / 'jetson_perception' / 'engines'

    @pytest.mark.parametrize('value', ['', 'relative/cache'])
    def test_ignores_a_path_that_is_not_absolute(self, monkeypatch, tmp_path, value):
        monkeypatch.setenv('XDG_CACHE_HOME', value)
        monkeypatch.setenv('HOME', str(tmp_path))
        assert cache_folder('kernels') == tmp_path / '.cache' / 'jetson_perception' / 'kernels'


class TestFolder:
    def test_is_made_with_its_parents_with_any_umask(self, tmp_path):
        path = tmp_path / 'cache' / 'jetson_perception' / 'engines'
        before = os.umask(0)
        try:
            private(path).make()
        finally:
            os.umask(before)
        for each in (path, path.parent, path.parent.parent):
            assert mode(each) == 0o700
        private(path).make()

    def test_that_is_there_keeps_its_mode(self, tmp_path):
        tmp_path.chmod(0o755)
        private(tmp_path).make()
        assert mode(tmp_path) == 0o755

    def test_that_is_not_there(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            private(tmp_path / 'none').check()

    def test_that_cannot_be_made(self, tmp_path):
        (tmp_path / 'file').touch()
        with pytest.raises(OSError, match='file'):
            private(tmp_path / 'file' / 'kept').make()

    def test_in_a_circle_of_links(self, tmp_path):
        (tmp_path / 'a').symlink_to(tmp_path / 'b')
        (tmp_path / 'b').symlink_to(tmp_path / 'a')
        for call in (private(tmp_path / 'a').make, private(tmp_path / 'a').check):
            with pytest.raises(OSError, match='a'):
                call()

    @pytest.mark.parametrize('others', [0o720, 0o702, 0o777])
    def test_that_others_may_write(self, folder, others):
        folder.path.chmod(others)
        for call in (folder.make, folder.check):
            with pytest.raises(
                ModelError,
                match=rf'may be written by others \(mode {others:o}\), and engines are executed.*'
                rf'chmod go-w {folder.path}`',
            ):
                call()

    def test_that_others_may_exchange(self, folder):
        folder.path.parent.chmod(0o777)
        with pytest.raises(ModelError, match=rf'`chmod o-w {folder.path.parent}`, or set XDG'):
            folder.check()
        folder.path.parent.chmod(0o1777)  # as /tmp is: only owners may rename
        folder.check()

    def test_behind_a_link(self, tmp_path):
        (tmp_path / 'real').mkdir()
        (tmp_path / 'real').chmod(0o777)
        (tmp_path / 'link').symlink_to(tmp_path / 'real')
        with pytest.raises(ModelError, match='real may be written by others'):
            private(tmp_path / 'link').make()

    def test_of_another_user(self, folder, monkeypatch):
        user = os.geteuid()
        monkeypatch.setattr(os, 'geteuid', lambda: user + 1)
        with pytest.raises(
            ModelError, match=rf'belongs to user {user}, .* runs as {user + 1}.*sudo chown -R'
        ):
            folder.check()


class TestFile:
    @pytest.mark.parametrize('content', [pytest.param(b'', id='empty'), b'\0\xff'])
    def test_is_written_for_its_user_alone(self, folder, content):
        before = os.umask(0)
        try:
            folder.write('a', content)
        finally:
            os.umask(before)
        assert folder.read('a') == content
        assert mode(folder.path / 'a') == 0o600
        assert os.listdir(folder.path) == ['a']

    def test_that_is_not_there(self, folder):
        assert folder.read('none') is None

    def test_that_others_could_write_is_replaced_by_a_private_one(self, folder):
        folder.write('a', b'old')
        (folder.path / 'a').chmod(0o666)
        folder.write('a', b'new')
        assert mode(folder.path / 'a') == 0o600
        assert folder.read('a') == b'new'

    @pytest.mark.parametrize('others', [0o620, 0o602])
    def test_that_others_may_write(self, folder, others):
        folder.write('a', b'x')
        (folder.path / 'a').chmod(others)
        with pytest.raises(ModelError, match=rf'a may be written by others \(mode {others:o}\)'):
            folder.read('a')

    def test_that_is_something_else(self, folder, tmp_path):
        (tmp_path / 'elsewhere').touch()
        path = folder.path / 'a'
        path.symlink_to(tmp_path / 'elsewhere')
        with pytest.raises(ModelError, match=r'a cannot be read: .*; remove it'):
            folder.read('a')
        path.unlink()
        for make in (lambda: path.mkdir(mode=0o700), lambda: os.mkfifo(path, 0o600)):
            make()
            with pytest.raises(ModelError, match='a is not a file; remove it'):
                folder.read('a')
            path.rmdir() if path.is_dir() else path.unlink()

    def test_a_link_in_the_way_of_the_temporary_one_is_not_followed(self, folder, tmp_path):
        (tmp_path / 'elsewhere').write_text('mine')
        (folder.path / 'a.tmp').symlink_to(tmp_path / 'elsewhere')
        folder.write('a', b'x', temporary='a.tmp')
        assert (tmp_path / 'elsewhere').read_text() == 'mine'
        assert os.listdir(folder.path) == ['a']

    def test_a_link_in_its_place_is_replaced(self, folder, tmp_path):
        (tmp_path / 'elsewhere').write_text('mine')
        (folder.path / 'a').symlink_to(tmp_path / 'elsewhere')
        folder.write('a', b'x')
        assert (tmp_path / 'elsewhere').read_text() == 'mine'
        assert folder.read('a') == b'x'

    def test_a_disk_that_is_full_leaves_the_old_one(self, tmp_path):
        with small_disk(tmp_path, 1):
            folder = private(tmp_path)
            tmp_path.chmod(0o700)
            folder.write('a', b'old')
            with pytest.raises(OSError, match='No space left on device'):
                folder.write('a', bytes(2 << 20))
            assert folder.read('a') == b'old'
            assert os.listdir(tmp_path) == ['a']
