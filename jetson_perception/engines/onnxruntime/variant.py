"""The variants in which a model can be computed on CUDA."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Variant(NamedTuple):
    """How a model is computed.

    Attributes
    ----------
    layout : str
        One of `choices.LAYOUTS`.
    fuses_bias : bool
        Whether a convolution adds its bias in the same kernel.
    decodes_head : bool
        Whether our kernel computes the YOLO head.
    searches : bool
        Whether cuDNN searches for the fastest algorithm of each convolution, in the first run of
        every session; otherwise it takes the one that its heuristic puts first.
    """

    layout: str
    fuses_bias: bool = False
    decodes_head: bool = False
    searches: bool = False

    def __str__(self) -> str:
        fused = ' with fused bias' * self.fuses_bias
        head = ', head in one kernel' * self.decodes_head
        return self.layout.upper() + fused + head + ', searched algorithms' * self.searches


# For FP16 in NCHW, cuDNN has no kernel that adds the bias (ONNX Runtime 1.31); for other types it
# is no faster.
VARIANTS = (Variant('nchw'), Variant('nhwc', fuses_bias=True), Variant('nhwc'))
"""The variants to try before our kernel for the head comes in."""


def allowed_variants(layouts: Sequence[str]) -> list[Variant]:
    """The variants that have one of these layouts."""
    return [each for each in VARIANTS if each.layout in layouts]
