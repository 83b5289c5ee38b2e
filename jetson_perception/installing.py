"""What to run to install a package from PyPI."""

from __future__ import annotations


def pip_install(*packages: str) -> str:
    """The command, which keeps NumPy 1 where that is installed.

    The newest packages bring NumPy 2, with which OpenCV and cv_bridge of Ubuntu 22.04 and 24.04
    cannot be imported any more.
    """
    keep = " 'numpy<2'" if _numpy_version().startswith('1.') else ''
    return f'pip install {" ".join(packages)}{keep}'


def _numpy_version() -> str:
    """What is installed; '1.' where nobody knows, as with a NumPy that says nothing to pip."""
    from importlib.metadata import PackageNotFoundError, version  # 10 ms, for who lacks something

    try:
        return version('numpy')
    except PackageNotFoundError:
        return '1.'
