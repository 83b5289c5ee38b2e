#!/usr/bin/env python3
"""Whether bloom makes a Debian package for each ROS distribution, and lintian agrees.

    pip install bloom rosdep                      # in an environment of its own
    sudo apt-get install lintian dpkg-dev
    git clone --depth 1 https://github.com/ros/rosdistro ../rosdistro
    python tools/check_debian_packages.py ../rosdistro --output ../debian

The archive for ROS of the commit that is checked out is unpacked, `bloom-generate rosdebian` makes
the folder `debian` for Ubuntu, by this copy of rosdistro and without the network, `dpkg-source`
packs both, and lintian reads that. The exit code is 1 if a
step fails, if the changelog has nothing about the version once it is released, or if lintian finds
more than what bloom itself writes into every package (`OF_BLOOM`). `--output` keeps the packages.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from release.archives import export, git, make_ros_archive
from release.versions import CHANGELOG, FORTHCOMING, set_version, version_of

ROOT = Path(__file__).resolve().parent.parent
#: ROS distributions, and the version of Ubuntu that each is for.
PLATFORMS = {'humble': 'jammy', 'jazzy': 'noble'}
#: What lintian says of every package that bloom makes, whatever is in it.
OF_BLOOM = {'package-uses-deprecated-debhelper-compat-version'}
_TOOLS = {
    'bloom-generate': 'pip install bloom',
    'rosdep': 'pip install rosdep',
    'lintian': 'apt-get install lintian',
    'dpkg-source': 'apt-get install dpkg-dev',
}


def main() -> int:
    """Print what is found. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('rosdistro', type=Path, help='a checkout of rosdistro')
    parser.add_argument('--output', type=Path, metavar='DIR', help='keep the packages there')
    arguments = parser.parse_args()
    for name, how in _TOOLS.items():
        if shutil.which(name) is None:
            raise SystemExit(f'{name} is not installed: {how}')
    problems = []
    with tempfile.TemporaryDirectory(prefix='debian_') as name:
        folder = Path(name)
        archive, version = make_archive(folder)
        environ = offline_environment(folder, arguments.rosdistro.absolute())
        run('rosdep', 'update', environ=environ)
        for distribution, codename in PLATFORMS.items():
            place = folder / distribution
            found = package_problems(place, archive, version, distribution, codename, environ)
            problems += [f'{distribution} on {codename}: {problem}' for problem in found]
            print(f'{distribution} on {codename}: {len(found)} problem(s)')
            if arguments.output:
                kept = arguments.output / distribution
                kept.mkdir(parents=True, exist_ok=True)
                for file in place.glob('*.*'):
                    if file.is_file():
                        shutil.copy(file, kept)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def make_archive(folder: Path) -> tuple[Path, str]:
    """The archive for ROS of HEAD, as if its version was released today; and that version."""
    source = folder / 'source'
    export(ROOT, 'HEAD', source)
    seconds = int(git(ROOT, 'show', '--no-patch', '--format=%ct', 'HEAD'))
    version = version_of(source)
    if f'\n{FORTHCOMING}\n' in (source / CHANGELOG).read_text('utf-8'):
        set_version(source, version, date.today())
    return make_ros_archive(source, version, folder, seconds), version


def offline_environment(folder: Path, rosdistro: Path) -> dict[str, str]:
    """Variables with which rosdep and rosdistro read this copy alone, in a home of their own."""
    sources, home = folder / 'sources', folder / 'home'
    sources.mkdir()
    home.mkdir()
    lines = [f'yaml file://{rosdistro}/rosdep/{name}.yaml\n' for name in ('base', 'python')]
    (sources / '20-default.list').write_text(''.join(lines))
    index = yaml.safe_load((rosdistro / 'index-v4.yaml').read_text('utf-8'))
    index['distributions'] = {
        name: entry
        | {
            'distribution': [f'file://{rosdistro}/{name}/distribution.yaml'],
            'distribution_cache': f'file://{cached(folder, rosdistro, name)}',
        }
        for name, entry in index['distributions'].items()
        if name in PLATFORMS
    }
    path = folder / 'index-v4.yaml'
    path.write_text(yaml.safe_dump(index))
    return {
        **os.environ,
        'HOME': str(home),
        'ROSDEP_SOURCE_PATH': str(sources),
        'ROSDISTRO_INDEX_URL': f'file://{path}',
        'LC_ALL': 'C.UTF-8',
    }


def cached(folder: Path, rosdistro: Path, name: str) -> Path:
    """A distribution as rosdep reads it, without the manifests of its packages."""
    content: dict[str, Any] = {
        'type': 'cache',
        'version': 2,
        'name': name,
        'distribution_file': [
            yaml.load((rosdistro / name / 'distribution.yaml').read_text('utf-8'), _loader())
        ],
        'release_package_xmls': {},
        'source_repo_package_xmls': {},
    }
    path = folder / f'{name}-cache.yaml.gz'
    with gzip.open(path, 'wt', encoding='utf-8') as file:
        yaml.safe_dump(content, file)
    return path


def package_problems(
    place: Path,
    archive: Path,
    version: str,
    distribution: str,
    codename: str,
    environ: dict[str, str],
) -> list[str]:
    """What is wrong with the package that bloom makes of an archive."""
    place.mkdir()
    name = f'ros-{distribution}-jetson-perception'
    with tarfile.open(archive) as tar:
        tar.extractall(place, filter='data')
    (unpacked,) = place.iterdir()
    shutil.copy(archive, place / f'{name}_{version}.orig.tar.gz')
    system = ('--os-name', 'ubuntu', '--os-version', codename, '--ros-distro', distribution)
    run('bloom-generate', 'rosdebian', *system, environ=environ, folder=unpacked)
    problems = folder_problems(unpacked / 'debian')
    run('dpkg-source', '--build', str(unpacked), environ=environ, folder=place)
    (package,) = place.glob('*.dsc')
    printed = run(
        'lintian', '--allow-root', '--profile', 'ubuntu', '--tag-display-limit', '0', str(package),
        environ=environ, may_fail=True,
    )  # fmt: skip
    for line in printed.splitlines():
        found = re.match(r'[EW]: [^:]+: (\S+)', line)
        if found and found[1] not in OF_BLOOM:
            problems.append(f'lintian: {line}')
    return problems


def folder_problems(debian: Path) -> list[str]:
    """What bloom did not find, so that it wrote something else in its place."""
    problems = []
    if 'no changelog for this version' in (debian / 'changelog').read_text('utf-8'):
        problems.append('CHANGELOG.rst has nothing that bloom can read about this version')
    rights = (debian / 'copyright').read_text('utf-8')
    for words in ('Apache License', 'Bitstream Vera Fonts Copyright'):
        if words not in rights:
            problems.append(f'debian/copyright lacks the text of a license ({words})')
    control = (debian / 'control').read_text('utf-8')
    (about,) = re.findall(r'(?m)^Description: (.*)$', control)
    if len(about) > 80:
        problems.append(f'the first sentence of the description is too long: {about!r}')
    return problems


def run(
    *command: str, environ: dict[str, str], folder: Path | None = None, may_fail: bool = False
) -> str:
    """What a program prints.

    Raises
    ------
    SystemExit
        When it fails, with its words.
    """
    done = subprocess.run(
        command, env=environ, cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode and not may_fail:
        sys.stderr.write(done.stdout[-2000:] + done.stderr[-2000:])
        raise SystemExit(f'{" ".join(command)} ended with {done.returncode}; see above')
    return done.stdout


def _loader() -> Any:
    return getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


if __name__ == '__main__':
    sys.exit(main())
