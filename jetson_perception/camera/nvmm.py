"""A CSI camera whose frames stay where the Jetson's video engines put them, for kernels to read.

Nothing of it has run on a Jetson; docs/csi.md has its limits.
"""

from __future__ import annotations

import threading
import weakref
from functools import partial
from typing import TYPE_CHECKING

from jetson_perception.camera.gst_library import AppsinkPipeline
from jetson_perception.camera.gst_pipeline import NVMM_BUFFERS
from jetson_perception.cuda import CudaDevice, Resources, nvbufsurface
from jetson_perception.cuda.device_picture import DevicePicture, PicturePool
from jetson_perception.cuda.egl_frames import require_functions
from jetson_perception.cuda.mapped_surface import MappedSurface
from jetson_perception.cuda.nvbufsurface import NvmmError
from jetson_perception.cuda.preprocess import DeviceImage
from jetson_perception.errors import CudaError, SourceError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.camera.gst_library import Memory, Sample

#: Of the pipeline's buffers, those that pictures may keep. The others are for what is captured
#: meanwhile: one is written, one waits, one is being handed over.
_MOST_LENT = NVMM_BUFFERS - 3
#: How long the first frame is waited for; half of what a camera has to open in (`LiveSource`), so
#: that another way can be tried.
_FIRST_S = 5.0


class SilentError(SourceError):
    """A pipeline runs, and gives no frame."""


class NvmmGrabber:
    """A CSI camera in this process, a `Grabber` whose pictures lie in its own memory.

    Parameters
    ----------
    name : str
        For errors.
    pipeline : list of str
        As `csi_nvmm_pipeline` gives it.
    wanted : str
        'nvmm', or 'auto' to be for engines that run on the GPU alone.
    cancelled : threading.Event
        Ends the wait for the first frame.

    Raises
    ------
    NvmmError
        When this machine, or this camera, does not give such pictures.
    CudaError
        When the GPU failed.
    SilentError
        When it gives no frame for some time.
    SourceError
        When the camera cannot be opened, or ends without a frame.
    """

    encoding = 'nv12'

    def __init__(
        self, name: str, pipeline: list[str], wanted: str, cancelled: threading.Event
    ) -> None:
        in_use = CudaDevice.in_use()
        if wanted == 'auto' and not in_use:
            raise NvmmError('no engine of this process runs on a GPU')
        nvbufsurface.library()
        require_functions()
        self._name = name
        self._interrupted = threading.Event()
        self._first: tuple[DevicePicture, int] | None = None
        self._resources = Resources()
        with self._resources.closed_on_error():
            self._loans: _Loans | None = _Loans(min(in_use, default=0))
            self._resources.call(self._end_loans)
            self._pipeline = self._resources.add(AppsinkPipeline(name, pipeline))
            sample = self._pipeline.pull(cancelled, _FIRST_S)
            if sample is None:
                raise SilentError(f'{name}: no frame came within {_FIRST_S:g} s')
            self._size_wh = sample.size_wh
            # Only then is it known that its memory can be mapped.
            self._first = self._loans.picture(sample), sample.captured_ns

    def grab(self, _out: NDArray[np.uint8] | None) -> tuple[DevicePicture, int]:
        """The next picture, and when it was captured, as `Grabber` says."""
        first, self._first = self._first, None
        if first is not None:
            return first
        sample = self._pipeline.pull(self._interrupted)
        assert sample is not None, 'it waits without end'
        if sample.size_wh != self._size_wh:
            sample.release()
            width, height = self._size_wh
            raise SourceError(
                f'{self._name}: the frames are no longer {width}x{height}; open the source again '
                'for what comes now'
            )
        assert self._loans is not None, 'it is not used after its release'
        try:
            return self._loans.picture(sample), sample.captured_ns
        except CudaError as error:
            if error.fatal:
                raise
            # As text: the error refers to objects on the GPU.
            problem = str(error)
        raise SourceError(f'{self._name}: {problem}')

    def interrupt(self) -> None:
        """Make a `grab` under way end soon; from any thread."""
        self._interrupted.set()

    def release(self) -> None:
        """Let the camera go; pictures that are about stay."""
        self._first = None
        self._resources.close()

    def _end_loans(self) -> None:
        self._loans = None  # errors refer to what refers to this


class _Loans:
    """Pictures in a pipeline's memory, which goes back to it with the last reference to each.

    A pipeline has few buffers, and a camera without a free one stands still. So where many are
    kept, the next picture is copied within the GPU's memory.
    """

    def __init__(self, index: int) -> None:
        resources = Resources()
        with resources.closed_on_error():
            self._pool = resources.add(PicturePool(index))
            self.device = self._pool.device
            self._stream = resources.add(self.device.new_stream())
            # Never recorded: the video engines are done with a frame when it comes.
            self._ready = resources.add(self.device.new_event())
        #: One for each picture that is lent. To add and to take one is atomic: any thread may drop
        #: a picture, whatever it is at, as a collection of garbage may.
        self._lent: list[None] = []
        # Pictures refer to this, so it is over when all have been dropped.
        weakref.finalize(self, resources.close).atexit = False

    def picture(self, sample: Sample) -> DevicePicture:
        """A sample's picture; the sample is released with it or, if there is none, now.

        Raises
        ------
        CudaError
            As of `MappedSurface`, or where there is no memory for a copy.
        """
        made = None
        try:
            mapped = sample.kept(partial(self._mapped, sample.size_wh))
            if len(self._lent) >= _MOST_LENT:
                return self._copied(mapped)
            made = DevicePicture(
                self,
                mapped.address,
                mapped.size_wh,
                mapped.step,
                self._ready,
                colors=mapped.colors,
            )
            self._lent.append(None)
            weakref.finalize(made, _take_back, self._lent, sample).atexit = False
            return made
        finally:
            if made is None:
                sample.release()

    def copied(self, picture: DevicePicture) -> NDArray[np.uint8]:
        """A picture's pixels on the host, as `PictureOwner` says."""
        return self._pool.copied(picture)

    def _mapped(self, size_wh: tuple[int, int], memory: Memory) -> MappedSurface:
        return MappedSurface(self.device, *memory, size_wh)

    def _copied(self, mapped: MappedSurface) -> DevicePicture:
        """A picture in memory of the GPU's own."""
        (width, height), step = mapped.size_wh, mapped.step
        image = DeviceImage(mapped.address, width, height, step, 'nv12', colors=mapped.colors)
        with self.device.pushed():
            memory = self._pool.take(step * height * 3 // 2)
            try:
                image.copied_to(memory.buffer, self._stream)
                memory.ready.record(self._stream)
                self._stream.synchronize()  # the camera writes it again
            except BaseException:
                self._pool.give_back(memory)
                raise
        return self._pool.picture(memory, mapped.size_wh, step)


def _take_back(lent: list[None], sample: Sample) -> None:
    lent.pop()
    sample.release()
