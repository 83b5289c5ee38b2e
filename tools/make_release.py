#!/usr/bin/env python3
"""Make the files of a release from a tag, install them, and run what users run first.

    python tools/make_release.py 0.2.0 --output ~/release

The tag has to be the version of package.xml and of every other file that has one, and to have a
dated section in CHANGELOG.rst; the checkout has to be clean. The files are built from the tag's
content alone: a wheel and a source archive of the library and of the scenes, the source of the ROS
package for bloom, and SHA256SUMS. Then each is installed into a new environment, with pip, and
`jetson-perception` is run from there. The folder has to be new or empty; nothing is published.

`--trial` makes the files of the commit that is checked out instead, whatever its changelog says
and whoever is named as its maintainer: to see beforehand whether a release would work.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from release.archives import (
    export,
    git,
    make_python_archives,
    make_ros_archive,
    write_checksums,
)
from release.trial import make_environment, try_out
from release.versions import contact_problems, version_of, version_problems

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Print what is done. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('tag', nargs='?', help='such as 0.2.0; left out with --trial')
    parser.add_argument('--output', type=Path, required=True, metavar='DIR')
    parser.add_argument('--trial', action='store_true', help='of HEAD, without a tag')
    arguments = parser.parse_args()
    if bool(arguments.tag) == arguments.trial:
        parser.error('give a tag, or --trial')
    output = arguments.output.absolute()
    if output.is_dir() and any(output.iterdir()):
        parser.error(f'{output} is not empty')
    problems = checkout_problems(ROOT, arguments.tag)
    for problem in problems:
        print(f'not released: {problem}', file=sys.stderr)
    if problems:
        return 1
    output.mkdir(parents=True, exist_ok=True)
    make(output, git(ROOT, 'rev-parse', f'{arguments.tag or "HEAD"}^{{commit}}'))
    return 0


def checkout_problems(root: Path, tag: str | None) -> list[str]:
    """Why a checkout cannot be released by this tag; by none for a trial."""
    problems = []
    if changes := git(root, 'status', '--porcelain'):
        problems.append(f'the checkout has changes: {", ".join(changes.splitlines()[:5])}')
    if tag is None:
        return problems
    commits = git(root, 'tag', '--list', tag, '--format', '%(objectname)%(*objectname)')
    if not commits:
        return [*problems, f'there is no tag {tag}; git tag {tag}']
    if git(root, 'rev-parse', f'{tag}^{{commit}}') != git(root, 'rev-parse', 'HEAD'):
        return [*problems, f'tag {tag} is another commit than is checked out; git checkout {tag}']
    return [*problems, *version_problems(root, tag), *contact_problems(root)]


def make(output: Path, commit: str) -> None:
    """Write the files of a commit, and try them."""
    seconds = int(git(ROOT, 'show', '--no-patch', '--format=%ct', commit))
    with tempfile.TemporaryDirectory(prefix='release_') as name:
        folder = Path(name)
        source = folder / 'source'
        export(ROOT, commit, source)
        version = version_of(source)
        print(f'version {version}, commit {commit[:8]}', flush=True)
        builder = make_environment(folder / 'builder', 'build')
        files = make_python_archives(source, output, seconds, builder)
        make_ros_archive(source, version, output, seconds)
        for kind in ('.whl', '.tar.gz'):
            chosen = [file for file in files if file.name.endswith(kind)]
            print(f'installing {", ".join(file.name for file in chosen)}', flush=True)
            place = folder / f'trial{kind}'
            place.mkdir()
            try_out(place, version, *chosen)
    write_checksums(output)
    for file in sorted(output.iterdir()):
        print(f'{file.stat().st_size:10d}  {file.name}')


if __name__ == '__main__':
    sys.exit(main())
