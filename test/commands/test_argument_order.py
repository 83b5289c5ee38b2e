import pytest

from jetson_perception.commands.argument_order import require_model_first
from jetson_perception.commands.main import main
from jetson_perception.errors import ParameterError


@pytest.mark.parametrize(
    ('model', 'sources'),
    [
        pytest.param('oranges', ['photo.jpg'], id='model_and_picture'),
        pytest.param('my.onnx', ['scene://oranges', 'photos', '0'], id='model_and_sources'),
        pytest.param('photo.jpg', ['other.jpg'], id='no_model_at_all'),
        pytest.param('nope', ['nothing'], id='neither'),
    ],
)
def test_what_is_in_order(model, sources):
    require_model_first('run', model, sources)


@pytest.mark.parametrize(
    ('model', 'sources', 'meant'),
    [
        pytest.param('photo.jpg', ['my.onnx'], 'run my.onnx photo.jpg', id='picture'),
        pytest.param('a b.MP4', ['my.engine'], "run my.engine 'a b.MP4'", id='video'),
        pytest.param(
            'scene://oranges', ['oranges'], 'run oranges scene://oranges', id='shipped_model'
        ),
        pytest.param('.', ['x.jpg', 'my.plan'], 'run my.plan . x.jpg', id='folder_and_more'),
        pytest.param('drive.mcap', ['my.onnx'], 'run my.onnx drive.mcap', id='bag'),
        pytest.param('0', ['my.onnx'], 'run my.onnx 0', id='camera'),
    ],
)
def test_swapped(model, sources, meant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError) as error:
        require_model_first('run', model, sources)
    assert str(error.value).endswith(f' is a source, and the model comes first: {meant}')


def test_passwords_are_not_shown():
    with pytest.raises(ParameterError) as error:
        require_model_first('run', 'rtsp://me:secret@camera/live', ['my.onnx'])
    assert 'secret' not in str(error.value)


def test_two_models():
    with pytest.raises(ParameterError, match=r'^b\.onnx is a model, where a source is expected'):
        require_model_first('run', 'a.onnx', ['photo.jpg', 'b.onnx'])


def test_run_says_so_and_writes_nothing(colors, tmp_path, capsys):
    out = tmp_path / 'out'
    assert main(['run', 'photo.jpg', colors, '--output', str(out)]) == 1
    assert f'comes first: jetson-perception run {colors} photo.jpg' in capsys.readouterr().err
    assert not out.exists()
