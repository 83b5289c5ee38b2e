"""The GPU, through pycuda: context, streams, buffers, graphs, and kernels compiled on first use.

CUDA is imported only when someone asks for a `CudaDevice`, so that every module here can be
imported on a machine without a GPU. `cuda_problem` says why a GPU cannot be used.

Objects must be closed in the reverse of the order in which they were made; `Resources` does that.
The owner of a CUDA object closes it and never leaves it to the garbage collector: pycuda can free
it only where the context is current.
"""

from jetson_perception.cuda.buffers import BufferPart, DeviceBuffer, GrowingBuffer, PinnedBuffer
from jetson_perception.cuda.device import CudaDevice, Event, Stream, cuda_problem
from jetson_perception.cuda.release import Resources
from jetson_perception.errors import CudaError

__all__ = [
    'BufferPart',
    'CudaDevice',
    'CudaError',
    'DeviceBuffer',
    'Event',
    'GrowingBuffer',
    'PinnedBuffer',
    'Resources',
    'Stream',
    'cuda_problem',
]
