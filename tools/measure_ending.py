#!/usr/bin/env python3
"""Measure how long seg_node takes to end after a SIGINT while images flow.

    source tools/env.sh && python tools/measure_ending.py --count 1000

Two cameras send images of 640×480: one has the shared memory of our profile, the other offers UDP
alone. Nodes are started on either in turn, several at once, and get a SIGINT at a random moment:
while Python starts or imports, while the model opens, or in the midst of images. Prints the times
from the signal to the end of the process, by transport and by stage. The exit code is 1 if one
took longer than `--limit`, or ended with another code than 0.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'tools')]

from measure_memory import tiny_model  # noqa: E402

from jetson_perception.bringup import NodeProcess  # noqa: E402
from jetson_perception.printable import counted  # noqa: E402
from jetson_perception.resources import config_path  # noqa: E402
from jetson_perception.ros.processes import RunningProcess  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DRIVER = ROOT / 'tools' / 'transport' / 'programs' / 'cameras_driver.py'
#: What makes a camera's images go each way.
SENDERS = {
    'shared memory': {'FASTRTPS_DEFAULT_PROFILES_FILE': str(config_path('fastdds.xml'))},
    'UDP': {'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4?sockets_size=4194304&non_blocking=true'},
}
FLOWING, STARTING = 'images flow', 'starting'
ANSWER_S, END_S = 60.0, 30.0


@dataclass(frozen=True)
class End:
    """How one process ended.

    Attributes
    ----------
    transport, stage : str
        How it got its images, and what it was doing.
    seconds : float
        From the signal until the process was gone; `END_S` if it had to be killed.
    code : int
        Exit code.
    said : str
        The end of its log, where it did not end as it should.
    """

    transport: str
    stage: str
    seconds: float
    code: int
    said: str = ''


def main() -> int:
    """Print the figures. Returns the exit code."""
    arguments = parse_arguments()
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    # With LOCALHOST, rmw_fastrtps would choose the transports of the cameras.
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'SUBNET'
    ends: list[End] = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        os.environ['ROS_LOG_DIR'] = str(folder / 'ros')
        model = tiny_model(folder / 'tiny.onnx')
        for transport in SENDERS:
            stack.enter_context(camera(transport, arguments.rate, folder))
        pool = stack.enter_context(ThreadPoolExecutor(arguments.at_once))
        given = {'starting': arguments.starting, 'limit_s': arguments.limit}
        make = partial(interrupted, model=model, folder=folder, **given)
        for end in pool.map(make, range(arguments.count)):
            ends.append(end)
            if len(ends) % 50 == 0:
                slowest_s = max(each.seconds for each in ends)
                print(f'{len(ends)} ended, the slowest after {slowest_s:.2f} s', flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(each) for each in ends]) + '\n')
    return report(ends, arguments.limit)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--count', type=int, default=1000, help='how many signals (1000)')
    parser.add_argument('--at-once', type=int, default=2, help='nodes at the same time (2)')
    parser.add_argument('--rate', type=float, default=30.0, help='images per second (30)')
    parser.add_argument(
        '--starting', type=float, default=0.25, metavar='SHARE',
        help='share that is interrupted before the first answer (0.25)',
    )  # fmt: skip
    parser.add_argument('--limit', type=float, default=3.0, metavar='SECONDS')
    parser.add_argument('--seed', type=int, default=1, help='of the moments (1)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write all ends here')
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    return arguments


@contextmanager
def camera(transport: str, rate: float, folder: Path) -> Iterator[None]:
    """A driver that sends by this transport until the block ends."""
    command = [sys.executable, str(DRIVER), '/dev/null', topic_of(transport), '--rate', str(rate)]
    with subprocess.Popen(command, env={**os.environ, **SENDERS[transport]}) as driver:
        try:
            yield
        finally:
            driver.terminate()


def topic_of(transport: str) -> str:
    """Where the images of a transport are."""
    return f'/{transport.lower().replace(" ", "_")}/image'


def interrupted(index: int, model: Path, folder: Path, starting: float, limit_s: float) -> End:
    """Start a node, send it a SIGINT at a random moment, and see how it ends."""
    transport = list(SENDERS)[index % len(SENDERS)]
    process = NodeProcess(
        'seg_node',
        name=f'seg_node_{index}',
        parameters={'model': str(model), 'threads': 1},
        remappings={'image': topic_of(transport)},
    )
    node = RunningProcess(process, folder / f'{index}.log')
    stage = STARTING if random.random() < starting else FLOWING
    if stage == STARTING:
        # Before that, it may be the fork of this process.
        time.sleep(random.uniform(0.1, 3.0))
    else:
        wait_for_answer(node)
        time.sleep(random.uniform(0.0, 1.0))
    begun = time.monotonic()
    code = node.end(END_S)
    seconds = time.monotonic() - begun
    lines = node.log.read_text(errors='replace').splitlines()
    node.log.unlink()
    is_bad = code or seconds > limit_s
    return End(transport, stage, seconds, code, '\n'.join(lines[-5:]) if is_bad else '')


def wait_for_answer(node: RunningProcess) -> None:
    """Return once the node has answered an image."""
    deadline = time.monotonic() + ANSWER_S
    while 'first answer after' not in node.log.read_text(errors='replace'):
        node.check()
        if time.monotonic() > deadline:
            raise SystemExit(f'no answer within {ANSWER_S:.0f} s:\n{node.log.read_text()}')
        time.sleep(0.02)


def report(ends: Sequence[End], limit_s: float) -> int:
    """Print the times by transport and stage. Returns the exit code."""
    print('| images come by | stage | signals | median | 99 % | slowest |')
    print('| --- | --- | ---: | ---: | ---: | ---: |')
    for transport in SENDERS:
        for stage in (FLOWING, STARTING):
            found = [each for each in ends if (each.transport, each.stage) == (transport, stage)]
            seconds = sorted(each.seconds for each in found)
            if seconds:
                middle, late = (seconds[int(len(seconds) * share)] for share in (0.5, 0.99))
                print(
                    f'| {transport} | {stage} | {len(seconds)} | {middle:.2f} s | {late:.2f} s '
                    f'| {seconds[-1]:.2f} s |'
                )
    bad = [each for each in ends if each.code or each.seconds > limit_s]
    for each in bad:
        print(f'{each.transport}, {each.stage}: {each.seconds:.2f} s, exit code {each.code}')
        print(each.said)
    print(
        f'{"bad" if bad else "good"}: {counted(len(ends), "signal")}, the slowest end after '
        f'{max(each.seconds for each in ends):.2f} s; {len(bad)} over {limit_s:g} s or with an '
        'exit code'
    )
    return int(bool(bad))


if __name__ == '__main__':
    sys.exit(main())
