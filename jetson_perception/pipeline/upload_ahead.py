"""Uploads the frame that waits for a busy lane, so that the lane need not do so in its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from jetson_perception.cuda.binding import BINDING
from jetson_perception.errors import PerceptionError
from jetson_perception.pipeline.worker import NewestWorker

if TYPE_CHECKING:
    from jetson_perception.cuda import CudaDevice

_PATIENCE_S = 1.0


class Uploadable(Protocol):
    """What is uploaded and kept for its users: a `Frame`."""

    #: Which of the inputs it comes from.
    input_index: int

    def hold(self) -> bool:
        """Count one more user, who must call `release`; False if all others are done."""
        ...

    def upload(self, frames: Any) -> None:
        """Upload it to `DeviceFrames`, unless it is there."""
        ...

    def release(self) -> None:
        """Count one user as done."""
        ...


class UploadAhead:
    """A thread that uploads the newest frame of an input while lanes are busy with older ones.

    Copying 1280×720 pixels takes the host about as long as a fast engine takes for a frame.

    Parameters
    ----------
    device : CudaDevice
    frames : DeviceFrames
        Where frames are uploaded.
    """

    def __init__(self, device: CudaDevice, frames: Any) -> None:
        self._device = device
        self._frames = frames
        self._given: Uploadable | None = None
        self._worker = NewestWorker(self._run, 'upload', 'an upload')

    def give(self, frame: Uploadable) -> None:
        """Upload a frame soon, unless a newer one comes first; one thread at a time may call it.

        Lanes that share the frame may each ask for it.
        """
        if frame is self._given or not frame.hold():
            return
        self._given = frame
        skipped = self._worker.give(frame)
        if skipped is not None:
            skipped.release()

    def close(self) -> None:
        """End the thread after the upload under way; waits for it, however long it takes."""
        skipped = self._worker.stop()
        if skipped is not None:
            skipped.release()
        while self._worker.close(_PATIENCE_S) is not None:
            pass
        self._given = None

    def _run(self, frame: Uploadable) -> None:
        try:
            with BINDING.working(), self._device.pushed():
                frame.upload(self._frames)
        except PerceptionError:
            pass  # the lane that takes the frame meets the problem again, and reports it
        finally:
            frame.release()
