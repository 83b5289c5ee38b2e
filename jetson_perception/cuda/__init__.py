"""The GPU, through pycuda: context, streams, buffers, graphs, and kernels compiled on first use.

Nothing of CUDA is imported before a `CudaDevice` is asked for, so that every module here can be
imported on a machine without a GPU. `cuda_problem` says whether there is one, and if not, why.

The order of closing matters, and `Resources` keeps it: what was made last is closed first. A CUDA
object is closed by its owner, never left to the garbage collector: pycuda can free it only where
the context is current.
"""

from jetson_perception.cuda.buffers import DeviceBuffer, GrowingBuffer, PinnedBuffer
from jetson_perception.cuda.device import CudaDevice, Event, Stream, cuda_problem
from jetson_perception.cuda.release import Resources
from jetson_perception.errors import CudaError

__all__ = [
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
