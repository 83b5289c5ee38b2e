"""Takes out of a text what tells who wrote it: names of users and hosts, addresses, their files.

What is left has to be of use: versions, paths of installed packages, names of boards.
"""

from __future__ import annotations

import getpass
import ipaddress
import os
import platform
import pwd
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

USER, HOST, ADDRESS, CONTACT = '<user>', '<host>', '<address>', '<contact>'
_BELOW_HOME = '~/…'
#: Names that many machines have, or that mean something else in a report: they tell nobody.
_TELLING_NOBODY = re.compile(
    r'root|ubuntu|debian|linux|nvidia|jetson|tegra|tegra-ubuntu|orin|nano|xavier|thor|agx|'
    r'localhost|localdomain|user|admin|home|docker|container|machine|robot|camera|ros2?|cuda|'
    r'gpu|cpu|onnx|onnxruntime|tensorrt|trt|yolo|python3?|pass|fail|missing|warning|runtime|'
    r'engine|models?|oranges|people|jetson-perception',
    re.IGNORECASE,
)
#: Shorter ones are found in any text.
_SHORTEST = 3
#: From here on a path tells of an installed package, and of nobody.
_KNOWN_FOLDERS = ('site-packages', 'dist-packages', 'jetson_perception', 'bin', 'lib')
#: The rest of a path; a folder with a space goes on at what looks like more of it.
_REST = r"""(?:/(?:[^\s"'<>|,;:)\]/]+(?:\ +(?=[^\s"'<>|,;:)\]/]+/)[^\s"'<>|,;:)\]/]+)*/?)*)?"""
_HOMES = re.compile(rf'/(?:home|Users|media|run/media)/[^/\s"\'<>|,;:)\]]+({_REST})')
_QUAD = re.compile(r'(?<![\w.])(\d{1,3}(?:\.\d{1,3}){3})(?![\w.+~-]*[\w+~])')
#: Four numbers after one of these are a version: TensorRT's have four.
_VERSION_BEFORE = re.compile(
    r'(?:tensorrt|nvinfer|rtx|version|runtime|driver|cudnn|cublas|jetpack|l4t|release|==|>=|<=|'
    r'\bv)[\w-]*[\s:="\',(]*$',
    re.IGNORECASE,
)
#: No version begins like these.
_LOCAL_NETWORKS = ('192.168.', '172.', '169.254.')
_SIX = re.compile(r'(?<![\w:.])(?=[\da-fA-F]*:[\da-fA-F:]*:)[\da-fA-F:]+(?:\.\d+){0,3}(?![\w:])')
_HARDWARE = re.compile(r'(?<![\w:])[\da-fA-F]{2}(?::[\da-fA-F]{2}){5}(?![\w:])')
_UUID = re.compile(r'(?<!\w)(?:GPU-|MIG-)?[\da-fA-F]{8}(?:-[\da-fA-F]{4}){3}-[\da-fA-F]{12}(?!\w)')
_LOGIN = re.compile(r'(?<=://)[^\s/@"\']+@')
_CONTACT = re.compile(r'(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*')


@dataclass(frozen=True, slots=True)
class Identity:
    """What is known about whoever writes a report.

    Attributes
    ----------
    users, hosts : tuple of str
        Their names: login and full name, with and without domain.
    homes : tuple of str
        Their folders.
    """

    users: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    homes: tuple[str, ...] = ()

    @classmethod
    def of_this_process(cls) -> Identity:
        """The user and the machine of this process; with sudo, the one who called it too."""
        names, homes = {os.environ.get('SUDO_USER', '')}, {os.path.expanduser('~')}
        with suppress(KeyError, OSError):  # of a user without an entry, as in containers
            names.add(getpass.getuser())
        for name in sorted(names - {''}):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            full = entry.pw_gecos.split(',')[0].strip()
            names |= {full, *full.split()}
            homes.add(entry.pw_dir)
        host = platform.node()
        return cls(tuple(names), (host, host.partition('.')[0]), tuple(homes))


def without_private_data(value: Any, identity: Identity | None = None) -> Any:
    """The same without what tells who it is of.

    Parameters
    ----------
    value : JSON type
        Texts, also as keys, in lists and dictionaries; numbers stay.
    identity : Identity, optional
        Whose names are looked for; by default this process's.

    Returns
    -------
    JSON type
        Of the same shape.
    """
    identity = identity or Identity.of_this_process()
    if isinstance(value, str):
        return _cleaned(value, identity)
    if isinstance(value, dict):
        return {
            without_private_data(key, identity): without_private_data(each, identity)
            for key, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [without_private_data(each, identity) for each in value]
    return value


def _cleaned(text: str, identity: Identity) -> str:
    for home in sorted(identity.homes, key=len, reverse=True):
        if len(home.rstrip('/')) > 1:
            expression = rf'(?<![\w/.-]){re.escape(home.rstrip("/"))}(?![\w.-])({_REST})'
            text = re.sub(expression, _shortened, text)
    text = _HOMES.sub(_shortened, text)
    text = _LOGIN.sub(f'{USER}@', text)
    text = _CONTACT.sub(CONTACT, text)
    text = _UUID.sub('<uuid>', text)
    text = _HARDWARE.sub(ADDRESS, text)
    text = _QUAD.sub(_address_4, text)
    text = _SIX.sub(_address_6, text)
    for names, shown in ((identity.users, USER), (identity.hosts, HOST)):
        for name in sorted(set(names), key=len, reverse=True):
            if len(name) >= _SHORTEST and not _TELLING_NOBODY.fullmatch(name):
                text = re.sub(
                    rf'(?<![^\W_]){re.escape(name)}(?![^\W_])', shown, text, flags=re.IGNORECASE
                )
    return text


def _shortened(found: re.Match[str]) -> str:
    """A path below a home: only what an installation has there."""
    parts = found[1].split('/')
    known = [index for index, part in enumerate(parts[:-1]) if part in _KNOWN_FOLDERS]
    if known:
        return '/'.join([_BELOW_HOME, *parts[known[-1] :]])
    return _BELOW_HOME if found[1].strip('/') else '~'


def _address_4(found: re.Match[str]) -> str:
    quad = found[1]
    if any(int(part) > 255 for part in quad.split('.')):
        return quad
    before, after = found.string[: found.start()], found.string[found.end() :]
    if _VERSION_BEFORE.search(before[-40:]):
        return quad
    address = ipaddress.ip_address('.'.join(str(int(part)) for part in quad.split('.')))
    # The doctor's findings begin with a version: '10.13.3.9, /usr/lib/…'.
    is_first = not before and re.match(r'(,| \(|$)', after)
    if address.is_loopback or (is_first and not quad.startswith(_LOCAL_NETWORKS)):
        return quad
    return ADDRESS


def _address_6(found: re.Match[str]) -> str:
    text = found[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text  # a time, or a name of C++
    return text if address.is_loopback or address.is_unspecified else ADDRESS
