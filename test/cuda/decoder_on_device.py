"""A decoder on a device with outputs to decode, and how its results are held against NumPy's."""

from outcomes import outcome

from jetson_perception.cuda import DeviceBuffer, PinnedBuffer, Resources


class DecoderOnDevice:
    """A decoder with its outputs on the device, and a stream; made of a device and a case."""

    def __init__(self, device, outputs, make_decoder):
        self.device = device
        self.held = Resources()
        with self.held.closed_on_error(), device.pushed():
            shapes, dtypes = [x.shape for x in outputs], [x.dtype for x in outputs]
            self.decoder = self.held.add(make_decoder(shapes, dtypes))
            self.stream = self.held.add(device.new_stream())
            self.outputs = [self.held.add(DeviceBuffer(device, x.shape, x.dtype)) for x in outputs]
            self.staging = [self.held.add(PinnedBuffer(device, x.shape, x.dtype)) for x in outputs]
            self.set(outputs)

    def set(self, outputs):
        for staging, buffer, output in zip(self.staging, self.outputs, outputs, strict=True):
            staging.array[:] = output
            buffer.copy_from_host(staging, self.stream)
        self.stream.synchronize()

    def decoded(self, case, block=0):
        self.decoder.prepare(case.transform, case.options, block)
        self.decoder.enqueue(self.outputs, self.stream, block)
        self.stream.synchronize()
        return self.decoder.collect(block)

    def close(self):
        self.held.close()

    @classmethod
    def computed(cls, device, case):
        """What the kernels make of a case, on a device that is left as it was."""
        on_device = cls(device, case)
        try:
            with device.pushed():
                return on_device.decoded(case)
        finally:
            on_device.close()

    @classmethod
    def results(cls, device, case, expected):
        """What the kernels and `expected` make of a case; None if both refuse it alike."""
        twin, refused = outcome(expected, case)
        found, told = outcome(cls.computed, device, case)
        assert told == refused
        return None if refused else (found, twin)
