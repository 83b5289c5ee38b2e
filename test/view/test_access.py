import pytest

from jetson_perception.errors import ParameterError
from jetson_perception.view.access import Access, require_names

TOKEN = 'a token of more than 16'


@pytest.mark.parametrize(
    ('host', 'known'),
    [
        pytest.param('', False, id='none'),
        pytest.param('localhost', True, id='localhost'),
        pytest.param('LOCALHOST:8080', True, id='upper_case_with_port'),
        pytest.param('127.0.0.1:9000', True, id='address'),
        pytest.param('[::1]:8080', True, id='address_6'),
        pytest.param('192.168.1.7', True, id='of_a_network'),
        pytest.param('robot.local:8080', True, id='named'),
        pytest.param('robot.local.', True, id='with_the_last_dot'),
        pytest.param('evil.example', False, id='of_others'),
        pytest.param('127.0.0.1.evil.example', False, id='begins_as_an_address'),
        pytest.param('localhost.evil.example', False, id='begins_as_localhost'),
        pytest.param('[::1', False, id='broken'),
        pytest.param('localhost@evil.example', False, id='with_a_user'),
    ],
)
def test_names_of_this_machine(host, known):
    assert Access('', ('Robot.local',)).knows_host(host) is known


@pytest.mark.parametrize(
    ('origin', 'own'),
    [
        pytest.param('', False, id='none'),
        pytest.param('null', False, id='null'),
        pytest.param('http://robot:8080', True, id='own'),
        pytest.param('https://robot:8080', True, id='behind_tls'),
        pytest.param('http://robot', False, id='other_port'),
        pytest.param('http://robot:8080.evil.example', False, id='begins_so'),
        pytest.param('file://robot:8080', False, id='other_scheme'),
    ],
)
def test_own_origin(origin, own):
    assert Access().is_own_origin(origin, 'robot:8080') is own


def test_without_a_token_all_may_enter():
    access = Access()
    assert access.may_enter('', '')
    assert not access.is_token('')


@pytest.mark.parametrize(
    ('session', 'authorization', 'may'),
    [
        pytest.param('', '', False, id='nothing'),
        pytest.param('', f'Bearer {TOKEN}', True, id='token'),
        pytest.param('', f'bearer  {TOKEN} ', True, id='spelled_otherwise'),
        pytest.param('', f'Basic {TOKEN}', False, id='other_kind'),
        pytest.param('', f'Bearer {TOKEN}!', False, id='other_token'),
        pytest.param('', 'Bearer', False, id='no_token'),
        pytest.param(TOKEN, '', False, id='token_as_session'),
        pytest.param('é\ud800', '', False, id='no_text'),
    ],
)
def test_who_shows_what(session, authorization, may):
    assert Access(TOKEN).may_enter(session, authorization) is may


def test_a_session_is_known_to_its_server_alone():
    access = Access(TOKEN)
    assert access.may_enter(access.session, '')
    assert not Access(TOKEN).may_enter(access.session, '')


@pytest.mark.parametrize('token', ['short', 'x' * 1001], ids=['short', 'long'])
def test_tokens_that_are_refused(token):
    with pytest.raises(ParameterError, match='characters; expected 16 to 1000'):
        Access(token)


@pytest.mark.parametrize('name', ['', 'http://robot', 'robot:80', 'a b'])
def test_what_is_no_name(name):
    with pytest.raises(ParameterError, match='is no name of a machine'):
        require_names(('robot.local', name))
