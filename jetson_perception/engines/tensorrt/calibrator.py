"""Measures INT8 ranges on images, for TensorRT versions that do so while they build (up to 10.x).

A model with Q/DQ nodes needs none of this: see `jetson_perception.engines.onnx_file.quantization`.
"""

from __future__ import annotations

import ctypes
import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_log = logging.getLogger('jetson_perception.tensorrt')


def has_calibrator(trt: Any) -> bool:
    """Whether this version has calibrators."""
    return hasattr(trt, 'IInt8EntropyCalibrator2') and hasattr(trt.BuilderFlag, 'INT8')


class DeviceMemory:
    """One buffer on the GPU, made through the driver alone, so that building needs no pycuda.

    It makes the primary context of the device, which TensorRT also uses, current in this thread.

    Parameters
    ----------
    nbytes : int
        Its size in bytes.
    """

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes
        self._driver = ctypes.CDLL('libcuda.so.1')
        self._device = ctypes.c_int()
        context = ctypes.c_void_p()
        address = ctypes.c_void_p()
        self._call('cuInit', 0)
        self._call('cuDeviceGet', ctypes.byref(self._device), 0)
        self._call('cuDevicePrimaryCtxRetain', ctypes.byref(context), self._device)
        self._call('cuCtxSetCurrent', context)
        self._call('cuMemAlloc_v2', ctypes.byref(address), ctypes.c_size_t(nbytes))
        self.address = int(address.value or 0)

    def write(self, array: NDArray[np.generic]) -> None:
        """Copy an array to the start of the buffer."""
        if array.nbytes > self.nbytes:
            raise ValueError(f'{array.nbytes} bytes do not fit into {self.nbytes}')
        array = np.ascontiguousarray(array)
        source, size = ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes)
        self._call('cuMemcpyHtoD_v2', ctypes.c_void_p(self.address), source, size)

    def close(self) -> None:
        """Free the buffer; may be called twice."""
        if self.address:
            self._call('cuMemFree_v2', ctypes.c_void_p(self.address))
            self._call('cuDevicePrimaryCtxRelease_v2', self._device)
            self.address = 0

    def _call(self, function: str, *arguments: object) -> None:
        code = getattr(self._driver, function)(*arguments)
        if code:
            raise ModelError(f'calibration: {function} failed with CUDA error {code}')


def make_calibrator(
    trt: Any, tensors: Iterator[NDArray[np.generic]], batch_shape: tuple[int, ...]
) -> Any:
    """A `trt.IInt8EntropyCalibrator2` that takes these tensors.

    Parameters
    ----------
    trt : module
        TensorRT, up to 10.x.
    tensors : iterator of ndarray, shape (1, 3, h, w), float32
        Inputs, one image each. A last batch that is not full is skipped.
    batch_shape : tuple of int
        (n, 3, h, w), the shape that TensorRT calibrates at: the profile's best.

    Returns
    -------
    calibrator
        Its attribute `count` is the number of images taken, and `problem` is the exception that
        ended it: TensorRT only prints exceptions, and continues with what it has.
    """
    batch_size, image_shape = batch_shape[0], (1, *batch_shape[1:])

    class Calibrator(trt.IInt8EntropyCalibrator2):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IInt8EntropyCalibrator2.__init__(self)
            self.count = 0
            self.problem: Exception | None = None
            self._memory: DeviceMemory | None = None

        def get_batch_size(self) -> int:
            return batch_size

        def get_batch(self, names: list[str]) -> list[int] | None:
            try:
                return self._next(names)
            except Exception as err:  # noqa: BLE001 - TensorRT would print it and go on
                self.problem = err
                return None

        def read_calibration_cache(self) -> None:
            return None

        def write_calibration_cache(self, cache: memoryview) -> None:
            _log.debug('calibration took %d images, %d bytes of ranges', self.count, len(cache))

        def close(self) -> None:
            if self._memory is not None:
                self._memory.close()
                self._memory = None

        def _next(self, names: list[str]) -> list[int] | None:
            if len(names) != 1:
                raise ModelError(f'calibration takes one input, but the model has {names}')
            images = [tensor for _, tensor in zip(range(batch_size), tensors, strict=False)]
            if len(images) < batch_size:
                return None
            for image in images:
                if image.shape != image_shape:
                    raise ModelError(
                        f'a calibration image is {image.shape}, but the engine is built for '
                        f'{image_shape}; prepare images at that size'
                    )
            batch = np.concatenate(images).astype(np.float32, copy=False)
            if self._memory is None:
                self._memory = DeviceMemory(batch.nbytes)
            self._memory.write(batch)
            self.count += batch_size
            return [self._memory.address]

    return Calibrator()
