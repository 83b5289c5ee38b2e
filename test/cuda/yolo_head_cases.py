"""Maps of YOLO heads, and the comparison with NumPy; for the emulator and for GPUs."""

from dataclasses import dataclass

import numpy as np
import pytest

from jetson_perception.cuda import DeviceBuffer, PinnedBuffer, Resources
from jetson_perception.cuda.graphs import capture
from jetson_perception.cuda.preprocess import upload
from jetson_perception.cuda.yolo_head import CudaHead
from jetson_perception.tasks.yolo_head import HeadLayout, decode_head

GRIDS = ((9, 8), (5, 4), (3, 2))
STRIDES = (8, 16, 32)
DETECT = HeadLayout(GRIDS, STRIDES, 16, 80)
POSE = HeadLayout(GRIDS, STRIDES, 16, 1, 51, 3)


@dataclass(frozen=True)
class Case:
    """Maps, and what is made of them."""

    layout: HeadLayout = DETECT
    dtype: type = np.float32
    output_dtype: type = np.float32
    channels_last: bool = False
    spoilt: bool = False


def cases():
    """Every layout in both orders of axes, and what is ugly."""
    layouts = {
        'detect': DETECT,
        'pose': POSE,
        'flat_pose': HeadLayout(GRIDS, STRIDES, 16, 3, 10, 2),
        'masks': HeadLayout(GRIDS, STRIDES, 16, 7, 32),
        'one_bin': HeadLayout(GRIDS, STRIDES, 1, 64, 32),
        'seven_bins_of_many_classes': HeadLayout(GRIDS[:2], STRIDES[:2], 7, 131),
        'one_cell': HeadLayout(((1, 1),), (64,), 16, 1),
        'four_levels': HeadLayout(((13, 11), *GRIDS), (4, *STRIDES), 16, 2, 65),
        'whole_blocks': HeadLayout(((16, 8), (8, 8)), (8, 16), 16, 64),
    }
    for name, layout in layouts.items():
        for last in (False, True):
            order = 'last' if last else 'first'
            yield pytest.param(Case(layout, channels_last=last), id=f'{name}-{order}')
    for last in (False, True):
        order = 'last' if last else 'first'
        half, pose = Case(DETECT, np.float16, channels_last=last), Case(POSE, np.float16)
        yield pytest.param(half, id=f'half-{order}')
        yield pytest.param(Case(POSE, np.float16, np.float16, last), id=f'half_output-{order}')
        yield pytest.param(Case(POSE, spoilt=True, channels_last=last), id=f'spoilt-{order}')
    yield pytest.param(pose, id='half-pose')


def maps_of(case, seed=0):
    """Maps of each level, as networks give them; spoilt ones hold values that are not numbers."""
    rng = np.random.default_rng(seed)
    maps = [
        [rng.normal(0, 3, (1, count, height, width)) for count in case.layout.channels]
        for width, height in case.layout.grids_wh
    ]
    if case.spoilt:
        for each in (each for level in maps for each in level):
            places = rng.integers(each.size, size=each.size // 7)
            each.flat[places] = rng.choice([np.nan, np.inf, -np.inf, 1e30, 100, -1e5], len(places))
    return [[each.astype(case.dtype) for each in level] for level in maps]


def check(device, case, *, graph=False):
    """Hold what the kernel makes of the maps against the twin."""
    maps = maps_of(case)
    with np.errstate(all='ignore'):
        expected = decode_head(case.layout, maps).astype(case.output_dtype)
    held = Resources()
    with device.pushed(), held.closed_on_error():
        stream = held.add(device.new_stream())
        head = held.add(
            CudaHead(
                device,
                case.layout,
                case.dtype,
                case.output_dtype,
                channels_last=case.channels_last,
            )
        )
        output = held.add(DeviceBuffer(device, case.layout.output_shape, case.output_dtype))
        fill(head, maps, case.channels_last)
        head.enqueue(output, stream)
        if graph:
            stream.synchronize()
            output.clear(stream)
            stream.synchronize()
            recorded = held.add(capture(stream, lambda: head.enqueue(output, stream)))
            recorded.launch(stream)
        found = fetched(output, stream, held)
    held.close()
    # exp differs in the last digit from one library to the next; edges are differences of sums.
    relative = 2e-3 if case.output_dtype == np.float16 else 2e-6
    scores = slice(4, 4 + case.layout.class_count)
    np.testing.assert_allclose(found[:, scores], expected[:, scores], rtol=relative, atol=relative)
    np.testing.assert_allclose(found, expected, rtol=relative, atol=1e-4)


def fill(head, maps, channels_last):
    """Put maps where the head reads them."""
    flat = [each for level in maps for each in level]
    assert len(flat) == len(head.shapes) == len(head.addresses)
    content = np.zeros(head._maps.shape, np.uint8)
    for each, shape, address in zip(flat, head.shapes, head.addresses, strict=True):
        laid_out = np.ascontiguousarray(each.transpose(0, 2, 3, 1) if channels_last else each)
        assert laid_out.shape == shape
        begin = address - head._maps.address
        content[begin : begin + laid_out.nbytes] = laid_out.view(np.uint8).ravel()
    upload(content, head._maps)


def fetched(buffer, stream, held):
    """What is in a buffer on the device."""
    staging = held.add(PinnedBuffer(buffer.device, buffer.shape, buffer.dtype))
    buffer.copy_to_host(staging, stream)
    stream.synchronize()
    return staging.array.copy()
