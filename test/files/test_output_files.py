import os
import stat
from pathlib import Path

import pytest
from small_disk import file_size_limit, small_disk

from jetson_perception.errors import ParameterError
from jetson_perception.files.output_files import require_writable, write_output

NOT_UTF8 = os.fsdecode(b'caf\xe9')


@pytest.mark.parametrize(
    ('name', 'content', 'expected'),
    [
        pytest.param('a.json', '', b'', id='empty'),
        pytest.param('a.json', '{"å": 1}\n', '{"å": 1}\n'.encode(), id='text'),
        pytest.param('a.bin', b'\0\xff', b'\0\xff', id='bytes'),
        pytest.param('a.txt', NOT_UTF8, b'caf\\udce9', id='half_of_a_surrogate_pair'),
        pytest.param(f'{NOT_UTF8}.txt', 'x', b'x', id='name_not_utf8'),
        pytest.param('x' * 255, 'x', b'x', id='longest_name'),
    ],
)
def test_written(tmp_path, name, content, expected):
    write_output(tmp_path / name, content)
    assert (tmp_path / name).read_bytes() == expected
    assert os.listdir(tmp_path) == [name]


def test_written_to_the_disk(tmp_path):
    write_output(tmp_path / 'a.engine', b'plan', durable=True)
    assert (tmp_path / 'a.engine').read_bytes() == b'plan'


def test_an_existing_file_is_replaced_and_keeps_its_mode(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('old')
    path.chmod(0o640)
    write_output(path, 'new')
    assert path.read_text() == 'new'
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_stays_one(tmp_path):
    (tmp_path / 'there').mkdir()
    (tmp_path / 'a.json').symlink_to(tmp_path / 'there' / 'b.json')
    write_output(tmp_path / 'a.json', 'new')
    assert (tmp_path / 'a.json').is_symlink()
    assert (tmp_path / 'there' / 'b.json').read_text() == 'new'


def test_a_device_is_written_to(tmp_path):
    write_output('/dev/null', 'x')
    with pytest.raises(
        ParameterError, match=r'^/dev/full cannot be written: No space left on dev'
    ):
        write_output('/dev/full', 'x')
    assert not Path('/dev/full').is_file()


def test_a_pipe_that_nobody_reads_is_refused_at_once_where_a_file_must_be(tmp_path):
    pipe = tmp_path / 'a.yaml'
    os.mkfifo(pipe)
    with pytest.raises(ParameterError, match=r'a\.yaml is a pipe \(FIFO\); expected a regular'):
        write_output(pipe, 'x', parameter='calibration_output', regular_only=True)
    assert pipe.is_fifo()
    with pytest.raises(ParameterError, match=r'^/dev/null is a device'):
        write_output('/dev/null', 'x', regular_only=True)
    write_output(tmp_path / 'b.yaml', 'x', regular_only=True)
    write_output(tmp_path / 'b.yaml', 'y', regular_only=True)
    assert (tmp_path / 'b.yaml').read_text() == 'y'


@pytest.mark.parametrize(
    ('name', 'match'),
    [
        pytest.param('no/a.json', 'no/a.json cannot be written: No such file', id='folder'),
        pytest.param('x' * 256, 'cannot be written: File name too long; write els', id='long'),
        pytest.param('.', 'cannot be written: Is a directory', id='is_a_folder'),
        pytest.param('a\0b', r'a\\x00b cannot be written: .*null', id='nul'),
        pytest.param('é\x1b[2J/a', r'é\\x1b\[2J/a cannot be written', id='unprintable'),
    ],
)
def test_refused(tmp_path, name, match):
    with pytest.raises(ParameterError, match=match) as caught:
        write_output(tmp_path / name, 'x', parameter='json')
    assert caught.value.parameter == 'json'
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_grows_too_large_leaves_the_old_one(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('old')
    with (
        file_size_limit(1000),
        pytest.raises(ParameterError, match=r'a\.json cannot be written: File too large; make ro'),
    ):
        write_output(path, 'x' * 2000)
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_full_leaves_the_old_file(tmp_path):
    path = tmp_path / 'a.json'
    with small_disk(tmp_path, 1):
        write_output(path, 'old')
        with pytest.raises(ParameterError, match='cannot be written: No space left on device; ma'):
            write_output(path, bytes(2 << 20))
        assert os.listdir(tmp_path) == ['a.json']
        assert path.read_text() == 'old'


class TestRequireWritable:
    @pytest.mark.parametrize('name', [None, '/dev/null', '/dev/stdout'])
    def test_no_file_and_devices_pass(self, name):
        require_writable(name)

    def test_nothing_is_touched(self, tmp_path):
        (tmp_path / 'old').write_text('old')
        (tmp_path / 'link').symlink_to('new')
        for name in ('old', 'new', 'link', 'x' * 255, NOT_UTF8):
            require_writable(tmp_path / name)
        assert sorted(os.listdir(tmp_path)) == ['link', 'old']
        assert (tmp_path / 'old').read_text() == 'old'

    def test_a_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / 'pipe')
        require_writable(tmp_path / 'pipe')

    @pytest.mark.parametrize(
        ('name', 'text'),
        [
            pytest.param('none/a', 'No such file or directory', id='no_folder'),
            pytest.param('file/a', 'Not a directory', id='a_file_as_the_folder'),
            pytest.param('.', 'Is a directory', id='folder'),
            pytest.param('x' * 256, 'File name too long', id='longer_than_names_can_be'),
            pytest.param('a\0b', 'null byte', id='nul'),
        ],
    )
    def test_refused(self, tmp_path, name, text):
        (tmp_path / 'file').touch()
        with pytest.raises(ParameterError, match=text) as error:
            require_writable(tmp_path / name, parameter='json')
        assert error.value.parameter == 'json'
        assert os.listdir(tmp_path) == ['file']
