"""Every parser of what comes from outside, with inputs for it.

`test_fuzz.py` runs each with some thousand inputs, always the same ones; `tools/fuzz.py` searches
for longer. A target gives a value or raises a PerceptionError; see `guard`.
"""

from __future__ import annotations

import atexit
import errno
import io
import json
import math
import os
import shutil
import struct
import tempfile
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import onnx_models
import yaml
from fuzzing.inputs import (
    Generator,
    changed,
    damaged,
    damaged_text,
    one_of,
    several,
    text,
    together,
    value,
)
from moving_scene import ENCODERS, encoded, pictures

from jetson_perception.camera import open_source
from jetson_perception.camera.calibration import parse_calibration
from jetson_perception.camera.gst_pipeline import split_pipeline
from jetson_perception.camera.gst_video import video_of_caps
from jetson_perception.camera.images import picture_paths
from jetson_perception.camera.rtsp_describe import status_of
from jetson_perception.camera.shown import quotes_secret, shown
from jetson_perception.camera.uri import EXAMPLES, parse
from jetson_perception.camera.v4l2_formats import describe_device
from jetson_perception.commands.overrides import read_overrides
from jetson_perception.depth.compressed_depth import decode_compressed_depth
from jetson_perception.engines.class_names import parse_class_names, read_class_names
from jetson_perception.engines.metadata import parse_sidecar, read_onnx_metadata
from jetson_perception.engines.onnx_file.graph import has_quantization, load_model
from jetson_perception.engines.onnx_file.header import (
    check_external_files,
    external_files,
    model_digest,
    read_head,
)
from jetson_perception.engines.tensorrt import plan_file
from jetson_perception.engines.tensorrt.cache import EngineCache, EngineKey
from jetson_perception.errors import ImageError, ModelError, ParameterError
from jetson_perception.evaluation.opening import open_dataset
from jetson_perception.files.foreign_data import parse_json, parse_literal, parse_yaml
from jetson_perception.files.foreign_files import foreign_path
from jetson_perception.images import encodings, video_units
from jetson_perception.images.jpeg_damage import decode_watched, with_end_mark
from jetson_perception.images.plain_jpeg import plain_jpeg
from jetson_perception.images.video_stream import VideoPacket, VideoStream
from jetson_perception.model_info import LAYOUTS, ModelInfo, find_problem, validate
from jetson_perception.printable import printable, printable_line, printable_lines, quoted
from jetson_perception.tasks.classes import class_ids, class_score_thresholds
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.network_outputs import NetworkOutputs
from jetson_perception.tasks.object_layouts import decode_objects, recognize_other
from jetson_perception.tasks.other_networks import other_network
from jetson_perception.tasks.preprocess import fit
from jetson_perception.tasks.segmentation import recognize_segmentation_layout
from jetson_perception.tasks.yolo import recognize_layout

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


@dataclass(frozen=True)
class Target:
    """A parser.

    Attributes
    ----------
    name : str
    inputs : callable
        Makes an input of a `random.Random`; see `inputs`.
    call : callable
        Takes one of these. What it returns is not looked at.
    in_test : int
        How many inputs the test suite runs.
    """

    name: str
    inputs: Generator
    call: Callable[[Any], object]
    in_test: int = 2000


@cache
def scratch() -> Path:
    """A folder for files that parsers open; in memory where that can be."""
    shared = Path('/dev/shm')
    folder = tempfile.mkdtemp(prefix='fuzz_', dir=shared if os.access(shared, os.W_OK) else None)
    atexit.register(partial(shutil.rmtree, folder, ignore_errors=True))
    return Path(folder)


def _file(name: str, content: bytes) -> Path:
    path = scratch() / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


# --- Pictures and images ------------------------------------------------------------------------


def _pictures() -> list[bytes]:
    color = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    gray, deep = color[..., 0], color[..., 0].astype(np.uint16)
    alpha = np.dstack([color, gray])
    progressive = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    encoded = [
        *(cv2.imencode('.png', each) for each in (color, gray, deep, alpha)),
        *(cv2.imencode('.jpg', each) for each in (color, gray)),
        cv2.imencode('.jpg', color, progressive),
        *(cv2.imencode(suffix, color) for suffix in ('.bmp', '.ppm', '.tiff', '.webp')),
    ]
    found = [data.tobytes() for done, data in encoded if done]
    gif = b'GIF89a\x08\0\x06\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x08\0\x06\0\0\x02\x02L\x01\0;'
    return [*found, gif, b'PF\n2 2\n-1.0\n' + bytes(48), b'Pf\n2 2\n-1.0\n' + bytes(16)]


def _compressed_depth() -> bytes:
    _, png = cv2.imencode('.png', np.arange(48, dtype=np.uint16).reshape(6, 8))
    return struct.pack('<iff', 0, 10100.0, -1009.0) + png.tobytes()


_PICTURE_BYTES = damaged(*_pictures())
_KNOWN_ENCODINGS = (*encodings.ENCODINGS, '8UC3', '16UC1', 'mono16', 'rgb16', 'bayer_rggb16', '')
_SIDES = (*range(9), 255, 65535, 2**16, 2**31 - 1, 2**31, 2**32 - 1)


@dataclass(frozen=True)
class ImageBytes:
    """Fields of an image message, with `more` bytes than the step says."""

    encoding: str
    height: int
    width: int
    step: int
    more: int


def _image_bytes(rng: Random) -> ImageBytes:
    encoding = text()(rng) if rng.random() < 0.2 else rng.choice(_KNOWN_ENCODINGS)
    height, width, step = (rng.choice(_SIDES) for _ in range(3))
    if rng.random() < 0.5:  # a step that fits
        step = min(width * rng.choice((1, 2, 3, 4)), 2**32 - 1)
    return ImageBytes(encoding, height, width, step, rng.randint(-5, 5))


def _image(fields: ImageBytes) -> None:
    # Data about as long as it should be, where that is not gigabytes.
    needed = min(max(fields.height * fields.step + fields.more, 0), 1 << 16)
    pixels = encodings.view(
        bytes(needed), fields.height, fields.width, fields.encoding, fields.step
    )
    bgr = encodings.to_bgr(pixels, fields.encoding)
    assert bgr.shape == (fields.height, fields.width, 3)


def _picture_file(content: bytes) -> None:
    (scratch() / 'pictures').mkdir(exist_ok=True)
    _file('pictures/a.png', content)
    with closing(open_source(f'images://{scratch()}/pictures', frame_rate=0)) as source:
        source.open()
        source.read()


def _mask_folder(content: bytes) -> None:
    folder = scratch() / 'masks_of'
    if not folder.exists():
        (folder / 'images').mkdir(parents=True)
        (folder / 'masks').mkdir()
        cv2.imwrite(str(folder / 'images' / 'a.png'), np.zeros((6, 8, 3), np.uint8))
    (folder / 'masks' / 'a.png').write_bytes(content)
    list(open_dataset(str(folder)).pictures)


def _jpeg_without_simplejpeg(content: bytes) -> None:
    if content.startswith(b'\xff\xd8\xff'):
        decode_watched(with_end_mark(content))


def _videos() -> list[bytes]:
    bgrs = list(pictures(3, 64, 48))
    return [data for codec in ENCODERS for data, _, _ in encoded(bgrs, codec)]


def _video_packet(content: bytes) -> None:
    for codec in ENCODERS:
        h265 = codec == 'hevc'
        found = video_units.units(content, h265=h265)
        video_units.is_keyframe(found, h265=h265)
        numbers = video_units.PictureNumbers()
        numbers.follows(found)
        numbers.follows(found)
        with suppress(ImageError):
            VideoStream(codec, 64 * 48).decode(VideoPacket(content, codec))


_IMAGES = [
    Target('JPEGs without simplejpeg', _PICTURE_BYTES, _jpeg_without_simplejpeg),
    Target('JPEGs for a GPU', _PICTURE_BYTES, lambda content: plain_jpeg(content, 4096)),
    Target('video packets', damaged(*_videos()), _video_packet, in_test=500),
    Target(
        'compressed images',
        together(_PICTURE_BYTES, text(5)),
        lambda given: encodings.decode_compressed(*given),
    ),
    Target(
        'image messages',
        _image_bytes,
        _image,
    ),
    Target(
        'compressed depth',
        damaged(_compressed_depth()),
        lambda given: decode_compressed_depth(given, '32FC1; compressedDepth png', 4096),
    ),
    Target('picture files', _PICTURE_BYTES, _picture_file),
    Target('mask pictures', _PICTURE_BYTES, _mask_folder),
]

# --- Sources ------------------------------------------------------------------------------------

_URI_WORDS = (
    *('rtsp://', 'gst://', 'scene://', 'file://', 'images://', 'v4l2://', 'csi://', 'http://'),
    *('admin:', 's3cret', '@', ':', '/', '?', '#', '&', '=', '%40', '%', '[::1]', '..', '*', '['),
    *('10.0.0.2', 'a..b', 'x' * 70, '\\', '"', "'", ' ! ', '!', '-', '--gst-debug', ' ', '\n'),
    *('\x1b[2J', '\0', '\ud800', '\udce9', '٣', '0', '65536', '-1', 'oranges', 'people'),
    *('width=', 'height=', 'fps=', 'seed=', 'frames=', '1e999', 'nan', '9' * 30, '~nobody'),
)
_URIS = one_of(
    lambda rng: ''.join(several(lambda rng: rng.choice(_URI_WORDS), 9)(rng)),
    damaged_text(*EXAMPLES.values(), vocabulary=_URI_WORDS),
)


def _open(uri: str) -> None:
    open_source(uri, size_wh=(64, 48), frame_rate=30.0).close()


def _show(uri: str) -> None:
    text = shown(uri)
    assert len(text) <= 200
    assert text.isprintable()
    quotes_secret(uri, uri)


def _scene_uri(rng: Random) -> str:
    values = (rng.randint(-2, 10**6), rng.uniform(-1, 1e4), rng.choice(_URI_WORDS), text(5)(rng))
    keys = ('width', 'height', 'fps', 'seed', 'frames', 'x')
    query = '&'.join(f'{rng.choice(keys)}={rng.choice(values)}' for _ in range(rng.randrange(5)))
    return f'scene://{rng.choice(("oranges", "people", "", "/", "none"))}?{query}'


_SOURCES = [
    Target('source URIs', _URIS, parse),
    Target('sources', _URIS, _open),
    Target('sources as shown', _URIS, _show),
    Target('scenes', _scene_uri, _open),
    Target(
        'pipelines',
        damaged_text(
            EXAMPLES['gst'][6:],
            'v4l2src device=/dev/video0 ! image/jpeg,width=1280 ! jpegdec',
            'rtspsrc location="rtsp://a:b@c/d" user-pw=\'x y\' ! decodebin',
            vocabulary=_URI_WORDS,
        ),
        lambda text: split_pipeline(f'gst://{text}', text),
    ),
    Target(
        'caps',
        damaged_text(
            '/GstPipeline:pipeline0/x: caps = video/x-raw, format=(string)NV12, width=(int)8, '
            'height=(int)6',
            vocabulary=('width', 'height', '(int)', '9' * 5000, '٣', 'caps = '),
        ),
        video_of_caps,
    ),
    Target(
        'RTSP answers',
        damaged(b'RTSP/1.0 200 OK\r\n', b'RTSP/1.0 453 Not Enough\r\n', vocabulary=(b'RTSP/',)),
        status_of,
    ),
    Target('paths', damaged_text('/a/b.mp4', '~/x', vocabulary=_URI_WORDS), picture_paths),
    Target(
        'file names',
        damaged_text('/a/b.onnx', '~/x', vocabulary=(*_URI_WORDS, 'y' * 300)),
        lambda path: foreign_path(path, what='file', error=ModelError),
    ),
]


def _device(answers: bytes) -> None:
    """A driver that answers each question with the next bytes, and ends or fails now and then."""
    left = io.BytesIO(answers)

    def ioctl(_file: int, _request: int, buffer: bytearray) -> int:
        control = left.read(1)
        if not control or control < b'\x30':
            raise OSError(errno.EINVAL, 'no more')
        answer = left.read(len(buffer))
        buffer[: len(answer)] = answer
        return 0

    with suppress(OSError):  # what `describe_device` says that it raises
        describe_device(os.devnull, ioctl)


_SOURCES.append(
    Target(
        'V4L2 answers',
        damaged(bytes(2000), b'\xff' * 700, b'\x41' * 2500, bytes(range(256)) * 8),
        _device,
    )
)

# --- Text: YAML, JSON, literals, names, calibrations ---------------------------------------------

_YAML_TEXTS = (
    *('!!int ', '!!bool x', '!!timestamp ', '!!python/object:os.system', '!x ', '&a ', '*a'),
    *('- ', ': ', '? ', '{', '}', '[', '[' * 50, ']', '"', "'", '|\n', '>\n', '%YAML 1.2\n'),
    *('---\n', '...\n', '\n', '\t', '  ', '#', '2020-13-45', '.inf', '.nan', '1e400', '0x'),
    *('1_000', '190:20:30', '9' * 5000, '0o8', '<<: *a\n', '~', 'null', 'yes', '\\ud800'),
    *('NaN', 'Infinity', '\\u0000', '1e999', '-0', 'True', 'None', "b'x'", '1j', '()', '-'),
    *('\ufeff', '\x85', '\u2028', '\x00', '\x1b[2J'),
)
_YAML_WORDS = tuple(word.encode() for word in _YAML_TEXTS)
_CALIBRATION: dict[str, object] = {
    'image_width': 640,
    'image_height': 480,
    'camera_name': 'narrow',
    'distortion_model': 'plumb_bob',
    'camera_matrix': {'rows': 3, 'cols': 3, 'data': [500.0, 0, 320, 0, 500, 240, 0, 0, 1]},
    'distortion_coefficients': {'rows': 1, 'cols': 5, 'data': [0.1, 0, 0, 0, 0]},
    'rectification_matrix': {'rows': 3, 'cols': 3, 'data': [1, 0, 0, 0, 1, 0, 0, 0, 1]},
    'projection_matrix': {
        'rows': 3,
        'cols': 4,
        'data': [500, 0, 320, 0, 0, 500, 240, 0, 0, 0, 1, 0],
    },
}
_SIDECAR: dict[str, object] = {
    'task': 'pose',
    'class_names': ['person', 'car'],
    'input_size_wh': [640, 480],
    'keypoint_shape': [17, 3],
    'keypoint_names': ['nose'] * 17,
    'skeleton': [[0, 1]],
    'mean': [0, 0, 0],
    'std': [1.0, 1, 1],
    'scale': 0.5,
    'resize': 'letterbox',
    'color_order': 'rgb',
    'layout': 'anchor_free',
    'stride': 32,
}


def _yaml(value: object) -> bytes:
    try:
        return yaml.safe_dump(value, allow_unicode=True).encode()
    except (yaml.YAMLError, UnicodeEncodeError, ValueError):  # a key of another kind, a surrogate
        return repr(value).encode('utf-8', 'replace')


def _as(write: Callable[[Any], bytes], generate: Generator) -> Generator:
    return lambda rng: write(generate(rng))


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


_TEXTS = [
    _yaml(_CALIBRATION),
    _yaml(_SIDECAR),
    b'names: {0: a, 1: b}\n',
    b'a: &a [1, 2]\nb: [*a, *a]\n',
    _json({'a': [1, 2.5, None, True, {'b': 'c'}]}),
    b"{'a': (1, 2), 'b': [True, None, 'x']}",
]


def _parse_text(parser: Callable[..., object], content: bytes) -> None:
    for form in (content, content.decode('utf-8', 'replace')):
        parser(form, where='the text', error=ParameterError)


_DATA = [
    Target(name, damaged(*_TEXTS, vocabulary=_YAML_WORDS), partial(_parse_text, parser))
    for name, parser in (('YAML', parse_yaml), ('JSON', parse_json))
]
_DATA += [
    Target(
        'Python literals',
        one_of(
            damaged_text(*(each.decode() for each in _TEXTS), vocabulary=_YAML_TEXTS),
            lambda rng: repr(value(rng)),
        ),
        lambda text: parse_literal(text, where='the text', error=ModelError),
    ),
    Target(
        'class names',
        together(
            damaged(
                b'person\ncar\n',
                b'names:\n  0: a\n  1: b\n',
                b'- a\n- b\n',
                vocabulary=_YAML_WORDS,
            ),
            lambda rng: rng.random() < 0.5,
        ),
        lambda given: parse_class_names(given[0], is_yaml=given[1], where='names'),
    ),
    Target(
        'class names files',
        damaged(b'person\ncar\n', vocabulary=_YAML_WORDS),
        lambda content: read_class_names(_file('names.txt', content)),
    ),
    Target(
        'calibrations',
        one_of(
            damaged(_yaml(_CALIBRATION), vocabulary=_YAML_WORDS), _as(_yaml, changed(_CALIBRATION))
        ),
        lambda content: parse_calibration(content, Path('camera.yaml')),
    ),
    Target(
        'sidecar files',
        one_of(damaged(_yaml(_SIDECAR), vocabulary=_YAML_WORDS), _as(_yaml, changed(_SIDECAR))),
        lambda content: parse_sidecar(content, Path('model.yaml')),
    ),
    Target(
        'settings of the command line',
        several(
            damaged_text(
                'task=detect',
                'class_names=[a, b]',
                'input_size_wh=[640, 480]',
                vocabulary=_YAML_TEXTS,
            ),
            3,
        ),
        read_overrides,
    ),
]

# --- Models -------------------------------------------------------------------------------------

_PROPERTY_EXAMPLES = {
    'task': ('detect', 'pose', 'segment'),
    'names': ("{0: 'person', 1: 'car'}", "['a', 'b']"),
    'imgsz': ('[640, 480]', '640'),
    'stride': ('32',),
    'kpt_shape': ('[17, 3]',),
    'kpt_names': ("{0: ['nose', 'eye']}",),
    'end2end': ('True',),
    'args': ("{'nms': True}",),
    'batch': ('1',),
    'jetson_perception': ('{"task": "detect"}',),
}


def _properties(rng: Random) -> dict[str, str]:
    made = {}
    for key, examples in _PROPERTY_EXAMPLES.items():
        if rng.random() < 0.5:
            damage = damaged_text(*examples, vocabulary=_YAML_TEXTS)
            makers = (lambda rng, e=examples: rng.choice(e), lambda rng: repr(value(rng)), damage)
            made[key] = rng.choice(makers)(rng)
    return made


def _onnx_examples() -> list[bytes]:
    folder = scratch() / 'examples'
    folder.mkdir(exist_ok=True)
    paths = [
        onnx_models.constant_model(
            folder / 'a.onnx',
            [np.zeros((1, 6, 4), np.float32)],
            size_wh=(32, 32),
            metadata={'a': 'b'},
        ),
        onnx_models.color_segmentation(folder / 'b.onnx'),
        onnx_models.identity_model(folder / 'c.onnx', [(1, 3, 4, 4)]),
    ]
    # Weights in another file: location and offset stand in the file as text.
    import onnx

    model = onnx.load(str(paths[1]))
    onnx.save(
        model,
        str(folder / 'd.onnx'),
        save_as_external_data=True,
        location='d.data',
        size_threshold=0,
    )
    return [Path(path).read_bytes() for path in (*paths, folder / 'd.onnx')]


@cache
def _onnx_bytes() -> Generator:
    return damaged(*_onnx_examples())


def _onnx(content: bytes) -> None:
    path = _file('model.onnx', content)
    for look in (read_head, external_files, check_external_files, model_digest, has_quantization):
        try:
            found = look(path)
        except ModelError:
            continue
        if look is read_head:
            read_onnx_metadata(found.metadata)
    load_model(path)


def _plan(content: bytes) -> None:
    plan_file.plan_version(content)
    plan_file.split_plan(content).info('the plan')


_KEY = EngineKey(
    '0' * 64, 'TensorRT 10.3.0', 'Orin', '8.7', {'precision': 'fp16', 'batch': [1, 1]}
)


@cache
def _cache_record() -> dict[str, Any]:
    cache_ = EngineCache(scratch() / 'cache', max_bytes=1 << 20)
    cache_.get_or_build(_KEY, lambda: b'plan')
    return json.loads((cache_.folder / f'{_KEY.digest}.json').read_bytes())


@cache
def _cache_bytes() -> Generator:
    record = _cache_record()
    return one_of(damaged(_json(record), vocabulary=_YAML_WORDS), _as(_json, changed(record)))


def _cache(content: bytes) -> None:
    kept = EngineCache(scratch() / 'cache', max_bytes=1 << 20)
    (kept.folder / f'{_KEY.digest}.json').write_bytes(content)
    (kept.folder / f'{_KEY.digest}.plan').write_bytes(b'plan')
    kept.entries()
    kept.get_or_build(_KEY, lambda: b'plan')


_DIMENSIONS = (0, 1, 2, 3, 5, 6, 7, 17, 32, 56, 84, 85, 8400, 2**31)
_SHAPES = several(several(lambda rng: rng.choice(_DIMENSIONS), 5), 4)


def _info(rng: Random) -> ModelInfo:
    return ModelInfo(
        task=rng.choice(('', 'detect', 'pose', 'segment', 'semantic', 'x')),
        layout=rng.choice(('', *LAYOUTS, 'x')),
        output=rng.choice(('', 'logits', 'probabilities', 'class_ids', 'x')),
        class_names=rng.choice(((), ('a',), ('a', 'b'))),
        keypoint_shape=rng.choice((None, (17, 3), (0, 0), (1, 2))),
    )


def _network_wh(rng: Random) -> tuple[int, int]:
    return rng.randint(1, 700), rng.randint(1, 700)


def _layouts(given: tuple[list[list[int]], ModelInfo, tuple[int, int]]) -> None:
    shapes, info, network_wh = given
    with suppress(ModelError, ParameterError):
        recognize_layout([tuple(shape) for shape in shapes], info, network_wh)
    for shape in shapes:
        recognize_segmentation_layout(tuple(shape), np.float32, info, network_wh)


_OUTPUT_NAMES = ['logits', 'pred_boxes', 'dets', 'labels', 'scores', 'output0', 'num_dets', 'hm']
_OUTPUT_SHAPES = (
    *((), (0,), (1,), (4,), (1, 1), (1, 4), (1, 7), (0, 7), (1, 20), (20, 4), (0, 4)),
    *((1, 20, 4), (1, 20, 5), (1, 20, 6), (1, 20, 80), (1, 80, 84), (1, 84, 8), (1, 84, 85)),
    *((1, 4, 4), (1, 0, 4), (1, 64, 64), (2, 20, 4), (1, 20, 4, 1), (1, 1, 17, 3)),
    *((1, 8, 8, 8), (1, 8, 4, 4), (1, 8, 2, 2)),
)
_OUTPUT_TYPES = (np.float32, np.float16, np.int32, np.int64, np.uint8)
_OUTPUT_VALUES = (0.0, 0.3, 1.0, 3.0, -4.0, 60.0, math.nan, math.inf)


def _outputs(rng: Random) -> NetworkOutputs:
    """Two values an output, in places by chance."""
    count = rng.randint(1, 4)
    names = [rng.choice(_OUTPUT_NAMES) for _ in range(count)]
    arrays = []
    for _ in range(count):
        dtype = rng.choice(_OUTPUT_TYPES)
        values = [rng.choice(_OUTPUT_VALUES[: None if dtype in _OUTPUT_TYPES[:2] else 6])] * 2
        array = np.full(rng.choice(_OUTPUT_SHAPES), abs(values[0]), dtype)
        if array.size:
            array.flat[rng.randrange(array.size)] = abs(values[1])
        arrays.append(array)
    return NetworkOutputs(names, arrays, (64, 64))


def _boxes(given: tuple[NetworkOutputs, ModelInfo]) -> None:
    outputs, info = given
    other_network(outputs)
    layout = recognize_other(outputs, info)
    if layout is not None:
        decode_objects(
            outputs.arrays, layout, fit((32, 48), (64, 64), 'stretch'), DetectionOptions()
        )


_MODELS = [
    Target('model metadata', _properties, lambda p: validate(read_onnx_metadata(p))),
    Target('ONNX files', lambda rng: _onnx_bytes()(rng), _onnx),
    Target(
        'engine files',
        damaged(
            plan_file.join_plan(b'ftrt' + bytes(40), {'task': 'detect', 'names': {'0': 'a'}}),
            plan_file.join_plan(b'ptrt', {'jetson_perception': _SIDECAR, 'imgsz': [64, 64]}),
            vocabulary=_YAML_WORDS,
        ),
        _plan,
    ),
    Target(
        'engine cache',
        lambda rng: _cache_bytes()(rng),
        _cache,
    ),
    Target(
        'shapes of outputs',
        together(_SHAPES, _info, _network_wh),
        _layouts,
    ),
    Target('outputs of detectors', together(_outputs, _info), _boxes),
    Target('model infos', _info, find_problem),
]

# --- Datasets -----------------------------------------------------------------------------------

_DATA_YAML: dict[str, Any] = {
    'path': '.',
    'val': 'images',
    'train': ['images'],
    'names': {0: 'a', 1: 'b'},
    'kpt_shape': [2, 3],
}
_COCO: dict[str, Any] = {
    'images': [{'id': 1, 'file_name': 'a.png', 'width': 8, 'height': 6}],
    'categories': [{'id': 1, 'name': 'a', 'keypoints': ['x', 'y']}],
    'annotations': [
        {
            'id': 1,
            'image_id': 1,
            'category_id': 1,
            'bbox': [1, 1, 4, 3],
            'area': 12,
            'iscrowd': 0,
            'keypoints': [1, 1, 2, 2, 2, 2],
            'segmentation': [[1, 1, 4, 1, 4, 3]],
        }
    ],
}


@cache
def _dataset_folder() -> Path:
    folder = scratch() / 'dataset'
    (folder / 'images').mkdir(parents=True)
    (folder / 'labels').mkdir()
    cv2.imwrite(str(folder / 'images' / 'a.png'), np.zeros((6, 8, 3), np.uint8))
    return folder


def _yolo(given: tuple[bytes, bytes]) -> None:
    folder = _dataset_folder()
    (folder / 'data.yaml').write_bytes(given[0])
    (folder / 'labels' / 'a.txt').write_bytes(given[1])
    list(open_dataset(str(folder / 'data.yaml')).pictures)


def _coco(content: bytes) -> None:
    path = _dataset_folder() / 'instances.json'
    path.write_bytes(content)
    list(open_dataset(str(path)).pictures)


def _coco_change(rng: Random) -> dict[str, Any]:
    """One entry of one list changed, or the lists themselves."""
    if rng.random() < 0.3:
        return changed(_COCO)(rng)
    key = rng.choice(list(_COCO))
    return {**_COCO, key: [changed(_COCO[key][0])(rng)]}


_LABELS = damaged(
    b'0 0.5 0.5 0.2 0.2\n',
    b'1 0.1 0.1 0.9 0.1 0.5 0.9\n',
    b'0 0.5 0.5 0.2 0.2 0.4 0.4 2 0.6 0.6 1\n',
    vocabulary=(b'nan ', b'1e999 ', b'-1 ', b'9' * 400, b'0x1 ', b'1_0 ', b'\n', b'\xff', b'2 '),
)
_DATASETS = [
    Target(
        'YOLO datasets',
        together(
            one_of(
                lambda rng: _yaml({**_DATA_YAML, 'kpt_shape': None}),
                lambda rng: _yaml(_DATA_YAML),
                damaged(_yaml(_DATA_YAML), vocabulary=_YAML_WORDS),
                _as(_yaml, changed(_DATA_YAML)),
            ),
            _LABELS,
        ),
        _yolo,
    ),
    Target(
        'COCO datasets',
        one_of(damaged(_json(_COCO), vocabulary=_YAML_WORDS), _as(_json, _coco_change)),
        _coco,
    ),
    Target('datasets', _URIS, open_dataset),
]

# --- Parameters and what is shown ---------------------------------------------------------------

_ENTRIES = several(
    damaged_text(
        'person: 0.5',
        'class_0: 1',
        'class_0:0',
        vocabulary=('nan', '1e999', '٣', ':', 'class_', '9' * 5000, '²', '\x1b'),
    ),
    3,
)


def _classes(entries: list[str]) -> None:
    for names in ((), ('person', 'car')):
        for read in (class_score_thresholds, class_ids):
            with suppress(ParameterError):
                read(entries, names)


def _printables(value: object) -> None:
    for line in (printable(value, 40), quoted(value, 40), printable_line(str(value), 40)):
        assert len(line) <= 42
        assert line.isprintable()
        line.encode()
    printable_lines(str(value)).encode()


_OTHERS = [
    Target('classes in parameters', _ENTRIES, _classes),
    Target('printable', one_of(value, text(80), damaged(b'x')), _printables),
]

TARGETS = [*_IMAGES, *_SOURCES, *_DATA, *_MODELS, *_DATASETS, *_OTHERS]
