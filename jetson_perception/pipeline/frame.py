"""One image on its way through the lanes: converted once, preprocessed once per distinct input."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Protocol

from jetson_perception.images.arrays import as_bgr
from jetson_perception.pipeline.raw_image import RawImage

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.cuda.device_picture import DevicePicture
    from jetson_perception.pipeline.device_frames import (
        DeviceFrames,
        DeviceInput,
        DeviceSlot,
        DeviceTensor,
    )
    from jetson_perception.pipeline.raw_image import JpegBytes


class Preprocess(Protocol):
    """Fits a (h, w, 3) bgr8 image to a network; returns the tensor and how it was fitted."""

    def __call__(
        self, bgr: NDArray[np.uint8], out: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], Any]:
        """Write the tensor into `out`, if given."""
        ...


class TensorPool:
    """Input tensors that are free for reuse, by the key of their network input.

    Fresh memory costs a page fault every 4 KiB, which takes about as long as preprocessing itself.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: defaultdict[Hashable, list[NDArray[Any]]] = defaultdict(list)

    def take(self, key: Hashable) -> NDArray[Any] | None:
        """A tensor to write into; None if no tensor is free."""
        with self._lock:
            free = self._free[key]
            return free.pop() if free else None

    def give_back(self, key: Hashable, tensor: NDArray[Any]) -> None:
        """Free a tensor for reuse; the caller must not read it any more."""
        with self._lock:
            self._free[key].append(tensor)


class Frame:
    """An image that came in, and what the lanes share about it.

    Parameters
    ----------
    load : callable
        Returns the image as (h, w, 3) uint8 in bgr8 order, or in another form that `as_bgr` takes.
        Called once, by the first lane that needs it, so that decoding stays out of the caller's
        thread. May raise ImageError.
    header : object
        Returned with every result, untouched.
    age_ms : float or None
        How old the image was when it was received, in milliseconds; None if unknown.
    raw : RawImage, optional
        The same image before its conversion, for lanes that convert it on a GPU; without it they
        use what `load` returns.
    jpeg : JpegBytes, optional
        The file that `load` decodes, for lanes that can have it decoded on a GPU.
    picture : DevicePicture, optional
        The same image in a GPU's memory, for lanes on that GPU.
    """

    def __init__(
        self,
        load: Callable[[], NDArray[np.uint8]],
        header: Any = None,
        age_ms: float | None = None,
        raw: RawImage | None = None,
        jpeg: JpegBytes | None = None,
        picture: DevicePicture | None = None,
    ) -> None:
        self.header = header
        self.age_ms = age_ms
        #: Name of the node's input that it came from; set by the input.
        self.input_name = ''
        #: Which of the inputs of a pipeline that is; set before it is offered.
        self.input_index = 0
        #: The encoding that the image came in, for messages: 'yuyv', 'jpeg'; set by the input.
        self.encoding = ''
        #: When it was captured, by its header, nanoseconds; 0 if unknown; set by the input.
        self.stamp_ns = 0
        self.received_ns = time.monotonic_ns()
        #: Position among the frames that were offered, from 1.
        self.index = 0
        #: Names of the lanes that took the frame, and their results: None if a lane failed.
        self.begun: set[str] = set()
        self.results: dict[str, Any] = {}
        #: The models that made the results, by lane, if who publishes them says so.
        self.models: dict[str, Any] = {}
        #: What lanes found that others look at, by the lane's name, before it is published.
        self.found: dict[str, Any] = {}
        #: Names of the lanes that will not take it, for whatever reason.
        self.skipped_by: set[str] = set()
        #: Names of those among them that are set to take fewer frames, and not this one.
        self.left_out_by: set[str] = set()
        self._load = load
        self._raw, self._jpeg, self._picture = raw, jpeg, picture
        self._lock = threading.Lock()
        self._bgr: NDArray[np.uint8] | None = None
        self._size_wh = None if picture is None else picture.size_wh
        self._tensors: dict[Hashable, tuple[NDArray[Any], Any]] = {}
        self._pool: TensorPool | None = None
        self._device_slots: dict[DeviceFrames, DeviceSlot] = {}
        # Not the other lock, which a lane holds while it fills a tensor.
        self._counting = threading.Lock()
        self._users = 0

    @property
    def trace_id(self) -> int:
        """What traces call the frame: its stamp, as all nodes have it; below 0 without one."""
        return self.stamp_ns or -self.index

    def bgr(self) -> NDArray[np.uint8]:
        """The image, shape (h, w, 3), uint8; it must not be written.

        Raises
        ------
        ImageError
            When the image cannot be used.
        """
        with self._lock:
            return self._loaded()

    def raw(self) -> RawImage:
        """The image as it came in, or as bgr8 if it must be decoded on the CPU.

        Raises
        ------
        ImageError
            When the image cannot be used.
        """
        with self._lock:
            return self._raw_or_loaded()

    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels; decodes the image where nobody did, and raises as `raw`."""
        with self._lock:
            if self._size_wh is None:
                raw = self._raw_or_loaded()
                self._size_wh = raw.width, raw.height
            return self._size_wh

    def tensor(self, key: Hashable, preprocess: Preprocess) -> tuple[NDArray[Any], Any]:
        """The network input for `key` and how it was fitted; made by the first lane that asks.

        Call it only between `share` and this lane's `release`.
        """
        with self._lock:
            if key not in self._tensors:
                out = self._pool.take(key) if self._pool is not None else None
                self._tensors[key] = preprocess(self._loaded(), out)
            return self._tensors[key]

    def device_tensor(self, wanted: DeviceInput) -> DeviceTensor:
        """The network input on a GPU, or on its way there; made by the first lane that asks.

        Call it only between `share` and this lane's `release`, with the GPU's context current.

        Raises
        ------
        ImageError
            When the image cannot be used.
        CudaError
            When there is no memory for it, or the GPU failed.
        """
        with self._lock:
            return self._uploaded(wanted.frames).tensor(wanted)

    def device_slot(self, frames: DeviceFrames) -> DeviceSlot:
        """The image on a GPU, or on its way there; uploaded for the first lane that asks.

        Called, and raises, as `device_tensor`.
        """
        with self._lock:
            return self._uploaded(frames)

    def upload(self, frames: DeviceFrames) -> None:
        """Upload the image before any lane asks for it; call it only between `hold` and `release`.

        Raises what `device_tensor` raises.
        """
        with self._lock:
            self._uploaded(frames)

    def share(self, index: int, users: int, pool: TensorPool) -> None:
        """Number the frame, and set how many lanes get it; each must call `release` once."""
        self.index, self._users, self._pool = index, users, pool

    def hold(self) -> bool:
        """Count one more user, who must call `release` too; False if all others are done."""
        with self._counting:
            if not self._users:
                return False
            self._users += 1
            return True

    def release(self) -> None:
        """Count one user as done with the tensors; after the last, they go back to the pool.

        Never waits for a lane that is making a tensor.
        """
        with self._counting:
            self._users -= 1
            if self._users:
                return
        for frames, slot in self._device_slots.items():
            frames.give_back(slot)
        self._device_slots.clear()
        if self._pool is not None:
            for key, (tensor, _) in self._tensors.items():
                self._pool.give_back(key, tensor)
        self._tensors.clear()

    def _uploaded(self, frames: DeviceFrames) -> DeviceSlot:
        slot = self._device_slots.get(frames)
        picture = self._picture
        if slot is None:
            if picture is not None and picture.device is frames.device:
                slot = frames.adopt(picture, self.input_index, self.trace_id)
            else:
                slot = self._decoded_there(frames)
            if slot is None:
                slot = frames.upload(self._raw_or_loaded(), self.input_index, self.trace_id)
            self._device_slots[frames] = slot
        return slot

    def _decoded_there(self, frames: DeviceFrames) -> DeviceSlot | None:
        """The image decoded on the GPU; None where that is not done, or somebody decoded it."""
        if self._jpeg is None or self._bgr is not None:
            return None
        slot = frames.upload_jpeg(self._jpeg, self.input_index, self.trace_id)
        if slot is None:
            self._jpeg = None  # another try would end as this one did
        else:
            self._size_wh = slot.size_wh
        return slot

    def _raw_or_loaded(self) -> RawImage:
        picture = self._picture
        if self._raw is None and picture is not None:
            self._raw = RawImage(picture.on_host(), picture.encoding, *picture.size_wh)
        if self._raw is not None:
            return self._raw
        bgr = self._loaded()
        return RawImage(bgr, 'bgr8', bgr.shape[1], bgr.shape[0])

    def _loaded(self) -> NDArray[np.uint8]:
        if self._bgr is None:
            self._bgr = as_bgr(self._load())
        return self._bgr
