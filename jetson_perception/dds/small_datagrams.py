"""Has what a process publishes on a topic go out in datagrams that fit into a packet.

Fast DDS sends datagrams of 64 kB. A network cuts each into 45 packets, and if it loses one, the
other 44 have come for nothing. How large they are is a property of a writer, and rmw_fastrtps
makes a writer by the profile that is named as its topic. Files with profiles are read as a process
makes its first participant, when no topic has its name yet; later, a function of Fast DDS takes
them. As that one is C++, it is called in the release only that it was tried with.
"""

from __future__ import annotations

import ctypes
import logging
import os
from typing import Any

from jetson_perception.dds import transports
from jetson_perception.dds.fast_dds import FastDds, fast_dds
from jetson_perception.dds.profiles import writers_of
from jetson_perception.printable import printable

log = logging.getLogger(__name__)

TRIED = FastDds(2, 14)
"""The release that is told of them."""

_LIBRARY = 'libfastrtps.so.2.14'
_FACTORY = '_ZN8eprosima7fastdds3dds24DomainParticipantFactory'
_GET_INSTANCE = f'{_FACTORY}12get_instanceEv'
_LOAD_PROFILES = f'{_FACTORY}24load_XML_profiles_stringEPKcm'

_topics: set[str] = set()
"""Those for which they are used; Fast DDS forgets no profile."""


def can_be_used() -> bool:
    """Whether this process sends by a Fast DDS that can, as its user has not set otherwise."""
    return fast_dds() == TRIED and transports.are_chosen_here()


def are_used_for(topic: str) -> bool:
    """Whether all publishers of this process are made so from now on, by a topic's full name."""
    return topic in _topics


def use_for(topic: str) -> bool:
    """Have the publishers of a topic made so that are made from now on; whether that works."""
    if topic in _topics:
        return True
    if not can_be_used():
        return False
    try:
        library = ctypes.CDLL(_LIBRARY, mode=os.RTLD_NOLOAD)
        loaded = _load(library, writers_of(topic).encode())
    except (AttributeError, OSError) as error:
        log.info('no profile can be given to Fast DDS: %s', printable(error))
        return False
    if loaded:
        _topics.add(topic)
    return loaded


def _load(library: Any, profile: bytes) -> bool:
    get_instance, load_profiles = library[_GET_INSTANCE], library[_LOAD_PROFILES]
    get_instance.argtypes, get_instance.restype = (), ctypes.c_void_p
    load_profiles.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)
    load_profiles.restype = ctypes.c_uint32  # of a class that holds nothing else
    return not load_profiles(get_instance(), profile, len(profile))
