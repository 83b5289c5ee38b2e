"""Libraries of the emulator that were compiled before: taken where they fit, else made anew."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from emulator import compiling
from emulator.compiling import EmulationError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from jetson_perception.files.private_files import PrivateFolder

pytestmark = pytest.mark.skipif(shutil.which('g++') is None, reason='no g++ on this machine')

TEXT = 'extern "C" __global__ void one(int* out) { out[0] = VALUE; }\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / 'kernels' / 'one.cu'
    path.parent.mkdir()
    path.write_text(TEXT)
    path.with_name('value.cuh').write_text('const int value = 3;\n')
    return path


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for what is kept."""
    folder = tmp_path / 'kept'
    monkeypatch.setattr(compiling, 'KEPT', folder)
    return folder


@pytest.fixture
def runs(kept: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The file of each run of the compiler; g++ itself, which takes a second, is left out."""
    compiled: list[str] = []

    def count(source: Path, defines: tuple[str, ...]) -> bytes:
        compiled.append(source.name)
        return f'{source.read_text()} with {defines}'.encode()

    monkeypatch.setattr(compiling, '_run_compiler', count)
    return compiled


def libraries(folder: Path) -> list[Path]:
    return sorted(folder.glob('*.so'))


def test_what_was_compiled_is_not_compiled_again(source, kept, monkeypatch) -> None:
    first = compiling.compiled(source, ('VALUE=1',))
    assert first.startswith(b'\x7fELF')
    monkeypatch.setattr(compiling, '_run_compiler', None)
    assert compiling.compiled(source, ('VALUE=1',)) == first


@pytest.mark.parametrize('changed', ['source', 'header', 'defines', 'compiler', 'options'])
def test_what_a_library_depends_on_makes_another(source, kept, runs, changed, monkeypatch) -> None:
    defines = ('VALUE=1',)
    compiling.compiled(source, defines)
    if changed == 'source':
        source.write_text(TEXT + '// changed\n')
    elif changed == 'header':
        source.with_name('value.cuh').write_text('const int value = 4;\n')
    elif changed == 'defines':
        defines = ('VALUE=2',)
    elif changed == 'compiler':
        monkeypatch.setattr(compiling, '_compiler', lambda: 'another')
    else:
        monkeypatch.setattr(compiling, '_OPTIONS', (*compiling._OPTIONS, '-g'))
    compiling.compiled(source, defines)
    assert len(runs) == len(libraries(kept)) == 2


@pytest.mark.parametrize('damage', ['half', 'empty', 'other'])
def test_a_damaged_library_is_made_again(source, kept, runs, damage) -> None:
    library = compiling.compiled(source, ('VALUE=1',))
    (path,) = libraries(kept)
    content = path.read_bytes()
    damaged = {'half': content[: len(content) // 2], 'empty': b'', 'other': b'x' * 99}
    path.write_bytes(damaged[damage])
    assert compiling.compiled(source, ('VALUE=1',)) == library
    assert len(runs) == 2
    assert path.read_bytes() == content


def test_of_those_that_ask_at_once_one_compiles(source, runs, monkeypatch) -> None:
    """As processes do: each has a lock file of its own, opened when it found nothing kept."""
    nothing_found = threading.Barrier(2)
    turns = compiling._one_process_at_a_time

    def met(folder: PrivateFolder, name: str) -> AbstractContextManager[None]:
        nothing_found.wait(60)
        return turns(folder, name)

    monkeypatch.setattr(compiling, '_one_process_at_a_time', met)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(compiling.compiled, [source] * 2, [('VALUE=1',)] * 2)
    assert first == second
    assert runs == ['one.cu']


def test_where_nothing_can_be_kept_each_compiles(source, kept, runs) -> None:
    kept.write_text('a file, where the folder should be')
    first, second = (compiling.compiled(source, ('VALUE=1',)) for _ in range(2))
    assert first == second
    assert len(runs) == 2


def test_what_does_not_compile_is_not_kept(source, kept) -> None:
    for _ in range(2):
        with pytest.raises(EmulationError, match='VALUE'):
            compiling.compiled(source)
    assert not libraries(kept)
