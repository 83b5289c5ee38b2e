"""Masks to be colored, compared with `drawing`; for the emulator and for GPUs."""

import numpy as np
from preprocess_cases import Case, image_bytes

from jetson_perception.cuda import DeviceBuffer, PinnedBuffer, Resources
from jetson_perception.cuda.preprocess import DeviceImage
from jetson_perception.cuda.tint import CudaTinter, TintTables
from jetson_perception.drawing import color_mask, draw_segmentation
from jetson_perception.images.encodings import to_bgr, view
from jetson_perception.palette import palette
from jetson_perception.tasks.results import Segmentation

SIZES = [(2, 2), (34, 10), (66, 50)]


def mask_of(size_wh, classes=256):
    return np.random.default_rng(1).integers(0, classes, size_wh[::-1], np.uint8)


def check_colors(device, size_wh, count):
    """Fail unless the mask's colors are those of `color_mask`."""
    mask, colors = mask_of(size_wh), palette(count)
    held = Resources()
    with held.closed_on_error(), device.pushed():
        stream = held.add(device.new_stream())
        tinter, tables = held.add(CudaTinter(device)), held.add(TintTables(device, colors))
        target = held.add(DeviceBuffer(device, (*mask.shape, 3), np.uint8))
        mask_address = on_device(device, held, stream, mask).address
        tinter.enqueue_colors(mask_address, size_wh, tables, target, stream)
        colored = on_host(device, held, stream, target)
    held.close()
    np.testing.assert_array_equal(colored, color_mask(mask, colors))


def check_blend(device, encoding, size_wh, blend, *, apart=False):
    """Fail unless the tinted image is that of `draw_segmentation`."""
    data, step = image_bytes(Case(size_wh, encoding=encoding, padding=5))
    mask, colors = mask_of(size_wh, 30), palette(21)
    pixels = view(data, size_wh[1], size_wh[0], encoding, step)
    expected = np.array(to_bgr(pixels, encoding))
    draw_segmentation(expected, Segmentation(mask, np.zeros(30, np.int64)), colors, blend)
    held = Resources()
    with held.closed_on_error(), device.pushed():
        stream = held.add(device.new_stream())
        tinter, tables = held.add(CudaTinter(device)), held.add(TintTables(device, colors, blend))
        light = step * size_wh[1] if apart else len(data)
        source = on_device(device, held, stream, data[:light])
        colors = on_device(device, held, stream, data[light:]).address if apart else 0
        target = held.add(DeviceBuffer(device, (*mask.shape, 3), np.uint8))
        image = DeviceImage(source.address, *size_wh, step, encoding, colors=colors)
        mask_address = on_device(device, held, stream, mask).address
        tinter.enqueue_blend(image, mask_address, tables, target, stream)
        tinted = on_host(device, held, stream, target)
    held.close()
    np.testing.assert_array_equal(tinted, expected)


def on_device(device, held, stream, array):
    staging = held.add(PinnedBuffer(device, array.shape, array.dtype))
    staging.array[...] = array
    buffer = held.add(DeviceBuffer(device, array.shape, array.dtype))
    buffer.copy_from_host(staging, stream)
    return buffer


def on_host(device, held, stream, buffer):
    result = held.add(PinnedBuffer(device, buffer.shape, buffer.dtype))
    buffer.copy_to_host(result, stream)
    stream.synchronize()
    return result.array.copy()
