"""A ROS domain of its own for every test process, set before anything imports rclpy."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import gc
import importlib.util
import os
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent

# A plain `pip install pytest …` and a checkout are enough for the library's tests.
for _name, _folder in (
    ('jetson_perception', ROOT),
    ('jetson_perception_scenes', ROOT / 'scenes'),
):
    if importlib.util.find_spec(_name) is None:
        sys.path.insert(0, str(_folder))

# Where the environment forbids it, as in many a container, each of hundreds of processes would
# compile what it imports, and pytest all tests at each run.
sys.dont_write_bytecode = False
os.environ.pop('PYTHONDONTWRITEBYTECODE', None)

HAS_ROS = importlib.util.find_spec('rclpy') is not None
NEEDS_ROS = ('ros', 'nodes')
#: Folders whose files take longest, as their tests start processes.
LONG = ('nodes', 'ros')
collect_ignore = [] if HAS_ROS else list(NEEDS_ROS)

# Domains whose UDP ports stay below Linux's ephemeral ones.
DOMAIN_IDS = range(1, 102)
_domain_lock: IO[bytes] | None = None
#: The lock that a test holds while it runs, see `pytest_runtest_protocol`.
_machine: IO[str] | None = None


def claim_domain_id() -> tuple[int, IO[bytes]]:
    """A domain id that no other test process of this machine has, and the lock on it."""
    first = os.getpid() % len(DOMAIN_IDS)
    for domain_id in [*DOMAIN_IDS[first:], *DOMAIN_IDS[:first]]:
        path = Path(tempfile.gettempdir(), f'ros_domain_{domain_id}.lock')
        if not path.exists():
            path.touch()
        lock = path.open('rb')
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return domain_id, lock
    locks = f'{tempfile.gettempdir()}/ros_domain_*.lock'
    raise pytest.UsageError(
        f'every ROS domain id from {DOMAIN_IDS[0]} to {DOMAIN_IDS[-1]} is taken by another test '
        f'process ({locks}); wait for some of them to end'
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        '--slice',
        type=slice_of,
        metavar='I/N',
        help='run every Nth of the tests that are chosen otherwise, from the Ith on',
    )


def slice_of(text: str) -> tuple[int, int]:
    """I and N of a text as 1/4."""
    index, _, count = text.partition('/')
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise argparse.ArgumentTypeError(f'{text} is no slice; expected I/N, 1/N to N/N')
    return int(index), int(count)


@pytest.hookimpl(trylast=True)  # after -m and -k
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if 'PYTEST_XDIST_WORKER' in os.environ:
        put_in_turn(items)
    wanted = config.getoption('slice')
    if wanted is not None:
        index, count = wanted
        chosen = items[index - 1 :: count]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


def put_in_turn(items: list[pytest.Item]) -> None:
    """Sort files for processes that share them: what takes long comes first, so that all end soon.

    Files with tests that are `alone` come last: such a test waits until the others end theirs, and
    lets them wait, which costs least when they have nothing else to do.
    """
    alone = {item.path for item in items if is_alone(item)}
    beside = {item.path for item in items if not is_alone(item)}

    def turn(item: pytest.Item) -> tuple[bool, bool, int]:
        folders = item.nodeid.partition('::')[0].split('/')[:-1]
        takes = next((i for i, name in enumerate(LONG) if name in folders), len(LONG))
        return item.path in alone, item.path not in beside, takes

    items.sort(key=turn)  # tests of one file stay as they are


def is_alone(item: pytest.Item) -> bool:
    """Whether nothing may run beside it."""
    return item.get_closest_marker('alone') is not None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[object]:
    """Let a test that is marked `alone` have the machine to itself, with those that run beside it.

    All tests hold one lock, shared but for such a test; who wants it takes the turnstile first, so
    that a test that waits to be alone is not passed by others for ever. Such tests in a row keep
    it, as what fixtures of their file have started runs on between them.
    """
    global _machine
    if 'PYTEST_XDIST_WORKER' not in os.environ:
        return (yield)
    alone = is_alone(item)
    if _machine is None:
        locks = item.config.cache.mkdir('machine')
        _machine = (locks / 'machine').open('w')
        with (locks / 'turnstile').open('w') as turnstile:
            fcntl.flock(turnstile, fcntl.LOCK_EX)
            fcntl.flock(_machine, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
    try:
        return (yield)
    finally:
        in_a_row = alone and nextitem is not None and is_alone(nextitem)
        if not in_a_row or nextitem.path != item.path:
            _machine.close()
            _machine = None


def pytest_itemcollected(item: pytest.Item) -> None:
    folder = ROOT / 'test'
    if item.path.is_relative_to(folder) and item.path.relative_to(folder).parts[0] in NEEDS_ROS:
        item.add_marker('ros')


def pytest_configure() -> None:
    global _domain_lock
    if not HAS_ROS:
        return
    if importlib.util.find_spec('jetson_perception.msg') is None:
        raise pytest.UsageError(
            'ROS is here, but not the messages of jetson_perception: run `make setup`, then '
            '`source tools/env.sh`'
        )
    # A camera driver that loses no image: what exceeds Fast DDS's own segment of 512 kB is sent in
    # pieces, and on a busy machine each image may lose one. Nodes that tests start have none.
    from jetson_perception.dds.fast_dds import PROFILE_VARIABLES
    from jetson_perception.process.allocator import keep_memory
    from jetson_perception.resources import config_path

    keep_memory()
    os.environ.update(dict.fromkeys(PROFILE_VARIABLES, str(config_path('fastdds.xml'))))
    domain_id, _domain_lock = claim_domain_id()
    os.environ['ROS_DOMAIN_ID'] = str(domain_id)
    if os.environ.get('ROS_DISTRO') == 'humble':
        os.environ['ROS_LOCALHOST_ONLY'] = '1'
    else:
        os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ['ROS_LOG_DIR'] = tempfile.mkdtemp(prefix='jetson_perception_test_log_')


def pytest_collection_finish() -> None:
    """Exclude existing objects from `gc.collect`, which runs after thousands of tests."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    if HAS_ROS:
        shutil.rmtree(os.environ['ROS_LOG_DIR'], ignore_errors=True)
    if _domain_lock is not None:
        _domain_lock.close()


#: Participants that no collection took away.
_left = 1


@pytest.fixture(autouse=True)
def let_go_of_participants():
    """Destroyed nodes go when nothing refers to them any more, and be it themselves.

    Until then they take part in discovery. The more do, the likelier is a deadlock that was seen
    in Fast DDS 2.14: of a participant that is removed while others are told of one another.
    """
    yield
    global _left
    # Those that a fixture of a whole file holds stay; collecting after each test takes minutes.
    if not HAS_ROS:
        return
    if _participants() > _left:
        gc.collect()
    _left = max(_participants(), 1)


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What systemd hears, through a socket as its own."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / 'notify'))
        listener.setblocking(False)
        monkeypatch.setenv('NOTIFY_SOCKET', str(tmp_path / 'notify'))
        yield listener


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, also where whoever started the tests has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _participants() -> int:
    """DDS participants of this process, by their event threads."""
    names = (Path(each, 'comm') for each in Path('/proc/self/task').iterdir())
    count = 0
    for name in names:
        with contextlib.suppress(OSError):  # a thread that has just ended
            count += name.read_text().startswith('dds.ev')
    return count


def pytest_report_header() -> str:
    if not HAS_ROS:
        return 'ROS: none here, so the tests of nodes and messages are left out'
    return f'ROS: {os.environ.get("ROS_DISTRO")}, domain {os.environ["ROS_DOMAIN_ID"]}'
