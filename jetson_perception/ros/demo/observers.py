"""Listeners to the nodes of a demo, as other nodes of a robot would be."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import ChangeState
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray, LabelInfo

from jetson_perception.evaluation import ConfusionMatrix
from jetson_perception.images import encodings
from jetson_perception.msg import PipelineStats, SegmentationSummary
from jetson_perception.printable import counted
from jetson_perception.ros import qos
from jetson_perception.ros.image_messages import stamp_ns
from jetson_perception.tasks.box_overlap import box_ious

if TYPE_CHECKING:
    from collections.abc import Sequence

    Corners = tuple[float, float, float, float]
    Box = tuple[str, Corners]

NAMESPACE = 'demo'
#: Overlap with the true box (intersection over union) from which a box counts as found.
MATCH_IOU = 0.5
#: How long after the camera's first images an input may still say that none comes.
_INPUT_PATIENCE_S = 3.0
# Frames that a node may still hold: engines of different speeds are some frames apart.
_LEFT = 5
_LEAST_RATIO = 0.00005


class Observer(Node):
    """Hears stats, results and pictures.

    Parameters
    ----------
    perception : str
        Namespace of the perception node, below that of the demo.
    stats : dict
        Topic of each engine's stats, by the engine's name.

    Attributes
    ----------
    camera_stats : PipelineStats
        The newest of camera_node.
    stats : dict
        The newest of each engine, by its name.
    results : dict
        Of each engine the results since the last `clear`.
    arrivals : dict
        When each of these came, seconds.
    pictures : list of CompressedImage
        Annotated images, JPEG.
    """

    def __init__(self, perception: str, stats: dict[str, str]) -> None:
        super().__init__('observer', namespace=NAMESPACE)
        self.perception = perception
        self.camera_stats = PipelineStats()
        #: Images that the camera has counted since it was started; None before it says so.
        self._camera_count: int | None = None
        self._camera_sends_s = math.inf
        self.stats = {engine: PipelineStats() for engine in stats}
        self.results: dict[str, list[Any]] = {engine: [] for engine in stats}
        self.arrivals: dict[str, list[float]] = {engine: [] for engine in stats}
        self.pictures: list[CompressedImage] = []
        self._passed: set[int] = set()
        self.camera_service = self.create_client(ChangeState, 'camera/camera_node/change_state')
        #: What a node says is wrong with it; empty while nothing is.
        self.problem = ''
        self.create_subscription(
            DiagnosticArray, '/diagnostics', self._on_diagnostics, qos.RESULTS
        )
        self.create_subscription(PipelineStats, 'camera/stats', self._on_camera_stats, qos.RESULTS)
        for topic in stats.values():
            self.create_subscription(
                PipelineStats, f'{perception}/{topic}', self._on_stats, qos.RESULTS
            )

    def watch_pictures(self) -> None:
        """Subscribe to what is meant for people, from the next frame on.

        A node may draw the last frame that it has when another comes. Those whose results are here
        are passed over, by their stamps: a recording's are not those of this clock.
        """
        self._passed = {
            stamp_ns(msg.header) for results in self.results.values() for msg in results[-_LEFT:]
        }
        topic = f'{self.perception}/annotated/compressed'
        self.create_subscription(CompressedImage, topic, self._on_picture, qos.RESULTS)

    def clear(self) -> None:
        """Forget the results so far."""
        for kept in (*self.results.values(), *self.arrivals.values()):
            kept.clear()

    def camera_changes(self) -> None:
        """Hear that the camera is about to be started or stopped: images may take a while."""
        self._camera_count, self._camera_sends_s = None, math.inf

    def answered(self) -> bool:
        """Whether every engine has given a result."""
        return all(self.results.values())

    def settled(self) -> bool:
        """Whether the stats of every engine go up to the last image of the camera's."""
        return all(msg.header == self.camera_stats.header for msg in self.stats.values())

    def keep(self, engine: str, result: Any) -> None:
        """Add a result that has just come."""
        self.results[engine].append(result)
        self.arrivals[engine].append(time.monotonic())

    def findings(self) -> list[str]:
        """Lines about what was found since the last `clear`."""
        raise NotImplementedError

    def agreement(self) -> list[str]:
        """Lines about how that agrees with what the scene knows; none where it knows nothing."""
        raise NotImplementedError

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            # Others may be on the same domain.
            own = status.hardware_id.startswith(f'/{NAMESPACE}/')
            if own and status.level == DiagnosticStatus.ERROR and not self._is_early(status):
                self.problem = f'{status.hardware_id}: {status.message}'

    def _on_camera_stats(self, msg: PipelineStats) -> None:
        self.camera_stats = msg
        before, self._camera_count = self._camera_count, msg.frames_processed
        sends = before is not None and msg.frames_processed > before
        if sends and self._camera_sends_s == math.inf:
            self._camera_sends_s = time.monotonic()

    def _is_early(self, status: DiagnosticStatus) -> bool:
        """Whether an input misses images that the camera, still starting, has not sent yet."""
        silence_s = time.monotonic() - self._camera_sends_s
        return ': input ' in status.name and silence_s < _INPUT_PATIENCE_S

    def _on_stats(self, msg: PipelineStats) -> None:
        if msg.engine in self.stats:
            self.stats[msg.engine] = msg

    def _on_picture(self, msg: CompressedImage) -> None:
        stamp = stamp_ns(msg.header)
        if not self.pictures and stamp in self._passed:
            self._passed.remove(stamp)  # a recording that is played again has it again
            return
        self.pictures.append(msg)


class _Pairs:
    """Pairs of messages from two topics about the same image, as they arrive."""

    def __init__(self) -> None:
        self._waiting: dict[int, dict[str, Any]] = {}

    def add(self, kind: str, stamp: int, content: Any) -> dict[str, Any] | None:
        """Both contents by kind, once the second is there."""
        pair = self._waiting.setdefault(stamp, {})
        pair[kind] = content
        if len(pair) < 2:
            # What has waited for a second was lost on the other side.
            for old in [known for known in self._waiting if known < stamp - 1_000_000_000]:
                del self._waiting[old]
            return None
        return self._waiting.pop(stamp)


class SegObserver(Observer):
    """Hears masks and the area of each class."""

    def __init__(self) -> None:
        super().__init__('seg', {'segmentation': 'stats'})
        self._confusion: ConfusionMatrix | None = None
        self._pairs = _Pairs()
        self._class_names: list[str] = []
        self.create_subscription(SegmentationSummary, 'seg/summary', self._on_summary, qos.RESULTS)
        self.create_subscription(Image, 'seg/mask', self._on_mask, qos.RESULTS)

    def watch_pictures(self) -> None:
        """Subscribe to what is meant for people, and to the true masks."""
        super().watch_pictures()
        self.create_subscription(Image, 'camera/ground_truth/mask', self._on_truth, qos.RESULTS)

    def findings(self) -> list[str]:
        """Mean share of each class."""
        sums: defaultdict[str, float] = defaultdict(float)
        summaries = self.results['segmentation']
        for msg in summaries:
            for area in msg.classes:
                sums[area.class_name] += area.ratio
        ratios = {name: total / len(summaries) for name, total in sums.items()}
        shares = [f'{name} {ratio:.2%}' for name, ratio in ratios.items() if ratio >= _LEAST_RATIO]
        if rest := len(ratios) - len(shares):
            shares.append(f'{counted(rest, "other class")} below 0.01%')
        return ['class ratios: ' + ' · '.join(shares)]

    def agreement(self) -> list[str]:
        """IoU of each class."""
        if self._confusion is None:
            return []
        each = zip(self._class_names, self._confusion.iou(), strict=True)
        text = ' · '.join(f'{name} {iou:.3f}' for name, iou in each)
        return [f'mIoU against the scene: {self._confusion.mean_iou():.3f} ({text})']

    def _on_summary(self, msg: SegmentationSummary) -> None:
        self.keep('segmentation', msg)
        self._class_names = [area.class_name for area in msg.classes]

    def _on_mask(self, msg: Image) -> None:
        self._compare('mask', msg)

    def _on_truth(self, msg: Image) -> None:
        self._compare('truth', msg)

    def _compare(self, kind: str, msg: Image) -> None:
        mask = encodings.view(msg.data, msg.height, msg.width, msg.encoding, msg.step)
        pair = self._pairs.add(kind, stamp_ns(msg.header), mask)
        if pair is None or pair['mask'].shape != pair['truth'].shape or not self._class_names:
            return
        if self._confusion is None:
            self._confusion = ConfusionMatrix(len(self._class_names))
        self._confusion.add(pair['truth'], pair['mask'])


class YoloObserver(Observer):
    """Hears the detections of engines.

    Parameters
    ----------
    engines : sequence of str
        Their names.
    """

    def __init__(self, engines: Sequence[str]) -> None:
        super().__init__('yolo', {engine: f'{engine}/stats' for engine in engines})
        self._names: dict[str, set[str]] = {engine: set() for engine in engines}
        self._pairs = {engine: _Pairs() for engine in engines}
        self._true: Counter[str] = Counter()
        self._found: Counter[str] = Counter()
        self._matched: Counter[str] = Counter()
        for engine in engines:
            found = partial(self._on_found, engine)
            labels = partial(self._on_labels, engine)
            topic = f'yolo/{engine}'
            self.create_subscription(Detection2DArray, f'{topic}/detections', found, qos.RESULTS)
            self.create_subscription(LabelInfo, f'{topic}/label_info', labels, qos.LATCHED)

    def watch_pictures(self) -> None:
        """Subscribe to what is meant for people, and to the true boxes."""
        super().watch_pictures()
        self.create_subscription(
            Detection2DArray, 'camera/ground_truth/detections', self._on_truth, qos.RESULTS
        )

    def findings(self) -> list[str]:
        """Objects a frame, by class."""
        lines = []
        for engine, arrays in self.results.items():
            counts = Counter(name for msg in arrays for name, _ in _boxes(msg))
            each = (f'{name} {count / len(arrays):.1f}' for name, count in counts.most_common())
            lines.append(f'{engine}, objects per frame: ' + (' · '.join(each) or 'none'))
        return lines

    def agreement(self) -> list[str]:
        """How many of the true objects were found, and how much else."""
        return [
            f'{engine}, against the scene: {self._matched[engine] / true:.0%} of '
            f'{counted(true, "object")} '
            f'found, {self._matched[engine] / max(self._found[engine], 1):.0%} of '
            f'{counted(self._found[engine], "box")} right (IoU {MATCH_IOU} and class)'
            for engine, true in self._true.items()
            if true
        ]

    def _on_labels(self, engine: str, msg: LabelInfo) -> None:
        self._names[engine] = {entry.class_name for entry in msg.class_map}

    def _on_found(self, engine: str, msg: Detection2DArray) -> None:
        self.keep(engine, msg)
        self._compare(engine, 'found', msg)

    def _on_truth(self, msg: Detection2DArray) -> None:
        for engine in self._pairs:
            self._compare(engine, 'truth', msg)

    def _compare(self, engine: str, kind: str, msg: Detection2DArray) -> None:
        pair = self._pairs[engine].add(kind, stamp_ns(msg.header), _boxes(msg))
        if pair is None:
            return
        # A pose model knows people alone, whatever else is in the scene.
        truth = [box for box in pair['truth'] if box[0] in self._names[engine]]
        self._true[engine] += len(truth)
        self._found[engine] += len(pair['found'])
        self._matched[engine] += matched_boxes(truth, pair['found'])


def matched_boxes(truth: Sequence[Box], found: Sequence[Box]) -> int:
    """How many true boxes have a found one of their class and `MATCH_IOU`, each used once.

    Parameters
    ----------
    truth, found : sequence of (str, (left, top, right, bottom))
        Class and corners; `found` best first.
    """
    left = list(truth)
    for name, corners in found:
        same = [box for box in left if box[0] == name]
        if not same:
            continue
        ious = box_ious(np.array([corners]), np.array([box[1] for box in same]))[0]
        best = int(ious.argmax())
        if ious[best] >= MATCH_IOU:
            left.remove(same[best])
    return len(truth) - len(left)


def _boxes(msg: Detection2DArray) -> list[Box]:
    boxes = []
    for found in msg.detections:
        center, box = found.bbox.center.position, found.bbox
        half_w, half_h = box.size_x / 2, box.size_y / 2
        corners = (center.x - half_w, center.y - half_h, center.x + half_w, center.y + half_h)
        boxes.append((found.results[0].hypothesis.class_id, corners))
    return boxes
