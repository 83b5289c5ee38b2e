"""What in shared memory keeps the frames of a publisher on this host from arriving."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.dds import sockets
from jetson_perception.dds.findings import Cause, Finding, shown_size
from jetson_perception.dds.input_facts import Memory

if TYPE_CHECKING:
    from jetson_perception.dds.input_facts import InputFacts, Publisher

#: A segment that holds fewer images is full while its readers still hold on to them.
_IMAGES_IN_SEGMENT = 3
#: What config/fastdds.xml takes. A publisher that has less may have failed to get it, which Fast
#: DDS says on its standard error alone.
_WANTED_SEGMENT_BYTES = 70 << 20


def memory_finding(publisher: Publisher, facts: InputFacts) -> Finding | None:
    """What is wrong with the shared memory of a publisher of this host; None where nothing is."""
    if publisher.memory is Memory.ELSEWHERE:
        return Finding(
            Cause.NOT_SHARED,
            f'{publisher.name} is on this host, but its /dev/shm is not the one here, as in '
            'another container, and images are sent through it',
            'start both containers with --ipc=host',
        )
    if publisher.memory is Memory.REFUSED:
        return Finding(
            Cause.OTHER_USER,
            f'{publisher.name} runs as another user, whose shared memory this process may not '
            'open',
            'run both as one user',
        )
    if facts.stale_refused and (facts.silent or publisher.memory is Memory.OPEN):
        return _stale(facts)
    if not facts.is_losing:
        return None
    return _of_size(publisher, facts)


def _of_size(publisher: Publisher, facts: InputFacts) -> Finding | None:
    image = facts.assumed_image_bytes
    few = publisher.segment_bytes < _IMAGES_IN_SEGMENT * image
    small = few and publisher.memory is Memory.OPEN
    if not small and publisher.memory is not Memory.NONE:
        return None
    if facts.shared_memory_free_bytes < _WANTED_SEGMENT_BYTES:
        return no_space(publisher, facts)
    if not small:
        return None
    return Finding(
        Cause.SEGMENT_SMALL,
        f'the shared memory of {publisher.name} has {shown_size(publisher.segment_bytes)}, too '
        f'little for images of {shown_size(image)}',
        _with_profile(publisher),
    )


def had_no_room(facts: InputFacts) -> bool:
    """Whether this process had no room for shared memory, and has sockets of the usual size."""
    small = not sockets.carries_images(facts.socket_bytes)
    return small and 0 < facts.shared_memory_free_bytes < _WANTED_SEGMENT_BYTES


def no_space(publisher: Publisher, facts: InputFacts) -> Finding:
    """That a publisher needs more shared memory than is free, and who takes it."""
    free_bytes = facts.shared_memory_free_bytes
    if free_bytes + facts.stale_bytes >= _WANTED_SEGMENT_BYTES:
        return _stale(facts)
    return Finding(
        Cause.NO_SPACE,
        f'/dev/shm has {shown_size(free_bytes)} of {shown_size(facts.shared_memory_bytes)} left, '
        f'and {publisher.name} needs {shown_size(_WANTED_SEGMENT_BYTES)} there for images',
        'sudo mount -o remount,size=512m /dev/shm (for a container, --shm-size=512m), and '
        f'{_with_profile(publisher)}',
    )


def _with_profile(publisher: Publisher) -> str:
    return (
        f'start {publisher.name} with FASTRTPS_DEFAULT_PROFILES_FILE=$(ros2 pkg prefix --share '
        'jetson_perception)/config/fastdds.xml'
    )


def _stale(facts: InputFacts) -> Finding:
    whose = ' of another user' if facts.stale_refused else ''
    return Finding(
        Cause.STALE_FILES,
        f'/dev/shm has {shown_size(facts.stale_bytes)} in files that dead processes{whose} left',
        f'{"sudo " if facts.stale_refused else ""}fastdds shm clean, then start the camera again',
    )
