"""No secret part of a source is shown, whatever it contains."""

from __future__ import annotations

import shlex
from urllib.parse import quote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jetson_perception.camera import open_source
from jetson_perception.camera.shown import quotes_secret, shown, shown_words
from jetson_perception.camera.uri import parse
from jetson_perception.errors import PerceptionError


@pytest.mark.parametrize(
    ('source', 'expected'),
    [
        pytest.param('', '', id='empty'),
        pytest.param(0, '/dev/video0', id='number'),
        pytest.param('rtsp://h', 'rtsp://h', id='host_alone'),
        pytest.param('rtsp://h:554/s', 'rtsp://h:554/s', id='port_is_no_password'),
        pytest.param('RTSPS://H:322/s', 'rtsps://H:322/s', id='upper_case'),
        pytest.param('rtsp://[fe80::1]:554/s', 'rtsp://[fe80::1]:554/s', id='ipv6'),
        pytest.param('rtsp://u@h/s', 'rtsp://h/s', id='user_alone'),
        pytest.param('rtsp://u:pw@h:554/a/b', 'rtsp://h:554/a/…', id='password'),
        pytest.param('rtsp://:pw@h/s', 'rtsp://h/s', id='password_alone'),
        pytest.param('rtsp://u:p@w@h/s', 'rtsp://h/s', id='at_in_password'),
        pytest.param('rtsp://h/s?token=t', 'rtsp://h/s/…', id='query'),
        pytest.param('rtsp://h?token=t', 'rtsp://h/…', id='query_without_path'),
        pytest.param('rtsp://h:554/s@1', 'rtsp://…', id='at_in_path'),
        pytest.param('rtsp://admin:12/34secret@H/x', 'rtsp://…', id='slash_in_password'),
        pytest.param('rtsp://admin:p@ss#w/1@H/x', 'rtsp://…', id='raw_password'),
        pytest.param('rtsp://H/user=admin_password=X_channel=1', 'rtsp://H/…', id='in_path'),
        pytest.param('rtsp://H/user:admin', 'rtsp://H/…', id='colon_in_path'),
        pytest.param('rtsp://u:pw\x1b[2J@h/s', 'rtsp://…', id='terminal_code'),
        pytest.param('http://u:pw@h/', 'http://…', id='scheme_that_is_not_known'),
        pytest.param('u:pw@h://x', '…', id='no_scheme'),
        pytest.param('admin:pw@10.0.0.2/live', '…', id='scheme_forgotten'),
        pytest.param('//admin:pw@10.0.0.2/live', '…', id='scheme_half_forgotten'),
        pytest.param('rtsp:/admin:p?@h/live', '…', id='slash_forgotten'),
        pytest.param('file://admin:pw@h/a.mp4', 'file://…', id='file_of_a_server'),
        pytest.param('file:///a=1/b@2.mp4', 'file:///a=1/b@2.mp4', id='file'),
        pytest.param('file:///rtsp://u:pw@h/s', 'file://…', id='url_behind_slashes'),
        pytest.param('/rtsp:/u:pw@h/s', '…', id='url_as_a_path'),
        pytest.param('frames/*.png', 'frames/*.png', id='pattern'),
        pytest.param('/dev/video0', '/dev/video0', id='device'),
        pytest.param('csi://0', 'csi://0', id='csi'),
        pytest.param('csi://0?memory=nvmm', 'csi://0?memory=nvmm', id='csi_memory'),
        pytest.param('csi://0?u:pw@h', 'csi://…', id='no_csi'),
        pytest.param('scene://oranges?seed=3&fps=0', 'scene://oranges?seed=3&fps=0', id='scene'),
        pytest.param('scene://u:pw@h', 'scene://…', id='no_scene'),
        pytest.param(
            'gst://rtspsrc location=rtsp://u:pw@h/s user-pw="a b" ! queue ! video/x-raw,width=8',
            'gst://rtspsrc ! queue ! video/x-raw',
            id='pipeline',
        ),
        pytest.param("gst://videotestsrc ! 'a b ! x", 'gst://…', id='unclosed_quote'),
    ],
)
def test_shown_as(source, expected):
    assert shown(source) == expected


def test_an_existing_file_is_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'run=3@night.mp4').touch()
    assert shown('run=3@night.mp4') == 'run=3@night.mp4'


@pytest.mark.parametrize(
    ('begin', 'rest'), [('rtsp://', 'a:'), ('', 'xyz'), ('gst://', 'a ! '), ('gst://', 'a=b ')]
)
def test_a_long_source_is_short(begin, rest):
    source = begin + rest * 1_000_000
    assert len(shown(source)) <= 200
    assert not quotes_secret('nothing', source)


@pytest.mark.parametrize(
    ('printed', 'quotes'),
    [
        pytest.param('Could not connect to p@ss/w', True, id='decoded'),
        pytest.param('rtsp://u:p%40ss%2Fw@h/s', True, id='encoded'),
        pytest.param('RTSP://U:P%40SS%2FW@H/S', True, id='upper_case'),
        pytest.param('bad token abcd1234', True, id='property'),
        pytest.param('no element "rtspsrc" in /dev/video0, 640', False, id='harmless'),
    ],
)
def test_quotes_secret(printed, quotes):
    pipeline = (
        'gst://rtspsrc location=rtsp://u:p%40ss%2Fw@h/s extra="abcd1234" ! '
        'v4l2src device=/dev/video0 ! video/x-raw,width=640'
    )
    assert quotes_secret(printed, pipeline) is quotes


# A secret begins with what is nowhere else, so that finding it means that it leaked.
_SECRETS = st.text(
    st.characters(codec='utf-8', exclude_characters='\0', exclude_categories=['Cs']),
    min_size=3,
    max_size=20,
).map(lambda text: f'Zq{text}')
_PLAIN = st.from_regex(r'[a-p0-9]{1,12}', fullmatch=True)
_HOSTS = st.one_of(
    _PLAIN, st.just('10.0.0.2'), st.just('[fe80::1]'), st.just('camera-1.example.com')
)


@st.composite
def rtsp_urls(draw):
    """A URL with a secret as user, password, query, or in its path, and the secret's forms."""
    secret = draw(_SECRETS)
    written = (
        secret if draw(st.booleans()) else quote(secret, safe=draw(st.sampled_from(['', '/'])))
    )
    host = draw(_HOSTS) + draw(st.sampled_from(['', ':554', ':', ':0']))
    path = draw(st.sampled_from(['', '/', '/live', '/live/main']))
    form = draw(
        st.sampled_from(
            [
                '{scheme}://me:{secret}@{host}{path}',
                '{scheme}://{secret}:me@{host}{path}',
                '{scheme}://:{secret}@{host}{path}',
                '{scheme}://me:12/{secret}@{host}{path}',
                '{scheme}://{host}/user=me_password={secret}_channel=1{path}',
                '{scheme}://{host}/user=me&password={secret}{path}',
                '{scheme}://{host}{path}?password={secret}',
                '{scheme}://{host}/live/{secret}',
                '{scheme}:/me:{secret}@{host}{path}',
                '//me:{secret}@{host}{path}',
                'me:{secret}@{host}{path}',
            ]
        )
    )
    scheme = draw(st.sampled_from(['rtsp', 'rtsps', 'RTSP', 'http', 'file', 'scene']))
    return form.format(scheme=scheme, secret=written, host=host, path=path), {secret, written}


def texts_of(source):
    """Everything that is said of a source without opening it."""
    texts = [shown(source)]
    try:
        uri = parse(source)
        texts += [str(uri), repr(uri)]
        texts.append(open_source(source).uri)
    except PerceptionError as err:
        texts.append(str(err))
        cause = err.__cause__
        while cause is not None:
            texts.append(str(cause))
            cause = cause.__cause__
    return texts


@settings(max_examples=400, deadline=None, derandomize=True)
@given(rtsp_urls())
def test_no_secret_of_a_url_is_shown(url_and_secrets):
    url, _ = url_and_secrets
    for text in texts_of(url):
        assert 'Zq' not in text


@settings(max_examples=200, deadline=None, derandomize=True)
@given(rtsp_urls(), _SECRETS)
def test_no_secret_of_a_pipeline_is_shown(url_and_secrets, password):
    url, secrets = url_and_secrets
    assume(not password.startswith('-'))
    pipeline = (
        f'gst://rtspsrc location={shlex.quote(url)} user-pw={shlex.quote(password)} ! decodebin'
    )
    for text in texts_of(pipeline):
        assert 'Zq' not in text
    for secret in (*secrets, password):
        assert quotes_secret(f'ERROR: could not open {secret}.', pipeline)


@pytest.mark.parametrize('scheme', ['bag', 'file', 'images', 'v4l2', 'scene', 'csi', 'gst'])
@pytest.mark.parametrize('slash', ['', '/'])
def test_no_secret_of_a_url_behind_another_scheme_is_shown(scheme, slash):
    with pytest.raises(PerceptionError) as refused:
        open_source(f'{scheme}://{slash}rtsp://admin:s3cret@127.0.0.1:1/x').open()
    assert 's3c' not in str(refused.value)


@pytest.mark.parametrize(
    'word',
    [
        'rtsp://me:s3cret@10.0.0.2/live',
        '--images=rtsp://me:s3cret@10.0.0.2/live',
        'source:=rtsp://me:s3cret@10.0.0.2/live',
        'sources:=["scene://people", "rtsp://me:s3cret@10.0.0.2/live"]',
        '"rtsp://me:s3cret@10.0.0.2/live"',
        'gst://rtspsrc location=rtsp://me:s3cret@10.0.0.2/live ! decodebin',
        'http://me:s3cret@10.0.0.2/live.mjpg',
        '-x\nrtsp://me:s3cret@10.0.0.2/live',
    ],
)
def test_a_command_line_is_kept_without_passwords(word):
    line = shown_words(['jetson-perception', 'run', 'my model.onnx', word, '--counts'])
    assert 's3cret' not in line
    assert line.startswith("jetson-perception run 'my model.onnx' ")
    assert line.endswith(' --counts')
    assert '://' in line


def test_what_is_no_source_is_kept_as_it_is():
    words = ['a', '--set', 'class_names=["x", "y z"]', 'https', '://', '/data/x.mp4']
    assert shlex.split(shown_words(words)) == words
