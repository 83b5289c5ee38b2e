"""What one viewer gets who asks for H.264, by the server's WebSocket."""

import asyncio
import json
import threading
from contextlib import ExitStack, closing

import cv2
import numpy as np
import pytest

from jetson_perception.view import h264, viewer_video
from jetson_perception.view.access import Access
from jetson_perception.view.picture_feeds import PictureFeeds
from jetson_perception.view.robot import Picture
from jetson_perception.view.viewer_video import MOST_VIDEOS

pytest.importorskip('aiohttp')
pytest.importorskip('av', reason='PyAV is not installed: pip install av')

from nodes.browser import Browser
from view.test_h264 import decoded
from view.test_server import DEADLINE_S, Site, StandInRobot

pytestmark = pytest.mark.skipif(
    h264.found_encoder() not in h264.SOFTWARE, reason='H.264 is not encoded on the CPU here'
)


def jpeg(gray, size_wh=(64, 48), stamp_ns=0):
    pixels = np.full((*size_wh[::-1], 3), gray, np.uint8)
    return Picture(cv2.imencode('.jpg', pixels)[1].tobytes(), 'image/jpeg', stamp_ns)


class Robot(StandInRobot):
    """One that shows what it is told to, as the viewer asks for it."""

    def __init__(self):
        super().__init__()
        self.give = lambda picture: None
        self.is_watched = threading.Event()

    def open_pictures(self, topic, give):
        self.give = give
        self.is_watched.set()
        return lambda: None


async def got(pictures, wish='h264'):
    """What a viewer gets of pictures, each given after the one before, and its figures."""
    robot = Robot()
    with PictureFeeds(robot).watching('/annotated', wish) as viewer:
        found = []
        for picture in pictures:
            robot.give(picture)
            found.append(await viewer.next())
            viewer.has_taken()
        return found, viewer.figures()


async def got_at_last(*batches):
    """What a viewer gets first, and its figures: each batch but the last one gives nothing."""
    robot = Robot()
    with PictureFeeds(robot).watching('/annotated', 'h264') as viewer:
        coming = asyncio.ensure_future(viewer.next())
        for pictures in batches[:-1]:
            for picture in pictures:
                robot.give(picture)
                await asyncio.sleep(0.01)
                assert not coming.done()
        while not coming.done():
            robot.give(batches[-1])
            await asyncio.sleep(0.01)
        return coming.result(), viewer.figures()


def kinds(found):
    return [each.content_type.removeprefix('image/') for each in found]


def test_pictures_are_encoded_with_their_stamps():
    found, figures = asyncio.run(got([jpeg(60 * n, stamp_ns=n) for n in range(4)]))
    assert [each.stamp_ns for each in found] == [0, 1, 2, 3]
    assert [each.data[0] for each in found] == [1, 0, 0, 0]
    shown = decoded([each.data for each in found])
    assert [round(each.mean() / 60) for each in shown] == [0, 1, 2, 3]
    assert (figures['encoder'], figures['problem']) == (h264.found_encoder(), '')


@pytest.mark.parametrize('wish', ['', 'automatic', 'no such way', 'H264'])
def test_who_does_not_ask_for_the_processor_to_encode_gets_files(wish):
    pictures = [jpeg(n) for n in range(2)]
    found, figures = asyncio.run(got(pictures, wish))
    assert found == pictures
    assert (figures['encoder'], figures['problem']) == ('', '')


def test_what_is_damaged_is_left_out():
    good = jpeg(9)
    bad = [Picture(good.data[:100], 'image/jpeg'), Picture(b'', 'image/png')]
    found, figures = asyncio.run(got_at_last(bad, good))
    assert found.data[0] == 1
    assert figures['problem'] == ''


def test_another_size_begins_anew():
    found, _ = asyncio.run(got([jpeg(9), jpeg(9), jpeg(9, (99, 77)), jpeg(9, (99, 77))]))
    assert [each.data[0] for each in found] == [1, 0, 1, 0]


def test_sizes_that_alternate_are_sent_as_files():
    """From then on; an encoder is not opened for each picture."""
    sizes = [(64, 48), (48, 64)] * 6
    found, figures = asyncio.run(got([jpeg(9, size) for size in sizes]))
    assert kinds(found) == ['video/h264'] * 6 + ['jpeg'] * 6
    assert 'too often' in figures['problem']


@pytest.mark.parametrize('size_wh', [(8, 8), (4200, 20)])
def test_sizes_that_browsers_do_not_take(size_wh):
    found, figures = asyncio.run(got([jpeg(9, size_wh)] * 2))
    assert kinds(found) == ['jpeg'] * 2
    assert 'pixels' in figures['problem']


def test_no_encoder(monkeypatch):
    monkeypatch.setattr(viewer_video, 'found_encoder', lambda: '')
    found, figures = asyncio.run(got([jpeg(9)] * 2))
    assert kinds(found) == ['jpeg'] * 2
    assert 'pip install av' in figures['problem']


def test_an_encoder_that_fails_later(monkeypatch):
    """The picture that it failed for is not lost."""
    encode = h264.H264Encoder.encode

    def fail_at_the_third(self, bgr, stamp_ns):
        if stamp_ns == 2:
            raise h264.EncodingError('it is gone')
        return encode(self, bgr, stamp_ns)

    monkeypatch.setattr(h264.H264Encoder, 'encode', fail_at_the_third)
    found, figures = asyncio.run(got([jpeg(9, stamp_ns=n) for n in range(4)]))
    assert kinds(found) == ['video/h264'] * 2 + ['jpeg'] * 2
    assert [each.stamp_ns for each in found] == [0, 1, 2, 3]
    assert (figures['encoder'], figures['problem']) == ('', 'it is gone')


def test_an_encoder_that_holds_everything_back(monkeypatch):
    monkeypatch.setattr(h264.H264Encoder, 'encode', lambda *_: [])
    found, figures = asyncio.run(got_at_last(jpeg(9)))
    assert found == jpeg(9)
    assert 'nothing' in figures['problem']


def test_so_many_get_it_and_who_comes_later_gets_files():
    """Of those whose streams have pictures; who leaves makes room."""

    async def problems(robot, feeds, stack, count):
        viewers = [stack.enter_context(feeds.watching('/annotated', 'h264')) for _ in range(count)]
        robot.give(jpeg(9))
        await asyncio.gather(*(each.next() for each in viewers))
        return [bool(each.figures()['problem']) for each in viewers]

    async def told():
        robot = Robot()
        feeds = PictureFeeds(robot)
        with ExitStack() as stack:
            for _ in range(MOST_VIDEOS):
                stack.enter_context(feeds.watching('/quiet', 'h264'))
            at_once = await problems(robot, feeds, stack, MOST_VIDEOS + 1)
        with ExitStack() as stack:
            return at_once, await problems(robot, feeds, stack, 1)

    at_once, later = asyncio.run(told())
    assert sorted(at_once) == [False] * MOST_VIDEOS + [True]
    assert later == [False]


def test_a_page_gets_it_by_its_socket():
    """Pictures that come faster than it takes them are skipped before they are encoded."""
    with closing(Site(Access())) as site, closing(Browser(site.url)) as browser:
        robot = Robot()
        site.robot.open_pictures = robot.open_pictures
        socket = browser.socket('/pictures?topic=/annotated&video=h264')
        assert robot.is_watched.wait(DEADLINE_S)

        async def looked():
            taken = []
            for number in range(6):
                for gray in (0, 40 * number):  # the second one replaces the first, or follows it
                    site.loop.call_soon_threadsafe(robot.give, jpeg(gray))
                while len(taken) <= number:
                    taken.append((await socket.receive()).data)
                    await socket.send_str('next')
            await socket.send_str('figures')
            while isinstance(told := (await socket.receive()).data, bytes):
                taken.append(told)
            return taken, json.loads(told)

        taken, figures = browser.run(looked())
        assert figures['encoder'] == h264.found_encoder()
        assert len(decoded(taken)) == len(taken) == figures['sent']
        browser.run(socket.close())
