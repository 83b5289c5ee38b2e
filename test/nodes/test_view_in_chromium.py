"""The page of the live view in a real browser, in front of real nodes."""

import os
import shutil
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from nodes.support import Peer, node_process, starter
from onnx_models import color_segmentation, detector

pytest.importorskip('aiohttp')

from nodes.chromium import Chromium, found_chromium
from nodes.test_view import started_view

from jetson_perception.view.h264 import SOFTWARE, found_encoder

pytestmark = pytest.mark.skipif(
    found_chromium() is None, reason='there is no Chromium: `sudo apt install chromium`'
)

#: A file axe.min.js of the npm package axe-core, which is not part of this repository.
AXE = os.environ.get('AXE_CORE', '')


class Robot:
    """A camera, a segmentation and a detector, with a view of them that records."""

    def __init__(self, peer, start, folder):
        self.peer = peer
        self.name = f'/{peer.namespace}'
        self.recordings = folder / 'recordings'
        self.view, self.url = started_view(peer, start, '--recordings', str(self.recordings))
        pictures = folder / 'pictures'
        pictures.mkdir()
        for number in range(8):
            picture = np.full((240, 320, 3), 20 * number, np.uint8)
            cv2.circle(picture, (40 * number, 120), 30, (0, 140, 255), -1)
            cv2.imwrite(str(pictures / f'{number}.png'), picture)
        for kind, options in (
            ('seg_node', {'model': str(color_segmentation(folder / 'colors.onnx'))}),
            ('yolo_node', {'det__model': str(detector(folder / 'detector.onnx'))}),
        ):
            node = node_process(kind, f'{peer.namespace}/{kind[:-5]}', **options)
            node.remappings['image'] = f'{self.name}/camera/image_raw'
            start(node)
        source = f'images://{pictures}'
        camera = f'{peer.namespace}/camera'
        start(node_process('camera_node', camera, source=source, loop=True, frame_rate=10.0))

    def parameter(self, name):
        return self.peer.get_parameter('yolo/yolo_node', name)


@pytest.fixture(scope='module')
def robot(tmp_path_factory):
    """One that all tests share."""
    folder = tmp_path_factory.mktemp('robot')
    with closing(Peer(name='peer_of_page')) as peer, starter(peer, folder) as start:
        yield Robot(peer, start, folder)


@pytest.fixture(scope='module')
def chromium(tmp_path_factory):
    """A browser."""
    with closing(Chromium(tmp_path_factory.mktemp('chromium'))) as made:
        yield made


@pytest.fixture(scope='module')
def page(chromium, robot):
    """The page that most tests look at, once all is there."""
    with closing(chromium.page(robot.url)) as made:
        made.wait_for('document.querySelectorAll("#settings input[type=range]").length >= 2')
        made.wait_for('document.querySelectorAll("#settings [role=group] input").length === 2')
        made.wait_for('document.querySelectorAll("#streams figure").length === 2')
        yield made


def luminance(color):
    """Of 'rgb(1, 2, 3)', as WCAG 2 has it."""
    parts = [int(part) / 255 for part in color.removeprefix('rgb(').rstrip(')').split(',')]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


class TestSeen:
    def test_streams_move(self, page):
        hashes = """[...document.querySelectorAll('#streams canvas')].map(it => it.toDataURL())"""
        page.wait_for(f'{hashes}.every(it => it.length > 2000)')
        before = page.value(hashes)
        assert len(before) == 2
        for number, data in enumerate(before):
            page.wait_for(f'{hashes}[{number}] !== {data!r}')
        page.wait_for('/[1-9][0-9.]* pictures\\/s/.test(document.body.innerText)')

    def test_words_and_figures(self, page, robot):
        for told in ('yolo_node', 'seg_node', 'connected', '1 found', 'median', 'Hz'):
            page.wait_for(f'document.body.innerText.includes({told!r})')
        page.wait_for('document.querySelectorAll("#areas .legend li").length > 0')
        page.wait_for('document.querySelector("#engines path").getAttribute("d").includes("L")')

    def test_nothing_is_loaded_from_elsewhere_and_nothing_fails(self, page, robot):
        here = urlsplit(robot.url).netloc
        asked = page.asked_for()
        assert {urlsplit(each).netloc for each in asked} == {here}
        assert {urlsplit(each).scheme for each in asked} == {'http', 'ws'}
        assert page.problems() == []

    @pytest.mark.parametrize('scheme', ['light', 'dark'])
    def test_on_a_phone_nothing_is_cut_off(self, page, scheme):
        try:
            page.look(360, 740, scheme)
            page.wait_for('innerWidth === 360')
            wide = page.value('document.documentElement.scrollWidth')
            assert wide <= 360
            small = page.value(
                '[...document.querySelectorAll("button")].filter(it => it.offsetParent)'
                '.map(it => it.getBoundingClientRect().height)'
            )
            assert min(small) >= 24  # what a finger hits, as WCAG 2.2 has it
            ground, text = (
                page.value(f'getComputedStyle(document.body).{each}')
                for each in ('backgroundColor', 'color')
            )
            darker, lighter = sorted([luminance(ground), luminance(text)])
            assert (lighter + 0.05) / (darker + 0.05) >= 7
            assert (luminance(ground) < luminance(text)) is (scheme == 'dark')
        finally:
            page.look(1280, 900, 'light')

    @pytest.mark.skipif(not Path(AXE).is_file(), reason='AXE_CORE does not name an axe.min.js')
    @pytest.mark.parametrize('width', [1280, 360])
    @pytest.mark.parametrize('scheme', ['light', 'dark'])
    def test_axe_finds_nothing(self, page, scheme, width):
        page.look(width, 900, scheme)
        page.value(Path(AXE).read_text() + '; true')
        found = page.value('axe.run().then(it => it.violations)')
        page.look(1280, 900, 'light')
        assert [(each['id'], each['nodes'][0]['html']) for each in found] == []


@pytest.mark.skipif(found_encoder() not in SOFTWARE, reason='H.264 is not encoded on the CPU here')
class TestH264:
    """Chosen by keys: the CPU encodes it for those alone who choose it."""

    @pytest.fixture
    def page(self, page):
        """One whose browser decodes it; what was chosen is forgotten."""
        if not page.value("import('/files/video.js').then(it => it.canDecode())"):
            pytest.skip('this Chromium does not decode H.264')
        yield page
        choose(page, 'automatic')

    def test_it_moves_and_has_the_same_colors(self, page):
        canvas = 'document.querySelectorAll("#streams canvas")[1]'  # the detector's
        choose(page, 'h264')
        page.wait_for(f'document.body.innerText.includes("H.264 by {found_encoder()}")')
        for _ in range(2):
            before = page.value(f'{canvas}.toDataURL()')
            page.wait_for(f'{canvas}.toDataURL() !== {before!r}')
        assert page.value(f'[{canvas}.width, {canvas}.height]') == [320, 240]
        # An orange disc comes by.
        orange = f"""(() => {{
            const copy = new OffscreenCanvas(1, 1).getContext('2d');
            copy.drawImage({canvas}, -160, -120);
            const [r, g, b] = copy.getImageData(0, 0, 1, 1).data;
            return r > 240 && Math.abs(g - 140) < 16 && b < 16;
        }})()"""
        page.wait_for(orange)
        assert page.problems() == []

    @pytest.mark.parametrize(
        'failure',
        [
            pytest.param('decode = function () { throw Error("broken"); }', id='at_once'),
            pytest.param('configure = function () { throw Error("broken"); }', id='not_begun'),
        ],
    )
    def test_a_browser_that_fails_gets_files(self, page, failure):
        """Without a word by it, and without being loaded again."""
        method = failure.partition(' ')[0]
        page.value(f'window.kept = VideoDecoder.prototype.{method}; window.here = true')
        page.value(f'VideoDecoder.prototype.{failure}; true')
        try:
            choose(page, 'h264')
            page.wait_for('document.body.innerText.includes("this browser cannot decode")')
            page.wait_for('/[1-9][0-9.]* pictures\\/s/.test(document.body.innerText)')
        finally:
            page.value(f'VideoDecoder.prototype.{method} = window.kept; true')
        assert page.value('window.here')
        choose(page, 'automatic')
        page.wait_for('!document.body.innerText.includes("this browser cannot decode")')


def choose(page, way):
    """How pictures are sent: by keys."""
    page.tab_to('it.id === "way"')
    while page.value('document.getElementById("way").value') != way:
        at = ['automatic', 'mjpeg', 'h264'].index(page.value('document.activeElement.value'))
        ahead = ['automatic', 'mjpeg', 'h264'].index(way) > at
        page.press('ArrowDown' if ahead else 'ArrowUp')


#: Answers to what the page sets are kept back until `release()`.
HELD_ANSWERS = """(() => {
    window.held = []; window.answered = 0; window.mostAtOnce = 0; window.atOnce = 0;
    window.readings = 0;
    const released = new Promise((done) => { window.release = done; });
    const real = window.realFetch ??= window.fetch;
    window.fetch = async (address, options) => {
      if (options?.method !== 'POST') {
        const read = await real(address, options);
        readings += address === '/parameters';
        return read;
      }
      mostAtOnce = Math.max(mostAtOnce, ++atOnce);
      const answer = await real(address, options);
      held.push(answer);
      await released;
      atOnce -= 1;
      setTimeout(() => { answered += 1; });  // once the page has read it
      return answer;
    };
})()"""


class TestUsedByKeyboard:
    """Nothing but keys, in the order in which Tab reaches things."""

    def test_what_has_the_focus_is_seen(self, page):
        page.value('document.activeElement.blur(); scrollTo(0, 0)')
        page.tab_to('it.id === "record"')
        assert page.value('getComputedStyle(document.activeElement).outlineStyle') == 'solid'

    def test_a_stream_is_paused(self, page):
        page.tab_to('it.getAttribute("aria-label")?.startsWith("Pause ")')
        page.press('Enter')
        page.wait_for('document.body.innerText.includes("paused")')
        page.press(' ')
        page.wait_for('!document.body.innerText.includes("paused")')

    def test_a_slider_sets_its_parameter(self, page, robot):
        page.tab_to('it.type === "range" && it.parentNode.innerText.includes("score_threshold")')
        assert page.value('document.activeElement.value') == '0.25'
        for _ in range(3):
            page.press('ArrowRight')
        robot.peer.wait_for(
            lambda: robot.parameter('det.score_threshold') == pytest.approx(0.28), 'the threshold'
        )
        page.wait_for('document.getElementById("settings-done").innerText.includes("is set")')

    def test_a_class_is_left_out(self, page, robot):
        page.tab_to('it.type === "checkbox" && it.closest("#settings [role=group]")')
        page.press(' ')
        robot.peer.wait_for(lambda: len(robot.parameter('det.classes')) == 1, 'one class')
        page.tab_to('it.type === "checkbox" && it.closest("#settings [role=group]")')
        page.press(' ')  # of the last one, which has to stay
        page.wait_for('document.getElementById("settings-problem").innerText.includes("at least")')
        assert len(robot.parameter('det.classes')) == 1

    def test_an_answer_that_comes_late_leaves_what_was_said_since(self, page):
        page.value(HELD_ANSWERS)
        slider = 'it.type === "range" && it.parentNode.innerText.includes("iou_threshold")'
        page.tab_to(slider)
        page.press('ArrowLeft')
        page.wait_for('held.length')
        page.tab_to('it.checked && it.closest("#settings [role=group]")')
        page.press(' ')  # of the last class
        page.wait_for('document.getElementById("settings-problem").innerText.includes("at least")')
        page.value('release()')
        page.wait_for('answered === 1')
        page.wait_for('readings')  # of what was set
        page.value('document.getElementById("read-settings").click()')
        page.wait_for('readings > 1')  # then the page has shown the one before
        assert 'at least' in page.value('document.getElementById("settings-problem").innerText')

    def test_the_last_of_quick_changes_stays(self, page, robot):
        page.value(HELD_ANSWERS)
        page.tab_to('it.type === "range" && it.parentNode.innerText.includes("iou_threshold")')
        page.press('ArrowLeft')
        page.press('ArrowLeft')
        page.press('ArrowLeft')
        page.wait_for('held.length')
        last = page.value('document.activeElement.value')
        page.value('release()')
        page.wait_for('answered === 2')  # the one between was not sent
        assert page.value('mostAtOnce') == 1
        robot.peer.wait_for(
            lambda: robot.parameter('det.iou_threshold') == pytest.approx(float(last)), last
        )

    def test_it_records(self, page, robot):
        button = 'document.getElementById("record")'
        page.tab_to('it.closest("#recording-streams")')
        page.press(' ')  # leaves the first stream out
        page.tab_to('it.id === "record"')
        page.press('Enter')
        page.wait_for(f'{button}.innerText === "Stop recording"')
        page.wait_for('/Recording 00:0[1-9], [0-9.]+ kB/.test(document.body.innerText)')
        page.press('Enter')
        page.wait_for(f'{button}.innerText === "Record"')
        page.wait_for('document.getElementById("recording-done").innerText.includes("Recorded")')
        (made,) = robot.recordings.iterdir()
        names = sorted(each.stem for each in made.iterdir())
        assert names == ['results', f'{robot.name[1:]}_yolo_annotated']
        (video,) = made.glob('*_annotated.*')
        assert cv2.VideoCapture(str(video)).read()[0]
        shutil.rmtree(robot.recordings)
        page.press('Enter')
        page.wait_for('/cannot be written: No such/.test(document.body.innerText)')
        assert page.value(f'{button}.innerText') == 'Record'


class TestChangedByOthers:
    """By `ros2 param set`, by another page, and by a node that is started anew."""

    SLIDER = """[...document.querySelectorAll('#settings input[type=range]')]
        .find(it => it.parentNode.innerText.includes('score_threshold'))"""
    BOXES = "[...document.querySelectorAll('#settings [role=group] input')]"

    def test_it_is_shown(self, chromium, robot, tmp_path):
        peer = robot.peer
        name = f'{peer.namespace}/others'
        node = node_process('yolo_node', name, det__model=str(detector(tmp_path / 'model.onnx')))
        (tmp_path / 'again').mkdir()
        (tmp_path / 'view').mkdir()
        own = f"it => it.closest('fieldset').innerText.startsWith('/{name}/')"
        slider = f'{self.SLIDER.replace("it =>", f"it => ({own})(it) &&")}'
        ticked = f'{self.BOXES}.filter({own}).filter(it => it.checked).length'
        told = f'{slider}?.parentNode.querySelector("output").innerText'
        with starter(peer, tmp_path / 'view') as start_view:
            _, url = started_view(peer, start_view)
            with closing(chromium.page(url)) as page:
                with starter(peer, tmp_path) as start:
                    process = start(node)
                    page.wait_for(f'{told} === "0.25" && {ticked} === 2')
                    peer.set_parameter('others/yolo_node', 'det.score_threshold', 0.705)
                    page.wait_for(f'{told} === "0.705"')
                    page.tab_to(
                        f'it.type === "checkbox" && {self.BOXES}.includes(it) && ({own})(it)'
                    )
                    page.press(' ')
                    peer.wait_for(
                        lambda: len(peer.get_parameter('others/yolo_node', 'det.classes')) == 1,
                        'one class',
                    )
                    page.wait_for(f'{ticked} === 1')
                    peer.watched.remove(process)
                with starter(peer, tmp_path / 'again') as start:
                    start(node)
                    page.wait_for(f'{told} === "0.25" && {ticked} === 2')


@pytest.mark.slow
class TestToken:
    def test_is_typed_once(self, robot, chromium, tmp_path):
        file = tmp_path / 'token'
        with (
            starter(robot.peer, tmp_path) as start,
            closing(chromium.page('about:blank', 360, 740)) as page,
        ):
            _, url = started_view(robot.peer, start, '--token-file', str(file))
            for token in ('not the token of it', file.read_text().strip()):
                page.send('Page.navigate', url=f'{url}/')
                page.wait_for(
                    'location.pathname === "/login" && !!document.querySelector("input")'
                )
                assert page.value('document.documentElement.scrollWidth') <= 360
                page.tab_to('it.id === "token"')
                page.type(token)
                page.press('Enter')
                page.wait_for('/this is not the token|connected/.test(document.body.innerText)')
                time.sleep(1.0)  # as long as the next guess has to wait
            assert 'connected' in page.text()
            assert page.value('document.cookie') == ''
            page.wait_for('document.body.innerText.includes("without a folder")')


@pytest.mark.slow
def test_it_says_that_the_robot_is_gone_and_goes_on_when_it_is_back(robot, chromium, tmp_path):
    with closing(chromium.page('about:blank')) as page:
        with starter(robot.peer, tmp_path) as start:
            _, url = started_view(robot.peer, start)
            page.send('Page.navigate', url=url)
            page.wait_for('document.body.innerText.includes("connected")')
        page.wait_for('!!document.querySelector("#connection.lost")')
        (tmp_path / 'again').mkdir()
        with starter(robot.peer, tmp_path / 'again') as start:
            started_view(robot.peer, start, '--port', url.rpartition(':')[2])
            page.wait_for('!document.querySelector("#connection.lost")')
