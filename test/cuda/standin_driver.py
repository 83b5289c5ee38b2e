"""A stand-in for libcuda, with the functions that are called by ctypes: an Orin's answers.

It is not a driver: memory is host memory. It is strict: an address that was not allocated, a copy
beyond the end, a buffer freed twice or never raise, or show in `allocated`.
"""

import ctypes


class StandInDriver:
    """What `ctypes.CDLL('libcuda.so.1')` gives."""

    def __init__(self, *, init=0, count=1, count_code=0, memory_bytes=8_000_000_000):
        self._init, self._count, self._count_code = init, count, count_code
        self._memory_bytes = memory_bytes
        self.allocated = {}
        self.retained = 0
        self.copied = []
        self.fail_allocation = False

    def install(self, monkeypatch, *modules):
        """Be what these modules load."""

        def load(name, *_, **__):
            assert name == 'libcuda.so.1'
            return self

        for module in modules:
            monkeypatch.setattr(module.ctypes, 'CDLL', load)
        return self

    def cuInit(self, flags):
        assert flags == 0
        return self._init

    def cuDeviceGetCount(self, count):
        count._obj.value = self._count
        return self._count_code

    def cuDeviceGet(self, device, index):
        assert index < self._count
        device._obj.value = 40 + index
        return 0

    def cuDeviceGetName(self, name, size, device):
        assert (size, device.value) == (256, 40)
        name.value = b'Orin'
        return 0

    def cuDeviceTotalMem_v2(self, memory, device):
        memory._obj.value = self._memory_bytes
        return 0

    def cuDeviceGetAttribute(self, value, number, device):
        value._obj.value = {75: 8, 76: 7, 18: 1}[number]
        return 0

    def cuDevicePrimaryCtxRetain(self, context, device):
        assert device.value == 40
        self.retained += 1
        context._obj.value = 77
        return 0

    def cuDevicePrimaryCtxRelease_v2(self, device):
        assert self.retained > 0
        self.retained -= 1
        return 0

    def cuCtxSetCurrent(self, context):
        assert context.value == 77
        return 0

    def cuMemAlloc_v2(self, address, nbytes):
        if self.fail_allocation:
            return 2
        memory = ctypes.create_string_buffer(nbytes.value)
        address._obj.value = ctypes.addressof(memory)
        self.allocated[ctypes.addressof(memory)] = memory
        return 0

    def cuMemcpyHtoD_v2(self, address, source, nbytes):
        memory = self.allocated[address.value]
        assert nbytes.value <= len(memory)
        ctypes.memmove(address.value, source.value, nbytes.value)
        self.copied.append(nbytes.value)
        return 0

    def cuMemFree_v2(self, address):
        del self.allocated[address.value]
        return 0
