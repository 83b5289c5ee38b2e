"""NanoDet and PicoDet with two outputs for each stride, against a reading of cell after cell."""

import math

import numpy as np
import pytest

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.model_info import ModelInfo
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.detectors.decoding import decode_boxes
from jetson_perception.tasks.detectors.registry import recognize_boxes
from jetson_perception.tasks.network_outputs import NetworkOutputs
from jetson_perception.tasks.other_networks import other_network
from jetson_perception.tasks.preprocess import fit

THREE, FOUR = (8, 16, 32), (8, 16, 32, 64)
OF_PADDLE = 'transpose_{}.tmp_0'
OF_NANODET = '{}_pred_stride_{}'
FORMS = ('rows', 'columns', 'maps', 'maps_last')


def grids(wh, strides):
    return [(math.ceil(wh[0] / each), math.ceil(wh[1] / each)) for each in strides]


def written(values, grid, form):
    """(height, width, columns) as an export has them."""
    rows = values.reshape(1, grid[0] * grid[1], -1)
    if form == 'rows':
        return rows
    if form == 'columns':
        return rows.transpose(0, 2, 1)
    return values[None] if form == 'maps_last' else values.transpose(2, 0, 1)[None]


class Network:
    """Random outputs, and what one cell after the other says."""

    def __init__(
        self,
        strides=FOUR,
        wh=(208, 152),
        classes=5,
        bins=8,
        forms=('rows', 'rows'),
        *,
        logits=False,
        names=OF_PADDLE,
        order='kinds',
        center=0.5,
        clips=False,
    ):
        random = np.random.default_rng([classes, bins, *wh])
        self.wh, self.classes, self.boxes = wh, classes, []
        scores, sides = [], []
        for stride, (width, height) in zip(strides, grids(wh, strides), strict=True):
            raw = random.normal(-3, 2, (height, width, classes)).astype(np.float32)
            chance = np.float32(1) / (1 + np.exp(-raw))
            far = random.normal(0, 2, (height, width, 4 * bins)).astype(np.float32)
            scores.append(written(raw if logits else chance, (height, width), forms[0]))
            sides.append(written(far, (height, width), forms[1]))
            for y in range(height):
                for x in range(width):
                    self.boxes += self._of_cell(x, y, stride, center, clips, chance, far)
        arrays = [*scores, *sides]
        if order == 'pairs':
            arrays = [each for pair in zip(sides, scores, strict=True) for each in pair]
        self.arrays = [np.ascontiguousarray(each) for each in arrays]
        if names == OF_NANODET:
            both = [('cls', stride) for stride in strides], [('dis', stride) for stride in strides]
            self.names = [names.format(*each) for kind in both for each in kind]
        else:
            self.names = [names.format(index) for index in range(len(arrays))]

    def _of_cell(self, x, y, stride, center, clips, chance, far):
        corners = []
        for side, logits in enumerate(np.split(far[y, x].astype(np.float64), 4)):
            shares = [math.exp(each) for each in logits]
            mean = sum(index * each for index, each in enumerate(shares)) / sum(shares)
            middle = ((x, y)[side % 2] + center) * stride
            corner = middle + mean * stride * (-1 if side < 2 else 1)
            corners.append(min(max(corner, 0), self.wh[side % 2]) if clips else corner)
        return [(float(score), index, corners) for index, score in enumerate(chance[y, x])]

    @property
    def outputs(self):
        return NetworkOutputs(self.names, self.arrays, self.wh)

    def layout(self, **info):
        return recognize_boxes(self.outputs, ModelInfo(**info))

    def check(self, layout, threshold=0.75, iou=1.0):
        """Fail unless what is decoded is what cells say, after the plainest suppression."""
        options = DetectionOptions(threshold, iou, 1000)
        found = decode_boxes(self.arrays, layout, fit(self.wh, self.wh, 'stretch'), options)
        likely = sorted((each for each in self.boxes if each[0] >= threshold), reverse=True)
        kept = []
        for score, label, box in likely:
            if all(label != other or overlap(box, its) <= iou for _, other, its in kept):
                kept.append((score, label, box))
        wanted = [np.clip(box, 0, self.wh * 2) for _, _, box in kept]
        assert len(found) == len(kept) > 5
        assert found.class_id.tolist() == [label for _, label, _ in kept]
        assert found.score.tolist() == pytest.approx([each[0] for each in kept], abs=1e-6)
        assert np.abs(found.xyxy - wanted).max() < 0.001


def overlap(one, other):
    sides = [min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1)]
    common = max(sides[0], 0) * max(sides[1], 0)
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return common / max(sum(areas) - common, 1e-9)


@pytest.mark.parametrize('iou', [1.0, 0.5])
@pytest.mark.parametrize('wh', [(208, 152), (64, 320), (320, 320)], ids=str)
class TestAsTheCellsSay:
    def test_picodet(self, wh, iou):
        network = Network(wh=wh)
        layout = network.layout()
        assert (layout.family, layout.class_count, layout.usual.resize) == (
            'picodet',
            5,
            'stretch',
        )
        network.check(layout, iou=iou)

    @pytest.mark.parametrize('bins', [8, 11])
    @pytest.mark.parametrize('names', [OF_NANODET, 'Identity_{}:0'])
    def test_nanodet(self, wh, iou, names, bins):
        network = Network(THREE, wh, bins=bins, names=names, clips=True)
        layout = network.layout()
        assert (layout.family, layout.usual.resize, layout.usual.color_order) == (
            'nanodet',
            'letterbox',
            'bgr',
        )
        network.check(layout, iou=iou)

    def test_nanodet_plus(self, wh, iou):
        network = Network(wh=wh, names=OF_NANODET, center=0, clips=True)
        layout = network.layout()
        assert (layout.family, layout.usual.resize) == ('nanodet', 'stretch')
        network.check(layout, iou=iou)


@pytest.mark.parametrize('of_sides', FORMS)
@pytest.mark.parametrize('of_scores', FORMS)
@pytest.mark.parametrize('classes', [1, 20])
def test_each_way_to_write_them(of_scores, of_sides, classes):
    network = Network(forms=(of_scores, of_sides), classes=classes, order='pairs')
    network.check(network.layout())


@pytest.mark.parametrize('classes', [5, 20])
def test_scores_before_the_sigmoid(classes):
    network = Network(classes=classes, logits=True)
    layout = network.layout()
    assert layout.activation == 'sigmoid'
    network.check(layout)


@pytest.mark.parametrize('forms', [('rows', 'rows'), ('maps', 'maps'), ('rows', 'columns')])
@pytest.mark.parametrize('order', ['kinds', 'pairs'])
def test_as_many_classes_as_a_box_has_values(forms, order):
    network = Network(classes=32, forms=forms, order=order)
    network.check(network.layout())


@pytest.mark.parametrize('cell', [32, 16])
def test_as_many_cells_as_columns(cell):
    """Of one stride, rows and columns cannot be told from each other; of the others they can."""
    wh = (8 * cell, 64)  # 32 or 16 × 8 cells, ..., of which some are as many as there are columns
    for form in ('rows', 'columns'):
        network = Network(THREE, wh, classes=8, forms=(form, form), names='{}', clips=True)
        network.check(network.layout())


def test_told_by_what_is_there():
    told_by = Network(classes=7).layout().told_by
    assert told_by == (
        'two outputs for each stride of 8, 16, 32, 64: 7 scores, and distributions of 8 values, '
        'with names of PaddlePaddle'
    )
    assert 'Paddle' not in Network(THREE, names='{}').layout().told_by


class TestLayoutDecides:
    def test_four_strides_without_names_of_a_framework(self):
        network = Network(names='{}')
        with pytest.raises(ParameterError, match=r'set .layout. to picodet.* to nanodet') as error:
            network.layout()
        assert error.value.parameter == 'layout'
        network.check(network.layout(layout='picodet'))
        plus = Network(names='{}', center=0, clips=True)
        plus.check(plus.layout(layout='nanodet'))

    def test_whoever_says_it_is_believed(self):
        network = Network(center=0, clips=True)
        assert network.layout(layout='nanodet').family == 'nanodet'
        network.check(network.layout(layout='nanodet'))
        three = Network(THREE, names=OF_NANODET)
        assert three.layout(layout='picodet').usual.color_order == ''
        three.check(three.layout(layout='picodet'))

    @pytest.mark.parametrize('bins', [5, 16, 17])
    def test_distributions_of_other_sizes(self, bins):
        """16 and 17 are those of YOLOv8 and PP-YOLOE."""
        network = Network(bins=bins)
        assert network.layout() is None
        network.check(network.layout(layout='picodet'))

    @pytest.mark.parametrize('classes', [32, 44])
    def test_yolov8_of_as_many_classes_as_a_box_has_values_here(self, classes):
        """Its distributions must not be taken for scores of 64 classes."""
        for logits in (False, True):
            network = Network(THREE, classes=classes, bins=16, logits=logits, names='{}')
            assert network.layout() is None

    @pytest.mark.parametrize('classes', [8, 20, 80])
    def test_classes_that_are_a_multiple_of_four(self, classes):
        network = Network(classes=classes, logits=True)
        network.check(network.layout(layout='picodet'), threshold=0.85)

    def test_three_strides_of_picodet(self):
        network = Network(THREE)
        assert network.layout().family == 'picodet'
        network.check(network.layout())

    def test_names_of_classes_tell_scores_from_distributions(self):
        network = Network(THREE, classes=44, logits=True, names='{}', clips=True)
        assert network.layout() is None
        network.check(network.layout(class_names=tuple(map(str, range(44)))))
        assert network.layout(class_names=tuple(map(str, range(43)))) is None


class TestRefused:
    """Whatever is not as it has to be: never read in part."""

    @staticmethod
    def none(network):
        assert network.layout() is None
        for layout in ('nanodet', 'picodet'):
            with pytest.raises(ModelError, match=f"layout is '{layout}', and"):
                network.layout(layout=layout)

    @pytest.mark.parametrize('index', range(8))
    def test_without_an_output(self, index):
        network = Network()
        del network.arrays[index], network.names[index]
        self.none(network)

    @pytest.mark.parametrize('stride', range(4))
    def test_without_a_stride(self, stride):
        network = Network()
        for index in (stride + 4, stride):
            del network.arrays[index], network.names[index]
        if stride < 3:
            self.none(network)
        else:  # what is left are the three strides of NanoDet
            assert network.layout(layout='nanodet').grid == THREE

    def test_more_than_that(self):
        network = Network()
        network.arrays.append(network.arrays[0])
        network.names.append('more')
        self.none(network)

    @pytest.mark.parametrize('wh', [(208, 160), (216, 152), (152, 208), (416, 304)], ids=str)
    def test_of_another_input(self, wh):
        network = Network(forms=('maps', 'maps'))
        network.wh = wh
        self.none(network)

    @pytest.mark.parametrize('index', range(8))
    def test_with_a_row_too_few(self, index):
        network = Network()
        network.arrays[index] = network.arrays[index][:, :-1]
        self.none(network)

    @pytest.mark.parametrize('index', range(8))
    def test_with_a_column_too_few(self, index):
        network = Network(classes=6)
        network.arrays[index] = network.arrays[index][..., :-1]
        self.none(network)

    @pytest.mark.parametrize('index', range(8))
    def test_with_integers(self, index):
        network = Network()
        network.arrays[index] = network.arrays[index].astype(np.int64)
        self.none(network)

    def test_for_a_batch(self):
        network = Network()
        network.arrays = [np.repeat(each, 2, axis=0) for each in network.arrays]
        self.none(network)

    def test_with_distances_in_place_of_distributions(self):
        network = Network()
        network.arrays[4:] = [each[..., :4] for each in network.arrays[4:]]
        self.none(network)

    def test_levels_that_are_equally_large(self):
        network = Network(wh=(32, 32))
        assert network.layout() is None

    def test_after_a_softmax(self):
        network = Network()
        for index in range(4, 8):
            parts = np.exp(network.arrays[index].reshape(1, -1, 4, 8))
            parts /= parts.sum(-1, keepdims=True)
            network.arrays[index] = parts.reshape(network.arrays[index].shape)
        self.none(network)
        assert 'raw scores and boxes' in other_network(network.outputs)


def test_other_networks_are_not_what_these_are():
    assert other_network(Network().outputs) == ''
    assert other_network(Network(forms=('maps', 'maps')).outputs) == ''
    assert other_network(Network(bins=16, wh=(256, 256), forms=('maps', 'maps')).outputs) != ''


@pytest.mark.parametrize('value', [np.nan, np.inf])
@pytest.mark.parametrize('index', [0, 3, 4, 7])
def test_values_that_are_none(index, value):
    network = Network()
    layout = network.layout()
    network.arrays[index].reshape(-1)[:] = value
    with pytest.raises(ModelError, match='NaN or infinite'):
        network.check(layout)


@pytest.mark.parametrize('index', [1, 6])
def test_an_output_of_another_shape_than_before(index):
    network = Network()
    layout = network.layout()
    network.arrays[index] = network.arrays[index][..., :-1]
    with pytest.raises(ModelError, match='when the model was loaded'):
        network.check(layout)
