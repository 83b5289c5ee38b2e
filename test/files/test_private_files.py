"""Files that nobody else may write: real files, with real permissions."""

import os
import stat

import pytest

from jetson_perception.errors import CudaError, ModelError
from jetson_perception.files.private_files import PrivateFolder, replace_file, user_cache


@pytest.fixture
def folder(tmp_path):
    return PrivateFolder(tmp_path / 'a' / 'b', holds='engines', error=ModelError)


class TestUserCache:
    def test_follows_xdg(self, monkeypatch, tmp_path):
        monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
        assert user_cache('kernels') == tmp_path / 'jetson_perception' / 'kernels'

    @pytest.mark.parametrize('value', ['', 'relative/cache'])
    def test_ignores_what_is_no_absolute_path(self, monkeypatch, tmp_path, value):
        monkeypatch.setenv('XDG_CACHE_HOME', value)
        monkeypatch.setenv('HOME', str(tmp_path))
        assert user_cache('x') == tmp_path / '.cache' / 'jetson_perception' / 'x'


class TestPrivateFolder:
    def test_what_is_not_there(self, folder):
        assert folder.read('x') is None

    @pytest.mark.parametrize('content', [b'', b'content'])
    def test_what_is_written_is_read(self, folder, content):
        folder.prepare()
        folder.write('x', b'old')
        folder.write('x', content)
        assert folder.read('x') == content
        assert [path.name for path in folder.path.iterdir()] == ['x']

    def test_is_private_whatever_the_umask(self, folder):
        folder.path.parent.mkdir()
        before = os.umask(0)
        try:
            folder.prepare()
            folder.write('x', b'content')
        finally:
            os.umask(before)
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder.path / 'x').stat().st_mode) == 0o600

    @pytest.mark.parametrize('mode', [0o720, 0o702, 0o777])
    def test_a_folder_that_others_may_write_is_refused(self, folder, mode):
        folder.prepare()
        folder.path.chmod(mode)
        for call in (folder.prepare, folder.check):
            with pytest.raises(ModelError, match=rf'by others \(mode {mode:o}\), and engines'):
                call()

    def test_a_folder_that_others_may_exchange_is_refused(self, folder):
        folder.prepare()
        folder.path.parent.chmod(0o777)
        with pytest.raises(ModelError, match=rf'`chmod o-w {folder.path.parent}`'):
            folder.prepare()
        folder.path.parent.chmod(0o1777)  # as /tmp is: only owners may rename
        folder.prepare()

    def test_another_users_are_refused(self, folder, monkeypatch):
        folder.prepare()
        folder.write('x', b'content')
        user = os.geteuid()
        monkeypatch.setattr(os, 'geteuid', lambda: user + 1)
        for call in (folder.prepare, folder.check, lambda: folder.read('x')):
            with pytest.raises(ModelError, match=rf'belongs to user {user}, .*as {user + 1}'):
                call()

    @pytest.mark.parametrize('mode', [0o620, 0o602])
    def test_a_file_that_others_may_write_is_refused(self, folder, mode):
        folder.prepare()
        folder.write('x', b'content')
        (folder.path / 'x').chmod(mode)
        with pytest.raises(ModelError, match=rf'x may be written by others \(mode {mode:o}\)'):
            folder.read('x')

    def test_links_folders_and_pipes_are_refused(self, folder):
        folder.prepare()
        folder.write('x', b'content')
        (folder.path / 'link').symlink_to('x')
        (folder.path / 'folder').mkdir(mode=0o700)
        os.mkfifo(folder.path / 'pipe', 0o600)
        for name in ('link', 'folder', 'pipe'):
            with pytest.raises(ModelError, match=rf'{name} .*; remove it'):
                folder.read(name)

    def test_raises_what_it_is_told_to(self, tmp_path):
        tmp_path.chmod(0o777)
        with pytest.raises(CudaError, match='and compiled kernels execute code'):
            PrivateFolder(tmp_path, holds='compiled kernels', error=CudaError).check()


class TestReplaceFile:
    def test_permissions_stay(self, tmp_path):
        path = tmp_path / 'x'
        path.write_bytes(b'old')
        path.chmod(0o640)
        replace_file(path, b'new')
        assert path.read_bytes() == b'new'
        assert stat.S_IMODE(path.stat().st_mode) == 0o640

    def test_of_a_private_file_they_do_not(self, tmp_path):
        path = tmp_path / 'x'
        path.write_bytes(b'old')
        path.chmod(0o666)
        replace_file(path, b'new', mode=0o600)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    @pytest.mark.parametrize('durable', [False, True])
    def test_what_fails_leaves_the_old_one_and_nothing_else(self, tmp_path, monkeypatch, durable):
        path = tmp_path / 'x'
        path.write_bytes(b'old')

        def no_space(*_):
            raise OSError(28, 'No space left on device')

        monkeypatch.setattr(os, 'replace', no_space)
        with pytest.raises(OSError, match='No space'):
            replace_file(path, b'new', durable=durable)
        assert path.read_bytes() == b'old'
        assert list(tmp_path.iterdir()) == [path]
