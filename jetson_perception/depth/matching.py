"""Which depth image belongs to a result: that of the same stamp, else the nearest in time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from jetson_perception.depth.depth_image import DepthImage

T = TypeVar('T')

#: What is kept at most; a second of 30 Hz, for engines that take as long.
_MOST_IMAGES = 32
_MOST_BYTES = 128 << 20
_MOST_RESULTS = 32
#: Depth images that are so much later than the newest one are of before a jump back.
_JUMP_NS = 10**9


class StampedDepth(NamedTuple):
    """A depth image, when it was measured, and in which frame."""

    stamp_ns: int
    image: DepthImage
    frame_id: str = ''


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    """A result, and its depth image.

    Attributes
    ----------
    result : T
        As it was put in.
    depth : StampedDepth or None
        None where none is near enough.
    off_ns : int or None
        How far the nearest one is, which may be too far; None without any.
    is_late : bool
        Whether it waited long enough, and no depth image as new as the result came.
    """

    result: T
    depth: StampedDepth | None
    off_ns: int | None
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T]):
    stamp_ns: int
    result: T
    deadline_s: float


class StampMatcher(Generic[T]):
    """Keeps the newest depth images, and the results that wait for theirs. Takes no lock.

    Parameters
    ----------
    patience_s : float
        How long a result waits for a depth image that is not there yet.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._images: deque[StampedDepth] = deque()
        self._bytes = 0
        self._waiting: deque[_Waiting[T]] = deque()

    def put_depth(self, depth: StampedDepth) -> None:
        """Keep a depth image, in place of the oldest ones and of those of before a jump back."""
        for each in [one for one in self._images if one.stamp_ns - depth.stamp_ns > _JUMP_NS]:
            self._images.remove(each)
            self._bytes -= each.image.values.nbytes
        self._images.append(depth)
        self._bytes += depth.image.values.nbytes
        while len(self._images) > 1 and (
            len(self._images) > _MOST_IMAGES or self._bytes > _MOST_BYTES
        ):
            self._bytes -= self._images.popleft().image.values.nbytes

    def put_result(self, stamp_ns: int, result: T, now_s: float) -> T | None:
        """Have a result wait for its depth image; returns one that waits no longer for it."""
        dropped = self._waiting.popleft().result if len(self._waiting) >= _MOST_RESULTS else None
        self._waiting.append(_Waiting(stamp_ns, result, now_s + self._patience_s))
        return dropped

    def take(self, tolerance_ns: int, now_s: float) -> Match[T] | None:
        """The oldest result that can be decided about; None where none can be now.

        With the same stamp, it is decided at once. Another depth image is taken when a later one
        has come, as the next could be nearer, or when the result has waited long enough.
        """
        for index, each in enumerate(self._waiting):
            match = self._decide(each, tolerance_ns, is_late=now_s >= each.deadline_s)
            if match is not None:
                del self._waiting[index]
                return match
        return None

    def next_deadline_s(self) -> float | None:
        """When a result has waited long enough; None where none waits."""
        return min((each.deadline_s for each in self._waiting), default=None)

    def clear(self) -> None:
        """Keep nothing."""
        self._images.clear()
        self._waiting.clear()
        self._bytes = 0

    def _decide(
        self, waiting: _Waiting[T], tolerance_ns: int, *, is_late: bool
    ) -> Match[T] | None:
        if not self._images:
            return Match(waiting.result, None, None, is_late) if is_late else None
        nearest = min(self._images, key=lambda each: abs(each.stamp_ns - waiting.stamp_ns))
        off_ns = abs(nearest.stamp_ns - waiting.stamp_ns)
        has_later = any(each.stamp_ns > waiting.stamp_ns for each in self._images)
        if off_ns and not (has_later or is_late):
            return None
        depth = nearest if off_ns <= tolerance_ns else None
        return Match(waiting.result, depth, off_ns, bool(off_ns) and not has_later)
