import re
from pathlib import Path

import pytest

from jetson_perception.ros.viewing.arguments import parsed


def test_what_is_given_beside_what_is_for_ros():
    options = parsed(
        ['view', '--port', '0', '--topic', '/a/', '--ros-args', '-r', '__ns:=/robot', '--']
    )
    assert (options.address, options.port, options.token_file) == ('127.0.0.1', 0, None)
    assert options.topics == {'/a'}
    assert options.recordings is None


def test_a_folder_of_recordings_is_absolute(monkeypatch, tmp_path):
    monkeypatch.setenv('HOME', '/home/me')
    monkeypatch.chdir(tmp_path)
    given = (parsed(['view', '--recordings', each]).recordings for each in ('~/a', 'b'))
    assert list(given) == [Path('/home/me/a'), tmp_path / 'b']


@pytest.mark.parametrize(
    ('arguments', 'told'),
    [
        pytest.param(['--port', '65536'], "'65536' is no port", id='high_port'),
        pytest.param(['--port', '-1'], 'expected one argument|is no port', id='negative_port'),
        pytest.param(['--address', 'robot'], "'robot' is no IP address", id='name'),
        pytest.param(['--address', '0.0.0.0'], 'give --token-file FILE', id='open_to_all'),
        pytest.param(['--address', '::'], 'give --token-file FILE', id='open_to_all_6'),
        pytest.param(['--allow-name', 'http://x'], 'is no name of a machine', id='no_name'),
        pytest.param(['--recordings', ''], 'no folder was named', id='no_folder'),
        pytest.param(['--recordings', '~nobody_here/x'], 'no such user', id='no_home'),
        pytest.param(['--prot', '1'], 'unrecognized arguments', id='unknown'),
    ],
)
def test_what_is_refused(arguments, told, capsys):
    with pytest.raises(SystemExit):
        parsed(['view', *arguments])
    assert re.search(told, capsys.readouterr().err)
