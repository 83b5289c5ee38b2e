"""A small encoder and decoder for 224 × 224 images, and its export as an ONNX file.

Depthwise-separable residual blocks go down to 14 × 14, where dilated ones see the whole orange.
At each level, upsampled features are added to those of the encoder (a feature pyramid), and a thin
branch at full resolution sharpens the edges. TensorRT 8.5 and later supports every operator: Conv,
Relu, Add, Resize.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval


class Conv(nn.Module):
    """Convolution and batch normalization, by default with a ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        dilation: int = 1,
        relu: bool = True,
    ) -> None:
        super().__init__()
        padding = size // 2 * dilation
        self.conv: nn.Conv2d = nn.Conv2d(
            inputs, outputs, size, stride, padding, dilation, groups, bias=False
        )
        self.norm: nn.Module = nn.BatchNorm2d(outputs)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102 - the class says it
        x = self.norm(self.conv(x))
        return functional.relu(x) if self.relu else x


class Separable(nn.Module):
    """Depthwise and pointwise convolution; with a shortcut if the shape does not change."""

    def __init__(
        self, inputs: int, outputs: int, size: int = 3, *, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        self.depthwise = Conv(
            inputs, inputs, size, stride=stride, groups=inputs, dilation=dilation
        )
        self.pointwise = Conv(inputs, outputs, relu=False)
        self.residual = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102 - the class says it
        y = self.pointwise(self.depthwise(x))
        return functional.relu(x + y if self.residual else y)


class OrangeNet(nn.Module):
    """Images (n, 3, h, w), RGB, 0 to 1, to logits (n, classes, h, w); h, w are multiples of 16."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        c0, c1, c2, c3, c4 = 8, 24, 56, 112, 176
        self.detail = Conv(3, c0, 3)
        self.down1 = nn.Sequential(Conv(3, c1, 3, stride=2), Separable(c1, c1))
        self.down2 = nn.Sequential(
            Conv(c1, c2, 3, stride=2), Separable(c2, c2, 5), Separable(c2, c2, 5)
        )
        self.down3 = nn.Sequential(
            Separable(c2, c3, stride=2), *[Separable(c3, c3, 5) for _ in range(3)]
        )
        self.down4 = nn.Sequential(
            Separable(c3, c4, stride=2), *[Separable(c4, c4, dilation=d) for d in (1, 2, 4)]
        )
        self.lateral3, self.rise3 = Conv(c3, c3, relu=False), Conv(c4, c3, relu=False)
        self.up3 = Separable(c3, c3, 5)
        self.lateral2, self.rise2 = Conv(c2, c2, relu=False), Conv(c3, c2, relu=False)
        self.up2 = Separable(c2, c2, 5)
        self.lateral1, self.rise1 = Conv(c1, 32, relu=False), Conv(c2, 32, relu=False)
        self.up1 = nn.Sequential(Separable(32, 32), Separable(32, 32))
        self.rise0 = Conv(32, c0, relu=False)
        self.up0 = Separable(c0, c0)
        self.head = nn.Conv2d(c0, classes, 1)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102 - the class says it
        x0 = self.detail(x)
        x1 = self.down1(x)
        x2 = self.down2(x1)
        x3 = self.down3(x2)
        x4 = self.down4(x3)
        y = self.up3(functional.relu(_double(self.rise3(x4)) + self.lateral3(x3)))
        y = self.up2(functional.relu(_double(self.rise2(y)) + self.lateral2(x2)))
        y = self.up1(functional.relu(_double(self.rise1(y)) + self.lateral1(x1)))
        y = self.up0(functional.relu(_double(self.rise0(y)) + x0))
        return self.head(y)


def _double(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode='bilinear', align_corners=False)


def fold(network: nn.Module) -> nn.Module:
    """Fold batch normalizations into convolutions, in place; call `network.eval()` first."""
    for module in network.modules():
        if isinstance(module, Conv):
            module.conv = fuse_conv_bn_eval(module.conv, module.norm)
            module.norm = nn.Identity()
    return network


def export(network: nn.Module, path: str, size_wh: tuple[int, int], props: dict[str, str]) -> None:
    """Write an ONNX file of opset 17 with static shapes and metadata.

    This uses the tracing exporter, because the newer one writes the Resize of opset 18, which
    TensorRT before 8.6 does not support.
    """
    import onnx

    width, height = size_wh
    torch.onnx.export(
        network,
        (torch.zeros(1, 3, height, width),),
        path,
        opset_version=17,
        input_names=['images'],
        output_names=['logits'],
        dynamo=False,
    )
    model = onnx.load(path)
    onnx.helper.set_model_props(model, props)
    model.producer_name = 'jetson_perception'
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
