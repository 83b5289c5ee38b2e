"""What is known about each object that is followed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.tracking.box_filter import first_states

if TYPE_CHECKING:
    from numpy.typing import NDArray

OBSERVATIONS = 3
"""How many of a track's boxes are kept: OC-SORT takes its direction from the oldest."""
_APART_S = 0.1


@dataclass(eq=False, slots=True)
class Tracks:
    """The tracks of a camera and engine; entry i of every array is the same one, oldest first.

    Attributes
    ----------
    track_id : ndarray, shape (n,), int64
        -1 until it has been found often enough.
    class_id : ndarray, shape (n,), int32
        Of the object found last.
    hits : ndarray, shape (n,), int64
        In how many frames it was found.
    seen_s : ndarray, shape (n,), float64
        When it was found last, seconds.
    state : ndarray, shape (n, 5, 4), float64
        Of its filter, see `box_filter`, at the present time.
    seen_state : ndarray, shape (n, 5, 4), float64
        The same as it was when it was found last.
    observed : ndarray, shape (n, OBSERVATIONS, 4), float64
        Boxes as they were found, centers and sizes, oldest first; the first one repeated while
        there are fewer. The last is the newest one; those before it are 0.1 s or more apart.
    observed_s : ndarray, shape (n, OBSERVATIONS), float64
        When they were found.
    """

    track_id: NDArray[np.int64]
    class_id: NDArray[np.int32]
    hits: NDArray[np.int64]
    seen_s: NDArray[np.float64]
    state: NDArray[np.float64]
    seen_state: NDArray[np.float64]
    observed: NDArray[np.float64]
    observed_s: NDArray[np.float64]

    @classmethod
    def begun(
        cls, boxes: NDArray[np.float64], class_id: NDArray[np.int32], time_s: float
    ) -> Tracks:
        """Tracks of objects that are found for the first time; `boxes` are centers and sizes."""
        count = len(boxes)
        state = first_states(boxes)
        return cls(
            np.full(count, -1, np.int64),
            class_id.astype(np.int32),
            np.ones(count, np.int64),
            np.full(count, time_s),
            state,
            state.copy(),
            np.repeat(boxes[:, None], OBSERVATIONS, axis=1),
            np.full((count, OBSERVATIONS), time_s),
        )

    @classmethod
    def none(cls) -> Tracks:
        """No tracks."""
        return cls.begun(np.empty((0, 4)), np.empty(0, np.int32), 0.0)

    def __len__(self) -> int:
        return len(self.track_id)

    def __getitem__(self, rows: Any) -> Tracks:
        """Those that an index array, boolean mask or slice selects."""
        return Tracks(*(getattr(self, field.name)[rows] for field in fields(self)))

    def __add__(self, other: Tracks) -> Tracks:
        return Tracks(
            *(
                np.concatenate((getattr(self, field.name), getattr(other, field.name)))
                for field in fields(self)
            )
        )

    def observe(self, rows: NDArray[np.intp], boxes: NDArray[np.float64], time_s: float) -> None:
        """Keep the boxes of these tracks, centers and sizes, as their newest ones."""
        apart_s = self.observed_s[rows, -1] - self.observed_s[rows, -2]
        due = rows[apart_s >= _APART_S - 5e-4]  # as stamps are rounded
        self.observed[due, :-1] = self.observed[due, 1:]
        self.observed_s[due, :-1] = self.observed_s[due, 1:]
        self.observed[rows, -1] = boxes
        self.observed_s[rows, -1] = time_s

    @property
    def last_boxes(self) -> NDArray[np.float64]:
        """Centers and sizes as they were found last, shape (n, 4)."""
        return self.observed[:, -1]
