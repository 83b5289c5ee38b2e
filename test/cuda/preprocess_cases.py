"""Images for the preprocess kernel, compared with OpenCV; for the emulator and for GPUs."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from jetson_perception.cuda import DeviceBuffer, PinnedBuffer, Resources
from jetson_perception.cuda.preprocess import CudaPreprocessor, DeviceImage
from jetson_perception.images.encodings import ENCODINGS, to_bgr, view
from jetson_perception.images.regions import Region
from jetson_perception.tasks.input_layout import InputLayout
from jetson_perception.tasks.normalization import Normalization
from jetson_perception.tasks.preprocess import Preprocessor

RESIZES = ('letterbox', 'letterbox_top_left', 'stretch')

PLAIN = Normalization()
IMAGENET = Normalization(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
BGR = Normalization(scale=1.0, mean=(103.53, 116.28, 123.675), color_order='bgr')


@dataclass(frozen=True)
class Case:
    """One image, and how it is preprocessed."""

    source_wh: tuple
    network_wh: tuple = (64, 48)
    encoding: str = 'bgr8'
    padding: int = 0  # bytes at the end of each row
    resize: str = 'letterbox'
    normalization: Normalization = PLAIN
    dtype: type = np.float32
    pad_value: int = 114
    content: str = 'noise'
    layout: InputLayout = InputLayout()  # noqa: RUF009 - it is frozen
    region: Region | None = None
    apart: bool = False  # colors in memory of their own


SIZES = [
    pytest.param(Case((2, 2)), id='smallest'),
    pytest.param(Case((2, 62)), id='upright_thread'),
    pytest.param(Case((300, 2)), id='thread'),
    pytest.param(Case((64, 48)), id='of_the_networks_size'),
    pytest.param(Case((128, 96)), id='twice_its_size'),
    pytest.param(Case((192, 144)), id='three_times_its_size'),
    pytest.param(Case((32, 24)), id='half_its_size'),
    pytest.param(Case((20, 14)), id='enlarged'),
    pytest.param(Case((64, 20)), id='of_its_width'),
    pytest.param(Case((30, 48)), id='of_its_height'),
    pytest.param(Case((128, 48)), id='halved_across_only'),
    pytest.param(Case((142, 86), (64, 64)), id='padded_above_and_below'),
    pytest.param(Case((86, 142), (64, 64)), id='padded_at_the_sides'),
    pytest.param(Case((118, 74), (33, 31)), id='odd_network'),
    pytest.param(Case((118, 74), (1, 1)), id='network_of_one_pixel'),
    pytest.param(Case((118, 74), (70, 3)), id='flat_network'),
    pytest.param(Case((1282, 722), (97, 65)), id='much_smaller'),
]
ODD_SIZES = [
    pytest.param(Case((1, 1)), id='one_pixel'),
    pytest.param(Case((1, 37)), id='one_column'),
    pytest.param(Case((53, 1)), id='one_row'),
    pytest.param(Case((31, 33)), id='odd'),
    pytest.param(Case((1279, 721), (96, 64)), id='odd_and_large'),
]
ANY_SIZE = ('bgr8', 'rgb8', 'bgra8', 'rgba8', 'mono8')


def cases():
    """Every size of every encoding, every setting, and sizes by chance."""
    return [*_cases()]


def _cases():
    for encoding in ENCODINGS:
        for size in SIZES + (ODD_SIZES if encoding in ANY_SIZE else []):
            yield pytest.param(
                replace(size.values[0], encoding=encoding, padding=7), id=f'{encoding}-{size.id}'
            )
        yield pytest.param(
            Case((130, 70), encoding=encoding, content='extremes'), id=f'{encoding}-extremes'
        )
    for resize in RESIZES:
        for source_wh in ((142, 86), (86, 142), (40, 30), (1, 1)):
            for network_wh in ((64, 48), (37, 41)):
                name = f'{resize}-{source_wh[0]}x{source_wh[1]}-{network_wh[0]}x{network_wh[1]}'
                yield pytest.param(Case(source_wh, network_wh, resize=resize), id=name)
    for name, normalization in (('plain', PLAIN), ('imagenet', IMAGENET), ('bgr', BGR)):
        for dtype in (np.float32, np.float16):
            yield pytest.param(
                Case((75, 50), normalization=normalization, dtype=dtype, pad_value=31),
                id=f'{name}-{dtype.__name__}',
            )
    yield from _inputs()

    rng = np.random.default_rng(4)
    for i in range(40):
        source_w, source_h, network_w, network_h = (int(side) for side in rng.integers(1, 200, 4))
        encoding = ENCODINGS[i % len(ENCODINGS)]
        if encoding not in ANY_SIZE:
            source_w, source_h = source_w + source_w % 2, source_h + source_h % 2
        case = Case((source_w, source_h), (network_w, network_h), encoding, i, RESIZES[i % 3])
        yield pytest.param(case, id=f'chance-{i}-{encoding}')
    yield pytest.param(Case((1280, 720), (640, 640)), id='as_in_real_life')
    for encoding in ('nv12', 'nv21'):
        apart = Case((118, 70), (33, 31), encoding, 7, apart=True)
        yield pytest.param(apart, id=f'{encoding}-colors_elsewhere')
        part = replace(apart, region=Region(61, 35, 57, 35))
        yield pytest.param(part, id=f'{encoding}-part_with_colors_elsewhere')
    yield from _regions()


def _regions():
    """Parts of images: odd ones, those at the edges, and single pixels."""
    regions = (Region(31, 17, 40, 33), Region(0, 0, 118, 70), Region(61, 35, 57, 35))
    for encoding in ENCODINGS:
        for region in (*regions, Region(117, 69, 1, 1)):
            case = Case((118, 70), (33, 31), encoding, 7, region=region)
            name = f'{region.width}x{region.height}_at_{region.left}_{region.top}'
            yield pytest.param(case, id=f'{encoding}-{name}')


def _inputs():
    """Inputs of every type and number of channels, before and behind the pixels."""
    for dtype in (np.float32, np.float16, np.uint8, np.int32):
        scale = 1.0 if np.dtype(dtype).kind in 'iu' else 1 / 255
        for channels in (1, 3, 4):
            for last in (False, True):
                for order in ('rgb', 'bgr') if channels > 1 else ('rgb',):
                    case = Case(
                        (75, 50),
                        normalization=Normalization(scale=scale, color_order=order),
                        dtype=dtype,
                        layout=InputLayout(channels, last),
                    )
                    where = 'last' if last else 'first'
                    name = f'{channels}_channels_{where}-{np.dtype(dtype)}-{order}'
                    yield pytest.param(case, id=name)
    for last in (False, True):
        layout = InputLayout(3, last)
        case = Case((75, 50), (61, 33), 'nv12', normalization=IMAGENET, layout=layout)
        yield pytest.param(replace(case, source_wh=(76, 50)), id=f'odd_imagenet_last_{last}')


def image_bytes(case):
    """The image of a case as a message has it, its last row without padding, and its step."""
    width, height = case.source_wh
    rows = height * 3 // 2 if case.encoding in ('nv12', 'nv21') else height
    channels = {'bgr8': 3, 'rgb8': 3, 'bgra8': 4, 'rgba8': 4}.get(case.encoding, 1)
    if case.encoding in ('yuyv', 'uyvy', 'yuv422', 'yuv422_yuy2'):
        channels = 2
    step = width * channels + case.padding
    rng = np.random.default_rng(width * 7919 + height)
    size = step * rows - case.padding
    if case.content == 'extremes':
        return rng.choice(np.array([0, 255, 16, 235, 128], np.uint8), size), step
    return rng.integers(0, 256, size, np.uint8), step


def expected(case):
    """What NumPy and OpenCV make of the case."""
    data, step = image_bytes(case)
    width, height = case.source_wh
    bgr = to_bgr(view(data, height, width, case.encoding, step), case.encoding)
    twin = Preprocessor(
        case.network_wh,
        case.resize,
        case.normalization,
        case.dtype,
        case.pad_value,
        case.layout,
    )
    return twin(bgr if case.region is None else case.region.of(bgr))


def computed(device, case):
    """What the kernel makes of it."""
    data, step = image_bytes(case)
    held = Resources()
    with held.closed_on_error(), device.pushed():
        preprocessor = held.add(
            CudaPreprocessor(
                device,
                case.network_wh,
                case.resize,
                case.normalization,
                case.dtype,
                case.pad_value,
                case.layout,
            )
        )
        stream = held.add(device.new_stream())
        light = step * case.source_wh[1] if case.apart else len(data)
        address = uploaded(device, held, stream, data[:light])
        colors = uploaded(device, held, stream, data[light:]) if case.apart else 0
        target = held.add(preprocessor.new_tensor())
        image = DeviceImage(address, *case.source_wh, step, case.encoding, case.region, colors)
        transform = preprocessor.enqueue(image, target, stream)
        result = held.add(PinnedBuffer(device, target.shape, target.dtype))
        target.copy_to_host(result, stream)
        stream.synchronize()
        tensor = result.array.copy()
    held.close()
    return tensor, transform


def uploaded(device, held, stream, data):
    """The address of bytes on the device."""
    staging = held.add(PinnedBuffer(device, data.shape, np.uint8))
    staging.array[:] = data
    buffer = held.add(DeviceBuffer(device, data.shape, np.uint8))
    buffer.copy_from_host(staging, stream)
    return buffer.address


def check(device, case):
    """Fail unless kernel and twin agree to the last bit."""
    tensor, transform = expected(case)
    on_device, its_transform = computed(device, case)
    assert its_transform == transform
    assert on_device.dtype == tensor.dtype
    np.testing.assert_array_equal(on_device, tensor)
