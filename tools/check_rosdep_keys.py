#!/usr/bin/env python3
"""Whether Ubuntu and ROS have every package that package.xml and the examples ask for.

    git clone --depth 1 https://github.com/ros/rosdistro ../rosdistro
    python tools/check_rosdep_keys.py ../rosdistro

Each dependency has to be a package that was released into the ROS distribution, or a key of rosdep
with packages of apt for that version of Ubuntu: a key that only pip has cannot be a dependency of
a Debian package, and Ubuntu 24.04's pip refuses to install one. What has no version of Ubuntu in
`PLATFORMS` is not looked at. Instead of a folder, the beginning of an address can be given under
which the same files are: `https://…/rosdistro/master`. The exit code is 1 if a key is missing.
"""

from __future__ import annotations

import argparse
import sys
import urllib.request
from pathlib import Path
from typing import Any

import yaml
from catkin_pkg.package import parse_package

ROOT = Path(__file__).resolve().parent.parent
#: ROS distributions, and the version of Ubuntu that each is for.
PLATFORMS = {'humble': 'jammy', 'jazzy': 'noble'}
KEYS = ('rosdep/base.yaml', 'rosdep/python.yaml')
#: The packages of this repository; vision_msgs is built where ROS comes from PyPI alone.
PACKAGES = ('package.xml', 'examples/*/package.xml')
_KINDS = (
    'build_depends',
    'buildtool_depends',
    'build_export_depends',
    'buildtool_export_depends',
    'exec_depends',
    'test_depends',
)
_TIMEOUT_S = 60.0

try:
    from yaml import CSafeLoader as Loader
except ImportError:
    from yaml import SafeLoader as Loader  # type: ignore[assignment]


def main() -> int:
    """Print each key that is missing, else how many there are. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('rosdistro', help='a checkout of rosdistro, or an address')
    parser.add_argument(
        'packages',
        nargs='*',
        type=Path,
        help='package.xml files (default: all of this repository)',
    )
    arguments = parser.parse_args()
    files = arguments.packages or [path for name in PACKAGES for path in sorted(ROOT.glob(name))]
    keys: dict[str, Any] = {}
    for name in KEYS:
        keys |= content(arguments.rosdistro, name)
    problems = []
    for distribution, codename in PLATFORMS.items():
        released = released_packages(
            content(arguments.rosdistro, f'{distribution}/distribution.yaml')
        )
        wanted = dependencies(files, distribution)
        found = {
            name: problem
            for name in wanted
            if name not in released and (problem := why_missing(keys.get(name), codename))
        }
        problems += [
            f'{distribution} on {codename}: {name} ({", ".join(wanted[name])}): {problem}'
            for name, problem in sorted(found.items())
        ]
        print(
            f'{distribution} on {codename}: {len(wanted) - len(found)} of {len(wanted)} are there'
        )
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def content(rosdistro: str, name: str) -> dict[str, Any]:
    """A file of rosdistro.

    Raises
    ------
    SystemExit
        When it cannot be read, or is not a mapping.
    """
    where = f'{rosdistro.rstrip("/")}/{name}'
    try:
        if rosdistro.startswith(('http://', 'https://')):
            with urllib.request.urlopen(where, timeout=_TIMEOUT_S) as answer:
                text = answer.read()
        else:
            text = Path(where).read_bytes()
        found = yaml.load(text, Loader)
    except (OSError, yaml.YAMLError) as err:
        raise SystemExit(f'{where} cannot be read: {err}; expected a copy of rosdistro') from err
    if not isinstance(found, dict):
        raise SystemExit(f'{where} is no mapping; expected a copy of rosdistro')
    return found


def dependencies(files: list[Path], distribution: str) -> dict[str, list[str]]:
    """What packages ask for, and which of them; those of the repository itself are left out."""
    packages = [parse_package(str(file)) for file in files]
    own = {package.name for package in packages}
    wanted: dict[str, list[str]] = {}
    for package in packages:
        package.evaluate_conditions({'ROS_VERSION': '2', 'ROS_DISTRO': distribution})
        names = {
            each.name
            for kind in _KINDS
            for each in getattr(package, kind)
            if each.evaluated_condition
        }
        for name in sorted(names - own):
            wanted.setdefault(name, []).append(package.name)
    return wanted


def released_packages(distribution: dict[str, Any]) -> set[str]:
    """Packages that were released into a distribution, by its file."""
    found = set()
    for name, repository in distribution.get('repositories', {}).items():
        release = repository.get('release')
        if release and release.get('version'):
            found |= set(release.get('packages', [name]))
    return found


def why_missing(key: Any, codename: str) -> str:
    """Why a key of rosdep gives no package of apt on a version of Ubuntu; '' if it does."""
    if key is None:
        return 'neither a released package nor a key of rosdep'
    rule = key.get('ubuntu') if isinstance(key, dict) else None
    if isinstance(rule, dict) and not {'apt', 'pip', 'source'} & set(rule):
        rule = rule.get(codename, rule.get('*'))
    if rule is None:
        return f'rosdep has no package of it for {codename}'
    if isinstance(rule, dict):
        if 'apt' not in rule:
            return f'rosdep has it from {", ".join(sorted(rule))} alone, not from apt'
        rule = rule['apt']
        rule = rule.get('packages') if isinstance(rule, dict) else rule
    return '' if isinstance(rule, (list, str)) else f'rosdep says {rule!r}; expected packages'


if __name__ == '__main__':
    sys.exit(main())
