"""`jetson-perception cache ls` and `clear`, as people type them."""

import json

import pytest

from jetson_perception.commands.main import main
from jetson_perception.engines.onnxruntime.kept import kept_findings, kept_models
from jetson_perception.engines.tensorrt.cache import EngineCache, EngineKey
from jetson_perception.files.lock import locked

KEY = EngineKey(
    model_sha256='ab' * 32,
    runtime='TensorRT 10.3.0',
    gpu='Orin',
    compute_capability='8.7',
    options={'precision': 'fp16', 'shape': (1, 3, 640, 640), 'dla_core': None},
    model='/models/[my].onnx',  # brackets are markup to rich
)


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setenv('COLUMNS', '160')
    return EngineCache().folder


def run(capsys, *arguments):
    code = main(['cache', *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_nothing_there(capsys, folder):
    assert run(capsys, 'ls') == (0, f'0 engines in {folder}, 0.0 MB of 2048.0 MB\n', '')
    assert run(capsys, 'clear') == (0, f'removed 0 engines, 0.0 MB, from {folder}\n', '')
    assert not folder.exists()


def test_lists(capsys, folder):
    EngineCache().get_or_build(KEY, lambda: bytes(3 << 20))
    code, out, _ = run(capsys, 'ls')
    assert code == 0
    for text in (
        '[my].onnx',
        'precision fp16, shape 1×3×640×640',
        'TensorRT 10.3.0',
        'Orin 8.7',
        '3.0 MB',
        'good',
        f'1 engine in {folder}, 3.0 MB of 2048.0 MB',
    ):
        assert text in out
    assert 'dla_core' not in out


def test_says_what_is_damaged(capsys, folder):
    EngineCache().get_or_build(KEY, lambda: b'plan')
    (folder / f'{KEY.digest}.plan').write_bytes(b'plam')
    code, out, _ = run(capsys, 'ls')
    assert code == 0
    assert ' damaged ' in out
    assert f'\nbuilt again when needed: {folder / KEY.digest}.plan is damaged: its SHA' in out


def test_json(capsys, folder):
    EngineCache().get_or_build(KEY, lambda: b'plan')
    code, out, _ = run(capsys, 'ls', '--json')
    listing = json.loads(out)
    assert code == 0
    assert listing['folder'] == str(folder)
    [engine] = listing['engines']
    assert engine['model'] == KEY.model
    assert engine['options']['precision'] == 'fp16'
    assert engine['problem'] == ''


def test_clears_all_or_one_model(capsys, folder):
    other = EngineKey('cd', 'TensorRT 10.3.0', 'Orin', '8.7', model='other.onnx')
    for key in (KEY, other):
        EngineCache().get_or_build(key, lambda: b'plan')
    assert run(capsys, 'clear', 'another.onnx')[1].startswith('removed 0 engines')
    assert run(capsys, 'clear', 'other.onnx')[1].startswith('removed 1 engine, ')
    assert [entry.model for entry in EngineCache().entries()] == [KEY.model]
    assert run(capsys, 'clear')[1].startswith('removed 1 engine, ')
    assert list(folder.iterdir()) == []


def test_clears_what_starts_keep_unless_a_model_is_named(capsys):
    for kept in (kept_models(), kept_findings()):
        kept.write('a', bytes(1 << 19))
    assert 'converted' not in run(capsys, 'clear', 'my.onnx')[1]
    said = run(capsys, 'clear')[1]
    assert said.endswith('removed 1 converted model, 1 finding, 1.0 MB\n')
    assert kept_models().read('a') is None
    assert kept_findings().read('a') is None
    assert 'converted' not in run(capsys, 'clear')[1]


def test_says_what_it_left(capsys):
    cache = EngineCache()
    cache.get_or_build(KEY, lambda: b'plan')
    with locked(cache.folder / f'{KEY.digest}.lock'):
        code, _, err = run(capsys, 'clear')
    assert code == 1
    assert err == 'left 1 engine: being built, or not to be locked\n'


def test_a_folder_that_others_may_write(capsys, folder):
    EngineCache().get_or_build(KEY, lambda: b'plan')
    folder.chmod(0o777)
    code, _, err = run(capsys, 'ls')
    assert code == 1
    assert 'may be written by others' in err
