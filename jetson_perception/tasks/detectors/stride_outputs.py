"""Detectors with two outputs for each stride: scores, and distributions of each side's distance.

Nothing here knows where in a cell distances are measured from, which differs from one family to
the other.
"""

from __future__ import annotations

import re
from itertools import permutations
from typing import TYPE_CHECKING, NamedTuple

from jetson_perception.printable import counted
from jetson_perception.tasks.activations import is_softmaxed
from jetson_perception.tasks.detectors.box_layout import BoxLayout, JoinedColumns
from jetson_perception.tasks.detectors.output import are_probabilities

if TYPE_CHECKING:
    from collections.abc import Container

    from jetson_perception.model_info import ModelInfo
    from jetson_perception.tasks.detectors.output import Output

_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
# Values of a distribution: of PicoDet and most NanoDets, and of NanoDet-g and its larger sisters.
_BINS = (8, 11)
# Of YOLOv8 and PP-YOLOE, too, whose raw heads look the same.
_KNOWN_BINS = (*_BINS, 16, 17)
_ANY_BINS = range(2, 1000)
_OF_PADDLE = re.compile(r'\.tmp_\d+(\D|$)|^fetch_name_\d+$')


class _Form(NamedTuple):
    """How an output writes rows: in a grid or not, and with the columns first or last."""

    grid: bool
    transposed: bool


_FORMS = tuple(_Form(grid, transposed) for grid in (False, True) for transposed in (False, True))


class _Kind(NamedTuple):
    """An output of each stride, finest first, all written in the same way."""

    form: _Form
    columns: int
    outputs: tuple[Output, ...]

    def joined(self) -> JoinedColumns:
        grid, transposed = self.form
        parts = (each.columns(transposed=transposed, grid=grid) for each in self.outputs)
        return JoinedColumns(tuple(parts))


def find_stride_outputs(
    seen: list[Output], info: ModelInfo, network_wh: tuple[int, int], family: str
) -> BoxLayout | None:
    """The layout of outputs that are scores and distributions of each stride; None of others.

    They are so if every stride has both, with the rows that its cells need, and if nothing else
    is there. Scores are told from distributions by their number and by their values: what came of
    a softmax are no distributions, nor, without `layout`, are values that are all from 0 to 1.

    Parameters
    ----------
    seen : list of Output
        All outputs of a run.
    info : ModelInfo
        `layout`, `task` and `class_names` are used.
    network_wh : tuple of int
        Width and height of the network's input, pixels.
    family : str
        Of the layout.
    """
    strides = next((each for each in _STRIDES if 2 * len(each) == len(seen)), ())
    if not strides or info.task not in ('', 'detect') or not all(each.is_float for each in seen):
        return None
    kinds = _kinds(seen, network_wh, strides)
    found = _pairs(kinds, info, _KNOWN_BINS)
    if info.layout and not found:
        found = _pairs(kinds, info, _ANY_BINS)
    if len(found) > 1:
        found = [each for each in found if _are_probabilities(each[0])]
    if len(found) != 1:
        return None
    ((scores, sides),) = found
    bins = sides.columns // 4
    if not info.layout and bins not in _BINS:
        return None
    distributions = sides.joined().read([each.array for each in seen]).reshape(-1, bins)
    if is_softmaxed(distributions, 1):  # a second softmax would give boxes that look like some
        return None
    named = ', '.join(str(each) for each in strides)
    return BoxLayout(
        family,
        scores.columns,
        sides.joined(),
        scores.joined(),
        corners=True,
        activation='' if _are_probabilities(scores) else 'sigmoid',
        grid=strides,
        bins=bins,
        several_classes_a_row=True,
        suppresses=True,
        told_by=f'two outputs for each stride of {named}: {scores.columns} scores, and '
        f'distributions of {counted(bins, "value")}',
    )


def are_named_by_paddle(seen: list[Output]) -> bool:
    """Whether all outputs have names that PaddlePaddle gives."""
    return all(_OF_PADDLE.search(each.name) for each in seen)


def _pairs(
    kinds: list[_Kind], info: ModelInfo, sizes: Container[int]
) -> list[tuple[_Kind, _Kind]]:
    """What may be scores, with what may be distributions of one of these sizes."""
    return [
        (scores, sides)
        for scores, sides in permutations(kinds, 2)
        if not {each.index for each in scores.outputs} & {each.index for each in sides.outputs}
        and len(info.class_names) in (0, scores.columns)
        and not sides.columns % 4
        and sides.columns // 4 in sizes
        and (info.layout or not _are_probabilities(sides))
    ]


def _are_probabilities(kind: _Kind) -> bool:
    return all(are_probabilities(each.array) for each in kind.outputs)


def _kinds(
    seen: list[Output], network_wh: tuple[int, int], strides: tuple[int, ...]
) -> list[_Kind]:
    """All ways to see in some of the outputs one for each stride."""
    grids = [tuple(-(-side // stride) for side in network_wh) for stride in strides]
    placed: dict[tuple[_Form, int], list[list[Output]]] = {}
    for output in seen:
        for form in _FORMS:
            for level, grid in enumerate(grids):
                columns = _columns(output, form, grid)
                if columns:
                    levels = placed.setdefault((form, columns), [[] for _ in strides])
                    levels[level].append(output)
    kinds = []
    for (form, columns), levels in placed.items():
        counts = {len(each) for each in levels}
        if counts == {2}:  # as many classes as there are values of distributions
            pairs = [sorted(each, key=lambda one: are_probabilities(one.array)) for each in levels]
            if all(are_probabilities(b.array) > are_probabilities(a.array) for a, b in pairs):
                kinds += [_Kind(form, columns, outputs) for outputs in zip(*pairs, strict=True)]
        elif counts == {1}:
            kinds.append(_Kind(form, columns, tuple(each for (each,) in levels)))
    return kinds


def _columns(output: Output, form: _Form, grid_wh: tuple[int, ...]) -> int:
    """Columns of an output, if it has a row for each cell of a grid in this form; else 0."""
    rows = grid_wh[::-1] if form.grid else (grid_wh[0] * grid_wh[1],)
    batch, *shape = output.array.shape if output.array.ndim == len(rows) + 2 else (0,)
    if batch != 1:
        return 0
    columns, cells = (shape[0], shape[1:]) if form.transposed else (shape[-1], shape[:-1])
    return columns if tuple(cells) == rows else 0
