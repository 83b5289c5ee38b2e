"""Frames on a GPU: uploaded once, and fitted once to each distinct network input, for all lanes.

A frame that a lane starts gets a slot: a pinned buffer for its bytes, their copy on the device,
and a tensor for each kind of input. Lanes copy the tensor, and the image if they want it too, into
their engine's own memory on their own streams, so that a slot is free again long before the
engines have finished the frame. A frame allocates memory only if it is larger than all before it.

On a GPU that shares its memory with the CPU, the kernel reads the pinned buffer in place.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from jetson_perception.cuda import DeviceBuffer, GrowingBuffer, PinnedBuffer, Resources
from jetson_perception.cuda.jpeg_decoder import JpegDecoder
from jetson_perception.cuda.preprocess import DeviceImage
from jetson_perception.images.encodings import memory_layout, require_layout
from jetson_perception.images.plain_jpeg import JPEG_BEGIN, plain_jpeg
from jetson_perception.pipeline.upload_ahead import UploadAhead

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from jetson_perception.cuda import CudaDevice, Event, Stream
    from jetson_perception.cuda.device_picture import DevicePicture
    from jetson_perception.images.plain_jpeg import PlainJpeg
    from jetson_perception.pipeline.raw_image import JpegBytes, RawImage
    from jetson_perception.pipeline.timing import StageTimes
    from jetson_perception.pipeline.upload_ahead import Uploadable


class DevicePreprocess(Protocol):
    """Fits images on a device to a network; used by one thread at a time."""

    @property
    def input_key(self) -> Hashable:
        """Objects with equal keys fill tensors in the same way, so one tensor serves all."""
        ...

    def new_tensor(self) -> DeviceBuffer:
        """A buffer of the network input's shape and type."""
        ...

    def preprocess(self, image: DeviceImage, target: DeviceBuffer, stream: Stream) -> Any:
        """Enqueue the work that fills `target`; returns how the image is fitted."""
        ...


class DeviceInput:
    """One lane's part in `DeviceFrames`; made by `DeviceFrames.add`.

    Attributes
    ----------
    frames : DeviceFrames
    preprocess : DevicePreprocess
        The lane's own, because only the lane's thread uses it.
    index : int
        The lane's position among the lanes.
    kind : int
        Equal for lanes whose tensors are equal.
    times : tuple of StageTimes
        Receive the GPU times of the lane's frames, by the input that they come from.
    """

    __slots__ = ('frames', 'index', 'kind', 'preprocess', 'times')

    def __init__(
        self,
        frames: DeviceFrames,
        preprocess: DevicePreprocess,
        index: int,
        kind: int,
        times: tuple[StageTimes, ...],
    ) -> None:
        self.frames = frames
        self.preprocess = preprocess
        self.index = index
        self.kind = kind
        self.times = times


class DeviceFrames:
    """The slots of one device, and the stream that fills them. Any thread may call it.

    The device's context must be current in the calling thread.

    Parameters
    ----------
    device : CudaDevice
    jpeg_decoder : str
        Who decodes JPEGs, one of `JPEG_DECODERS`.
    """

    def __init__(self, device: CudaDevice, jpeg_decoder: str = 'auto') -> None:
        self.device = device
        self._resources = Resources()
        self._jpegs = JpegDecoder(device, jpeg_decoder)
        self._stream: Stream | None = None
        self._changed = threading.Condition()
        self._free: deque[DeviceSlot] = deque()
        self._count = 0
        self._making = threading.Lock()
        self._slots: list[DeviceSlot] = []
        #: The kind of each input's tensors. A number is used once, as slots keep tensors by it.
        self._kinds: dict[Hashable, int] = {}
        self._numbers = itertools.count()
        self._inputs: list[DeviceInput] = []
        self._more = 0
        #: The most frames in a batch, of each lane that has batches.
        self._batches: dict[int, int] = {}
        self._ahead: dict[int, UploadAhead] = {}

    def add(self, preprocess: DevicePreprocess, *times: StageTimes) -> DeviceInput:
        """Add a lane, with its times of each input; all are added before the first frame."""
        kind = self._kind_of(preprocess)
        added = DeviceInput(self, preprocess, len(self._inputs), kind, times)
        self._inputs.append(added)
        return added

    def replace(self, old: DeviceInput, preprocess: DevicePreprocess) -> DeviceInput:
        """Let a lane have another input, while no frame of it is under way.

        Tensors that no lane takes any more are released when their slots are used again.
        """
        with self._changed:
            kind = self._kind_of(preprocess)
            made = DeviceInput(self, preprocess, old.index, kind, old.times)
            self._inputs[old.index] = made
            used = {each.kind for each in self._inputs}
            self._kinds = {key: each for key, each in self._kinds.items() if each in used}
        return made

    def _kind_of(self, preprocess: DevicePreprocess) -> int:
        kind = self._kinds.get(preprocess.input_key)
        if kind is None:
            kind = self._kinds[preprocess.input_key] = next(self._numbers)
        return kind

    def keep_more(self, count: int) -> None:
        """Have room for so many more frames, which a lane keeps that is not among those added."""
        self._more += count

    def keep_for(self, lane: DeviceInput, most: int) -> None:
        """Have room for batches of a lane, of up to so many frames; again, for larger ones.

        Its thread holds those of a batch at a time, and would wait for ever if others had all the
        room: frames that wait and are uploaded, newer ones that replace them, and two batches
        under way, whose frames a lane behind it may keep.
        """
        self._batches[lane.index] = max(most, self._batches.get(lane.index, 0))

    def upload(self, raw: RawImage, input_index: int = 0, trace_id: int = 0) -> DeviceSlot:
        """Start uploading an image of an input; the caller returns the slot with `give_back`.

        Raises
        ------
        ImageError
            When the pixels do not fit an image of this size and encoding.
        CudaError
            When there is no memory for it, or the GPU failed.
        """
        slot = self._take()
        try:
            slot.upload(raw, input_index, trace_id)
        except BaseException:
            self.give_back(slot)
            raise
        return slot

    def upload_jpeg(
        self, jpeg: JpegBytes, input_index: int = 0, trace_id: int = 0
    ) -> DeviceSlot | None:
        """Have an image of an input decoded on the device, and go on as `upload` does.

        None for one that has to be decoded, or refused, elsewhere: nothing is told of damage here.
        """
        if not self._jpegs.takes(input_index):
            return None
        data = memoryview(jpeg.data)
        if bytes(data[:3]) != JPEG_BEGIN:  # before megabytes of something else are copied
            return None
        plain = plain_jpeg(bytes(data), jpeg.max_pixels)
        if plain is None:
            return None
        slot = self._take()
        is_decoded = False
        try:
            is_decoded = slot.upload_jpeg(plain, self._jpegs, input_index, trace_id)
        finally:
            if not is_decoded:
                self.give_back(slot)
        return slot if is_decoded else None

    def adopt(self, picture: DevicePicture, input_index: int = 0, trace_id: int = 0) -> DeviceSlot:
        """Have a picture of an input read where it lies on this device; goes on as `upload` does.

        Raises
        ------
        CudaError
            When the GPU failed.
        """
        slot = self._take()
        try:
            slot.adopt(picture, input_index, trace_id)
        except BaseException:
            self.give_back(slot)
            raise
        return slot

    def upload_ahead(self, frame: Uploadable) -> None:
        """Upload a frame that waits for a busy lane, in a thread that each input has for that.

        One thread at a time may call it for frames of an input.
        """
        ahead = self._ahead.get(frame.input_index)
        if ahead is None:
            ahead = self._ahead[frame.input_index] = UploadAhead(self.device, self)
        ahead.give(frame)

    def give_back(self, slot: DeviceSlot) -> None:
        """Let a slot be used again, now that every lane has enqueued its copies."""
        with self._changed:
            self._free.append(slot)
            self._changed.notify()

    def close(self) -> None:
        """Release everything, after the lanes have ended; may be called twice."""
        ahead, self._ahead = self._ahead, {}
        for each in ahead.values():
            each.close()
        slots, self._slots = self._slots, []
        self._free.clear()
        if self._stream is not None:
            with self.device.pushed():
                try:
                    self._stream.synchronize()
                    for slot in slots:
                        slot.wait_until_past()
                        slot.record_times(self._inputs)
                finally:
                    self._stream = None
                    self._resources.call(self._jpegs.close)
                    self._resources.close()

    def _take(self) -> DeviceSlot:
        slot = self._past_or_none()
        if slot is None:
            return self._new_slot()
        try:
            slot.wait_until_past()
            slot.record_times(self._inputs)
        except BaseException:
            self.give_back(slot)
            raise
        return slot

    def _past_or_none(self) -> DeviceSlot | None:
        """The oldest slot that the GPU no longer uses; None if another one may be made.

        Each lane has at most one slot waiting for its engine, and all together have two for frames
        that not every lane has seen, and one for a frame being uploaded ahead of them; lanes that
        come later have asked for more. So with enough slots one is free; otherwise this waits.
        """
        with self._changed:
            while True:
                for slot in self._free:
                    if slot.is_past():
                        self._free.remove(slot)
                        return slot
                more = self._more + 5 * sum(self._batches.values())
                if self._count < len(self._inputs) + 4 + more:
                    self._count += 1
                    return None
                if self._free:
                    return self._free.popleft()
                self._changed.wait()

    def _new_slot(self) -> DeviceSlot:
        """Make a slot, without the lock, because `give_back` needs it and must not wait."""
        try:
            with self._making:
                if self._stream is None:
                    self._stream = self._resources.add(self.device.new_stream())
                slot = DeviceSlot(self.device, self._stream, len(self._inputs))
                self._slots.append(self._resources.add(slot))
                return slot
        except BaseException:
            with self._changed:
                self._count -= 1
            raise


class DeviceSlot:
    """Room for one frame; the frame's lock guards the contents."""

    def __init__(self, device: CudaDevice, stream: Stream, lanes: int) -> None:
        self._stream = stream
        self._mapped = device.integrated
        self._resources = Resources()
        with self._resources.closed_on_error():
            self._begun = self._resources.add(device.new_event(timing=True))
            self._uploaded = self._resources.add(device.new_event(timing=True))
            self._staging: GrowingBuffer[PinnedBuffer] = self._resources.add(
                GrowingBuffer(
                    lambda nbytes: PinnedBuffer(device, (nbytes,), np.uint8, mapped=self._mapped)
                )
            )
            self._bytes: GrowingBuffer[DeviceBuffer] = self._resources.add(
                GrowingBuffer(lambda nbytes: DeviceBuffer(device, (nbytes,), np.uint8))
            )
        self._device, self._lanes = device, lanes
        self._tensors: dict[int, DeviceTensor] = {}
        self._made: list[DeviceTensor] = []
        self._image: DeviceImage | None = None
        #: What the image lies in, if not in this slot; referred to until the GPU has read it.
        self._picture: DevicePicture | None = None
        #: Whether the kernel reads the pinned buffer, so that nothing is uploaded.
        self._in_place = self._mapped
        self._input_index = self._trace_id = self._begun_ns = 0

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the image in pixels."""
        assert self._image is not None, 'upload comes first'
        return self._image.size_wh

    def upload(self, raw: RawImage, input_index: int = 0, trace_id: int = 0) -> None:
        """Copy the image's bytes, without the padding of rows, and enqueue their upload."""
        self._begin(input_index, trace_id, in_place=self._mapped)
        pixels = raw.pixels
        rows, row_bytes = require_layout(pixels, raw.height, raw.width, raw.encoding)
        staging = self._staging.ensure(pixels.nbytes)
        # Unlike a copy by the driver, this lets other threads run.
        np.copyto(
            staging.bytes[: pixels.nbytes].reshape(rows, row_bytes),
            pixels.reshape(rows, row_bytes),
        )
        address = staging.address
        if not self._mapped:
            target = self._bytes.ensure(pixels.nbytes)
            self._begun.record(self._stream)
            target.copy_from_host(staging, self._stream, pixels.nbytes)
            self._uploaded.record(self._stream)
            address = target.address
        assert address is not None, 'mapped memory has an address'
        self._image = DeviceImage(address, raw.width, raw.height, row_bytes, raw.encoding)

    def upload_jpeg(
        self, jpeg: PlainJpeg, decoder: JpegDecoder, input_index: int = 0, trace_id: int = 0
    ) -> bool:
        """Enqueue the decoding of a JPEG; False where it has to be decoded elsewhere."""
        self._begin(input_index, trace_id, in_place=False)
        encoding = 'mono8' if jpeg.channels == 1 else 'bgr8'
        rows, row_bytes = memory_layout(jpeg.height, jpeg.width, encoding)
        address = self._bytes.ensure(rows * row_bytes).address
        self._begun.record(self._stream)
        is_decoded = False
        try:
            is_decoded = decoder.decode(jpeg, address, self._stream, input_index)
        finally:
            self._uploaded.record(self._stream)
            if not is_decoded:  # what it began may still write
                self._uploaded.synchronize()
        if is_decoded:
            self._image = DeviceImage(address, jpeg.width, jpeg.height, row_bytes, encoding)
        return is_decoded

    def adopt(self, picture: DevicePicture, input_index: int = 0, trace_id: int = 0) -> None:
        """Have the kernels read a picture where it lies, once it is ready."""
        self._begin(input_index, trace_id, in_place=False)
        self._picture = picture
        self._begun.record(self._stream)
        self._stream.wait_for_event(picture.ready)
        self._uploaded.record(self._stream)
        self._image = DeviceImage(
            picture.address,
            picture.width,
            picture.height,
            picture.step,
            picture.encoding,
            colors=picture.colors,
        )

    def _begin(self, input_index: int, trace_id: int, *, in_place: bool) -> None:
        self._input_index, self._trace_id, self._in_place = input_index, trace_id, in_place
        self._begun_ns = time.monotonic_ns()

    def tensor(self, wanted: DeviceInput) -> DeviceTensor:
        """The image fitted to a network's input; enqueued for the first lane that asks."""
        tensor = self._tensors.get(wanted.kind)
        if tensor is None:
            buffer = wanted.preprocess.new_tensor()
            tensor = DeviceTensor(self._device, buffer, self._lanes)
            self._tensors[wanted.kind] = tensor
        if not tensor.made:
            assert self._image is not None, 'upload comes first'
            tensor.make(self._image, wanted.preprocess, self._stream)
            self._made.append(tensor)
        return tensor

    def image_for(self, stream: Stream) -> DeviceImage:
        """The image, for work that is enqueued on a stream from now on.

        Nothing here knows when that work ends, so the frame must be held until then.
        """
        assert self._image is not None, 'upload comes first'
        if not self._in_place:
            stream.wait_for_event(self._uploaded)
        return self._image

    def is_past(self) -> bool:
        """Whether the GPU has finished everything that was enqueued for this slot."""
        if not self._made:
            return self._in_place or self._uploaded.query()
        return all(tensor.is_past() for tensor in self._made)

    def wait_until_past(self) -> None:
        """Wait until `is_past`."""
        if not self._in_place:
            self._uploaded.synchronize()
        for tensor in self._made:
            tensor.wait_until_past()

    def record_times(self, inputs: list[DeviceInput]) -> None:
        """Give the lanes the GPU times of the frame that was here, and forget the frame.

        This must come before the slot is used again: then its events time the next frame.
        """
        made, self._made, self._image, self._picture = self._made, [], None, None
        takers = [(tensor, index) for tensor in made for index in tensor.forget()]
        if takers:
            self._tell(takers, made, inputs)
        for kind in self._tensors.keys() - {each.kind for each in inputs}:
            self._tensors.pop(kind).close()

    def _tell(
        self,
        takers: list[tuple[DeviceTensor, int]],
        made: list[DeviceTensor],
        inputs: list[DeviceInput],
    ) -> None:
        upload_ms = None if self._in_place else self._uploaded.elapsed_ms(self._begun)
        preprocess_ms = {tensor: tensor.elapsed_ms() for tensor in made}
        for tensor, index in takers:
            times = inputs[index].times[self._input_index]
            # The GPU tells how long it took, not when; the host began to upload at that moment.
            begun_ns = ended_ns = self._begun_ns
            if upload_ms is not None:
                ended_ns += int(upload_ms * 1e6)
                times.span('upload', begun_ns, ended_ns, self._trace_id, 'GPU input')
            begun_ns, ended_ns = ended_ns, ended_ns + int(preprocess_ms[tensor] * 1e6)
            times.span('preprocess', begun_ns, ended_ns, self._trace_id, 'GPU input')

    def close(self) -> None:
        """Release the buffers and events."""
        tensors, self._tensors, self._picture = self._tensors, {}, None
        try:
            for tensor in tensors.values():
                tensor.close()
        finally:
            self._resources.close()


class DeviceTensor:
    """A network's input on the device.

    Attributes
    ----------
    buffer : DeviceBuffer
    image : DeviceImage or None
        The image that it was made from.
    transform : object
        How the image was fitted.
    made : bool
        Whether it was made from the frame that is in the slot now.
    """

    def __init__(self, device: CudaDevice, buffer: DeviceBuffer, lanes: int) -> None:
        self._resources = Resources()
        self.buffer = self._resources.add(buffer)
        self.image: DeviceImage | None = None
        self.transform: Any = None
        self.made = False
        with self._resources.closed_on_error():
            self._begun = self._event(device, timing=True)
            self._ready = self._event(device, timing=True)
            self._taken = [self._event(device) for _ in range(lanes)]
        self._takers: list[int] = []

    def make(self, image: DeviceImage, preprocess: DevicePreprocess, stream: Stream) -> None:
        """Enqueue the work that fills the tensor."""
        self._begun.record(stream)
        self.transform = preprocess.preprocess(image, self.buffer, stream)
        self._ready.record(stream)
        self.image, self.made = image, True

    def take(
        self,
        taker: DeviceInput,
        target: DeviceBuffer,
        stream: Stream,
        read_image: Callable[[DeviceImage], None] | None = None,
    ) -> None:
        """Enqueue a copy of the tensor to a lane's own buffer, once the tensor is ready.

        Parameters
        ----------
        taker : DeviceInput
            The lane.
        target : DeviceBuffer
            With the tensor's shape and type.
        stream : Stream
            The copy runs on it.
        read_image : callable, optional
            Called as read_image(image), to enqueue on the stream what else reads the image. Work
            enqueued later may find another frame's image.
        """
        stream.wait_for_event(self._ready)
        target.copy_from_device(self.buffer, stream)
        if read_image is not None:
            assert self.image is not None, 'make comes first'
            read_image(self.image)
        self._taken[taker.index].record(stream)
        self._takers.append(taker.index)

    def is_past(self) -> bool:
        """Whether the GPU has made it, and copied it for every lane that took it."""
        if not self._takers:
            return self._ready.query()
        return all(self._taken[index].query() for index in self._takers)

    def wait_until_past(self) -> None:
        """Wait until `is_past`."""
        self._ready.synchronize()
        for index in self._takers:
            self._taken[index].synchronize()

    def forget(self) -> list[int]:
        """Free the tensor for the next frame; returns the indices of the lanes that took it."""
        takers, self._takers, self.made, self.image = self._takers, [], False, None
        return takers

    def elapsed_ms(self) -> float:
        """How long the GPU took to make it."""
        return self._ready.elapsed_ms(self._begun)

    def close(self) -> None:
        """Release the buffer and events."""
        self._resources.close()

    def _event(self, device: CudaDevice, *, timing: bool = False) -> Event:
        return self._resources.add(device.new_event(timing=timing))
