"""CUDA graphs: a stream's work, captured once and launched with one call.

pycuda does not support graphs, so this calls the driver's library through ctypes. A graph repeats
exactly the captured calls, with the same addresses and scalar arguments. Whatever changes from
frame to frame must be in memory that the captured work reads.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from jetson_perception.cuda import libcuda
from jetson_perception.errors import CudaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetson_perception.cuda.device import CudaDevice, Stream

# Other threads may allocate without breaking this thread's capture.
_CAPTURE_MODE_THREAD_LOCAL = 1

# From cuda.h: kinds of nodes and of memory, and attributes of a pointer.
_NODE_MEMCPY, _NODE_HOST, _NODE_GRAPH = 1, 3, 4
_MEMORY_HOST, _MEMORY_UNIFIED = 1, 4
_POINTER_MEMORY_TYPE = 2


class Graph:
    """Captured work; made by `capture`.

    Attributes
    ----------
    device : CudaDevice
    nodes : int
        How many kernels, copies and other nodes it has.
    """

    __slots__ = ('_executable', '_launch', 'device', 'nodes')

    def __init__(self, device: CudaDevice, executable: int, nodes: int) -> None:
        self.device = device
        self.nodes = nodes
        self._executable = executable
        self._launch = libcuda.quick_library().cuGraphLaunch

    def launch(self, stream: Stream) -> None:
        """Enqueue the captured work on the stream, from any thread; the context must be current.

        Raises
        ------
        CudaError
            When the driver refuses, or the graph is closed.
        """
        if not self._executable:
            raise CudaError('a CUDA graph was launched after it was closed')
        status = self._launch(self._executable, stream.handle)
        if status:
            raise libcuda.error(status, 'launching a CUDA graph')

    def close(self) -> None:
        """Release it; may be called twice. No launch may be under way."""
        executable, self._executable = self._executable, 0
        if executable:
            with self.device.pushed():
                libcuda.check(
                    libcuda.library().cuGraphExecDestroy(executable), 'releasing a CUDA graph'
                )


def capture(stream: Stream, record: Callable[[], object], *, foreign: bool = False) -> Graph:
    """Capture what a function enqueues on the stream, without running it.

    The function must have run once before, and the stream must have been synchronized: first runs
    allocate, and during a capture this thread may make neither allocations nor synchronous calls.

    Parameters
    ----------
    stream : Stream
        Nothing else may be enqueued on it meanwhile.
    record : callable
        Enqueues the work, on this stream and in this thread.
    foreign : bool
        Whether the work is a library's, whose host memory may be gone when the graph is launched.
        Then copies to the host, and from memory that is not page-locked, are refused. Host
        functions at the end are dropped: after every launch they would release the page-locked
        memory that the captured copies read.

    Raises
    ------
    CudaError
        When the driver refuses, for example after a call that cannot be captured; when nothing was
        enqueued; or when foreign work depends on the host. The stream remains usable.
    Exception
        Whatever `record` raises.
    """
    library = libcuda.library()
    executable = ctypes.c_void_p()
    with stream.device.pushed():
        graph = _record(library, stream, record)
        try:
            nodes = _nodes(library, graph)
            if not nodes:
                raise CudaError('capturing a CUDA graph failed: nothing was enqueued')
            if foreign:
                _detach_from_host(library, nodes)
            status = library.cuGraphInstantiateWithFlags(ctypes.byref(executable), graph, 0)
            libcuda.check(status, 'instantiating a CUDA graph')
        finally:
            library.cuGraphDestroy(graph)  # the executable graph does not need it
        made = Graph(stream.device, executable.value or 0, len(nodes))
        if hasattr(library, 'cuGraphUpload'):  # otherwise the first launch does this
            status = library.cuGraphUpload(executable, stream.handle)
            if status:
                made.close()
                raise libcuda.error(status, 'uploading a CUDA graph')
        return made


def _record(library: Any, stream: Stream, record: Callable[[], object]) -> ctypes.c_void_p:
    status = library.cuStreamBeginCapture_v2(stream.handle, _CAPTURE_MODE_THREAD_LOCAL)
    libcuda.check(status, 'starting to capture a CUDA graph')
    graph = ctypes.c_void_p()
    try:
        record()
    except BaseException:
        # An unfinished capture makes every later call on the stream fail.
        library.cuStreamEndCapture(stream.handle, ctypes.byref(graph))
        if graph:
            library.cuGraphDestroy(graph)
        raise
    status = library.cuStreamEndCapture(stream.handle, ctypes.byref(graph))
    if status and graph:
        library.cuGraphDestroy(graph)
    libcuda.check(status, 'capturing a CUDA graph')
    if not graph:
        raise CudaError('capturing a CUDA graph failed: the driver returned no graph')
    return graph


def _nodes(library: Any, graph: ctypes.c_void_p) -> list[int]:
    count = ctypes.c_size_t()
    libcuda.check(
        library.cuGraphGetNodes(graph, None, ctypes.byref(count)), 'reading a CUDA graph'
    )
    if not count.value:
        return []
    nodes = (ctypes.c_void_p * count.value)()
    libcuda.check(
        library.cuGraphGetNodes(graph, nodes, ctypes.byref(count)), 'reading a CUDA graph'
    )
    return [node or 0 for node in nodes]


def _detach_from_host(library: Any, nodes: list[int]) -> None:
    """Drop host functions at the end; refuse other work that depends on the host."""
    kinds = {node: _kind(library, node) for node in nodes}
    for node in nodes:
        if kinds[node] == _NODE_GRAPH:
            raise CudaError('the captured work contains another graph, which cannot be inspected')
        if kinds[node] == _NODE_MEMCPY:
            _require_lasting_memory(library, node)
    for node in nodes:
        if kinds[node] != _NODE_HOST:
            continue
        if _dependents(library, node):
            raise CudaError('the captured work waits for a host function')
        libcuda.check(library.cuGraphDestroyNode(node), 'changing a CUDA graph')


def _dependents(library: Any, node: int) -> int:
    count = ctypes.c_size_t()
    if hasattr(library, 'cuGraphNodeGetDependentNodes_v2'):  # CUDA 12.3
        status = library.cuGraphNodeGetDependentNodes_v2(node, None, None, ctypes.byref(count))
    else:
        status = library.cuGraphNodeGetDependentNodes(node, None, ctypes.byref(count))
    libcuda.check(status, 'reading a CUDA graph')
    return count.value


def _kind(library: Any, node: int) -> int:
    kind = ctypes.c_int()
    libcuda.check(library.cuGraphNodeGetType(node, ctypes.byref(kind)), 'reading a CUDA graph')
    return kind.value


def _require_lasting_memory(library: Any, node: int) -> None:
    """Refuse copies whose host memory may be gone; page-locked memory is kept for them."""
    copy = _Memcpy3D()
    status = library.cuGraphMemcpyNodeGetParams(node, ctypes.byref(copy))
    libcuda.check(status, 'reading a copy in a CUDA graph')
    source = copy.srcHost if copy.srcMemoryType == _MEMORY_HOST else copy.srcDevice
    target = copy.dstHost if copy.dstMemoryType == _MEMORY_HOST else copy.dstDevice
    if _host_memory(library, copy.dstMemoryType, target):
        raise CudaError('the captured work copies to host memory')
    if _host_memory(library, copy.srcMemoryType, source) == 'pageable':
        raise CudaError('the captured work copies from pageable host memory')


def _host_memory(library: Any, memory_type: int, address: int | None) -> str:
    """'page-locked' or 'pageable' for an address in host memory; empty for other memory."""
    if memory_type not in (_MEMORY_HOST, _MEMORY_UNIFIED):
        return ''
    found = ctypes.c_int()
    status = library.cuPointerGetAttribute(ctypes.byref(found), _POINTER_MEMORY_TYPE, address or 0)
    if status:
        return 'pageable'  # the driver does not know it
    return 'page-locked' if found.value == _MEMORY_HOST else ''


class _Memcpy3D(ctypes.Structure):
    """CUDA_MEMCPY3D of cuda.h."""

    _fields_ = (
        *((f'src{name}', ctypes.c_size_t) for name in ('XInBytes', 'Y', 'Z', 'LOD')),
        ('srcMemoryType', ctypes.c_int),
        ('srcHost', ctypes.c_void_p),
        ('srcDevice', ctypes.c_ulonglong),
        ('srcArray', ctypes.c_void_p),
        ('reserved0', ctypes.c_void_p),
        *((f'src{name}', ctypes.c_size_t) for name in ('Pitch', 'Height')),
        *((f'dst{name}', ctypes.c_size_t) for name in ('XInBytes', 'Y', 'Z', 'LOD')),
        ('dstMemoryType', ctypes.c_int),
        ('dstHost', ctypes.c_void_p),
        ('dstDevice', ctypes.c_ulonglong),
        ('dstArray', ctypes.c_void_p),
        ('reserved1', ctypes.c_void_p),
        *((f'dst{name}', ctypes.c_size_t) for name in ('Pitch', 'Height')),
        *((name, ctypes.c_size_t) for name in ('WidthInBytes', 'Height', 'Depth')),
    )
