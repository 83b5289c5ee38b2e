#!/usr/bin/env python3
"""What the live view costs, and whether it tells the truth: the bars of docs/view.md.

    source tools/env.sh && python tools/measure_view.py

Two streams of raw images of 1280×720 are published at 30 Hz. First a process without a web server
receives and encodes them, by the code that the view has for it; then the view does, for a client
that shows both streams and the state, as the page does. The difference is what the page costs.
Then seg_node runs on one of them, and the rate and latency that the page is told are compared with
those of a listener, which counts results and the time from stamp to arrival. Exits with 1 if a bar
is missed.

    source tools/env.sh && python tools/measure_view.py --h264

compares H.264 with files instead, for one who looks at one such stream, in which things move.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from jetson_perception.bringup import NodeProcess  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jetson_perception.ros.processes import RunningProcess

SIZE_WH = (1280, 720)
RATE_HZ = 30.0
STREAMS = ('one', 'two')
SETTLED_S = 3.0
#: Results over which nodes take their median latency.
WINDOW = 300
START_S = 60.0
MOST_CORE = 0.20
MOST_DIFFERENCE = 0.05
TICKS = os.sysconf('SC_CLK_TCK')


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--seconds', type=float, default=20.0, help='of each run (%(default)s)')
    parser.add_argument('--model', default='oranges', help='of seg_node (%(default)s)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the figures here')
    parser.add_argument('--h264', action='store_true', help='what H.264 takes, beside files')
    parser.add_argument('--receive', action='store_true', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.receive:
        receive()
        return 0
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ['PYTHONPATH'] = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        start = starter(stack, folder)
        if arguments.h264:
            start(moving(folder))
            view = start(NodeProcess('view', arguments=('--port', '0')))
            url = wait_for(lambda: address(view), 'the view')
            ways = {'files': '', 'H.264': '&video=h264'}
            report_ways(
                {
                    what: of_view(view, url, arguments.seconds, STREAMS[:1], way)
                    for what, way in ways.items()
                }
            )
            return 0
        for camera in cameras(folder):
            start(camera)
        found = {'receiving and encoding': of_receiving(arguments.seconds)}
        view = start(NodeProcess('view', arguments=('--port', '0')))
        url = wait_for(lambda: address(view), 'the view')
        found['the view, with a page'] = of_view(view, url, arguments.seconds)
        is_cheap = report_cost(found)
        node = start(segmentation(arguments.model))
        wait_for(lambda: has_answered(node), 'seg_node')
        told = asyncio.run(of_truth(url, arguments.seconds))
    is_true = report_truth(told)
    if arguments.json:
        text = json.dumps({'cost': found, 'truth': told}, indent=1)
        arguments.json.write_text(f'{text}\n', encoding='utf-8')
    return 0 if is_cheap and is_true else 1


def starter(stack: ExitStack, folder: Path) -> Callable[[NodeProcess], RunningProcess]:
    """A function that starts processes, which end with the stack."""
    from jetson_perception.ros.processes import running

    def start(process: NodeProcess) -> RunningProcess:
        log = folder / f'{process.executable}{len(list(folder.glob("*.log")))}.log'
        return stack.enter_context(running(process, log))

    return start


def cameras(folder: Path) -> list[NodeProcess]:
    """Two that publish `annotated` images, with some detail and some noise."""
    pictures = folder / 'pictures'
    pictures.mkdir()
    noise = np.random.default_rng(1)
    for number in range(4):
        picture = np.full((SIZE_WH[1], SIZE_WH[0], 3), 90, np.uint8)
        cv2.randu(picture, 80, 100)
        for _ in range(60):
            center = noise.integers(0, SIZE_WH[0], 2).tolist()
            color = noise.integers(0, 255, 3).tolist()
            cv2.circle(picture, center, int(noise.integers(10, 90)), color, -1, cv2.LINE_AA)
        cv2.imwrite(str(pictures / f'{number}.jpg'), picture)
    return [camera(name, pictures) for name in STREAMS]


def camera(name: str, pictures: Path) -> NodeProcess:
    """One that publishes the pictures of a folder as `annotated`, again and again."""
    return NodeProcess(
        'camera_node',
        namespace=name,
        parameters={'source': f'images://{pictures}', 'loop': True, 'frame_rate': RATE_HZ},
        remappings={f'/{name}/image_raw': f'/{name}/annotated'},
    )


def moving(folder: Path) -> NodeProcess:
    """A camera before which 20 discs move, with noise that is another one in each picture."""
    pictures = folder / 'moving'
    pictures.mkdir()
    noise = np.random.default_rng(1)
    discs = [
        (noise.integers(0, SIZE_WH), noise.integers(-9, 10, 2), noise.integers(0, 255, 3).tolist())
        for _ in range(20)
    ]
    for number in range(30):
        picture = np.full((SIZE_WH[1], SIZE_WH[0], 3), 90, np.uint8)
        for at, step, color in discs:
            center = ((at + number * step) % SIZE_WH).tolist()
            cv2.circle(picture, center, 60, color, -1, cv2.LINE_AA)
        grain = np.empty_like(picture)
        cv2.randu(grain, 0, 8)
        cv2.imwrite(str(pictures / f'{number:02}.png'), cv2.add(picture, grain))
    return camera(STREAMS[0], pictures)


def segmentation(model: str) -> NodeProcess:
    """seg_node on the images of the first camera."""
    from jetson_perception.models import resolve_model

    return NodeProcess(
        'seg_node',
        namespace='seg',
        parameters={'model': str(resolve_model(model))},
        remappings={'image': f'/{STREAMS[0]}/annotated'},
    )


def wait_for(predicate: Callable[[], Any], what: str) -> Any:
    """What it gives once that is true."""
    deadline_s = time.monotonic() + START_S
    while not (value := predicate()):
        if time.monotonic() > deadline_s:
            raise SystemExit(f'{what} did not come in {START_S:.0f} s')
        time.sleep(0.05)
    return value


def address(view: RunningProcess) -> str:
    """Where the view is; empty before it says so."""
    view.check()
    found = re.search(r'at (http://[0-9.:]+)/', view.log.read_text(encoding='utf-8'))
    return found[1] if found else ''


def has_answered(node: RunningProcess) -> bool:
    """Whether a node has published a first result."""
    node.check()
    return 'first answer after' in node.log.read_text(encoding='utf-8')


def cpu_s(pid: int) -> float:
    """The processor time that a process has taken."""
    fields = Path(f'/proc/{pid}/stat').read_text(encoding='ascii').rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def receive() -> None:
    """Be the process that receives and encodes, as the view does, and says how much it did."""
    import rclpy

    from jetson_perception.dds import transports
    from jetson_perception.ros.beginning import SEGMENT_BYTES
    from jetson_perception.ros.viewing.node_thread import NodeThread
    from jetson_perception.ros.viewing.picture_subscription import PictureSubscription

    transports.take(SEGMENT_BYTES)
    rclpy.init()
    node = rclpy.create_node('receiver', start_parameter_services=False)
    thread = NodeThread(node)
    pictures: list[int] = []
    thread.start()

    def subscribe() -> None:
        for name in STREAMS:
            PictureSubscription(
                node,
                f'/{name}/annotated',
                lambda picture: pictures.append(len(picture.data)),
                reliable=False,
            )

    thread.soon(subscribe)
    for _ in sys.stdin:
        print(len(pictures), flush=True)
    os._exit(0)


def of_receiving(seconds: float) -> dict[str, float]:
    """What receiving and encoding cost by themselves."""
    command = [sys.executable, __file__, '--receive']
    pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:

        def count() -> int:
            assert process.stdin is not None
            assert process.stdout is not None
            print(file=process.stdin, flush=True)
            return int(process.stdout.readline())

        wait_for(lambda: count() > 2 * RATE_HZ, 'images')
        time.sleep(SETTLED_S)
        begun_s, pictures, used_s = time.monotonic(), count(), cpu_s(process.pid)
        time.sleep(seconds)
        return figures(begun_s, count() - pictures, cpu_s(process.pid) - used_s)


def figures(begun_s: float, pictures: int, used_s: float) -> dict[str, float]:
    """Pictures a second, and processor time by the second and by the picture."""
    passed_s = time.monotonic() - begun_s
    return {
        'pictures/s': pictures / passed_s,
        'core': used_s / passed_s,
        'ms a picture': 1000 * used_s / max(pictures, 1),
    }


def of_view(
    view: RunningProcess,
    url: str,
    seconds: float,
    streams: Sequence[str] = STREAMS,
    way: str = '',
) -> dict[str, float]:
    """What the view takes for one who looks at streams and the state; `way` ends addresses."""
    paths = ['/state', *(f'/pictures?topic=/{name}/annotated{way}' for name in streams)]
    return asyncio.run(looked_at(url, paths, seconds, view.pid))


async def looked_at(url: str, paths: list[str], seconds: float, pid: int) -> dict[str, float]:
    """Show the page, without drawing it, and measure the process that serves it."""
    import aiohttp

    pictures = sent_bytes = 0

    async def look(path: str) -> None:
        nonlocal pictures, sent_bytes
        async with await opened_socket(path) as opened:
            async for message in opened:
                if message.type is aiohttp.WSMsgType.BINARY:
                    pictures += 1
                    sent_bytes += len(message.data)
                    await opened.send_str('next')

    async def opened_socket(path: str) -> aiohttp.ClientWebSocketResponse:
        deadline_s = time.monotonic() + START_S
        while True:
            try:
                return await session.ws_connect(url + path, headers=own, max_msg_size=0)
            except aiohttp.WSServerHandshakeError:  # the view has not found the topic yet
                if time.monotonic() > deadline_s:
                    raise
                await asyncio.sleep(0.1)

    own = {'Origin': url}
    async with aiohttp.ClientSession() as session:
        looking = [asyncio.ensure_future(look(path)) for path in paths]
        while pictures < 2 * RATE_HZ:
            await asyncio.sleep(0.1)
        await asyncio.sleep(SETTLED_S)
        begun_s, before, used_s = time.monotonic(), pictures, cpu_s(pid)
        bytes_before = sent_bytes
        await asyncio.sleep(seconds)
        found = figures(begun_s, pictures - before, cpu_s(pid) - used_s)
        found['kB a picture'] = (sent_bytes - bytes_before) / 1000 / max(pictures - before, 1)
        for each in looking:
            each.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
    return found


async def of_truth(url: str, seconds: float) -> dict[str, dict[str, float]]:
    """Rate and median latency of seg_node, as the page is told and as a listener measures."""
    import aiohttp

    rates: list[float] = []
    latencies: list[tuple[float, float]] = []
    own = {'Origin': url}
    with Listener() as listener:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f'{url}/state', headers=own, max_msg_size=0) as state,
        ):
            late_s = time.monotonic() + START_S + seconds
            begun_s = before = 0.0
            while not begun_s or time.monotonic() < begun_s + seconds:
                engines = (await asyncio.wait_for(state.receive_json(), START_S))['engines']
                (engine,) = [each for each in engines if each['engine'] == '/seg'] or [None]
                if time.monotonic() > late_s and not begun_s:
                    raise SystemExit(f'there are too few results of seg_node: {engines}')
                if engine is None or len(listener.latencies_ms) < WINDOW:
                    continue
                if not begun_s:
                    begun_s, before = time.monotonic(), listener.count
                rates.append(engine['rate'])
                heard_ms = statistics.median(listener.latencies_ms)
                latencies += [
                    (stage['median'], heard_ms)
                    for stage in engine['stages']
                    if stage['name'] == 'total'
                ]
            heard_hz = (listener.count - before) / (time.monotonic() - begun_s)
    told_ms, heard_ms = (statistics.median(each) for each in zip(*latencies, strict=True))
    return {
        'the page': {'Hz': statistics.mean(rates), 'ms': told_ms},
        'a listener': {'Hz': heard_hz, 'ms': heard_ms},
    }


class Listener:
    """Counts results of seg_node, and how old they are when they come."""

    def __init__(self) -> None:
        import rclpy
        from jetson_perception.msg import SegmentationSummary

        from jetson_perception.ros.viewing.node_thread import NodeThread

        self.count = 0
        self.latencies_ms: deque[float] = deque(maxlen=WINDOW)
        rclpy.init()
        self._node = rclpy.create_node('listener')
        self._node.create_subscription(
            SegmentationSummary, '/seg/summary', self._hear, 10, raw=True
        )
        self._thread = NodeThread(self._node)

    def _hear(self, message: bytes) -> None:
        # As CDR has it: four bytes of its own, then the stamp, which is the header's first field.
        seconds, nanoseconds = struct.unpack_from('<iI', message, 4)
        self.latencies_ms.append(1000 * (time.time() - seconds - nanoseconds / 1e9))
        self.count += 1

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.close()


def report_cost(found: dict[str, dict[str, float]]) -> bool:
    """Print what the page costs, and whether that is below the bar, which is returned."""
    for what, each in found.items():
        print(
            f'{what}: {each["pictures/s"]:.1f} pictures/s, {each["core"]:.1%} of a core, '
            f'{each["ms a picture"]:.2f} ms a picture'
        )
    base, view = found.values()
    # By the picture, so that a picture that one of them has missed counts for none.
    cost = (view['ms a picture'] - base['ms a picture']) / 1000 * len(STREAMS) * RATE_HZ
    print(f'the page costs {cost:.1%} of a core; the bar is {MOST_CORE:.0%}', flush=True)
    return cost < MOST_CORE


def report_ways(found: dict[str, dict[str, float]]) -> None:
    """Print what files take, and what H.264 does."""
    for what, each in found.items():
        print(
            f'{what}: {each["pictures/s"]:.1f} pictures/s, {each["kB a picture"]:.1f} kB a '
            f'picture, {each["core"]:.1%} of a core, {each["ms a picture"]:.2f} ms a picture'
        )


def report_truth(told: dict[str, dict[str, float]]) -> bool:
    """Print how far the page's figures are from a listener's, and whether that is little."""
    for what, each in told.items():
        print(f'{what}: {each["Hz"]:.2f} Hz, {each["ms"]:.2f} ms')
    page, listener = told.values()
    differences = {unit: page[unit] / listener[unit] - 1 for unit in ('Hz', 'ms')}
    for unit, difference in differences.items():
        print(f'the page differs by {difference:+.1%} in {unit}; the bar is {MOST_DIFFERENCE:.0%}')
    return all(abs(difference) <= MOST_DIFFERENCE for difference in differences.values())


if __name__ == '__main__':
    sys.exit(main())
