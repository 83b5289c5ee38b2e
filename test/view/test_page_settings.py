"""The page's settings in a real browser, before a stand-in for a robot that answers when told."""

import asyncio
import time
from contextlib import closing

import pytest

from jetson_perception.errors import ParameterError
from jetson_perception.view.access import Access

pytest.importorskip('aiohttp')

from nodes.chromium import Chromium, found_chromium
from view.test_server import DEADLINE_S, Site, StandInRobot

pytestmark = pytest.mark.skipif(
    found_chromium() is None, reason='there is no Chromium: `sudo apt install chromium`'
)

SLIDER = 'document.querySelector("#settings input[type=range]")'
SHOWN = 'document.querySelector("#settings output").innerText'
SWITCH = 'document.querySelector("#settings div:not([role]) > label > input[type=checkbox]")'
BOXES = '[...document.querySelectorAll("#settings [role=group] input")]'
TICKED = f'{BOXES}.filter(it => it.checked).map(it => it.value)'
PROBLEM = 'document.getElementById("settings-problem").innerText'
READ = 'document.getElementById("read-settings").click()'


def wait_until(holds):
    deadline_s = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


class Robot(StandInRobot):
    """Has parameters; what sets and reads them waits for `held` and `held_reading`."""

    def __init__(self):
        super().__init__()
        self.parameters_by_name = {}
        self.asked_to_set = []
        self.taken = []
        self.refuses = lambda value: False
        self.held = None
        self.held_reading = None
        self.readings = 0
        self.number = 1
        self.settings = 1

    def state(self):
        lists = dict.fromkeys(('detections', 'engines', 'areas'), ())
        diagnostics = [{'name': '/yolo', 'level': 'ok', 'message': ''}]
        told = {'streams': [], 'settings': self.settings, 'diagnostics': diagnostics, **lists}
        return self.number, told

    def change(self, **values):
        """Change parameters, as others do, and tell."""
        for name, value in values.items():
            self.parameters_by_name[name]['value'] = value
        self.settings += 1
        self.number += 1

    async def parameters(self):
        self.readings += 1
        found = [
            {'node': '/yolo', 'node_shown': '/yolo', 'name': name, 'description': 'd', **one}
            for name, one in self.parameters_by_name.items()
        ]
        if self.held_reading is not None:
            await self.held_reading.acquire()
        return found

    async def set_parameter(self, node, name, value):
        self.asked_to_set.append(value)
        if self.held is not None:
            await self.held.acquire()
        if self.refuses(value):
            raise ParameterError(f'{value} is refused')
        self.taken.append(value)
        if not isinstance(value, dict):
            self.parameters_by_name[name]['value'] = value


def number(value=0.25, low=0.0, high=1.0):
    return {'kind': 'number', 'value': value, 'from': low, 'to': high}


def classes(value, choices, more=0):
    return {'kind': 'classes', 'value': value, 'choices': choices, 'more': more}


@pytest.fixture(scope='module')
def chromium(tmp_path_factory):
    with closing(Chromium(tmp_path_factory.mktemp('chromium'))) as made:
        yield made


@pytest.fixture
def site():
    class RobotSite(Site):
        @staticmethod
        def made_robot():
            return Robot()

        def semaphore(self):
            """One that answers are held by; `give` lets one go."""

            async def made():
                return asyncio.Semaphore(0)

            return self.run(made())

        def give(self, held):
            self.loop.call_soon_threadsafe(held.release)

    with closing(RobotSite(Access())) as made:
        yield made


@pytest.fixture
def opened(chromium, site):
    """A function that opens the page, of a robot with these parameters."""
    pages = []

    def made(**parameters):
        site.robot.parameters_by_name.update(parameters)
        page = chromium.page(site.url)
        pages.append(page)
        page.wait_for('document.querySelectorAll("#settings fieldset").length === 1')
        return page

    yield made
    for page in pages:
        page.close()


def put(page, value):
    """Move the slider, and let it go."""
    move(page, value)
    page.value(f'{SLIDER}.dispatchEvent(new Event("change"))')


def move(page, value):
    page.value(f'{SLIDER}.value = {value}; {SLIDER}.dispatchEvent(new Event("input"))')


class TestSlider:
    def test_a_refused_change_leaves_a_newer_one(self, site, opened):
        page = opened(score_threshold=number())
        robot = site.robot
        robot.held = site.semaphore()
        robot.refuses = lambda value: value == 0.5
        put(page, 0.5)
        put(page, 0.75)
        wait_until(lambda: robot.asked_to_set == [0.5])
        site.give(robot.held)
        wait_until(lambda: robot.asked_to_set == [0.5, 0.75])
        assert page.value(f'{SLIDER}.value') == '0.75'
        site.give(robot.held)
        page.wait_for('document.getElementById("settings-done").innerText !== ""')
        assert page.value(f'{SLIDER}.value') == '0.75'
        assert robot.taken == [0.75]

    def test_it_goes_back_to_what_the_node_has(self, site, opened):
        """Not to where somebody had moved it when the change before was answered."""
        page = opened(score_threshold=number())
        robot = site.robot
        robot.held = site.semaphore()
        robot.refuses = lambda value: value == 0.9
        put(page, 0.3)
        move(page, 0.9)
        site.give(robot.held)
        page.wait_for('document.getElementById("settings-done").innerText !== ""')
        assert page.value(f'{SLIDER}.value') == '0.9'
        put(page, 0.9)
        site.give(robot.held)
        page.wait_for(f'{PROBLEM}.includes("0.9 is refused")')
        page.wait_for(f'{SLIDER}.value === "0.3" && {SHOWN} === "0.30"')

    def test_a_refusal_leaves_what_is_moved_meanwhile(self, site, opened):
        page = opened(score_threshold=number())
        robot = site.robot
        robot.held = site.semaphore()
        robot.refuses = lambda value: value == 0.5
        put(page, 0.5)
        move(page, 0.6)
        site.give(robot.held)
        page.wait_for(f'{PROBLEM}.includes("0.5 is refused")')
        assert page.value(f'{SLIDER}.value') == '0.6'

    def test_of_many_keys_the_last_one_is_sent(self, site, opened):
        page = opened(score_threshold=number())
        robot = site.robot
        robot.held = site.semaphore()
        page.tab_to('it.type === "range"')
        for _ in range(15):
            page.press('ArrowRight')
        for count in (1, 2):
            wait_until(lambda count=count: len(robot.asked_to_set) == count)
            site.give(robot.held)
        wait_until(lambda: len(robot.taken) == 2)
        assert robot.taken == pytest.approx([0.26, 0.4])

    @pytest.mark.parametrize(
        ('parameter', 'shown'),
        [
            pytest.param(number(0.005), '0.005', id='between_steps'),
            pytest.param(number(0.25), '0.25', id='on_a_step'),
            pytest.param(number(0.005, 0.0, 0.1), '0.005', id='small_steps'),
            pytest.param(number(0.5, 0.0, 100.0), '0.5', id='steps_of_1'),
            pytest.param(number(1e-6), '0.000001', id='tiny'),
        ],
    )
    def test_values_are_shown_as_they_are(self, opened, parameter, shown):
        page = opened(score_threshold=parameter)
        assert page.value(SHOWN) == shown
        assert page.value(f'{SLIDER}.getAttribute("aria-valuetext")') == shown


class TestSwitch:
    def test_a_refused_change_leaves_a_newer_one(self, site, opened):
        page = opened(enable={'kind': 'switch', 'value': True})
        robot = site.robot
        robot.held = site.semaphore()
        robot.refuses = lambda value: value is False
        page.value(f'{SWITCH}.click(); {SWITCH}.click()')
        site.give(robot.held)
        wait_until(lambda: robot.asked_to_set == [False, True])
        site.give(robot.held)
        page.wait_for('document.getElementById("settings-done").innerText !== ""')
        assert page.value(f'{SWITCH}.checked') is True

    def test_it_goes_back(self, site, opened):
        page = opened(enable={'kind': 'switch', 'value': True})
        site.robot.refuses = lambda value: True
        page.value(f'{SWITCH}.click()')
        page.wait_for(f'{PROBLEM}.includes("is refused")')
        page.wait_for(f'{SWITCH}.checked')


class TestClasses:
    def test_only_what_was_changed_is_said(self, site, opened):
        """So that a page that was not told of another's change does not undo it."""
        page = opened(classes=classes([], ['a', 'b', 'c']))
        robot = site.robot
        robot.held = site.semaphore()
        for box in (0, 1, 2, 2):
            page.value(f'{BOXES}[{box}].click()')
        wait_until(lambda: robot.asked_to_set == [{'a': False}])
        site.give(robot.held)
        wait_until(lambda: robot.asked_to_set == [{'a': False}, {'b': False}])
        site.give(robot.held)
        wait_until(lambda: len(robot.taken) == 2)
        assert page.value(TICKED) == ['c']
        assert 'at least one' in page.value(PROBLEM)

    def test_a_refusal_concerns_its_own_class_alone(self, site, opened):
        page = opened(classes=classes([], ['a', 'b', 'c']))
        robot = site.robot
        robot.held = site.semaphore()
        robot.refuses = lambda value: 'a' in value
        page.value(f'{BOXES}[0].click(); {BOXES}[1].click()')
        site.give(robot.held)
        page.wait_for(f'{PROBLEM}.includes("is refused")')
        page.wait_for(f'{TICKED}.join() === "a,c"')
        site.give(robot.held)
        wait_until(lambda: robot.taken == [{'b': False}])
        assert page.value(TICKED) == ['a', 'c']

    def test_more_than_are_shown_stay(self, site, opened):
        page = opened(classes=classes([], ['a', 'b'], more=7))
        page.value('document.querySelector("#settings details").open = true')
        page.value(f'{BOXES}[0].click(); {BOXES}[1].click()')
        wait_until(lambda: site.robot.taken == [{'a': False}, {'b': False}])
        assert '7 more are not shown' in page.value('document.querySelector("summary").innerText')


class TestReadAgain:
    def test_what_others_set_is_shown(self, site, opened):
        """Also beside the slider that has the focus, and in it, while nobody moves it."""
        page = opened(score_threshold=number(), classes=classes([], ['a', 'b']))
        page.tab_to('it.type === "range"')
        site.robot.change(score_threshold=0.7, classes=['b'])
        page.wait_for(f'{SHOWN} === "0.70" && {TICKED}.join() === "b"')
        assert page.value('document.activeElement.type') == 'range'

    def test_a_reading_that_began_before_a_change_is_thrown_away(self, site, opened):
        page = opened(score_threshold=number())
        robot = site.robot
        robot.held_reading = site.semaphore()
        before = robot.readings
        page.value(READ)
        wait_until(lambda: robot.readings == before + 1)
        put(page, 0.6)
        wait_until(lambda: robot.taken == [0.6])
        site.give(robot.held_reading)
        wait_until(lambda: robot.readings == before + 2)
        assert page.value(f'{SLIDER}.value') == '0.6'
        robot.change(score_threshold=0.8)
        for _ in range(5):
            site.give(robot.held_reading)
        page.wait_for(f'{SHOWN} === "0.80"')

    def test_a_page_that_asks_after_a_change_is_told_of_it(self, site, opened):
        """While another one's reading is under way that began before."""
        first, page = opened(score_threshold=number()), opened()
        robot = site.robot
        robot.held_reading = site.semaphore()
        before = robot.readings
        first.value(READ)
        wait_until(lambda: robot.readings == before + 1)
        robot.parameters_by_name['score_threshold']['value'] = 0.7
        page.value(READ)
        page.value('fetch("/files/dom.js").then(it => it.text())')  # behind the other request
        for _ in range(2):
            site.give(robot.held_reading)
        page.wait_for(f'{SHOWN} === "0.70"')

    def test_what_is_used_is_replaced_once_it_is_left(self, site, opened):
        page = opened(score_threshold=number())
        page.tab_to('it.type === "range"')
        robot = site.robot
        before = robot.readings
        robot.parameters_by_name['score_threshold'] = number(2.0, 0.0, 4.0)
        robot.change()
        wait_until(lambda: robot.readings > before)
        page.value('fetch("/parameters").then(it => it.json())')  # behind the page's own
        assert page.value('document.activeElement.max') == '1'
        page.press('Tab')
        page.wait_for(f'{SLIDER}.max === "4" && {SHOWN} === "2.00"')
        assert page.problems() == []
