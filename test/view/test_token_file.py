import pytest

from jetson_perception.errors import ParameterError
from jetson_perception.view.token_file import read_token


def test_one_is_made_for_its_user_alone_and_kept(tmp_path):
    path = tmp_path / 'token'
    token = read_token(path)
    assert len(token) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_token(path) == token
    assert read_token(tmp_path / 'other') != token


def test_a_given_one_is_taken(tmp_path):
    path = tmp_path / 'token'
    path.touch(0o600)
    path.write_text(' of my own \n')
    assert read_token(path) == 'of my own'


@pytest.mark.parametrize(
    ('mode', 'content', 'told'),
    [
        pytest.param(0o644, 'x', 'others may use .*chmod 600', id='others_read'),
        pytest.param(0o620, 'x', 'others may use', id='others_write'),
        pytest.param(0o600, ' \n', 'is empty', id='empty'),
    ],
)
def test_files_that_are_refused(tmp_path, mode, content, told):
    path = tmp_path / 'token'
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(ParameterError, match=told):
        read_token(path)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ParameterError, match='cannot be read or made: No such file'):
        read_token(tmp_path / 'none' / 'token')
