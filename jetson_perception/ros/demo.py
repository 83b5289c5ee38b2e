"""Runs camera_node and seg_node for a while and tells how they did: `make demo`.

The nodes are started as `ros2 launch jetson_perception seg.launch.py` starts them. This process
subscribes as another node of a robot would: first to the results alone, which is what the table
tells of, then to annotated images and the ground truth too, for the pictures and the video.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rich.console import Console
from rich.table import Table
from sensor_msgs.msg import CompressedImage, Image

from jetson_perception import bringup, images
from jetson_perception.errors import PerceptionError
from jetson_perception.evaluation import ConfusionMatrix
from jetson_perception.msg import PipelineStats, SegmentationSummary
from jetson_perception.recording import write_video
from jetson_perception.ros import qos
from jetson_perception.ros.image_messages import stamp_ns
from jetson_perception.ros.processes import running

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jetson_perception.ros.processes import RunningProcess

NAMESPACE = 'demo'
START_TIMEOUT_S = 60.0
WARM_UP_S = 1.0
SETTLE_S = 3.0


class Observer(Node):
    """Hears what the nodes publish and remembers what the table needs."""

    def __init__(self) -> None:
        super().__init__('observer', namespace=NAMESPACE)
        self.size_wh = (0, 0)
        self.summaries: list[SegmentationSummary] = []
        self.camera_stats = self.seg_stats = PipelineStats()
        self.pictures: list[bytes] = []
        self.confusion: ConfusionMatrix | None = None
        self._waiting: defaultdict[int, dict[str, Any]] = defaultdict(dict)
        self.create_subscription(PipelineStats, 'camera/stats', self._on_camera_stats, qos.RESULTS)
        self.create_subscription(PipelineStats, 'seg/stats', self._on_seg_stats, qos.RESULTS)
        self.create_subscription(
            SegmentationSummary, 'seg/summary', self.summaries.append, qos.RESULTS
        )
        self.create_subscription(Image, 'seg/mask', self._on_mask, qos.RESULTS)
        self.camera_service = self.create_client(ChangeState, 'camera/camera_node/change_state')

    def watch_pictures(self) -> None:
        """Subscribe to what only people need."""
        self.create_subscription(
            CompressedImage, 'seg/annotated/compressed', self._on_picture, qos.RESULTS
        )
        self.create_subscription(Image, 'camera/ground_truth/mask', self._on_truth, qos.RESULTS)

    def class_names(self) -> list[str]:
        """Names of the model's classes."""
        return [area.class_name for area in self.summaries[-1].classes]

    def settled(self) -> bool:
        """Whether seg_node has told of the last image that camera_node told of."""
        return self.camera_stats.header == self.seg_stats.header

    def _on_camera_stats(self, msg: PipelineStats) -> None:
        self.camera_stats = msg

    def _on_seg_stats(self, msg: PipelineStats) -> None:
        self.seg_stats = msg

    def _on_mask(self, msg: Image) -> None:
        self.size_wh = (msg.width, msg.height)
        self._pair('mask', msg)

    def _on_truth(self, msg: Image) -> None:
        self._pair('truth', msg)

    def _on_picture(self, msg: CompressedImage) -> None:
        self.pictures.append(bytes(msg.data))

    def _pair(self, kind: str, msg: Image) -> None:
        stamp = stamp_ns(msg.header)
        pair = self._waiting[stamp]
        pair[kind] = images.view(msg.data, msg.height, msg.width, msg.encoding, msg.step)
        if len(pair) == 2:
            if self.confusion is None:
                self.confusion = ConfusionMatrix(len(self.class_names()))
            if pair['truth'].shape == pair['mask'].shape:
                self.confusion.add(pair['truth'], pair['mask'])
        for old in [stamp for stamp in self._waiting if stamp < self._oldest_of_interest(stamp)]:
            del self._waiting[old]

    @staticmethod
    def _oldest_of_interest(stamp: int) -> int:
        return stamp - 1_000_000_000


class Window:
    """What became of the frames of one run of camera_node.

    The camera is stopped at both ends, so that what it sent and what seg_node received are counted
    over exactly the same frames.

    Parameters
    ----------
    before, after : PipelineStats
        Of seg_node.
    camera : PipelineStats
        Of camera_node, which counts from its start.
    results : list of SegmentationSummary
        That came in between; at least one.
    """

    def __init__(
        self,
        before: PipelineStats,
        after: PipelineStats,
        camera: PipelineStats,
        results: list[SegmentationSummary],
    ) -> None:
        self.stages = after.stages
        self.published = camera.frames_processed
        self.lost = self.published - (after.frames_received - before.frames_received)
        self.skipped = after.frames_skipped - before.frames_skipped
        self.failed = after.frames_failed - before.frames_failed
        self.results = results
        first, last = (stamp_ns(results[end].header) for end in (0, -1))
        #: From the first image that was answered to the last.
        self.seconds = (last - first) / 1e9

    def frame_rate(self) -> float:
        """Results a second, Hz; 0 when there was but one."""
        return (len(self.results) - 1) / self.seconds if self.seconds else 0.0

    def class_ratios(self) -> dict[str, float]:
        """Mean share of each class over the window, 0 to 1."""
        sums: defaultdict[str, float] = defaultdict(float)
        for msg in self.results:
            for area in msg.classes:
                sums[area.class_name] += area.ratio
        return {name: total / len(self.results) for name, total in sums.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo. Returns the exit code."""
    args = _parser().parse_args(argv)
    console = Console()
    args.output.mkdir(parents=True, exist_ok=True)
    try:
        _demo(args, console)
    except PerceptionError as error:
        console.print('[red]demo failed:[/]', end=' ')
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        return 130
    finally:
        rclpy.try_shutdown()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='demo', description=__doc__.split('\n')[0])
    parser.add_argument('--source', default='scene://oranges', help='what camera_node opens')
    parser.add_argument('--model', default='', help='ONNX file; the shipped one by default')
    parser.add_argument('--duration', type=float, default=10.0, help='seconds to measure over')
    parser.add_argument(
        '--record', type=float, default=4.0, help='seconds to record pictures and a video for'
    )
    parser.add_argument(
        '--output', type=Path, default=Path('demo_output'), help='folder for pictures and logs'
    )
    return parser


def _demo(args: argparse.Namespace, console: Console) -> None:
    values = bringup.defaults(
        bringup.SEG_ARGUMENTS,
        source=args.source,
        model=args.model,
        namespace=f'{NAMESPACE}/seg',
        camera_namespace=f'{NAMESPACE}/camera',
        loop='true',
    )
    if args.source.startswith('scene://'):
        values |= {'width': '1280', 'height': '720', 'frame_rate': '30.0'}
    seg_node, camera_node = bringup.seg(values)
    console.print(f'Starting camera_node ({args.source}) and seg_node …', highlight=False)
    rclpy.init()
    observer = Observer()
    executor = SingleThreadedExecutor()
    executor.add_node(observer)
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(running(process, args.output / f'{process.executable}.log'))
            for process in (seg_node, camera_node)
        ]
        stage = _Stage(executor, nodes, observer)
        stage.spin(START_TIMEOUT_S, lambda: bool(observer.summaries), 'the first result')
        stage.spin(WARM_UP_S)
        stage.stop_camera()
        console.print(f'Measuring for {args.duration:.0f} s …')
        window = stage.measure(args.duration)
        console.print(f'Recording for {args.record:.0f} s …')
        observer.watch_pictures()
        stage.change_camera(Transition.TRANSITION_ACTIVATE)
        stage.spin(args.record)
    _report(console, observer, window)
    _save(console, observer, args.output, window.frame_rate())
    observer.destroy_node()


class _Stage:
    """The nodes on it, and the time that passes.

    Parameters
    ----------
    executor : SingleThreadedExecutor
        Of the observer.
    nodes : sequence of RunningProcess
        Seen to live while time passes.
    observer : Observer
        Who listens.
    """

    def __init__(
        self,
        executor: SingleThreadedExecutor,
        nodes: Sequence[RunningProcess],
        observer: Observer,
    ) -> None:
        self._executor = executor
        self._nodes = nodes
        self._observer = observer

    def spin(
        self, seconds: float, until: Callable[[], bool] | None = None, what: str = ''
    ) -> None:
        """Listen for some time, or until something came, without which it fails."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.1)
            for node in self._nodes:
                node.check()
            if until is not None and until():
                return
        if until is not None:
            logs = '\n'.join(node.log.read_text(errors='replace')[-1500:] for node in self._nodes)
            raise PerceptionError(f'{what} did not come within {seconds:.0f} s; the logs:\n{logs}')

    def change_camera(self, transition: int) -> None:
        """Take camera_node through a transition."""
        service = self._observer.camera_service
        self.spin(START_TIMEOUT_S, service.service_is_ready, 'the lifecycle of camera_node')
        request = ChangeState.Request(transition=Transition(id=transition))
        done = service.call_async(request)
        self.spin(START_TIMEOUT_S, done.done, 'an answer of camera_node')

    def stop_camera(self) -> None:
        """Stop the camera and let both nodes tell their last counts."""
        self.change_camera(Transition.TRANSITION_DEACTIVATE)
        # seg_node tells once a second. It never tells of a last image that was lost on the way.
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline and not self._observer.settled():
            self._executor.spin_once(timeout_sec=0.1)

    def measure(self, seconds: float) -> Window:
        """Run the camera for a while and count."""
        before = self._observer.seg_stats
        self._observer.summaries.clear()
        self.change_camera(Transition.TRANSITION_ACTIVATE)
        observer = self._observer
        self.spin(START_TIMEOUT_S, lambda: bool(observer.summaries), 'a result')
        self.spin(seconds)
        self.stop_camera()
        return Window(before, observer.seg_stats, observer.camera_stats, observer.summaries[:])


def _report(console: Console, observer: Observer, window: Window) -> None:
    width, height = observer.size_wh
    table = Table(
        title=f'{width}×{height}, {window.published} frames in {window.seconds:.1f} s',
        title_justify='left',
    )
    table.add_column('stage')
    table.add_column('median', justify='right')
    table.add_column('99th percentile', justify='right')
    for stage in window.stages:
        end = stage.name == 'publish'
        table.add_row(
            stage.name, f'{stage.median_ms:.2f} ms', f'{stage.p99_ms:.2f} ms', end_section=end
        )
    console.print(table)
    console.print(
        f'results {window.frame_rate():.1f} Hz · frames lost {window.lost} · '
        f'skipped for a newer one {window.skipped} · failed {window.failed}',
        highlight=False,
    )
    shares = (f'{name} {ratio:.2%}' for name, ratio in window.class_ratios().items())
    console.print('class ratios: ' + ' · '.join(shares), highlight=False)
    if observer.confusion is not None:
        iou = zip(observer.class_names(), observer.confusion.iou(), strict=True)
        each = ' · '.join(f'{name} {value:.3f}' for name, value in iou)
        console.print(
            f'mIoU against the scene, while recording: {observer.confusion.mean_iou():.3f}',
            f'({each})',
            highlight=False,
            soft_wrap=True,
        )


def _save(console: Console, observer: Observer, folder: Path, rate: float) -> None:
    frames = [images.decode_compressed(jpeg, 'jpeg') for jpeg in observer.pictures]
    if not frames:
        raise PerceptionError(
            'no annotated image came while recording; the logs are in ' + str(folder)
        )
    for number, frame in enumerate(frames[:: max(len(frames) // 3, 1)][:3], start=1):
        cv2.imwrite(str(folder / f'annotated_{number}.png'), frame)
    height, width = frames[0].shape[:2]
    with write_video(folder / 'annotated.mp4', (width, height), rate) as video:
        for frame in frames:
            video.write(frame)
    console.print(
        f'Pictures, video and logs are in {folder.resolve()}', highlight=False, soft_wrap=True
    )


if __name__ == '__main__':
    sys.exit(main())
