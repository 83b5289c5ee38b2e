"""A stand-in for a Jetson's NVMM: libnvbufsurface, and what libcuda does with images of EGL.

It is not a Jetson: memory of a real GStreamer pipeline is shown as NvBufSurface, as nvvidconv's
allocator shows its own when it is mapped, and its pixels are memory of the GPU's stand-in. It is
strict. Structures are written byte by byte, at the offsets that nvbufsurface.h and cudaEGL.h have
on a 64-bit Jetson, so that a wrong one of ours reads nonsense. These are errors in
`Standin.faults`, which `check` tells: an image that is mapped twice, unmapped without being mapped
or while it is registered; one that is registered twice, or not there; a resource that is not
there, or let go while work on its memory is under way; a call without a current context; memory
that GStreamer frees while it is mapped. What is left over is told too.
"""

import ctypes
import struct

import numpy as np

from jetson_perception.camera import gst_library
from jetson_perception.cuda import libcuda, nvbufsurface

NAME = 'libnvbufsurface.so.1.0.0'
SURFACE_BYTES, PARAMS_BYTES, FRAME_BYTES = 64, 384, 64
MAP, UNMAP = 'NvBufSurfaceMapEglImage', 'NvBufSurfaceUnMapEglImage'
REGISTER, FRAME = 'cuGraphicsEGLRegisterImage', 'cuGraphicsResourceGetMappedEglFrame'
UNREGISTER = 'cuGraphicsUnregisterResource'
FUNCTIONS = (MAP, UNMAP, REGISTER, FRAME, UNREGISTER)
_WEAK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
_GUARD = 0x5AFE5AFE5AFE5AFE


class _Surface:
    """An NvBufSurface for one GstMemory, and its pixels, which are those of that memory."""

    def __init__(self, nvmm, pixels):
        self.pixels = pixels
        (width, height), step = nvmm.size_wh, nvmm.step
        told = {
            'batch': 1,
            'filled': 1,
            'memory_type': 4,
            'width': width,
            'height': height,
            'color_format': 6,
            'layout': 0,
            'planes': 2,
            'pitch': step,
            'color_pitch': step,
            **nvmm.told,
        }
        self.params = ctypes.create_string_buffer(PARAMS_BYTES)
        head = (told['width'], told['height'], told['pitch'], told['color_format'])
        struct.pack_into('<IIIii', self.params, 0, *head, told['layout'])
        struct.pack_into('<QI', self.params, 24, 17, pixels.size)  # bufferDesc, dataSize
        planes = 48
        struct.pack_into('<III', self.params, planes, told['planes'], width, width // 2)
        struct.pack_into('<II', self.params, planes + 20, height, height // 2)
        struct.pack_into('<II', self.params, planes + 36, told['pitch'], told['color_pitch'])
        self.struct = ctypes.create_string_buffer(SURFACE_BYTES)
        head = (0, told['batch'], told['filled'], False, told['memory_type'])
        struct.pack_into('<III?3xi', self.struct, 0, *head)
        params = 0 if told.get('no_list') else ctypes.addressof(self.params)
        struct.pack_into('<Q', self.struct, 24, params)
        self.address = ctypes.addressof(self.struct)
        self.image = 0

    def set_image(self, image):
        self.image = image
        struct.pack_into('<Q', self.params, 280 + 32, image)  # mappedAddr.eglImage


class StandinNvmm:
    """Both libraries, and the memory of pipelines.

    Parameters
    ----------
    standin : standin_pycuda.Standin
    size_wh : tuple of int
        Of the pictures that come.
    missing : container of str
        Functions of `FUNCTIONS` that there are not.
    told : dict
        What surfaces say, where it is something else: see `_Surface`.
    array : bool
        Whether CUDA sees pictures as arrays.

    Attributes
    ----------
    calls : list of str
        Names of the functions that were called, in order.
    failing : dict
        What a function gives from now on, without doing anything.
    surfaces : dict
        By the address of the GstMemory that shows each.
    mapped_bytes : int
        How many there are of a surface.
    """

    def __init__(self, standin, *, size_wh=(64, 48), missing=(), told=(), array=False):
        self.standin, self.size_wh, self.step = standin, size_wh, size_wh[0]
        self.told, self.array = dict(told), array
        self.missing = set(missing)
        self.calls, self.failing, self.surfaces = [], {}, {}
        self.mapped_bytes = SURFACE_BYTES
        self.gives_no_image = False
        self._images: dict[int, _Surface] = {}
        self._resources: dict[int, tuple] = {}
        self._freed = _WEAK(self._memory_freed)
        pointer, number, unsigned = ctypes.c_void_p, ctypes.c_int, ctypes.c_uint
        self.functions = {
            name: ctypes.CFUNCTYPE(number, *arguments)(self._guarded(name, function))
            for name, function, *arguments in (
                (MAP, self._map, pointer, number),
                (UNMAP, self._unmap, pointer, number),
                (REGISTER, self._register, pointer, pointer, unsigned),
                (FRAME, self._frame, pointer, pointer, unsigned, unsigned),
                (UNREGISTER, self._unregister, pointer),
            )
            if name not in self.missing
        }

    def install(self, monkeypatch):
        """Be this machine's, until the test ends."""
        theirs = {name: each for name, each in self.functions.items() if name in (MAP, UNMAP)}
        load = ctypes.CDLL

        def load_any(name, *args, **kwargs):
            if 'nvbufsurface' not in name:
                return load(name, *args, **kwargs)
            if name != NAME:
                raise OSError(f'{name}: cannot open shared object file')
            return type('Library', (), theirs)

        monkeypatch.setattr(nvbufsurface.ctypes, 'CDLL', load_any)
        nvbufsurface.library.cache_clear()
        for name in (REGISTER, FRAME, UNREGISTER):
            if name in self.functions:
                monkeypatch.setattr(libcuda.library(), name, self.functions[name], raising=False)
        gst = gst_library.library()
        self._gst_map, self._gst_set = gst.gst_memory_map, gst.gst_mini_object_set_qdata
        monkeypatch.setattr(gst, 'gst_memory_map', self._memory_map)
        monkeypatch.setattr(gst, 'gst_mini_object_set_qdata', self._set_qdata)
        self._weak_ref = load('libgstreamer-1.0.so.0').gst_mini_object_weak_ref
        self._weak_ref.argtypes = [ctypes.c_void_p, _WEAK, ctypes.c_void_p]
        self._weak_ref.restype = None
        return self

    def _guarded(self, name, function):
        """The function; what it raises would be lost in C."""

        def call(*args):
            self.calls.append(name)
            try:
                self.standin.current()
                if name in self.failing:
                    return self.failing[name]
                function(*args)
            except BaseException as err:  # noqa: BLE001 - `check` tells it
                self.standin.faults.append(f'{name}: {err!r}')
                return 999
            return 0

        return call

    # What GStreamer's allocator does.

    def _memory_map(self, memory, info, flags):
        if not self._gst_map(memory, info, flags):
            return 0
        assert flags == 1, 'it is only read'
        real = info._obj
        if memory not in self.surfaces:
            pixels = (ctypes.c_uint8 * real.size).from_address(real.data)
            self.surfaces[memory] = _Surface(self, np.frombuffer(pixels, np.uint8))
        real.data, real.size = self.surfaces[memory].address, self.mapped_bytes
        return 1

    def _set_qdata(self, memory, quark, data, destroy):
        self._gst_set(memory, quark, data, destroy)
        self._weak_ref(memory, self._freed, None)  # so it is told after what was set

    def _memory_freed(self, _data, memory):
        surface = self.surfaces.pop(memory)
        if surface.image:
            self.standin.faults.append('memory was freed while it was mapped')
        surface.struct[:] = struct.pack('<Q', _GUARD) * (SURFACE_BYTES // 8)

    # What libnvbufsurface does.

    def _known(self, address, index):
        assert index == 0
        return next(each for each in self.surfaces.values() if each.address == address)

    def _map(self, address, index):
        surface = self._known(address, index)
        assert not surface.image, 'it is mapped already'
        surface.set_image(0 if self.gives_no_image else self.standin.handle())
        if surface.image:
            self._images[surface.image] = surface
        self._count()

    def _unmap(self, address, index):
        surface = self._known(address, index)
        if self.gives_no_image:
            return
        assert surface.image, 'it is not mapped'
        registered = [image for image, *_ in self._resources.values()]
        assert surface.image not in registered, 'it is registered'
        del self._images[surface.image]
        surface.set_image(0)
        self._count()

    # What libcuda does.

    def _register(self, resource, image, flags):
        assert flags == 1, 'it is only read'
        surface = self._images[image]
        assert image not in [each for each, *_ in self._resources.values()], 'registered already'
        light = self.step * self.size_wh[1]
        planes = surface.pixels[:light], surface.pixels[light : light * 3 // 2]
        memory = [self.standin.allocate(each.size, each) for each in planes]
        made = self.standin.handle()
        ctypes.c_void_p.from_address(resource).value = made
        self._resources[made] = image, *memory
        self._count()

    def _frame(self, frame, resource, index, level):
        assert (index, level) == (0, 0)
        _, light, colors = self._resources[resource]
        width, height = self.size_wh
        written = struct.pack(
            '<QQQ6I3i4x',
            *(light.address, colors.address, 0),
            *(width, height, 0, self.step, 2, 1),
            *(0 if self.array else 1, 0x01, 1),
        )
        assert len(written) == FRAME_BYTES
        ctypes.memmove(frame, written, FRAME_BYTES)

    def _unregister(self, resource):
        _, *memory = self._resources.pop(resource)
        for each in memory:
            self.standin.release(each)
        self._count()

    def _count(self):
        self.standin.live['EGL image'] = len(self._images)
        self.standin.live['EGL registration'] = len(self._resources)


def install(monkeypatch, standin, **options):
    """Be this machine's NVMM until the test ends; options are those of `StandinNvmm`."""
    return StandinNvmm(standin, **options).install(monkeypatch)
