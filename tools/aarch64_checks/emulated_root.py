"""A Debian root for aarch64 in a folder, whose programs QEMU runs on this machine.

Its packages are unpacked and not configured: their scripts would take half an hour in emulation,
and what runs here needs three things of them, which `EmulatedRoot.make` does itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

MIRROR = 'http://deb.debian.org/debian'
_BINFMT = Path('/proc/sys/fs/binfmt_misc/qemu-aarch64')
_CERTIFICATES = Path('/etc/ssl/certs/ca-certificates.crt')
# Without /sys: with it, ONNX Runtime 1.32 ends with a segmentation fault under QEMU 7.2, which
# shows it this machine's /proc/cpuinfo. Without, it says that it does not know the processor.
_MOUNTS = 'mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'

#: The nearest of QEMU's processors to Orin's Cortex-A78AE: dot products and half floats, no SVE.
PROCESSOR = 'cortex-a76'


class RootError(Exception):
    """Such a root cannot be made; the message says what to do."""


def what_is_missing() -> str:
    """Why this machine cannot run programs of aarch64 in a root, and what to do; '' if it can."""
    if os.geteuid() != 0:
        return 'making a Debian root, and entering it with chroot, takes root: use sudo'
    for program, package in (('mmdebstrap', 'mmdebstrap'), ('unshare', 'util-linux')):
        if shutil.which(program) is None:
            return f'there is no {program}: apt-get install {package}'
    if not _BINFMT.exists():
        return (
            'the kernel does not run programs of aarch64: apt-get install qemu-user-static '
            'binfmt-support. In a container, and where nothing mounts it, also: '
            'mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc && '
            'update-binfmts --enable qemu-aarch64'
        )
    entry = _BINFMT.read_text()
    flags = next(line for line in entry.splitlines() if line.startswith('flags:'))
    if not entry.startswith('enabled'):
        return f'{_BINFMT} is switched off: echo 1 > {_BINFMT}'
    if 'F' not in flags:
        return (
            f"{_BINFMT} says '{flags}'; without F the kernel looks for QEMU in the root: "
            'install qemu-user-static, not qemu-user'
        )
    return ''


class EmulatedRoot:
    """A root in a folder.

    Parameters
    ----------
    folder : Path
        Where it is, or is to be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def make(self, suite: str, packages: list[str], mirror: str = MIRROR) -> None:
        """Install Debian for arm64, unless the folder has it.

        Raises
        ------
        RootError
            When mmdebstrap fails.
        """
        if not self.folder.is_dir():
            part = self.folder.with_name(f'{self.folder.name}.part')  # whole, or not there
            shutil.rmtree(part, ignore_errors=True)
            command = ['mmdebstrap', '--quiet', '--arch=arm64', '--variant=extract']
            command += [f'--include={",".join(packages)}', suite, str(part), mirror]
            if subprocess.run(command, check=False).returncode:
                raise RootError(f'mmdebstrap failed: {" ".join(command)}')
            for name in ('dev', 'etc', 'proc', 'root', 'tmp'):
                (part / name).mkdir(exist_ok=True)
            (part / 'etc/passwd').write_text('root:x:0:0:root:/root:/bin/sh\n')
            (part / 'etc/group').write_text('root:x:0:\n')
            for library in ('blas', 'lapack'):  # what update-alternatives links
                folder = part / 'usr/lib/aarch64-linux-gnu'
                for file in sorted((folder / library).glob('*.so.*')):
                    (folder / file.name).symlink_to(f'{library}/{file.name}')
            part.rename(self.folder)
        # The way out, for pip: names, and the certificates that this machine trusts.
        for file in (Path('/etc/resolv.conf'), _CERTIFICATES):
            if file.exists():
                there = self.folder / file.relative_to('/')
                there.unlink(missing_ok=True)
                shutil.copyfile(file, there)

    def copy_checkout(self, checkout: Path, name: str) -> None:
        """Copy the files that git knows, as they are now, to /NAME of the root."""
        there = self.folder / name
        shutil.rmtree(there, ignore_errors=True)
        known = ['git', '-C', str(checkout), 'ls-files', '-z', '--cached', '--others']
        listed = subprocess.run([*known, '--exclude-standard'], check=True, capture_output=True)
        for each in filter(None, listed.stdout.decode().split('\0')):
            if (checkout / each).is_file():
                (there / each).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(checkout / each, there / each)

    def run(
        self, command: list[str], limit_s: float, *, folder: str = '/', log: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the root, with everything that it starts in a process namespace.

        Parameters
        ----------
        command : list of str
            The program and its arguments.
        limit_s : float
            After so many seconds all of it is killed.
        folder : str
            Where it runs, a path in the root.
        log : Path, optional
            Gets its output as it comes; without, the output is in what is returned.

        Returns
        -------
        subprocess.CompletedProcess
            As `subprocess.run` returns it; exit code 124 past the limit.
        """
        variables = {
            'HOME': '/root',
            'LANG': 'C.UTF-8',
            'PATH': '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin',
            'QEMU_CPU': PROCESSOR,
            # How this machine's pip reaches an index.
            **{
                name: value
                for name, value in os.environ.items()
                if name.startswith('PIP_') or name.lower().endswith('_proxy')
            },
        }
        inside = ['env', '-i', f'--chdir={folder}']
        inside += [*(f'{name}={value}' for name, value in variables.items()), *command]
        namespaces = ['unshare', '--mount', '--pid', '--fork', '--kill-child']
        outside = [*namespaces, 'sh', '-c', _MOUNTS, str(self.folder), *inside]
        stream = subprocess.PIPE if log is None else log.open('w', encoding='utf-8')
        try:
            return subprocess.run(
                outside,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=limit_s,
            )
        except subprocess.TimeoutExpired as error:
            output = error.stdout.decode() if isinstance(error.stdout, bytes) else ''
            return subprocess.CompletedProcess(command, 124, output)
        finally:
            if log is not None:
                stream.close()
