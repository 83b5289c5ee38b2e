"""Files that a model names must be in its folder."""

from pathlib import Path

import pytest

from jetson_perception.engines.model_folder import file_beside


@pytest.fixture
def model(tmp_path):
    """A model in a folder, and a secret outside."""
    (tmp_path / 'secret').write_text('secret')
    folder = tmp_path / 'models'
    (folder / 'sub').mkdir(parents=True)
    (folder / 'my.onnx').touch()
    return folder / 'my.onnx'


@pytest.mark.parametrize('location', ['names.txt', 'sub/names.txt', './names.txt', 'a..b', '..a'])
def test_a_file_in_the_folder(model, location):
    assert file_beside(model, location) == model.parent / location


@pytest.mark.parametrize(
    'location',
    [
        *('', '.', '..', '../secret', 'sub/../../secret', 'sub/..', '/etc/passwd', '/', 'a\0b'),
        '//x',
    ],
)
def test_a_path_outside_or_an_invalid_name_is_refused(model, location):
    with pytest.raises(ValueError, match=r'expected a file below the folder of my\.onnx'):
        file_beside(model, location)


@pytest.mark.parametrize(
    ('link', 'target', 'location'),
    [
        pytest.param('names.txt', '../secret', 'names.txt', id='file'),
        pytest.param('names.txt', '/etc/passwd', 'names.txt', id='file_by_absolute_path'),
        pytest.param('up', '..', 'up/secret', id='folder'),
        pytest.param('sub/up', '../..', 'sub/up/secret', id='deeper_folder'),
    ],
)
def test_a_link_that_leads_outside(model, link, target, location):
    (model.parent / link).symlink_to(target)
    with pytest.raises(ValueError, match='expected a file below the folder'):
        file_beside(model, location)


def test_links_as_a_cache_of_downloads_or_an_installation_makes_them(model, tmp_path):
    """Each file is a link into one folder with all of them."""
    shown = tmp_path / 'shown'
    shown.mkdir()
    (model.parent / 'my.data').touch()
    for name in ('my.onnx', 'my.data'):
        (shown / name).symlink_to(model.parent / name)
    assert file_beside(shown / 'my.onnx', 'my.data') == shown / 'my.data'
    assert file_beside(Path(shown, 'my.onnx'), 'sub/x') == shown / 'sub' / 'x'
