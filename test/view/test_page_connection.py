"""What the page does in a real browser when its connection is gone, or may not be made."""

import time
from contextlib import closing

import cv2
import numpy as np
import pytest

from jetson_perception.view import seats
from jetson_perception.view.access import Access
from jetson_perception.view.robot import Picture

pytest.importorskip('aiohttp')

from nodes.chromium import Chromium, found_chromium
from view.cut_link import CutLink
from view.test_page_settings import wait_until
from view.test_server import DEADLINE_S, Site, StandInRobot

pytestmark = pytest.mark.skipif(
    found_chromium() is None, reason='there is no Chromium: `sudo apt install chromium`'
)

CONNECTION = 'document.getElementById("connection").innerText'
#: Silence of twelve seconds is one of two.
IMPATIENT = """const real = setTimeout;
    window.setTimeout = (call, ms, ...rest) => real(call, ms === 12000 ? 2000 : ms, ...rest);"""


class Robot(StandInRobot):
    """One whose state changes all the time, with one stream; `give` are its viewers."""

    def __init__(self):
        super().__init__()
        self.number = 0
        self.give = []
        self.answered.set()

    def state(self):
        self.number += 1
        lists = dict.fromkeys(('detections', 'engines', 'areas', 'diagnostics'), ())
        return self.number, {'streams': ['/annotated'], 'settings': 0, **lists}

    def open_pictures(self, topic, give):
        self.give.append(give)
        return lambda: self.give.remove(give)

    def show(self, gray, size_wh=(64, 48)):
        """Give all viewers a picture."""
        pixels = np.full((*size_wh[::-1], 3), gray, np.uint8)
        data = cv2.imencode('.png', pixels)[1].tobytes()
        for give in list(self.give):
            give(Picture(data, 'image/png'))


class RobotSite(Site):
    @staticmethod
    def made_robot():
        return Robot()


@pytest.fixture(scope='module')
def chromium(tmp_path_factory):
    with closing(Chromium(tmp_path_factory.mktemp('chromium'))) as made:
        yield made


@pytest.fixture
def site():
    with closing(RobotSite(Access())) as made:
        yield made


@pytest.fixture
def link(site):
    """Between the browser and the server."""
    made = CutLink(site.port)
    site.run(made.open())
    yield made
    site.run(made.close())


GRAY = 'document.querySelector("canvas").getContext("2d").getImageData(0, 0, 1, 1).data[0]'


def test_a_link_that_is_gone_is_seen_and_used_again_when_it_is_back(chromium, site, link):
    """Nothing tells the browser: neither the state nor pictures come, for ever."""
    with closing(chromium.page('about:blank')) as page:
        page.send('Page.addScriptToEvaluateOnNewDocument', source=IMPATIENT)
        page.send('Page.navigate', url=f'http://127.0.0.1:{link.port}/')
        page.wait_for(f'{CONNECTION} === "connected"')
        site.run(link.cut())
        page.wait_for(f'{CONNECTION}.includes("cannot be reached")')
        site.run(link.mend())
        page.wait_for(f'{CONNECTION} === "connected"')
        deadline_s = time.monotonic() + DEADLINE_S
        while page.value(GRAY) != 50:
            assert time.monotonic() < deadline_s
            site.robot.show(50)


#: The first picture takes longer to read than those after it, until `release()`.
SLOW_FIRST = """(() => {
    const real = window.createImageBitmap;
    window.read = 0;
    const released = new Promise((done) => { window.release = done; });
    window.createImageBitmap = async (blob) => {
      const number = ++read;
      const picture = await real(blob);
      if (number === 1) await released;
      return picture;
    };
})()"""
WIDTH = 'document.querySelector("canvas").width'


@pytest.fixture
def page(chromium, site):
    """One that watches the stream."""
    with closing(chromium.page(site.url)) as made:
        made.wait_for(f'{CONNECTION} === "connected"')
        wait_until(lambda: site.robot.give)
        yield made


def test_pictures_are_shown_in_the_order_in_which_they_came(site, page):
    page.value(SLOW_FIRST)
    for number, size_wh in enumerate([(640, 480), (32, 24)], 1):
        site.robot.show(100, size_wh)
        page.wait_for(f'read === {number}')
    page.value('new Promise((done) => setTimeout(done, 100))')  # as long as the second may take
    page.value('release()')
    page.wait_for(f'{WIDTH} === 32')
    page.value('new Promise((done) => setTimeout(done, 100))')
    assert page.value(WIDTH) == 32


def test_a_paused_stream_shows_nothing_that_was_under_way(site, page):
    page.value(SLOW_FIRST)
    before = page.value(WIDTH)
    site.robot.show(100, (640, 480))
    page.wait_for('read === 1')
    page.value('document.querySelector("figure button").click()')
    page.value('release()')
    page.value('new Promise((done) => setTimeout(done, 100))')
    assert page.value(WIDTH) == before


def test_mjpeg_shows_each_picture_at_once(site, page):
    page.value("""(() => {
        window.image = new Image();
        image.src = '/mjpeg?topic=/annotated';
        document.body.append(image);
    })()""")
    shown = """(() => {
        if (!image.naturalWidth) return null;
        const copy = new OffscreenCanvas(1, 1).getContext('2d');
        copy.drawImage(image, 0, 0);
        return copy.getImageData(0, 0, 1, 1).data[0];
    })()"""
    deadline_s = time.monotonic() + DEADLINE_S
    while page.value(shown) != 50:  # until it is there
        assert time.monotonic() < deadline_s
        site.robot.show(50)
    site.robot.show(120)
    page.wait_for(f'{shown} === 120')


TOKEN = 'a token of enough characters'


def log_in(page, url, token=TOKEN):
    """Give the token; the page says that it is connected."""
    page.send('Page.navigate', url=f'{url}/')
    page.wait_for('location.pathname === "/login" && !!document.querySelector("#token")')
    page.tab_to('it.id === "token"')
    page.type(token)
    page.press('Enter')
    page.wait_for(f'{CONNECTION} === "connected"')


def test_a_view_that_was_started_again_asks_for_the_token_again(chromium):
    with closing(chromium.page('about:blank')) as page:
        with closing(RobotSite(Access(TOKEN))) as site:
            log_in(page, site.url)
        with closing(RobotSite(Access(TOKEN), port=site.port)):
            page.wait_for('location.pathname === "/login" && !!document.querySelector("#token")')
            page.tab_to('it.id === "token"')
            page.type(TOKEN)
            page.press('Enter')
            page.wait_for(f'{CONNECTION} === "connected"')


def test_two_views_of_one_machine_have_sessions_of_their_own(chromium):
    other_token = TOKEN[::-1]
    with (
        closing(RobotSite(Access(TOKEN))) as one,
        closing(RobotSite(Access(other_token))) as other,
        closing(chromium.page('about:blank')) as page,
    ):
        log_in(page, one.url)
        log_in(page, other.url, other_token)
        page.send('Page.navigate', url=f'{one.url}/')
        page.wait_for(f'location.port === "{one.port}" && {CONNECTION} === "connected"')


def test_it_says_why_it_is_refused(chromium, site, monkeypatch):
    monkeypatch.setattr(seats, 'MOST_SEATS', 0)
    with closing(chromium.page(site.url)) as page:
        page.wait_for(f'{CONNECTION}.includes("too many streams are open; close some pages")')
        monkeypatch.undo()
        page.wait_for(f'{CONNECTION} === "connected"')
