"""Where frames come from: one protocol for cameras, files, streams and rendered scenes."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from jetson_perception.images.encodings import size_wh

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from jetson_perception.camera.calibration import Calibration
    from jetson_perception.cuda.device_picture import DevicePicture
    from jetson_perception.tasks.results import Detections


@dataclass(frozen=True, eq=False, slots=True)
class CapturedFrame:
    """One frame of a source.

    Attributes
    ----------
    image : ndarray, uint8, or DevicePicture
        (h, w, 3) for bgr8, the encoding of every source unless it says another; or a picture that
        lies in a GPU's memory. Nobody writes into it any more, however long it is kept.
    captured_ns : int
        When it was captured, nanoseconds since the epoch (`time.time_ns`).
    encoding : str
        A ROS image encoding, or `images.encodings.JPEG` where the pixels are the bytes of a file.
    truth_mask : ndarray, shape (h, w), uint8, or None
        Class id of each pixel, from sources that render and so know it.
    truth_detections : Detections or None
        The objects in the picture, from sources that know these instead: score 1; keypoints of
        people, score 1 where they are in the picture, and zeros for all other classes.
    index : int or None
        Which frame of a file, folder, recording or scene it is, from 0; those that could not be
        decoded or were skipped count too. None where nobody numbers them, as cameras.
    recorded_ns : int or None
        The stamp that a recording gives the frame, nanoseconds; None where it is none.
    offset_ns : int or None
        When it is shown, nanoseconds after the first frame of its video or bag, whatever the rate
        at which it is played; None of other sources.
    frame_id : str
        The frame in tf that a recording gives it; empty where it is none.
    calibration : Calibration or None
        Of the camera, for its own size, as it was recorded; None where nobody recorded it.
    """

    image: NDArray[np.uint8] | DevicePicture
    captured_ns: int
    encoding: str = 'bgr8'
    truth_mask: NDArray[np.uint8] | None = None
    truth_detections: Detections | None = None
    index: int | None = None
    recorded_ns: int | None = None
    offset_ns: int | None = None
    frame_id: str = ''
    calibration: Calibration | None = None

    @property
    def on_device(self) -> DevicePicture | None:
        """The picture, where it lies in a GPU's memory; None where it does not."""
        return None if isinstance(self.image, np.ndarray) else self.image

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The image on the host, to which it is copied for the first who asks.

        Raises
        ------
        CudaError
            When it cannot be copied.
        """
        return self.image if isinstance(self.image, np.ndarray) else self.image.on_host()

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        picture = self.on_device
        return size_wh(self.pixels, self.encoding) if picture is None else picture.size_wh


class FrameSource(Protocol):
    """A camera, file, stream or scene. Used from one thread, but `close` from any.

    Attributes
    ----------
    uri : str
        What was opened, without any password.
    live : bool
        True when frames come and go whether somebody reads them or not, and a lost source is worth
        reopening; False for what has a beginning and waits for its reader.
    rate_hz : float
        Frames a second that an open source means to give; 0 where it does not say.
    frame_count : int
        Frames from beginning to end of an open source, as far as it says; 0 where nobody knows,
        as of cameras. It is for progress alone: containers guess.
    truth_class_names : tuple of str
        Names of the classes in the truth; empty for sources that know no truth.
    """

    uri: str
    live: bool
    rate_hz: float
    frame_count: int
    truth_class_names: tuple[str, ...]

    def open(self) -> None:
        """Make the source ready; also after it was lost.

        Raises
        ------
        SourceError
            What was found, and what to do.
        """
        ...

    def read(self) -> CapturedFrame:
        """The next frame; waits for it, at the source's pace.

        Raises
        ------
        EndOfStream
            After the last frame of a finite source.
        SourceError
            When the source was lost; `open` may bring it back.
        CudaError
            When a GPU that decodes its frames failed for good.
        """
        ...

    def close(self) -> None:
        """Release the source; a `read` under way in another thread ends. Twice is harmless.

        One that does not end soon is not waited for: closing again after it does the rest.
        """
        ...


@contextmanager
def unless_busy(lock: threading.Lock, patience_s: float = 0.5) -> Iterator[bool]:
    """Take a lock if it becomes free in time; yields whether it is held."""
    held = lock.acquire(timeout=patience_s)
    try:
        yield held
    finally:
        if held:
            lock.release()
