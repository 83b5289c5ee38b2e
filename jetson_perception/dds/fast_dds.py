"""Which Fast DDS a process will load, and what the user has set of it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Name the XML profile of Fast DDS: the first up to Jazzy, the second later."""
TRANSPORTS_VARIABLE = 'FASTDDS_BUILTIN_TRANSPORTS'
"""Names the transports of a participant, read whenever one is made."""

#: Read from the working folder where no variable names a profile.
_LOCAL_PROFILES = ('DEFAULT_FASTRTPS_PROFILES.xml', 'DEFAULT_FASTDDS_PROFILES.xml')
_LIBRARY = re.compile(r'libfast(?:rtps|dds)\.so\.(\d+)\.(\d+)')
_BY_DISTRIBUTION = {'humble': (2, 6), 'jazzy': (2, 14)}
#: From here on, `TRANSPORTS_VARIABLE` takes the sizes of sockets.
_TAKES_SIZES = (2, 14)


class FastDds(NamedTuple):
    """A release of Fast DDS.

    Attributes
    ----------
    major, minor : int
        Its version.
    """

    major: int
    minor: int

    @property
    def takes_sizes(self) -> bool:
        """Whether a variable sets the transports of each participant, with their sizes."""
        return tuple(self) >= _TAKES_SIZES


def fast_dds(environ: Mapping[str, str] = os.environ) -> FastDds | None:
    """The release that a ROS process with this environment loads; None if it loads another DDS."""
    rmw = environ.get('RMW_IMPLEMENTATION', '')
    if rmw and 'fastrtps' not in rmw:
        return None
    for prefix in filter(None, environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)):
        for name in _libraries(Path(prefix)):
            if version := _LIBRARY.match(name):
                return FastDds(*map(int, version.groups()))
    distribution = _BY_DISTRIBUTION.get(environ.get('ROS_DISTRO', ''))
    return FastDds(*distribution) if distribution else None


def _libraries(prefix: Path) -> list[str]:
    """Names of the libraries of Fast DDS in an installation; [] where it cannot be read."""
    try:
        found = [sorted(prefix.glob(f'{each}/libfast*.so.*')) for each in ('lib', 'lib/*')]
    except OSError:  # such as a name that is too long
        return []
    return [path.name for paths in found for path in paths]


def set_by_user(environ: Mapping[str, str] = os.environ, folder: Path | None = None) -> str:
    """The variable or file by which the user has set Fast DDS's transports; '' if there is none.

    Parameters
    ----------
    environ : mapping
        The process's variables.
    folder : Path, optional
        Its working folder, where Fast DDS looks for a profile.
    """
    if environ.get(TRANSPORTS_VARIABLE):
        return TRANSPORTS_VARIABLE
    for name in PROFILE_VARIABLES:
        if environ.get(name):
            return name
    if environ.get('SKIP_DEFAULT_XML') == '1' or environ.get('SKIP_DEFAULT_XML_FILE') == '1':
        return ''
    folder = Path() if folder is None else folder  # whose name fails where it was removed
    return next((name for name in _LOCAL_PROFILES if (folder / name).is_file()), '')
