"""What to run to install a package from PyPI."""

from __future__ import annotations


def pip_install(*packages: str) -> str:
    """The command, which keeps NumPy fit for the packages that are built for it.

    The newest packages bring NumPy 2, with which OpenCV and cv_bridge of Ubuntu 22.04 and 24.04
    cannot be imported any more; and the SciPy of Ubuntu 22.04 takes no NumPy from 1.25 on.
    """
    bound = _numpy_bound(_numpy_version())
    return ' '.join(['pip install', *packages, *([f"'numpy<{bound}'"] if bound else [])])


def _numpy_bound(installed: str) -> str:
    """The version that NumPy must stay below; '' where any will do."""
    major, minor = (*installed.split('.'), '')[:2]
    if major != '1':
        return ''
    return '1.25' if minor.isdecimal() and int(minor) < 25 else '2'


def _numpy_version() -> str:
    """What is installed; '1.' where nobody knows, as with a NumPy that says nothing to pip."""
    from importlib.metadata import PackageNotFoundError, version  # 10 ms, for who lacks something

    try:
        return version('numpy')
    except PackageNotFoundError:
        return '1.'
