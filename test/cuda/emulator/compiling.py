"""Compiles a .cu file with g++ against the emulator's header, once for all processes and runs.

What was compiled is kept in `KEPT`, under a digest of all that it depends on.
"""

from __future__ import annotations

import fcntl
import hashlib
import platform
import re
import struct
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jetson_perception.errors import PerceptionError
from jetson_perception.files.kept_files import KeptFiles
from jetson_perception.files.private_files import PrivateFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).resolve().parent
KEPT = HERE.parents[2] / 'build' / 'emulated_kernels'
"""Where libraries are kept. Not in the user's cache, which tests replace by one of their own."""

_MAX_BYTES, _MAX_FILE_BYTES = 32 << 20, 8 << 20  # the largest file takes 0.2 MB

_OPTIONS = (
    *('-std=c++17', '-O1', '-shared', '-fPIC', '-w', '-ffp-contract=off', '-U_FORTIFY_SOURCE'),
    *('-fsanitize=undefined', '-fsanitize-undefined-trap-on-error', '-fno-strict-aliasing'),
)
_DYNAMIC_SHARED = re.compile(
    r'extern\s+__shared__\s+((?:__align__\s*\(\s*\d+\s*\)\s*)?)([\w\s:]+?)\s*(\w+)\s*\[\s*\]\s*;'
)
_KERNEL = re.compile(
    r'CUDA_KERNEL_HERE\s+(?:void\s+|__launch_bounds__\s*\([^()]*\)\s*)*(\w+)\s*\('
)


class EmulationError(Exception):
    """A kernel does what it must not, or is launched with what it does not take."""


def compiled(source: Path, defines: Sequence[str] = ()) -> bytes:
    """The library of a .cu file: a kept one, or by g++.

    Parameters
    ----------
    source : Path
        Headers beside it may be included.
    defines : sequence of str
        As 'NAME=1'.

    Raises
    ------
    EmulationError
        When g++ refuses it; with its text.
    """
    folder = PrivateFolder(KEPT, holds='kernels', error=PerceptionError)
    kept = KeptFiles(
        folder,
        what='emulated kernels',
        made='compiled',
        max_bytes=_MAX_BYTES,
        max_file_bytes=_MAX_FILE_BYTES,
    )
    name = f'{source.stem}-{_key(source, defines)}.so'
    if library := kept.read(name):
        return library
    with _one_process_at_a_time(folder, source.stem):
        library = kept.read(name)
        if not library:
            library = _run_compiler(source, defines)
            kept.write(name, library)
    return library


def _key(source: Path, defines: Sequence[str]) -> str:
    """Digest of everything that the library depends on; the headers of g++ are of its version."""
    digest = hashlib.sha256()
    parts = [_compiler(), *platform.libc_ver(), *_OPTIONS, source.name, *defines]
    for path in (*_files_beside(source), *sorted(HERE.glob('*.h*')), Path(__file__)):
        parts += [path.name, path.read_text()]
    for part in parts:
        encoded = part.encode()
        digest.update(struct.pack('<q', len(encoded)) + encoded)
    return digest.hexdigest()[:32]


@cache
def _compiler() -> str:
    return _run(['--version']) + _run(['-dumpmachine'])


def _files_beside(source: Path) -> list[Path]:
    return sorted((*source.parent.glob('*.cu'), *source.parent.glob('*.cuh')))


@contextmanager
def _one_process_at_a_time(folder: PrivateFolder, name: str) -> Iterator[None]:
    """Let the others find what the first compiles; where nothing can be kept, each compiles."""
    with ExitStack() as stack:
        with suppress(PerceptionError, OSError):
            folder.make()
            lock = stack.enter_context((folder.path / f'{name}.lock').open('w'))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run_compiler(source: Path, defines: Sequence[str]) -> bytes:
    with tempfile.TemporaryDirectory(prefix='cuda_emulator_') as name:
        folder = Path(name)
        for path in _files_beside(source):
            text = _DYNAMIC_SHARED.sub(
                r'\2* \3 = reinterpret_cast<\2*>(emulator::dynamic_shared());', path.read_text()
            )
            (folder / path.name).write_text(f'#line 1 "{path}"\n{text}')
        options = [f'-I{folder}', f'-I{HERE}', *(f'-D{define}' for define in defines)]
        kernels = _kernel_names(folder / source.name, options)
        # In a namespace without a name nothing is shared with others, shared variables of
        # templates included, so that all can be put into one section.
        main = folder / 'emulated.cpp'
        main.write_text(
            '#include "cuda_emulator.hpp"\n#include "cuda_fp16.h"\n'
            f'namespace {{\n#include "{source.name}"\n}}\n'
            + ''.join(f'CUDA_EMULATOR_KERNEL({kernel})\n' for kernel in kernels)
            + f'CUDA_EMULATOR_KERNELS("{" ".join(kernels)}")\n'
        )
        library = folder / 'emulated.so'
        _run([*_OPTIONS, *options, '-o', str(library), str(main)])
        return library.read_bytes()


def _kernel_names(source: Path, options: list[str]) -> tuple[str, ...]:
    """Kernels of a file, also those that macros write."""
    marked = source.with_name('marked.cpp')
    marked.write_text(f'#include "{source.name}"\n')
    # The emulator's header would define __global__ away.
    stubs = source.parent / 'stubs'
    stubs.mkdir()
    for name in ('cuda_fp16.h', 'cuda_emulator.hpp', 'cstdint', 'stdint.h', 'cuda_runtime.h'):
        (stubs / name).touch()
    mark = '-D__global__=CUDA_KERNEL_HERE'
    text = _run(['-E', '-P', '-w', mark, f'-I{stubs}', *options, str(marked)])
    return tuple(dict.fromkeys(_KERNEL.findall(text)))


def _run(arguments: list[str]) -> str:
    done = subprocess.run(['g++', *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise EmulationError(done.stderr)
    return done.stdout
