"""A small one-stage network with two heads, for boxes of all classes and keypoints of people.

One trunk is trained with both heads; each head becomes a separate ONNX file with the trunk, whose
output has the shape of YOLOv8's. The trunk consists of cross-stage partial blocks (Wang et al.
2020) and pyramid pooling (He et al. 2015), and joins levels downwards and upwards (Liu et al.
2018). Boxes are distributions over distances (generalized focal loss, Li et al. 2020). Keypoints
are first placed from an anchor, which may be half a body away, and then moved twice according to
the features at their positions (`Fields`). TensorRT 8.5 supports the operators: Conv, Relu, Add,
Concat, MaxPool, Resize, Reshape, Softmax, Sigmoid, TopK, GatherElements, ScatterElements and
GridSample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

if TYPE_CHECKING:
    import onnx

STRIDES = (8, 16, 32)
BINS = 16
KEYPOINTS = 17
KEYPOINT_REACH = 4.0
"""Distance of a keypoint from its anchor, in cells, for a network output of 1."""
FIELD_REACH = 16.0
"""Pixels by which a keypoint is moved for a field value of 1."""
MOVES = 2
"""How often keypoints are moved."""
MOVED = 512
"""For how many anchors an exported network moves keypoints."""


class Conv(nn.Module):
    """Convolution, batch normalization and ReLU."""

    def __init__(
        self, inputs: int, outputs: int, size: int = 1, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv: nn.Conv2d = nn.Conv2d(
            inputs, outputs, size, stride, size // 2, groups=groups, bias=False
        )
        self.norm: nn.Module = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102 - the class says it
        return functional.relu(self.norm(self.conv(x)))


class Residual(nn.Module):
    """Two 3 × 3 convolutions beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = Conv(channels, channels, 3), Conv(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102 - the class says it
        return x + self.second(self.first(x))


class Stage(nn.Module):
    """Half of the channels go through residual blocks, whose outputs are all concatenated."""

    def __init__(self, inputs: int, outputs: int, blocks: int, hidden: int) -> None:
        super().__init__()
        self.aside, self.into = Conv(inputs, hidden), Conv(inputs, hidden)
        self.blocks = nn.ModuleList(Residual(hidden) for _ in range(blocks))
        self.join = Conv((2 + blocks) * hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102 - the class says it
        parts = [self.aside(x), self.into(x)]
        for block in self.blocks:
            parts.append(block(parts[-1]))
        return self.join(torch.cat(parts, dim=1))


class Pyramid(nn.Module):
    """Pyramid pooling: the surroundings at four ranges."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.into, self.join = Conv(channels, channels // 2), Conv(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102 - the class says it
        parts = [self.into(x)]
        for _ in range(3):
            parts.append(functional.max_pool2d(parts[-1], 5, 1, 2))
        return self.join(torch.cat(parts, dim=1))


class Branch(nn.Module):
    """A head's branch: `depth` convolutions in sequence at each level, not shared between levels.

    These are full convolutions: depthwise ones would have fewer weights but take more time, in
    training and on the GPUs that such networks run on.
    """

    def __init__(
        self,
        inputs: tuple[int, ...],
        hidden: tuple[int, ...],
        outputs: int,
        *,
        depth: int = 2,
        bias: float = 0.0,
    ) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.Sequential(
                Conv(c, h, 3),
                *[Conv(h, h, 3) for _ in range(depth - 1)],
                nn.Conv2d(h, outputs, 1),
            )
            for c, h in zip(inputs, hidden, strict=True)
        )
        for level in self.levels:
            nn.init.normal_(level[-1].weight, std=0.01)
            nn.init.constant_(level[-1].bias, bias)

    def forward(self, maps: list[Tensor]) -> Tensor:  # noqa: D102 - the class says it
        return torch.cat(
            [level(x).flatten(2) for level, x in zip(self.levels, maps, strict=True)], dim=2
        )


class Fields(nn.Module):
    """A field over the finest map for each keypoint: from any place, the way to the nearest one.

    PersonLab (Papandreou et al. 2018) calls this short-range offsets. Here they have no loss of
    their own: they are read at the predicted keypoints, and learn from the errors of these.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Conv(channels, hidden, 3), Conv(hidden, hidden, 3), nn.Conv2d(hidden, 2 * KEYPOINTS, 1)
        )
        nn.init.normal_(self.layers[-1].weight, std=0.01)
        nn.init.zeros_(self.layers[-1].bias)

    def forward(self, finest: Tensor) -> Tensor:
        """Fields (n, 34, h, w): x and y for each keypoint in turn."""
        return self.layers(finest)


def moved(points: Tensor, trust: Tensor, fields: Tensor, size_wh: tuple[int, int]) -> Tensor:
    """Keypoints after one move.

    Parameters
    ----------
    points : Tensor, shape (n, 17, 2, a)
        Predicted positions, pixels of the input.
    trust : Tensor, shape (n, 17, 1, a)
        How far an anchor follows the fields for each keypoint, 0 to 1.
    fields : Tensor, shape (n, 34, h, w)
        Fields with the stride `STRIDES[0]`.
    size_wh : tuple of int
        Width and height of the input.
    """
    width, height = size_wh
    x, y = points.unbind(dim=2)
    places = torch.stack([x * (2 / width) - 1, y * (2 / height) - 1], dim=-1)
    ways = functional.grid_sample(
        fields.reshape(-1, 2, height // STRIDES[0], width // STRIDES[0]),
        places.flatten(0, 1)[:, None],
        padding_mode='border',
        align_corners=False,
    )
    return points + trust * FIELD_REACH * ways.reshape(-1, KEYPOINTS, 2, places.shape[2])


class PeopleNet(nn.Module):
    """Images (n, 3, h, w), RGB, 0 to 1, h and w multiples of 32, to raw predictions per anchor."""

    def __init__(self, classes: int = 8) -> None:
        super().__init__()
        self.classes = classes
        c1, c2, c3, c4, c5 = 16, 32, 64, 128, 160
        self.stem = nn.Sequential(
            Conv(3, c1, 3, stride=2), Conv(c1, c2, 3, stride=2), Stage(c2, c2, 1, 16)
        )
        self.down3 = nn.Sequential(Conv(c2, c3, 3, stride=2), Stage(c3, c3, 2, 32))
        self.down4 = nn.Sequential(Conv(c3, c4, 3, stride=2), Stage(c4, c4, 2, 64))
        self.down5 = nn.Sequential(Conv(c4, c5, 3, stride=2), Stage(c5, c5, 1, 64), Pyramid(c5))
        self.rise4 = Stage(c5 + c4, c4, 1, 48)
        self.rise3 = Stage(c4 + c3, c3, 1, 32)
        self.fall4, self.join4 = Conv(c3, c3, 3, stride=2), Stage(c3 + c4, c4, 1, 48)
        self.fall5, self.join5 = Conv(c4, c4, 3, stride=2), Stage(c4 + c5, c5, 1, 48)
        levels = (c3, c4, c5)
        self.box = Branch(levels, (40, 48, 48), 4 * BINS, bias=0.5)
        self.score = Branch(levels, (32, 40, 40), classes, depth=1, bias=-4.6)
        # x, y and score of each keypoint, then the trust in its field.
        self.points = Branch(levels, (56, 72, 72), 4 * KEYPOINTS)
        self.fields = Fields(c3, 32)

    def trunk(self, x: Tensor) -> list[Tensor]:
        """Features at strides 8, 16 and 32."""
        x3 = self.down3(self.stem(x))
        x4 = self.down4(x3)
        x5 = self.down5(x4)
        y4 = self.rise4(torch.cat([_double(x5), x4], dim=1))
        y3 = self.rise3(torch.cat([_double(y4), x3], dim=1))
        y4 = self.join4(torch.cat([self.fall4(y3), y4], dim=1))
        y5 = self.join5(torch.cat([self.fall5(y4), x5], dim=1))
        return [y3, y4, y5]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Raw predictions for each anchor, and the fields.

        Distance logits (n, 64, a), score logits (n, classes, a), keypoints (n, 68, a), and fields
        (n, 34, h, w).
        """
        maps = self.trunk(x)
        return self.box(maps), self.score(maps), self.points(maps), self.fields(maps[0])


def _double(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode='nearest')


def anchors_of(
    size_wh: tuple[int, int], device: torch.device | str = 'cpu'
) -> tuple[Tensor, Tensor]:
    """Centers of all cells (2, a) and their strides (1, a), pixels."""
    centers, strides = [], []
    for stride in STRIDES:
        columns, rows = size_wh[0] // stride, size_wh[1] // stride
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing='ij')
        centers.append((torch.stack([x, y]).flatten(1) + 0.5) * stride)
        strides.append(torch.full((1, rows * columns), float(stride)))
    return torch.cat(centers, dim=1).to(device), torch.cat(strides, dim=1).to(device)


def expected_distances(logits: Tensor) -> Tensor:
    """Means (n, 4, a) of the distributions over distances, in cells."""
    n, _, a = logits.shape
    weights = torch.arange(BINS, dtype=logits.dtype, device=logits.device).view(1, 1, BINS, 1)
    return (logits.reshape(n, 4, BINS, a).softmax(dim=2) * weights).sum(dim=2)


class Reading(nn.Module):
    """The network to export: one output (1, 4 + classes [+ 51], a), in pixels of the input."""

    def __init__(self, network: PeopleNet, size_wh: tuple[int, int], *, pose: bool) -> None:
        super().__init__()
        self.network = network
        self.pose = pose
        self.size_wh = size_wh
        centers, strides = anchors_of(size_wh)
        self.register_buffer('centers', centers[None])
        self.register_buffer('strides', strides[None])
        self.register_buffer(
            'weights', torch.arange(BINS, dtype=torch.float32).view(1, 1, BINS, 1)
        )

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102 - the class says it
        maps = self.network.trunk(x)
        a = self.centers.shape[2]
        distances = (
            self.network.box(maps).reshape(1, 4, BINS, a).softmax(dim=2) * self.weights
        ).sum(dim=2)
        low = self.centers - distances[:, :2] * self.strides
        high = self.centers + distances[:, 2:] * self.strides
        scores = self.network.score(maps).sigmoid()
        rows = [(low + high) * 0.5, high - low]
        if not self.pose:
            return torch.cat([*rows, scores], dim=1)
        scores = scores[:, :1]
        raw, trust = self.network.points(maps).split([3 * KEYPOINTS, KEYPOINTS], dim=1)
        raw = raw.reshape(1, KEYPOINTS, 3, a)
        places = raw[:, :, :2] * (KEYPOINT_REACH * self.strides[:, None]) + self.centers[:, None]
        places = self._moved(places.flatten(1, 2), trust, scores, self.network.fields(maps[0]))
        places = places.reshape(1, KEYPOINTS, 2, a)
        points = torch.cat([places, raw[:, :, 2:].sigmoid()], dim=2).reshape(1, 3 * KEYPOINTS, a)
        return torch.cat([*rows, scores, points], dim=1)

    def _moved(self, places: Tensor, trust: Tensor, scores: Tensor, fields: Tensor) -> Tensor:
        """Keypoints (1, 34, a) after all moves, which apply to the `MOVED` best anchors only.

        All anchors would take five times as long on a CPU, and nobody reads the others.
        """
        best = scores.topk(MOVED, dim=2, sorted=False).indices
        rows = best.repeat(1, 2 * KEYPOINTS, 1)
        mine = places.gather(2, rows).reshape(1, KEYPOINTS, 2, MOVED)
        trust = trust.gather(2, best.repeat(1, KEYPOINTS, 1)).sigmoid()[:, :, None]
        for _ in range(MOVES):
            mine = moved(mine, trust, fields, self.size_wh)
        return places.scatter(2, rows, mine.reshape(1, 2 * KEYPOINTS, MOVED))


def fold(network: nn.Module) -> nn.Module:
    """Fold batch normalizations into convolutions, in place; call `network.eval()` first."""
    for module in network.modules():
        if isinstance(module, Conv):
            module.conv = fuse_conv_bn_eval(module.conv, module.norm)
            module.norm = nn.Identity()
    return network


def export(
    network: PeopleNet,
    path: str,
    size_wh: tuple[int, int],
    class_names: tuple[str, ...],
    *,
    pose: bool,
) -> None:
    """Write an ONNX file of opset 17 with static shapes, and metadata in Ultralytics' format.

    Class 0 must be the person. This uses the tracing exporter, because the newer one writes the
    Resize of opset 18, which TensorRT before 8.6 does not support.
    """
    import onnx

    width, height = size_wh
    torch.onnx.export(
        Reading(network, size_wh, pose=pose).eval(),
        (torch.zeros(1, 3, height, width),),
        path,
        opset_version=17,
        input_names=['images'],
        output_names=['output0'],
        dynamo=False,
    )
    names = class_names[:1] if pose else class_names
    props = {
        'description': 'People and what a robot meets beside them, trained on rendered scenes',
        'license': 'Apache-2.0',
        'task': 'pose' if pose else 'detect',
        'names': str(dict(enumerate(names))),
        'imgsz': str([height, width]),
        'stride': str(STRIDES[-1]),
        'batch': '1',
    }
    if pose:
        props['kpt_shape'] = str([KEYPOINTS, 3])
    model = onnx.load(path)
    onnx.helper.set_model_props(model, props)
    halve_weights(model)
    shorten_names(model)
    model.producer_name = 'jetson_perception'
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def halve_weights(model: onnx.ModelProto) -> None:
    """Store the weights of convolutions as float16, cast when the model is loaded, in place.

    Other large constants that lose nothing, such as the anchors' positions, are stored likewise.
    This halves the file. Runtimes fold the casts into constants, so inference is still float32.
    """
    import onnx
    from onnx import numpy_helper

    graph = model.graph
    casts = []
    for weight in graph.initializer:
        if weight.data_type != onnx.TensorProto.FLOAT:
            continue
        name, values = weight.name, numpy_helper.to_array(weight)
        halved = values.astype('float16')
        if values.ndim != 4 and (values.size < 1000 or (halved != values).any()):
            continue
        weight.CopyFrom(numpy_helper.from_array(halved, f'{name}_half'))
        casts.append(
            onnx.helper.make_node(
                'Cast', [f'{name}_half'], [name], f'{name}_cast', to=onnx.TensorProto.FLOAT
            )
        )
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])


def shorten_names(model: onnx.ModelProto) -> None:
    """Name nodes and their outputs by operator and number, in place.

    The exporter's names, with all nested modules, take more bytes than some of the layers.
    """
    short: dict[str, str] = {each.name: each.name for each in model.graph.output}
    for number, node in enumerate(model.graph.node):
        node.name = f'{node.op_type}_{number}'
        for index, name in enumerate(node.input):
            node.input[index] = short.get(name, name)
        for index, name in enumerate(node.output):
            suffix = f'_{index}' if index else ''
            node.output[index] = short.setdefault(name, f'{node.name}{suffix}')
    del model.graph.value_info[:]
