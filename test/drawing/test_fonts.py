"""Which font a text is drawn with."""

import shutil
from pathlib import Path

import pytest

from jetson_perception.drawing import fonts
from jetson_perception.drawing.fonts import PACKAGED, font_for

# STIX has this letter of Hiragana, and DejaVu Sans has not.
JAPANESE = 'のの'
matplotlib = pytest.importorskip('matplotlib')  # has that font
STIX = Path(matplotlib.__file__).parent / 'mpl-data/fonts/ttf/STIXGeneral.ttf'


@pytest.fixture
def forgetful(monkeypatch):
    """Nothing is remembered of fonts, before and after."""
    font_for.cache_clear()
    monkeypatch.setattr(fonts, '_installed', [])
    monkeypatch.setattr(fonts, '_is_asked', True)
    monkeypatch.setattr(fonts, '_is_lack_told', False)
    yield monkeypatch
    font_for.cache_clear()


def install(monkeypatch, tmp_path, *files):
    """Have fontconfig know these fonts alone."""
    for file in files:
        shutil.copy(file, tmp_path)
    config = tmp_path / 'fonts.conf'
    config.write_text(
        f'<fontconfig><dir>{tmp_path}</dir><cachedir>{tmp_path}/cache</cachedir></fontconfig>'
    )
    monkeypatch.setenv('FONTCONFIG_FILE', str(config))


@pytest.mark.parametrize(
    'text',
    [
        pytest.param('', id='nothing'),
        pytest.param('traffic light 0.91 #7', id='ascii'),
        pytest.param('Größe, łódź, čaj', id='latin'),
        pytest.param('γάτα', id='greek'),
        pytest.param('кошка', id='cyrillic'),
        pytest.param('կատու', id='armenian'),
        pytest.param('კატა', id='georgian'),
        pytest.param('חתול', id='hebrew'),
        pytest.param('قطة', id='arabic'),
        pytest.param('گربه\u200cها', id='persian_with_a_joiner'),
        pytest.param('ແມວ', id='lao'),
        pytest.param('mèo', id='vietnamese'),
    ],
)
def test_the_packaged_font_has_the_letters(text, forgetful):
    forgetful.setenv('PATH', '')  # nobody is asked
    assert font_for(text) == PACKAGED


def test_the_packaged_font_has_its_license_beside_it():
    license_text = Path(PACKAGED.path).with_name('LICENSE.txt').read_text()
    assert 'Bitstream Vera' in license_text
    assert 'Tavmjong Bah' in license_text


def test_without_fontconfig_other_letters_have_no_font(forgetful):
    forgetful.setenv('PATH', '')
    assert font_for(JAPANESE) is None


def test_names_without_a_font_are_logged_once_with_what_to_install(forgetful, caplog):
    forgetful.setenv('PATH', '')
    assert [font_for(name) for name in ('の', '人', '人间', 'ไทย')] == [None] * 4
    assert len(caplog.messages) == 1
    assert 'sudo apt install fonts-noto-cjk fontconfig' in caplog.text


def test_fontconfig_that_hangs_is_asked_once(forgetful, tmp_path, caplog):
    hanging = tmp_path / 'fc-match'  # stands in for one on a network drive that is gone
    hanging.write_text(f'#!/bin/sh\necho asked >> {tmp_path}/log\nexec sleep 600\n')
    hanging.chmod(0o755)
    forgetful.setenv('PATH', f'{tmp_path}:/usr/bin:/bin')
    forgetful.setattr(fonts, '_FONTCONFIG_TIMEOUT_S', 0.5)
    assert [font_for(name) for name in ('の', '人', '人间')] == [None] * 3
    assert (tmp_path / 'log').read_text() == 'asked\n'
    assert 'fc-cache' in caplog.text


@pytest.mark.skipif(not shutil.which('fc-match'), reason='no fontconfig here')
class TestWithFontconfig:
    def test_an_installed_font_that_has_the_letters_is_found(self, forgetful, tmp_path):
        install(forgetful, tmp_path, PACKAGED.path, STIX)
        assert Path(font_for(JAPANESE).path).name == 'STIXGeneral.ttf'
        forgetful.setenv('PATH', '')
        assert font_for('の') == font_for(JAPANESE)  # known from then on

    def test_an_installed_font_with_only_some_letters_is_not_used(self, forgetful, tmp_path):
        install(forgetful, tmp_path, PACKAGED.path, STIX)
        assert font_for('のネコ') is None

    def test_no_font_at_all(self, forgetful, tmp_path):
        install(forgetful, tmp_path)
        assert font_for(JAPANESE) is None

    def test_a_file_that_is_not_a_font(self, forgetful, tmp_path):
        (tmp_path / 'broken.ttf').write_bytes(STIX.read_bytes()[:1000])
        install(forgetful, tmp_path)
        assert font_for(JAPANESE) is None
