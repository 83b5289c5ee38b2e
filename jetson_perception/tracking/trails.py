"""Where objects were in the last seconds, for drawings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POINTS = 64
_MOST_OBJECTS = 2000


class Trails:
    """The ways of objects with ids, each of a limited number of points."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all ways."""
        self._ids = np.empty(0, np.int64)
        self._points = np.empty((0, 0, 2), np.float32)
        self._times: list[float] = []

    def add(
        self, ids: NDArray[np.int64], centers: NDArray[np.float32], time_s: float, history_s: float
    ) -> NDArray[np.float32]:
        """The way of each object up to a frame.

        Parameters
        ----------
        ids : ndarray, shape (n,), int64
            The objects of the frame; -1 for one without an id, which has no way.
        centers : ndarray, shape (n, 2), float32
            Where they are, pixels.
        time_s : float
            When, not before the last frame.
        history_s : float
            How far ways go back, more than 0.

        Returns
        -------
        ndarray, shape (n, k, 2), float32
            Oldest first; the last point is where the object is now. An object that was not there
            at first, or was not found in between, repeats a point.
        """
        self._forget(time_s - history_s)
        if len(self._times) > 1 and time_s - self._times[-2] < history_s / _POINTS:
            self._times[-1] = time_s  # too close for a point of its own
        else:
            self._times.append(time_s)
            self._points = np.concatenate((self._points, self._points[:, -1:]), axis=1)
        has_id = ids >= 0
        own, places = ids[has_id], centers[has_id]
        is_new = ~np.isin(own, self._ids)
        if is_new.any():
            added = np.repeat(places[is_new, None], len(self._times), axis=1)
            points = self._points if len(self._ids) else added[:0]
            order = np.argsort(np.concatenate((self._ids, own[is_new])), kind='stable')
            self._points = np.concatenate((points, added))[order]
            self._ids = np.concatenate((self._ids, own[is_new]))[order]
            # Ids only grow, so the newest are kept.
            self._ids, self._points = self._ids[-_MOST_OBJECTS:], self._points[-_MOST_OBJECTS:]
        ways = np.repeat(centers[:, None], len(self._times), axis=1)
        if len(own):
            rows = np.searchsorted(self._ids, own)
            self._points[rows, -1] = places
            ways[has_id] = self._points[rows]
        return ways

    def _forget(self, since_s: float) -> None:
        """Drop points from before a time, and objects that have not moved since: they are gone."""
        old = sum(time_s < since_s for time_s in self._times)
        if not old:
            return
        self._times, self._points = self._times[old:], self._points[:, old:]
        if not self._times:
            self.clear()
            return
        if self._points.shape[1] > 1:
            alive = (self._points[:, :1] != self._points).any(axis=(1, 2))
            self._ids, self._points = self._ids[alive], self._points[alive]
