"""Scenes are what distributions register, and what is not installed is named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jetson_perception.camera.scene import SceneSource
from jetson_perception.camera.scene_kinds import scene_kind, scene_names
from jetson_perception.errors import SourceError

ROOT = Path(__file__).resolve().parents[2]


def register(folder, monkeypatch, *lines, module=''):
    """A distribution as pip installs it, that registers scenes."""
    info = folder / 'orchard-1.0.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: orchard\nVersion: 1.0\n')
    (info / 'entry_points.txt').write_text('\n'.join(['[jetson_perception.scenes]', *lines]))
    (folder / 'orchard_scenes.py').write_text(module)
    monkeypatch.syspath_prepend(str(folder))


def test_our_scenes_are_registered():
    assert {'oranges', 'people'} <= set(scene_names())


@pytest.mark.parametrize('name', ['oranges', 'people'])
def test_a_scene_can_be_evaluated_calibrated_on_and_shown(name):
    kind = scene_kind(name)
    found = list(kind.evaluation(2, (96, 64)))
    assert len({label for label, *_ in found}) == 2
    for _, bgr, truth in found:
        assert bgr.shape == (64, 96, 3)
        assert kind.knows_objects != isinstance(truth, np.ndarray)
        if kind.knows_objects:
            assert truth.annotated_keypoints().shape == (len(truth), kind.keypoint_count, 3)
        else:
            assert truth.shape == (64, 96)
    label, bgr, _ = next(kind.training())
    assert label == f'{name}-0'
    assert bgr.shape == (720, 1280, 3)
    source = SceneSource(f'scene://{name}?width=96&height=64&fps=0')
    source.open()
    frame = source.read()
    source.close()
    knows = [truth for truth in (frame.truth_mask, frame.truth_detections) if truth is not None]
    assert len(knows) == 1
    ids = knows[0].class_id if kind.knows_objects else knows[0]
    assert np.max(ids, initial=0) < len(kind.class_names)


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        pytest.param('', "no scene is called ''; scenes are oranges, people", id='none'),
        pytest.param('apples', "no scene is called 'apples'; scenes are", id='unknown'),
    ],
)
def test_an_unknown_name_is_refused(name, text):
    with pytest.raises(SourceError, match=text):
        scene_kind(name)


def test_a_scene_of_another_distribution(tmp_path, monkeypatch):
    module = 'from jetson_perception_scenes.oranges import KIND'
    register(tmp_path, monkeypatch, 'apples = orchard_scenes:KIND', module=module)
    assert scene_names() == ['apples', 'oranges', 'people']
    source = SceneSource('scene://apples?width=96&height=64&fps=0')
    source.open()
    assert source.read().pixels.shape == (64, 96, 3)
    source.close()


@pytest.mark.parametrize(
    ('module', 'reason'),
    [
        pytest.param('import no_such_module', 'no_such_module', id='import'),
        pytest.param('', 'KIND', id='name'),
    ],
)
def test_a_distribution_that_is_broken(tmp_path, monkeypatch, module, reason):
    register(tmp_path, monkeypatch, 'plums = orchard_scenes:KIND', module=module)
    sys.modules.pop('orchard_scenes', None)
    with pytest.raises(SourceError, match=rf'scene://plums: orchard_scenes.*{reason}.*anew'):
        scene_kind('plums')


COMMANDS = {
    'run': ['run', 'oranges', 'scene://oranges'],
    'evaluate': ['evaluate', '--model', 'oranges', '--dataset', 'scene://oranges?count=1'],
    'compare': ['compare', 'oranges', 'oranges', '--images', 'scene://oranges?count=1'],
    'bench': ['bench', 'oranges', '--images', 'scene://people'],
    'quantize': ['quantize', 'oranges', '--images', 'scene://people'],
    'info': ['info', 'people_detect'],
}
WITHOUT_SCENES = """
import contextlib, io, json, sys
from pathlib import Path
import numpy as np
from jetson_perception.camera.scene_kinds import scene_names
from jetson_perception.commands.main import main
from jetson_perception.errors import PerceptionError
from jetson_perception.models import open_model
from jetson_perception.selftest.session import write_pictures

said = {'names': scene_names()}
for name, arguments in json.loads(sys.argv[1]).items():
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        assert main(arguments)
    said[name] = errors.getvalue()
try:
    write_pictures(Path(), 1)
except PerceptionError as err:
    said['selftest'] = str(err)
with open_model('oranges', runtime='onnxruntime_cpu') as model:
    said['mask'] = model(np.zeros((48, 64, 3), np.uint8)).mask.shape
json.dump(said, open('said.json', 'w'))
"""


@pytest.fixture(scope='module')
def said(tmp_path_factory):
    """What a Python says that has the library as a checkout has it, and no scenes."""
    folder = tmp_path_factory.mktemp('library')
    (folder / 'jetson_perception').symlink_to(ROOT / 'jetson_perception')
    places = [path for path in sys.path if not Path(path, 'jetson_perception_scenes').exists()]
    start = f'import sys; sys.path[:] = {[str(folder), *places]!r}'
    done = subprocess.run(
        [sys.executable, '-c', start + WITHOUT_SCENES, json.dumps(COMMANDS)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / 'said.json').read_text())


def test_without_scenes_the_library_runs(said):
    assert said['names'] == []
    assert said['mask'] == [48, 64]


@pytest.mark.parametrize('command', [*COMMANDS, 'selftest'])
def test_without_scenes_commands_say_what_to_install(said, command):
    what = 'people_detect: models of rendered people' if command == 'info' else 'rendered scenes'
    assert f'{what} come with jetson-perception-scenes' in said[command]
    assert 'pip install ./scenes' in said[command]
    assert 'Traceback' not in said[command]


def test_describing_a_model_imports_no_scenes():
    code = (
        'import sys\n'
        'from jetson_perception.commands.main import main\n'
        "main(['info', 'oranges'])\n"
        "sys.exit(', '.join(name for name in sys.modules if '_scenes' in name) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
