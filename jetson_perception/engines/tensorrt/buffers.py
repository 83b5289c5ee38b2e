"""Memory for an engine's tensors: on the GPU, and on the host for callers that need it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.cuda import DeviceBuffer, PinnedBuffer, Resources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jetson_perception.cuda import CudaDevice, Stream
    from jetson_perception.engines.base import TensorSpec


class TensorBuffers:
    """Buffers of one input and its outputs, whose addresses never change.

    Attributes
    ----------
    input : DeviceBuffer
        Set by `allocate`.
    outputs : tuple of DeviceBuffer
        Set by `allocate`, in the order of the specs.
    """

    input: DeviceBuffer
    outputs: tuple[DeviceBuffer, ...]

    def __init__(self, device: CudaDevice) -> None:
        self._device = device
        self._resources = Resources()
        self._host_input: PinnedBuffer | None = None
        self._host_outputs: tuple[PinnedBuffer, ...] = ()

    def allocate(self, image: TensorSpec, outputs: Sequence[TensorSpec]) -> dict[str, int]:
        """Allocate the buffers on the GPU; returns their addresses by tensor name."""
        self.input = self._on_device(image)
        self.outputs = tuple(map(self._on_device, outputs))
        specs, buffers = (image, *outputs), (self.input, *self.outputs)
        return {spec.name: buffer.address for spec, buffer in zip(specs, buffers, strict=True)}

    def upload(self, tensor: NDArray[np.generic], stream: Stream) -> None:
        """Copy a tensor from the host to the input, on a stream."""
        if self._host_input is None:  # allocated on first use: lanes never call this
            self._host_outputs = tuple(map(self._on_host, self.outputs))
            self._host_input = self._on_host(self.input)
        np.copyto(self._host_input.array, tensor)
        self.input.copy_from_host(self._host_input, stream)

    def download(self, stream: Stream) -> list[NDArray[np.generic]]:
        """Copy the outputs to the host and wait; the next call reuses the page-locked memory."""
        for buffer, target in zip(self.outputs, self._host_outputs, strict=True):
            buffer.copy_to_host(target, stream)
        stream.synchronize()
        return [target.array for target in self._host_outputs]

    def close(self) -> None:
        """Free everything; may be called twice."""
        self._resources.close()

    def _on_device(self, spec: TensorSpec) -> DeviceBuffer:
        return self._resources.add(DeviceBuffer(self._device, spec.shape, spec.dtype))

    def _on_host(self, buffer: DeviceBuffer) -> PinnedBuffer:
        return self._resources.add(PinnedBuffer(self._device, buffer.shape, buffer.dtype))
