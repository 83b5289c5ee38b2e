"""Recordings of a stand-in for a robot, on disks as they come."""

import asyncio
import json
import shutil
import threading
import time
from contextlib import suppress

import cv2
import numpy as np
import pytest
from small_disk import file_size_limit, small_disk

from jetson_perception.commands import recording as video_file
from jetson_perception.commands.video_codecs import CODECS
from jetson_perception.errors import ParameterError
from jetson_perception.files import dated_folders
from jetson_perception.view import recording
from jetson_perception.view.picture_feeds import PictureFeeds
from jetson_perception.view.recorder import Recorder
from jetson_perception.view.robot import Picture
from jetson_perception.view.stream_video import StreamVideo, video_names

DEADLINE_S = 20.0
TOPICS = ['/a/annotated', '/b/annotated']


def picture(value=0, size_wh=(64, 48), stamp_ns=0):
    pixels = np.full((size_wh[1], size_wh[0], 3), value, np.uint8)
    return Picture(cv2.imencode('.jpg', pixels)[1].tobytes(), 'image/jpeg', stamp_ns)


class StandInRobot:
    """A `view.robot.Robot` whose pictures and results the test gives."""

    def __init__(self):
        self.topics = TOPICS
        self.give = {}
        self.give_result = None

    async def picture_topics(self):
        return self.topics

    def open_pictures(self, topic, give):
        self.give[topic] = give
        return lambda: self.give.pop(topic)

    def open_results(self, give):
        self.give_result = give
        return lambda: setattr(self, 'give_result', None)


async def until(predicate):
    deadline_s = time.monotonic() + DEADLINE_S
    while not predicate():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.005)


class Site:
    """A recorder in front of a robot."""

    def __init__(self, folder):
        self.folder = folder
        self.robot = StandInRobot()
        self.added = 0
        self.recorder = Recorder(folder, PictureFeeds(self.robot), self.robot)

    async def start(self, *topics):
        await self.recorder.start(list(topics))
        await until(lambda: set(topics) <= set(self.robot.give))
        return self.folder / self.recorder.state()['name']

    async def ended(self):
        await until(lambda: not self.recorder.state()['is_running'])
        return self.recorder.state()['problem']


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a test's coroutine function, of a site, in a loop."""
    add = StreamVideo.add

    def run_it(coroutine, folder=tmp_path):
        async def made():
            site = Site(folder)

            def added(*args):
                add(*args)
                site.added += 1

            monkeypatch.setattr(StreamVideo, 'add', added)
            try:
                return await asyncio.wait_for(coroutine(site), DEADLINE_S)
            finally:
                await site.recorder.stop()

        return asyncio.run(made())

    return run_it


def lines(folder):
    return [json.loads(line) for line in (folder / 'results.jsonl').read_text().splitlines()]


def values(path):
    """How bright each frame of a video is."""
    capture = cv2.VideoCapture(str(path))
    found = []
    while (got := capture.read())[0]:
        found.append(round(float(got[1].mean())))
    return found


async def give_all(site, topic, pictures):
    """Give each picture once the one before is written."""
    for each in pictures:
        count = site.added
        site.robot.give[topic](each)
        await until(lambda: site.added > count)  # noqa: B023 - which is called before the next one


class TestRefused:
    def test_without_a_folder(self, run):
        async def attempt(site):
            with pytest.raises(ParameterError, match='recording is off; start the view with'):
                await site.recorder.start(TOPICS)
            assert site.recorder.state() == {'is_on': False}

        run(attempt, None)

    @pytest.mark.parametrize('topic', ['', '/none', '../../etc/passwd', '\ud800', '\0'])
    def test_what_is_no_stream(self, run, tmp_path, topic):
        async def attempt(site):
            with pytest.raises(ParameterError, match='there is no stream'):
                await site.recorder.start([TOPICS[0], topic])

        run(attempt)
        assert not list(tmp_path.iterdir())

    def test_two_at_once(self, run, tmp_path):
        async def attempt(site):
            both = (site.recorder.start(TOPICS), site.recorder.start(TOPICS))
            outcomes = await asyncio.gather(*both, return_exceptions=True)
            assert [str(each) for each in outcomes if each] == ['a recording runs already']

        run(attempt)
        assert len(list(tmp_path.iterdir())) == 1

    def test_an_end_while_one_begins(self, run, monkeypatch):
        has_begun, going_on = threading.Event(), threading.Event()
        new_folder = recording._new_folder

        def slow_folder(parent):
            has_begun.set()
            going_on.wait(DEADLINE_S)
            return new_folder(parent)

        monkeypatch.setattr(recording, '_new_folder', slow_folder)

        async def attempt(site):
            starting = asyncio.ensure_future(site.recorder.start(TOPICS))
            await until(has_begun.is_set)
            stopping = asyncio.ensure_future(site.recorder.stop())
            await asyncio.sleep(0)
            going_on.set()
            await asyncio.gather(starting, stopping)
            assert not site.recorder.state()['is_running']

        run(attempt)

    def test_a_folder_that_is_gone(self, run, tmp_path):
        async def attempt(site):
            with pytest.raises(ParameterError, match=r'gone.*cannot be written: No such file'):
                await site.recorder.start(TOPICS)

        run(attempt, tmp_path / 'gone')

    def test_a_full_disk(self, run, tmp_path):
        async def attempt(site):
            with pytest.raises(ParameterError, match='is full: it has 1 MB left'):
                await site.recorder.start(TOPICS)

        with small_disk(tmp_path, 1) as folder:
            run(attempt, folder)


def test_names_stay_apart_and_in_the_folder():
    long = f'/{"x" * 200}/annotated'
    names = video_names(['/a/b/annotated', '/a_b/annotated', '/../etc', long])
    assert list(names.values())[:3] == ['a_b_annotated', 'a_b_annotated_2', '___etc']
    assert len(names[long]) == 100


class TestRecording:
    def test_pictures_and_results(self, run):
        """Of the streams that were chosen, with the stamps by which they belong together."""

        async def record(site):
            folder = await site.start(TOPICS[0])
            assert list(site.robot.give) == [TOPICS[0]]
            pictures = [picture(10 * i, stamp_ns=1000 + i) for i in range(15)]
            left_out = Picture(b'damaged', 'image/jpeg'), picture(0, (1, 1))
            await give_all(site, TOPICS[0], [*left_out, *pictures])
            site.robot.give_result(lambda: {'topic': '/det/detections', 'detections': []})
            site.robot.give_result(lambda: None)  # which could not be read
            await site.recorder.stop()
            assert site.robot.give_result is None
            return folder, site.recorder.state()

        folder, state = run(record)
        (video,) = folder.glob('a_annotated.*')
        assert values(video) == pytest.approx([10 * i for i in range(15)], abs=6)
        records = lines(folder)
        frames = [each for each in records if 'frame' in each]
        assert [(each['frame'], each['stamp_ns']) for each in frames] == [
            (i, 1000 + i) for i in range(15)
        ]
        assert {each['annotated'] for each in frames} == {video.name}
        times = [each['time_s'] for each in frames]
        assert times == sorted(times)
        (result,) = (each for each in records if each not in frames)
        assert result == {
            'time_s': result['time_s'],
            'topic': '/det/detections',
            'detections': [],
        }
        assert (state['is_running'], state['problem'], state['skipped']) == (False, '', 0)
        assert state['bytes'] == sum(each.stat().st_size for each in folder.iterdir())

    def test_one_picture_and_none(self, run):
        async def record(site):
            folder = await site.start(*TOPICS)
            await give_all(site, TOPICS[1], [picture(90)])
            await site.recorder.stop()
            return folder

        folder = run(record)
        (video,) = (each for each in folder.iterdir() if each.suffix != '.jsonl')
        assert video.stem == 'b_annotated'
        assert values(video) == pytest.approx([90], abs=3)

    def test_another_size_begins_another_video(self, run):
        async def record(site):
            folder = await site.start(TOPICS[0])
            sizes = [(64, 48)] * 6 + [(32, 24)] * 6
            await give_all(site, TOPICS[0], [picture(i, size) for i, size in enumerate(sizes)])
            await site.recorder.stop()
            return folder

        folder = run(record)
        names = {each.stem: each for each in folder.iterdir()}
        assert set(names) == {'results', 'a_annotated', 'a_annotated-2'}
        assert len(values(names['a_annotated'])) == len(values(names['a_annotated-2'])) == 6

    def test_another_video_is_none_of_another_stream(self, run):
        topics = ['/camera', '/camera_2']

        async def record(site):
            site.robot.topics = topics
            folder = await site.start(*topics)
            await give_all(site, topics[1], [picture(90)] * 12)
            sizes = [(64, 48)] * 10 + [(32, 24)] * 2
            await give_all(site, topics[0], [picture(9, size) for size in sizes])
            await site.recorder.stop()
            return folder

        names = {each.stem: each for each in run(record).iterdir()}
        counts = {name: len(values(path)) for name, path in names.items() if name != 'results'}
        assert counts == {'camera': 10, 'camera-2': 2, 'camera_2': 12}

    def test_two_cameras_on_one_topic_end_it(self, run):
        async def record(site):
            await site.start(TOPICS[0])
            for i in range(200):
                with suppress(KeyError):
                    site.robot.give[TOPICS[0]](picture(0, [(64, 48), (32, 24)][i % 2]))
                await asyncio.sleep(0.002)
            return await site.ended()

        assert 'changed their size 20 times' in run(record)

    def test_what_is_there_is_never_written_to(self, run, tmp_path, monkeypatch):
        monkeypatch.setattr(dated_folders.time, 'strftime', lambda *_: 'now')
        (tmp_path / 'now').symlink_to(tmp_path / 'elsewhere')

        async def record(site):
            folders = []
            for _ in range(2):
                folders.append(await site.start(TOPICS[0]))
                await site.recorder.stop()
            return [each.name for each in folders]

        assert run(record) == ['now_2', 'now_3']
        assert not (tmp_path / 'elsewhere').exists()

    @pytest.mark.parametrize('codec', ['mp4v', 'MJPG'])
    def test_an_encoder_without_times_plays_at_the_rate_that_was_seen(
        self, run, monkeypatch, codec
    ):
        alone = tuple(each for each in CODECS if each.name == codec)
        monkeypatch.setattr(video_file, 'CODECS', alone)

        async def record(site):
            folder = await site.start(TOPICS[0])
            for i in range(12):
                site.robot.give[TOPICS[0]](picture(i))
                await asyncio.sleep(0.04)
            await site.recorder.stop()
            return folder

        (video,) = run(record).glob('a_annotated.*')
        assert cv2.VideoCapture(str(video)).get(cv2.CAP_PROP_FPS) == pytest.approx(24, rel=0.3)

    def test_a_slow_encoder_skips_pictures_and_holds_nobody_up(self, run, monkeypatch):
        going_on = threading.Event()
        write = video_file.VideoFile.write

        def slow_write(*args):
            going_on.wait(DEADLINE_S)
            write(*args)

        monkeypatch.setattr(video_file.VideoFile, 'write', slow_write)

        async def record(site):
            await site.start(TOPICS[0])
            await give_all(site, TOPICS[0], [picture(i) for i in range(9)])
            for i in range(12):
                site.robot.give[TOPICS[0]](picture(i))
                await asyncio.sleep(0.001)
            going_on.set()
            await site.recorder.stop()
            return site.recorder.state()['skipped']

        assert run(record) >= 8


class TestDisk:
    @staticmethod
    async def record_until_it_ends(site):
        folder = await site.start(TOPICS[0])
        noise = np.random.default_rng(1).integers(0, 255, (720, 1280, 3), np.uint8)
        pictures = [
            Picture(cv2.imencode('.jpg', np.roll(noise, i, 1))[1].tobytes(), 'image/jpeg')
            for i in range(10)
        ]
        number = 0
        while site.recorder.state()['is_running']:
            with suppress(KeyError):  # it has ended meanwhile
                site.robot.give[TOPICS[0]](pictures[number % 10])
            number += 1
            await asyncio.sleep(0.02)
        return folder, site.recorder.state()['problem']

    def test_one_that_becomes_full(self, run, tmp_path, monkeypatch):
        """What was recorded can be played, and some room is left to others."""
        monkeypatch.setattr(recording, 'LEAST_FREE_BYTES', 5 << 20)
        with small_disk(tmp_path, 6) as disk:
            folder, problem = run(self.record_until_it_ends, disk)
            assert 'is full: it has ' in problem
            assert problem.endswith('what was recorded is kept')
            assert shutil.disk_usage(disk).free > 1 << 20
            (video,) = folder.glob('a_annotated.*')
            assert len(values(video)) == sum('frame' in each for each in lines(folder)) > 5

    def test_a_quota(self, run):
        with file_size_limit(300_000):
            _, problem = run(self.record_until_it_ends)
        assert 'writing ended after' in problem or 'cannot be written' in problem

    def test_results_that_cannot_be_written(self, run):
        async def record(site):
            folder = await site.start(TOPICS[0])
            while site.recorder.state()['is_running']:
                if give := site.robot.give_result:
                    give(lambda: {'x': 'y' * 200})
                await asyncio.sleep(0.001)
            return folder, site.recorder.state()['problem']

        with file_size_limit(10_000):
            folder, problem = run(record)
        assert 'results.jsonl cannot be written: File too large' in problem
        assert len(lines(folder)) > 10  # all of which are whole
