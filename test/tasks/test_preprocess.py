"""Where images lie in the network's input, what the tensor holds, and the way back."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jetson_perception.errors import ImageError, ParameterError
from jetson_perception.tasks.preprocess import (
    RESIZES,
    ImageTransform,
    Normalization,
    Preprocessor,
    fit,
)

#: Ways that show all of an image.
WHOLE = tuple(resize for resize in RESIZES if resize != 'center_crop')
IMAGENET = Normalization(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def picture(width, height, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ('source_wh', 'resize', 'content_wh', 'offset_xy'),
    [
        pytest.param((1280, 720), 'letterbox', (640, 360), (0, 140), id='wide'),
        pytest.param((720, 1280), 'letterbox', (360, 640), (140, 0), id='tall'),
        pytest.param((640, 640), 'letterbox', (640, 640), (0, 0), id='of_the_networks_size'),
        pytest.param((640, 480), 'letterbox', (640, 480), (0, 80), id='of_its_width'),
        pytest.param((320, 240), 'letterbox', (640, 480), (0, 80), id='enlarged'),
        pytest.param((1279, 721), 'letterbox', (640, 361), (0, 139), id='odd_padding_goes_below'),
        pytest.param((10000, 3), 'letterbox', (640, 1), (0, 319), id='thread'),
        pytest.param((3, 10000), 'letterbox', (1, 640), (319, 0), id='upright_thread'),
        pytest.param((1, 1), 'letterbox', (640, 640), (0, 0), id='one_pixel'),
        pytest.param((1280, 720), 'letterbox_top_left', (640, 360), (0, 0), id='corner'),
        pytest.param((1279, 721), 'letterbox_top_left', (640, 360), (0, 0), id='corner_floors'),
        pytest.param((1100, 300), 'letterbox_top_left', (640, 174), (0, 0), id='fills_exactly'),
        pytest.param((10000, 3), 'letterbox_top_left', (640, 1), (0, 0), id='corner_thread'),
        pytest.param((640, 640), 'letterbox_top_left', (640, 640), (0, 0), id='corner_same'),
        pytest.param((1280, 720), 'stretch', (640, 640), (0, 0), id='stretched'),
        pytest.param((1, 5000), 'stretch', (640, 640), (0, 0), id='stretched_thread'),
        pytest.param((1280, 720), 'center_crop', (1137, 640), (-248, 0), id='crop_wide'),
        pytest.param((720, 1280), 'center_crop', (640, 1137), (0, -248), id='crop_tall'),
        pytest.param((321, 320), 'center_crop', (642, 640), (-1, 0), id='crop_enlarged'),
        pytest.param((640, 640), 'center_crop', (640, 640), (0, 0), id='crop_nothing'),
        pytest.param((3, 10000), 'center_crop', (640, 2133333), (0, -1066346), id='crop_thread'),
    ],
)
def test_fit(source_wh, resize, content_wh, offset_xy):
    expected = ImageTransform(source_wh, (640, 640), content_wh, offset_xy)
    assert fit(source_wh, (640, 640), resize) == expected


def ultralytics_letterbox(source_wh, network_wh):
    """Content size and offset as `ultralytics.data.augment.LetterBox` computes them (8.3)."""
    (width, height), (new_w, new_h) = source_wh, network_wh
    ratio = min(new_h / height, new_w / width)
    unpadded = round(width * ratio), round(height * ratio)
    dw, dh = (new_w - unpadded[0]) / 2, (new_h - unpadded[1]) / 2
    return unpadded, (round(dw - 0.1), round(dh - 0.1))


SIDES = st.integers(1, 4096)


@settings(deadline=None)
@given(SIDES, SIDES, st.sampled_from([(640, 640), (640, 384), (224, 224), (320, 640)]))
def test_letterbox_agrees_with_ultralytics(width, height, network_wh):
    content_wh, offset_xy = ultralytics_letterbox((width, height), network_wh)
    transform = fit((width, height), network_wh, 'letterbox')
    if min(content_wh) >= 1:
        assert transform.content_wh == content_wh
        assert transform.offset_xy == offset_xy


@settings(max_examples=300, deadline=None)
@given(SIDES, SIDES, st.sampled_from(WHOLE))
def test_content_lies_inside_and_maps_back_exactly(width, height, resize):
    transform = fit((width, height), (640, 384), resize)
    (left, top), (content_w, content_h) = transform.offset_xy, transform.content_wh
    assert min(content_w, content_h) >= 1
    assert left >= 0
    assert top >= 0
    assert left + content_w <= 640
    assert top + content_h <= 384

    content = np.array([[left, top, left + content_w, top + content_h]], np.float32)
    whole = transform.boxes_to_source(content, clip=False)
    assert whole == pytest.approx(np.array([[0, 0, width, height]]), rel=1e-6)

    points = np.random.default_rng(0).uniform(0, (width, height), (5, 2)).astype(np.float32)
    back = transform.points_to_source(transform.source_to_network(points))
    # Rounding of float32 in the network's coordinates, seen in the source's.
    coarseness = max(width / content_w, height / content_h)
    assert back == pytest.approx(points, abs=1e-4 * coarseness + 1e-3)


def torchvision_crop(source_wh, side):
    """Content size and offset as torchvision's Resize(side) and CenterCrop(side) compute them."""
    short, long = sorted(source_wh)
    content = side, int(side * long / short)
    content_wh = content if source_wh[0] <= source_wh[1] else content[::-1]
    return content_wh, tuple(-round((length - side) / 2.0) for length in content_wh)


@settings(deadline=None)
@given(SIDES, SIDES, st.sampled_from([224, 256, 299, 640]))
def test_center_crop_agrees_with_torchvision(width, height, side):
    transform = fit((width, height), (side, side), 'center_crop')
    assert (transform.content_wh, transform.offset_xy) == torchvision_crop((width, height), side)


@settings(deadline=None)
@given(SIDES, SIDES)
def test_center_crop_covers_an_input_that_is_not_square(width, height):
    transform = fit((width, height), (640, 384), 'center_crop')
    (left, top), (content_w, content_h) = transform.offset_xy, transform.content_wh
    assert left <= 0
    assert top <= 0
    assert left + content_w >= 640
    assert top + content_h >= 384
    assert content_w == 640 or content_h == 384


def pillow_resized(bgr, content_wh):
    """An image as Pillow's bilinear filter resizes it: a triangle as wide as two new pixels."""

    def weights(source, content):
        reduction = source / content
        centers = (np.arange(content) + 0.5) * reduction
        away = np.abs(np.arange(source) + 0.5 - centers[:, None]) / max(reduction, 1)
        triangle = np.maximum(1 - away, 0)
        return triangle / triangle.sum(axis=1, keepdims=True)

    height, width = bgr.shape[:2]
    across, down = weights(width, content_wh[0]), weights(height, content_wh[1])
    return np.einsum('yh,hwc,xw->yxc', down, bgr.astype(float), across, optimize=True)


def smooth_picture(width, height):
    """Something with edges and some noise, as pictures have them."""
    coarse = picture(width // 8 + 2, height // 8 + 2)
    large = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(int)
    return np.clip(large + picture(width, height, 1) % 61 - 30, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ('source_wh', 'tolerance'),
    [
        pytest.param((640, 360), 1.0, id='wide'),
        pytest.param((200, 480), 1.0, id='tall'),
        pytest.param((96, 72), 2.5, id='little_smaller'),
        pytest.param((50, 40), 1.0, id='enlarged'),
        pytest.param((64, 64), 0.51, id='as_it_is'),
        pytest.param((1, 1), 0.51, id='one_pixel'),
    ],
)
@pytest.mark.parametrize('network_wh', [(64, 64), (48, 64)], ids=str)
def test_center_crop_agrees_with_pillow(source_wh, network_wh, tolerance):
    """Mean difference in grey levels; OpenCV's plain bilinear resize is off by 5 and more."""
    bgr = smooth_picture(*source_wh)
    plain = Normalization(1.0, color_order='bgr')
    tensor, transform = Preprocessor(network_wh, 'center_crop', plain)(bgr)
    (left, top), (width, height) = transform.offset_xy, network_wh
    expected = pillow_resized(bgr, transform.content_wh)
    expected = expected[-top : height - top, -left : width - left]
    assert np.abs(tensor[0].transpose(1, 2, 0) - expected).mean() < tolerance


@pytest.mark.parametrize('source_wh', [(20000, 2), (2, 20001)], ids=['wide', 'tall'])
def test_center_crop_of_a_thread_takes_its_middle(source_wh):
    bgr = np.zeros((*source_wh[::-1], 3), np.uint8)
    middle = [
        slice(side // 2 - 5, side // 2 + 5) if side > 2 else slice(None) for side in source_wh
    ]
    bgr[middle[1], middle[0]] = 200
    preprocessor = Preprocessor((32, 32), 'center_crop', Normalization(1.0))
    tensor, transform = preprocessor(bgr)
    assert transform == fit(source_wh, (32, 32), 'center_crop')
    assert tensor.min() == tensor.max() == 200


def test_center_crop_overwrites_any_earlier_content():
    preprocessor = Preprocessor((32, 32), 'center_crop', dtype=np.float16)
    out = np.full((1, 3, 32, 32), np.nan, np.float16)
    for seed, source_wh in enumerate([(64, 32), (31, 90), (32, 32), (64, 32)]):
        bgr = picture(*source_wh, seed)
        tensor, _ = preprocessor(bgr, out)
        assert tensor is out
        fresh, _ = Preprocessor((32, 32), 'center_crop', dtype=np.float16)(bgr)
        np.testing.assert_array_equal(tensor, fresh)


def test_boxes_are_clipped_on_demand_and_the_argument_stays():
    transform = fit((1280, 720), (640, 640), 'letterbox')
    boxes = np.array([[-10, 100, 700, 600]], np.float32)
    before = boxes.copy()
    assert transform.boxes_to_source(boxes).tolist() == [[0, 0, 1280, 720]]
    assert transform.boxes_to_source(boxes, clip=False).tolist() == [[-20, -80, 1400, 920]]
    assert np.array_equal(boxes, before)


def test_no_boxes_and_no_points():
    transform = fit((1280, 720), (640, 640), 'letterbox')
    assert transform.boxes_to_source(np.empty((0, 4), np.float32)).shape == (0, 4)
    assert transform.points_to_source(np.empty((0, 17, 2), np.float32)).shape == (0, 17, 2)


def test_unknown_resize():
    with pytest.raises(ParameterError, match="'crop'; choose one of letterbox") as caught:
        fit((4, 4), (4, 4), 'crop')
    assert caught.value.parameter == 'resize'


def reference_tensor(bgr, transform, normalization, pad_value):
    """What the preprocessor computes, step by step in float64."""
    (left, top), (width, height) = transform.offset_xy, transform.content_wh
    canvas = np.full((*transform.network_wh[::-1], 3), pad_value, np.uint8)
    content = bgr if bgr.shape[:2] == (height, width) else cv2.resize(bgr, (width, height))
    canvas[top : top + height, left : left + width] = content
    if normalization.color_order == 'rgb':
        canvas = canvas[..., ::-1]
    values = (canvas * normalization.scale - normalization.mean) / normalization.std
    return values.transpose(2, 0, 1)[None]


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
@pytest.mark.parametrize('resize', WHOLE)
@pytest.mark.parametrize(
    'normalization',
    [
        pytest.param(Normalization(), id='default'),
        pytest.param(Normalization(color_order='bgr'), id='bgr'),
        pytest.param(IMAGENET, id='imagenet'),
        pytest.param(Normalization(1.0, (103.5, 116.3, 123.7), color_order='bgr'), id='caffe'),
        pytest.param(Normalization(2 / 255, (1, 1, 1)), id='minus_one_to_one'),
        pytest.param(Normalization(std=(1, 2, 4)), id='std_alone'),
    ],
)
@pytest.mark.parametrize(
    'source_wh', [(1280, 720), (31, 33), (96, 64), (64, 96), (1, 1), (300, 2)], ids=str
)
def test_tensor(source_wh, normalization, resize, dtype):
    bgr = picture(*source_wh)
    preprocessor = Preprocessor((96, 64), resize, normalization, dtype)
    tensor, transform = preprocessor(bgr)
    assert transform == fit(source_wh, (96, 64), resize)
    assert tensor.dtype == dtype
    assert tensor.flags.c_contiguous
    # Half a unit in the last place of float16 for values up to 255; float32 sees the product's.
    tolerance = {np.float32: 1e-5, np.float16: 1e-3}[dtype]
    expected = reference_tensor(bgr, transform, normalization, 114)
    np.testing.assert_allclose(tensor, expected, rtol=tolerance, atol=tolerance / 10)


def test_red_comes_first_for_rgb_networks():
    red = np.full((8, 8, 3), (0, 0, 255), np.uint8)
    assert Preprocessor((8, 8))(red)[0].mean(axis=(0, 2, 3)).tolist() == [1, 0, 0]
    bgr = Preprocessor((8, 8), normalization=Normalization(color_order='bgr'))
    assert bgr(red)[0].mean(axis=(0, 2, 3)).tolist() == [0, 0, 1]


def test_an_image_of_the_networks_size_passes_unchanged():
    bgr = picture(64, 64)
    tensor, _ = Preprocessor((64, 64), normalization=Normalization(1.0, color_order='bgr'))(bgr)
    assert np.array_equal(tensor[0].transpose(1, 2, 0), bgr)


def test_rows_may_be_padded_and_read_only():
    whole = picture(80, 40)
    part = whole[3:35, 5:69]
    part.setflags(write=False)
    expected, _ = Preprocessor((64, 64))(part.copy())
    tensor, _ = Preprocessor((64, 64))(part)
    assert np.array_equal(tensor, expected)


def test_out_is_completely_overwritten():
    preprocessor = Preprocessor((64, 64))
    pool = [np.full((1, 3, 64, 64), np.nan, np.float32) for _ in range(2)]
    sizes = [(64, 32), (64, 32), (32, 64), (64, 64), (64, 32), (31, 33), (64, 32)]
    for frame, (width, height) in enumerate(sizes):
        bgr = picture(width, height, frame)
        out = pool[frame % 2]
        tensor, transform = preprocessor(bgr, out)
        assert tensor is out
        expected = reference_tensor(bgr, transform, Normalization(), 114)
        np.testing.assert_allclose(tensor, expected, atol=1e-6)


@pytest.mark.parametrize('pad_value', [0, 114, 255])
def test_padding_is_normalized_like_pixels(pad_value):
    tensor, _ = Preprocessor((8, 8), normalization=IMAGENET, pad_value=pad_value)(picture(8, 2))
    expected = (pad_value / 255 - np.array(IMAGENET.mean)) / IMAGENET.std
    assert tensor[0, :, 0, 0] == pytest.approx(expected, rel=1e-6)
    assert tensor[0, :, 7, 7] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    'out',
    [
        pytest.param(np.empty((1, 3, 8, 9), np.float32), id='shape'),
        pytest.param(np.empty((1, 3, 8, 8), np.float16), id='dtype'),
    ],
)
def test_out_must_fit(out):
    with pytest.raises(ValueError, match=r'expected float32 \(1, 3, 8, 8\)'):
        Preprocessor((8, 8))(picture(4, 4), out)


@pytest.mark.parametrize(
    ('arguments', 'parameter', 'text'),
    [
        ({'color_order': 'gbr'}, 'color_order', "'gbr'; choose 'rgb' or 'bgr'"),
        ({'std': (1.0, 0.0, 1.0)}, 'std', 'none may be 0'),
        ({'mean': (float('nan'), 0.0, 0.0)}, 'mean', 'three finite numbers'),
        ({'mean': (0.5,)}, 'mean', 'three finite numbers'),
        ({'scale': 0.0}, 'scale', 'finite number other than 0'),
        ({'scale': True}, 'scale', 'scale is True; give a finite number'),
        ({'scale': '0.1'}, 'scale', "scale is '0.1'"),
        ({'std': (1.0, True, 1.0)}, 'std', 'three finite numbers'),
        ({'mean': (0.0, None, '0')}, 'mean', 'three finite numbers'),
    ],
)
def test_unusable_normalization(arguments, parameter, text):
    with pytest.raises(ParameterError, match=text) as caught:
        Normalization(**arguments)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        ({'dtype': np.int8}, 'int8 tensors; float32, float16, uint8, int32 are supported'),
        ({'pad_value': 300}, 'pad_value is 300'),
        ({'resize': 'crop'}, "resize is 'crop'"),
    ],
)
def test_unusable_preprocessor(arguments, text):
    with pytest.raises(ParameterError, match=text):
        Preprocessor((8, 8), **arguments)


@pytest.mark.parametrize(
    'image',
    [
        pytest.param(np.zeros((30, 40), np.uint8), id='gray'),
        pytest.param(np.zeros((30, 40, 4), np.uint8), id='bgra'),
        pytest.param(np.zeros((30, 40, 3), np.float32), id='float'),
        pytest.param(np.zeros((0, 40, 3), np.uint8), id='empty'),
        pytest.param(None, id='none'),
    ],
)
def test_an_image_that_is_not_bgr_is_refused_and_the_last_one_not_reused(image):
    preprocess = Preprocessor((32, 32))
    preprocess(np.full((30, 40, 3), 200, np.uint8))
    with pytest.raises(ImageError, match=r'expected \(h, w, 3\) uint8 in BGR'):
        preprocess(image)


def test_a_tensor_with_gaps_is_refused():
    gaps = np.zeros((1, 3, 32, 64), np.float32)[..., ::2]
    with pytest.raises(ValueError, match='must be contiguous'):
        Preprocessor((32, 32))(np.zeros((30, 40, 3), np.uint8), gaps)


def test_sizes_in_floats_do_not_stand_for_whole_numbers():
    size_wh = (613, 419)  # of no other test, as transforms are kept
    for network_wh in ((64.0, 64.0), (64, 64)):
        transform = fit((float(size_wh[0]), np.int64(size_wh[1])), network_wh, 'stretch')
        sizes = (*transform.source_wh, *transform.network_wh, *transform.content_wh)
        assert all(type(side) is int for side in sizes)
