"""What the network has to learn: which anchors predict which object, and how wrong they are."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from network import (
    BINS,
    KEYPOINT_REACH,
    KEYPOINTS,
    MOVES,
    anchors_of,
    expected_distances,
    moved,
)
from torch import Tensor
from torch.nn import functional

# COCO's constants: how far annotators disagree on each keypoint.
OKS_SIGMAS = (
    0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107,
    0.087, 0.087, 0.089, 0.089,
)  # fmt: skip


STAGE_WEIGHTS = (0.4, *[0.3] * (MOVES - 1), 0.5)
"""Weights of the keypoint loss: for placing from the anchor, and after each move."""

ANSWERS = 160
"""Maximum number of anchors in a picture that predict an object: ten for each of up to 24 objects,
which rarely all have ten."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Objects of a batch, padded to m.

    Attributes
    ----------
    boxes : Tensor, shape (n, m, 4)
        Corners, pixels of the input.
    classes : Tensor, shape (n, m), long
    points : Tensor, shape (n, m, 17, 3)
        Keypoints with COCO's visibility.
    areas : Tensor, shape (n, m)
        Visible pixels.
    there : Tensor, shape (n, m), bool
        False for padding.
    """

    boxes: Tensor
    classes: Tensor
    points: Tensor
    areas: Tensor
    there: Tensor


def ciou(a: Tensor, b: Tensor, *, complete: bool = True) -> Tensor:
    """Complete IoU (Zheng et al. 2020) of boxes (..., 4), corners; plain IoU if not `complete`."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    both = (high - low).clamp(min=0).prod(dim=-1)
    wh_a, wh_b = (
        (a[..., 2:] - a[..., :2]).clamp(min=1e-4),
        (b[..., 2:] - b[..., :2]).clamp(min=1e-4),
    )
    iou = both / (wh_a.prod(dim=-1) + wh_b.prod(dim=-1) - both + 1e-7)
    if not complete:
        return iou
    span = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    apart = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) ** 2).sum(dim=-1) / 4
    angle = torch.atan(wh_a[..., 0] / wh_a[..., 1]) - torch.atan(wh_b[..., 0] / wh_b[..., 1])
    shape = 4 / math.pi**2 * angle**2
    with torch.no_grad():
        weight = shape / (1 - iou + shape + 1e-7)
    return iou - apart / ((span**2).sum(dim=-1) + 1e-7) - weight * shape


@torch.no_grad()
def assign(
    scores: Tensor, boxes: Tensor, targets: Targets, centers: Tensor, top: int = 10
) -> tuple[Tensor, Tensor, Tensor]:
    """Task-aligned assignment (TOOD, Feng et al. 2021).

    Parameters
    ----------
    scores : Tensor, shape (n, classes, a)
        After the sigmoid.
    boxes : Tensor, shape (n, a, 4)
        Predicted corners.
    targets : Targets
        With m places for objects.
    centers : Tensor, shape (2, a)
        Centers of the anchors.
    top : int
        At most this many anchors per object.

    Returns
    -------
    chosen : Tensor, shape (n, a), bool
        Whether an anchor predicts an object.
    which : Tensor, shape (n, a), long
        Index of that object.
    quality : Tensor, shape (n, a)
        The score to predict, 0 to 1; for the best anchor its IoU.
    """
    lows, highs = targets.boxes[..., None, :2], targets.boxes[..., None, 2:]
    spots = centers.T[None, None]
    inside = ((spots > lows) & (spots < highs)).all(dim=-1) & targets.there[..., None]
    iou = ciou(targets.boxes[:, :, None], boxes[:, None], complete=False) * inside
    of_class = scores.gather(1, targets.classes[..., None].expand(-1, -1, scores.shape[2]))
    metric = of_class.clamp(min=1e-9) ** 0.5 * iou**6 * inside
    best, index = metric.topk(top, dim=-1)
    mine = torch.zeros_like(metric, dtype=torch.bool).scatter_(-1, index, best > 1e-12)
    # An anchor that suits several objects goes to the one that it fits best.
    owner = torch.where(mine, iou, -1.0).argmax(dim=1)
    mine &= torch.arange(metric.shape[1], device=metric.device)[None, :, None] == owner[:, None]
    metric = metric * mine
    peak_metric = metric.amax(dim=-1, keepdim=True)
    peak_iou = (iou * mine).amax(dim=-1, keepdim=True)
    quality = (metric / (peak_metric + 1e-12) * peak_iou).amax(dim=1)
    return mine.any(dim=1), mine.float().argmax(dim=1), quality


class Loss:
    """The weighted sum of the errors of boxes, scores and keypoints.

    Parameters
    ----------
    size_wh : tuple of int
        Width and height of the network's input.
    device : torch.device
        Where the batches are.
    only : str
        'detect' or 'pose' to learn one of the two; empty for both.

    Notes
    -----
    All shapes are fixed and nothing waits for the device, so that a step can be captured into a
    CUDA graph: `ANSWERS` anchors of each picture are used, chosen ones first.
    """

    names = ('score', 'box', 'distance', 'points', 'visible')

    def __init__(self, size_wh: tuple[int, int], device: torch.device, only: str = '') -> None:
        self._size_wh = size_wh
        self.centers, self.strides = anchors_of(size_wh, device)
        self.sigmas = torch.tensor(OKS_SIGMAS, device=device)
        self._people_only = only == 'pose'
        boxes = 0.5 if self._people_only else 1.0  # boxes matter less then
        points = 0.0 if only == 'detect' else 1.0
        parts = (boxes, 7.5 * boxes, 1.5 * boxes, 10.0 * points, points)
        self.weights = torch.tensor(parts, device=device)

    def __call__(
        self, raw: tuple[Tensor, Tensor, Tensor, Tensor], targets: Targets
    ) -> tuple[Tensor, Tensor]:
        """The loss, and its parts in the order of `names`."""
        distances, scores, points, fields = (part.float() for part in raw)
        if self._people_only:
            scores = scores[:, :1]
            people = targets.there & (targets.classes == 0)
            targets = replace(targets, there=people, classes=torch.zeros_like(targets.classes))
        reach = expected_distances(distances) * self.strides
        boxes = torch.cat(
            [self.centers - reach[:, :2], self.centers + reach[:, 2:]], dim=1
        ).transpose(1, 2)
        chosen, which, quality = assign(
            scores.detach().sigmoid(), boxes.detach(), targets, self.centers
        )
        total = quality.sum().clamp(min=1.0)
        classes = targets.classes.gather(1, which)
        # (n, ANSWERS): a picture's other anchors predict nothing.
        share, anchor = (quality * chosen).topk(ANSWERS, dim=1)
        owner = which.gather(1, anchor)
        truth = _rows(targets.boxes, owner)
        box_loss = ((1 - ciou(_rows(boxes, anchor), truth)) * share).sum() / total
        logits = _rows(distances.transpose(1, 2), anchor)
        distance_loss = self._distance_loss(logits, anchor, truth, share) / total
        point_loss, visible_loss, similarity = self._point_loss(
            _rows(points.transpose(1, 2), anchor),
            fields,
            anchor,
            _rows(targets.points.flatten(2), owner).unflatten(2, (KEYPOINTS, 3)),
            targets.areas.gather(1, owner),
            truth,
            share * (classes.gather(1, anchor) == 0),
        )
        if self._people_only:
            # A score that includes the quality of the pose can rank poses (RTMO, Lu et al. 2024).
            quality = quality * torch.ones_like(quality).scatter(1, anchor, similarity.sqrt())
        of_class = classes[:, None] == torch.arange(scores.shape[1], device=scores.device)[:, None]
        wanted = of_class * (quality * chosen)[:, None]
        score_loss = (
            functional.binary_cross_entropy_with_logits(scores, wanted, reduction='sum') / total
        )
        parts = torch.stack([score_loss, box_loss, distance_loss, point_loss, visible_loss])
        return (parts * self.weights).sum(), parts.detach()

    def _distance_loss(
        self, logits: Tensor, anchor: Tensor, truth: Tensor, share: Tensor
    ) -> Tensor:
        """Distribution focal loss: the two bins next to the true distance share the mass."""
        center, stride = self.centers.T[anchor], self.strides[0][anchor][..., None]
        wanted = torch.cat([center - truth[..., :2], truth[..., 2:] - center], dim=2) / stride
        wanted = wanted.clamp(0, BINS - 1.01)
        low = wanted.floor()
        part = wanted - low
        logs = logits.unflatten(2, (4, BINS)).log_softmax(dim=3)
        index = low.long()[..., None]
        below, above = logs.gather(3, index)[..., 0], logs.gather(3, index + 1)[..., 0]
        return (-(below * (1 - part) + above * part).mean(dim=2) * share).sum()

    def _point_loss(
        self,
        raw: Tensor,
        fields: Tensor,
        anchor: Tensor,
        points: Tensor,
        area: Tensor,
        truth: Tensor,
        share: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One minus object keypoint similarity, plus a term that pulls in distant keypoints.

        Also returns the loss of visibility, and the final similarity (n, k), which is 1 where
        nothing is labeled.
        """
        raw, trust = raw.split([3 * KEYPOINTS, KEYPOINTS], dim=2)
        raw = raw.unflatten(2, (KEYPOINTS, 3))
        stride = self.strides[0][anchor][..., None, None]
        placed = raw[..., :2] * KEYPOINT_REACH * stride + self.centers.T[anchor][:, :, None]
        trust = trust.sigmoid().transpose(1, 2)[:, :, None]
        labeled = (points[..., 2] > 0).float()
        # A person who is nearly hidden must not outweigh all others.
        least = 0.2 * (truth[..., 2:] - truth[..., :2]).prod(dim=-1)
        area = torch.maximum(area, least).clamp(min=32.0)
        # Everybody counts equally, however many joints are labeled, as in the metric.
        count = labeled.sum(dim=2)
        part = labeled / count.clamp(min=1.0)[..., None]
        labeled_share = (share * (count > 0)).sum().clamp(min=1.0)
        point_loss = 0.0
        for stage, weight in enumerate(STAGE_WEIGHTS):
            if stage:  # each move learns from the result of the previous one
                placed = placed.detach().permute(0, 2, 3, 1)
                placed = moved(placed, trust, fields, self._size_wh).permute(0, 3, 1, 2)
            off = ((placed - points[..., :2]) ** 2).sum(dim=-1)
            e = off / (8 * self.sigmas**2 * area[..., None])
            # Similarity hardly pulls keypoints that are far off, such as wrists at first; distance
            # does.
            alike = torch.exp(-e)
            each = (1 - alike) + 0.35 * (torch.sqrt(e + 0.04) - 0.2)
            of_stage = ((each * part).sum(dim=2) * share).sum() / labeled_share
            point_loss = point_loss + weight * of_stage
        similarity = torch.where(count > 0, (alike * part).sum(dim=2), 1.0).detach()
        visible = functional.binary_cross_entropy_with_logits(
            raw[..., 2], labeled, reduction='none'
        )
        visible_loss = (visible.mean(dim=2) * share).sum() / share.sum().clamp(min=1.0)
        return point_loss, visible_loss, similarity


def _rows(values: Tensor, index: Tensor) -> Tensor:
    """Rows (n, k, c) of values (n, a, c), selected by index (n, k)."""
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[2]))
