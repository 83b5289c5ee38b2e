"""Each fault that loses images, injected for real, names its cause and no other.

A driver and a watcher run as processes of their own, where the fault needs it in namespaces or as
another user, which takes root.
"""

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from jetson_perception.dds.findings import Cause
from jetson_perception.dds.other_domains import undiscovered
from jetson_perception.resources import config_path

pytestmark = pytest.mark.alone

FOLDER = Path(__file__).parent
#: A user that has nothing else.
USER = ['setpriv', '--reuid', '1234', '--regid', '1234', '--clear-groups']


def has_namespaces():
    """Whether this process may make namespaces, which root may not in every container."""
    programs = all(map(shutil.which, ('ip', 'tc', 'unshare', 'nsenter', 'setpriv')))
    return (
        programs and subprocess.run(['unshare', '-m', '-n', 'true'], check=False).returncode == 0
    )


needs_root = pytest.mark.skipif(
    not has_namespaces(), reason='namespaces and users take root, iproute2 and util-linux'
)
#: Long enough for two interpreters to start on a busy machine.
MOST_S = 30.0


def environment(*, profile=False, **variables):
    """That of a user who has set nothing of Fast DDS, or who has our profile."""
    found = {k: v for k, v in os.environ.items() if 'PROFILES_FILE' not in k}
    if profile:
        found['FASTRTPS_DEFAULT_PROFILES_FILE'] = str(config_path('fastdds.xml'))
    return found | {'HOME': found['ROS_LOG_DIR']} | variables


@contextmanager
def running(script, *arguments, place=(), env, **options):
    """A script as a process, in a place that a command line enters."""
    words = [*place, sys.executable, str(FOLDER / script), *map(str, arguments)]
    process = subprocess.Popen(words, env=env, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def driver(*arguments, place=(), **env):
    with running('send_images.py', *arguments, place=place, env=environment(**env)) as process:
        yield process


@contextmanager
def watcher(*arguments, place=(), **env):
    """Gives what the watcher finds, line by line, from when it has subscribed."""
    pipe = {'stdout': subprocess.PIPE, 'text': True}
    with running(
        'watch_images.py', *arguments, place=place, env=environment(**env), **pipe
    ) as process:
        # Fast DDS may write lines of its own, as when two processes look for a free port at once.
        ours = (line for line in process.stdout if line == 'ready\n' or line.startswith('{'))
        assert next(ours, '') == 'ready\n'
        yield ours


def found_by(lines, besides=(Cause.NO_PUBLISHER, Cause.DISCOVERY)):
    """Causes that a watcher found first, and what it said of them.

    Those besides come before the driver is discovered.
    """
    for line in lines:
        found = json.loads(line)
        if not set(besides).issuperset(found['causes']):
            return found['causes'], found['said']
    raise AssertionError('nothing was found')


@contextmanager
def place_of_its_own(size='512m', unshare=('-m',), prepare='true'):
    """Words that enter a place that lasts: a /dev/shm, and what else is not shared."""
    script = f'mount -t tmpfs -o mode=1777,size={size} tmpfs /dev/shm && {prepare} && echo ok'
    words = ['unshare', *unshare, 'sh', '-c', f'{script}; exec sleep 600']
    holder = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == 'ok\n'
        yield ['nsenter', '-t', str(holder.pid), *unshare]
    finally:
        holder.kill()
        holder.communicate()


class TestWithoutRoot:
    def test_the_publishers_segment_is_too_small(self):
        with driver(MOST_S, 30), watcher(MOST_S) as lines:
            causes, said = found_by(lines)
        assert causes == [Cause.SEGMENT_SMALL]
        # Of 2.8 MB, or of what is usual as long as not one image has come.
        assert 'the shared memory of /driver has 549 kB, too little for images of ' in said
        assert 'FASTRTPS_DEFAULT_PROFILES_FILE=' in said

    @pytest.mark.slow
    def test_sockets_are_too_small(self):
        # rmw_fastrtps has transports of its own for LOCALHOST.
        subnet = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET'}
        udp_alone = {'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4', **subnet}
        with driver(MOST_S, 30, **subnet), watcher(MOST_S, **udp_alone) as lines:
            causes, said = found_by(lines)
        assert causes == [Cause.SOCKET_BUFFERS]
        assert 'images come by UDP' in said

    def test_images_are_taken_too_slowly(self):
        with driver(MOST_S, 30, 'width=64'), watcher(MOST_S, 'take_s=0.2') as lines:
            causes, said = found_by(lines)
        assert causes == [Cause.SLOW_TAKING]
        assert 'too busy to take each' in said

    def test_the_publisher_is_silent(self):
        with driver(MOST_S, 30, 'idle'), watcher(MOST_S) as lines:
            causes, said = found_by(lines)
        assert causes == [Cause.SILENT]
        assert '/driver is there, its QoS matches, and it sends nothing' in said

    def test_qos_does_not_match(self):
        with driver(MOST_S, 30, 'idle'), watcher(MOST_S, 'reliable') as lines:
            causes, said = found_by(lines)
        assert causes == [Cause.MISMATCH]
        assert 'QoS does not match' in said

    def test_the_driver_is_in_another_domain(self):
        other = str(int(os.environ['ROS_DOMAIN_ID']) + 1)
        with driver(MOST_S, 30, 'idle', ROS_DOMAIN_ID=other) as process:
            seen = [f'on this host {other} has 1 participant', str(process.pid)]
            while not all(each in str(undiscovered(0)) for each in seen):
                assert process.poll() is None
            with watcher(MOST_S) as lines:
                causes, said = found_by(lines, besides=())
        assert causes == [Cause.DISCOVERY]
        assert 'nobody publishes it; ' in said
        assert 'ROS_DOMAIN_ID' in said


@needs_root
@pytest.mark.slow
class TestInPlaces:
    """What takes namespaces or another user, where a watcher that offers shared memory is lost."""

    @pytest.mark.parametrize(
        ('of_driver', 'of_watcher'),
        [pytest.param([], USER, id='driver_root'), pytest.param(USER, [], id='watcher_root')],
    )
    def test_another_user(self, of_driver, of_watcher):
        with (
            place_of_its_own() as place,
            driver(MOST_S, 30, place=place + of_driver, ROS_LOG_DIR='/tmp'),
            watcher(MOST_S, place=place + of_watcher, ROS_LOG_DIR='/tmp') as lines,
        ):
            causes, said = found_by(lines)
        assert causes == [Cause.OTHER_USER]
        assert 'runs as another user' in said

    def test_another_container(self):
        with (
            place_of_its_own() as one,
            place_of_its_own() as other,
            driver(MOST_S, 30, place=one),
            watcher(MOST_S, place=other) as lines,
        ):
            causes, said = found_by(lines)
        assert causes == [Cause.NOT_SHARED]
        assert '--ipc=host' in said

    def test_small_shared_memory(self):
        with (
            place_of_its_own('64m') as place,
            driver(MOST_S, 30, place=place, profile=True),
            watcher(MOST_S, place=place) as lines,
        ):
            causes, said = found_by(lines)
        assert causes == [Cause.NO_SPACE]
        assert '--shm-size=' in said

    def test_stale_files_fill_shared_memory(self):
        with place_of_its_own('128m') as place:
            with (
                driver(MOST_S, 30, place=place, profile=True),
                watcher(MOST_S, place=place) as lines,
            ):
                for line in lines:
                    if json.loads(line).get('causes') == []:
                        break  # it receives; then the driver is killed
            with (
                driver(MOST_S, 30, place=place, profile=True),
                watcher(MOST_S, place=place) as lines,
            ):
                causes, said = found_by(lines)
        assert causes == [Cause.STALE_FILES]
        assert 'fastdds shm clean' in said

    def test_a_network_that_cannot_carry_the_rate(self):
        ends = [f'jp{name}{os.getpid() % 100000}' for name in 'ab']
        with (
            place_of_its_own(unshare=('-m', '-n')) as one,
            place_of_its_own(unshare=('-m', '-n')) as other,
        ):
            connect(one, other, ends, '40mbit')
            env = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET'}
            # One that waits until the link is free sends less, and loses nothing.
            not_waiting = {
                'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4?sockets_size=4194304&non_blocking=true'
            }
            with (
                driver(MOST_S, 10, place=one, **not_waiting, **env),
                watcher(MOST_S, place=other, **env) as lines,
            ):
                causes, said = found_by(lines)
        assert causes == [Cause.NETWORK]
        assert 'image_transport:=compressed' in said


def connect(one, other, ends, rate):
    """Join two places by a link that carries so much."""

    def run(*words, place=()):
        subprocess.run([*place, *words], check=True)

    pids = [place[2] for place in (one, other)]
    run('ip', 'link', 'add', ends[0], 'netns', pids[0], 'type', 'veth', 'peer', 'name', ends[1],
        'netns', pids[1])  # fmt: skip
    for place, link, address in ((one, ends[0], '10.77.1.1/24'), (other, ends[1], '10.77.1.2/24')):
        for words in (
            ('ip', 'link', 'set', 'lo', 'up'),
            ('ip', 'address', 'add', address, 'dev', link),
            ('ip', 'link', 'set', link, 'up'),
            ('ip', 'route', 'add', '239.0.0.0/8', 'dev', link),
        ):
            run(*words, place=place)
    shaped = f'tc qdisc add dev {ends[0]} root tbf rate {rate} burst 64kb latency 50ms'
    run(*shaped.split(), place=one)
