"""Outputs of detectors that are no YOLO, and the comparison with NumPy; for emulator and GPUs."""

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pytest
from decoder_on_device import DecoderOnDevice

from jetson_perception.cuda.boxes import CudaBoxDecoder
from jetson_perception.tasks.cells import cell_count, cells
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.detectors.box_layout import BoxLayout, Columns, JoinedColumns
from jetson_perception.tasks.detectors.decoding import decode_boxes
from jetson_perception.tasks.preprocess import ImageTransform, fit

NETWORK_WH = (160, 96)
STRETCHED = fit((641, 479), NETWORK_WH, 'stretch')
LETTERBOX = fit((333, 517), NETWORK_WH)
STRIDES = (8, 16, 32)

# What takes an exponential differs in the last bits from NumPy's.
SCORE_TOLERANCE, BOX_TOLERANCE_PX = 1e-6, 1e-3

BOXES, SCORES = Columns(0), Columns(1)
RT_DETR = BoxLayout(
    'rt_detr', 80, BOXES, SCORES, relative=True, activation='sigmoid', several_classes_a_row=True
)
RT_DETR_SCORES = replace(RT_DETR, activation='')
DETR = BoxLayout('detr', 91, BOXES, SCORES, relative=True, activation='softmax')
DETR_SCORES = replace(DETR, activation='', scores=Columns(1, 0, 91))
ULTRALYTICS = BoxLayout('rt_detr', 80, Columns(0, 0, 4), Columns(0, 4), relative=True)
ULTRALYTICS_IDS = replace(ULTRALYTICS, scores=Columns(0, 4, 1), classes=Columns(0, 5, 1))
YOLO_NAS = BoxLayout(
    *('boxes_scores', 80, BOXES, SCORES),
    corners=True,
    several_classes_a_row=True,
    suppresses=True,
)
PP_YOLOE = replace(YOLO_NAS, scores=Columns(1, transposed=True))
PP_YOLOE_LOGITS = replace(PP_YOLOE, activation='sigmoid')
NANODET = BoxLayout(
    *('nanodet', 80, Columns(0, 80), Columns(0, 0, 80)),
    corners=True,
    grid=STRIDES,
    bins=8,
    cell_center=0.5,
    several_classes_a_row=True,
    suppresses=True,
)
PICODET = replace(NANODET, family='picodet', clips=False)
STRIDES_OF_PICODET = replace(
    PICODET,
    boxes=JoinedColumns((Columns(3), Columns(4), Columns(5))),
    scores=JoinedColumns((Columns(0), Columns(1), Columns(2))),
)
YOLOX = BoxLayout(
    *('yolox', 80, Columns(0, 0, 4), Columns(0, 5)),
    objectness=Columns(0, 4, 1),
    suppresses=True,
    grid=STRIDES,
)
YOLOX_DECODED = replace(YOLOX, grid=())
CENTERNET = BoxLayout(
    *('centernet', 80, Columns(0, 0, 4), Columns(0, 4, 1), Columns(0, 5, 1)), corners=True, unit=4
)
SUPPRESSED = BoxLayout(
    *('suppressed', 80, BOXES, Columns(1, count=0), Columns(2, count=0)),
    corners=True,
    count=3,
)
TENSORFLOW = replace(SUPPRESSED, relative=None, rows_first=True)
YOLOV7 = BoxLayout(
    *('suppressed', 0, Columns(0, 1, 4), Columns(0, 6, 1), Columns(0, 5, 1)),
    corners=True,
    image=Columns(0, 0, 1),
)

LAYOUTS = {
    'rt_detr': RT_DETR,
    'rt_detr_scores': RT_DETR_SCORES,
    'detr': DETR,
    'detr_scores': DETR_SCORES,
    'ultralytics': ULTRALYTICS,
    'ultralytics_ids': ULTRALYTICS_IDS,
    'yolo_nas': YOLO_NAS,
    'pp_yoloe': PP_YOLOE,
    'pp_yoloe_logits': PP_YOLOE_LOGITS,
    'nanodet': NANODET,
    'picodet': PICODET,
    'picodet_by_stride': STRIDES_OF_PICODET,
    'yolox': YOLOX,
    'yolox_decoded': YOLOX_DECODED,
    'centernet': CENTERNET,
    'suppressed': SUPPRESSED,
    'tensorflow': TENSORFLOW,
    'yolov7': YOLOV7,
}


@dataclass(frozen=True)
class Case:
    """Outputs, and how they are decoded.

    Attributes
    ----------
    rows : int
        Queries, or cells; those of layouts with a grid follow from the network's input.
    found : int
        Rows that score above 0.3, if there are so many; all others less than 0.2.
    objects : int
        Places where these lie, close to each other.
    steps : int
        Scores are multiples of 1 / steps, so that many are equal, and none are nearly so.
    spoilt : int
        So many values that are no numbers, infinite, or huge, in the rows found.
    """

    layout: BoxLayout
    rows: int = 300
    found: int = 40
    objects: int = 8
    steps: int = 200
    spoilt: int = 0
    dtype: type = np.float32
    ids_dtype: type = np.int64
    network_wh: tuple[int, int] = NETWORK_WH
    transform: ImageTransform = STRETCHED
    options: DetectionOptions = field(default_factory=DetectionOptions)
    seed: int = 0


def outputs_of(case):
    """All outputs of the network."""
    layout = case.layout
    if isinstance(layout.boxes, JoinedColumns):
        return _by_stride(case)
    rows = cell_count(case.network_wh, layout.grid) if layout.grid else case.rows
    random = np.random.default_rng([case.seed, rows, case.found])
    own = random.integers(0, case.objects, rows)
    size_wh = np.array(case.network_wh)
    center = random.uniform(0.1, 0.9, (case.objects, 2))[own] + random.normal(0, 0.01, (rows, 2))
    size = random.uniform(0.05, 0.4, (case.objects, 2))[own] * random.uniform(0.8, 1.2, (rows, 2))
    chosen = random.permutation(rows)[: case.found]
    score = random.uniform(0.01, 0.19, rows)
    score[chosen] = random.uniform(0.31, 0.98, len(chosen))
    score = np.clip(np.round(score * case.steps), 1, case.steps - 1) / case.steps
    classes = random.integers(0, layout.class_count or 5, case.objects)[own]
    boxes = _written(layout, center * size_wh, size * size_wh, case.network_wh, random)
    outputs = _put(case, boxes, score, classes, random)
    _spoil(outputs, case.spoilt, chosen, random)
    return outputs


def _by_stride(case):
    """The same in outputs for each stride: scores first."""
    plain = replace(case.layout, boxes=Columns(1), scores=Columns(0))
    ends = np.cumsum([cell_count(case.network_wh, (each,)) for each in plain.grid])[:-1]
    whole = outputs_of(replace(case, layout=plain))
    return [part.copy() for output in whole for part in np.split(output, ends, axis=1)]


def _written(layout, center, size, network_wh, random):
    """Boxes as the layout has them, of center and size in the network's pixels."""
    if layout.bins:
        return random.normal(0, 2, (len(center), 4 * layout.bins))
    if layout.grid:
        place, stride = cells(network_wh, layout.grid)
        return np.concatenate((center / stride - place, np.log(size / stride)), axis=1)
    boxes = np.concatenate((center, size), axis=1)
    if layout.corners:
        boxes = np.concatenate((center - size / 2, center + size / 2), axis=1)
    boxes = boxes / layout.unit
    if layout.relative is not False:
        boxes = boxes / (network_wh * 2)
    return boxes[:, [1, 0, 3, 2]] if layout.rows_first else boxes


def _put(case, boxes, score, classes, random):
    """The outputs that hold these boxes."""
    layout, rows = case.layout, len(boxes)
    values = _scores(layout, score, classes, random)
    named = [(layout.boxes, boxes), (layout.scores, values)]
    if layout.classes is not None:
        named.append((layout.classes, classes[:, None]))
    if layout.objectness is not None:
        named.append((layout.objectness, np.full((rows, 1), 0.75)))
    if layout.image is not None:
        named.append((layout.image, random.integers(0, 2, (rows, 1))))
    count = 1 + max(each.output for each, _ in named)
    outputs = []
    for index in range(count):
        mine = [(columns, values) for columns, values in named if columns.output == index]
        width = max(max(columns.first, 0) + values.shape[1] for columns, values in mine)
        is_class = index > 0 and mine[0][0] is layout.classes
        whole = np.zeros((rows, width), case.ids_dtype if is_class else case.dtype)
        for columns, values in mine:
            whole[:, columns.first : columns.first + values.shape[1]] = values
        if mine[0][0].transposed:
            whole = whole.T
        if mine[0][0].count == 0:
            whole = whole[:, 0]
        outputs.append(np.ascontiguousarray(whole)[None])
    if layout.count is not None:
        outputs.append(np.array([rows * 3 // 4], np.int32))
    return outputs


def _scores(layout, score, classes, random):
    """A score a row, or a value a class, as the layout has them."""
    if layout.classes is not None:
        return score[:, None]
    rows, columns = len(score), layout.class_count
    values = np.full((rows, columns), 0.004)
    values[np.arange(rows), classes] = score
    second = (classes + 3) % columns  # another class, as good in every fifth row
    values[np.arange(rows), second] = np.where(np.arange(rows) % 5, score / 2, score)
    if layout.activation == 'sigmoid':
        return np.log(values / (1 - values))
    if layout.activation == 'softmax':
        others = values * 0.41
        none = 1 - others.sum(axis=1, keepdims=True)
        return np.log(np.concatenate((others, np.maximum(none, 1e-3)), axis=1)) + 3
    return values


def _spoil(outputs, count, chosen, random):
    ugly = [np.nan, -np.nan, np.inf, -np.inf, -1, 1e30, -1e30, 3e38, -3e38, 0]
    for _ in range(count):
        floats = [each for each in outputs if each.dtype.kind == 'f' and each.size > 1]
        output = floats[random.integers(len(floats))]
        with np.errstate(over='ignore'):
            value = np.array(ugly[random.integers(len(ugly))]).astype(output.dtype)
        rows = output[0] if output.shape[1] >= output.shape[-1] else output[0].T
        row = random.choice(chosen) if len(chosen) else 0
        if rows.ndim == 1:
            rows[min(row, len(rows) - 1)] = value
        else:
            rows[min(row, len(rows) - 1), random.integers(rows.shape[1])] = value


def cases():
    """Every layout, every option, and what is hard."""
    everything = DetectionOptions(0, max_detections=10000)
    for name, layout in LAYOUTS.items():
        case = Case(layout)
        yield pytest.param(case, id=name)
        yield pytest.param(replace(case, dtype=np.float16), id=f'{name}-float16')
        yield pytest.param(replace(case, spoilt=1), id=f'{name}-one_bad_value')
        yield pytest.param(
            replace(case, found=9999, objects=90, steps=8, options=everything),
            id=f'{name}-all_rows',
        )
    some = DetectionOptions(0.05, class_ids=tuple(range(0, 80, 3)))
    for name in ('rt_detr', 'detr', 'yolo_nas', 'nanodet', 'yolox', 'suppressed'):
        case = Case(LAYOUTS[name])
        yield pytest.param(replace(case, found=0), id=f'{name}-nothing')
        yield pytest.param(replace(case, spoilt=300), id=f'{name}-garbage')
        yield pytest.param(replace(case, rows=1, found=1), id=f'{name}-one_row')
        yield pytest.param(replace(case, transform=LETTERBOX), id=f'{name}-letterbox')
        yield pytest.param(replace(case, options=some), id=f'{name}-some_classes')
    options = {
        'agnostic': DetectionOptions(class_agnostic=True),
        'one_detection': DetectionOptions(max_detections=1),
        'iou_0': DetectionOptions(iou_threshold=0),
        'threshold_1': DetectionOptions(1),
        'no_classes': DetectionOptions(class_ids=()),
        'class_thresholds': DetectionOptions(
            0.4, class_score_thresholds=((0, 0.05), (2, 0.9), (79, 0.5))
        ),
        'class_ids_beyond': DetectionOptions(class_ids=(1, 5000)),
    }
    for name in ('rt_detr', 'detr', 'yolo_nas', 'suppressed'):
        for what, wanted in options.items():
            yield pytest.param(
                Case(LAYOUTS[name], found=200, objects=20, options=wanted), id=f'{name}-{what}'
            )
    for dtype in (np.int32, np.float32, np.float16):
        yield pytest.param(
            Case(SUPPRESSED, ids_dtype=dtype), id=f'suppressed-ids_{dtype.__name__}'
        )


_SQUARE = {'network_wh': (640, 640), 'transform': fit((1280, 720), (640, 640))}
_ALL = DetectionOptions(0, max_detections=10000)
NETWORKS = [
    pytest.param(Case(RT_DETR, **_SQUARE), id='rt_detr'),
    pytest.param(Case(RT_DETR, dtype=np.float16, **_SQUARE), id='rt_detr-float16'),
    pytest.param(Case(DETR, 100, **_SQUARE), id='detr'),
    pytest.param(Case(YOLO_NAS, 8400, 100, **_SQUARE), id='yolo_nas'),
    pytest.param(
        Case(YOLO_NAS, 8400, 8400, 300, options=_ALL, **_SQUARE), id='yolo_nas-all_cells'
    ),
    pytest.param(Case(PP_YOLOE, 8400, 100, **_SQUARE), id='pp_yoloe'),
    pytest.param(Case(YOLOX, found=100, **_SQUARE), id='yolox'),
    pytest.param(
        Case(
            replace(NANODET, grid=(8, 16, 32, 64), cell_center=0.0),
            found=100,
            network_wh=(416, 416),
            transform=fit((1280, 720), (416, 416), 'stretch'),
        ),
        id='nanodet',
    ),
    pytest.param(
        Case(
            STRIDES_OF_PICODET,
            found=100,
            network_wh=(320, 320),
            transform=fit((1280, 720), (320, 320), 'stretch'),
        ),
        id='picodet_by_stride',
    ),
    pytest.param(Case(SUPPRESSED, 100, **_SQUARE), id='suppressed'),
]
"""Outputs of the sizes that networks have."""


class OnDevice(DecoderOnDevice):
    """A decoder with its outputs on the device, and a stream."""

    def __init__(self, device, case):
        make_decoder = partial(CudaBoxDecoder, device, case.layout, case.network_wh)
        super().__init__(device, outputs_of(case), make_decoder)


def expected(case):
    """What NumPy makes of a case."""
    with np.errstate(all='ignore'):
        return decode_boxes(outputs_of(case), case.layout, case.transform, case.options)


def _in_order(found):
    return found[np.lexsort((found.xyxy[:, 0], found.class_id, -found.score.round(5)))]


def check(device, case):
    """Fail unless kernels and twin agree, or refuse what is not finite alike."""
    results = OnDevice.results(device, case, expected)
    if results is not None:
        assert_same(*results, case.layout)


def assert_same(found, twin, layout):
    """Fail unless two results are equal; but for last bits where there are exponentials."""
    assert len(found) == len(twin)
    if layout.activation == 'softmax':  # which of equal scores is a last bit higher, is not told
        found, twin = (_in_order(each) for each in (found, twin))
    np.testing.assert_array_equal(found.class_id, twin.class_id)
    score_tolerance = SCORE_TOLERANCE if layout.activation else 0
    np.testing.assert_allclose(found.score, twin.score, rtol=0, atol=score_tolerance)
    box_tolerance = BOX_TOLERANCE_PX if layout.grid else 0
    np.testing.assert_allclose(found.xyxy, twin.xyxy, rtol=0, atol=box_tolerance)
    for name in ('xyxy', 'score', 'class_id'):
        assert getattr(found, name).dtype == getattr(twin, name).dtype
