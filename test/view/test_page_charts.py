"""The page's charts in a real browser: what is drawn of the figures that come, and when."""

from contextlib import closing

import pytest

from jetson_perception.view.access import Access

pytest.importorskip('aiohttp')

from nodes.chromium import Chromium, found_chromium
from view.test_server import Site

pytestmark = pytest.mark.skipif(
    found_chromium() is None, reason='there is no Chromium: `sudo apt install chromium`'
)

#: Figures of an engine with some stages, at a time in seconds; `chart` tells what is seen then.
SHOWN = """(async () => {
    const { showEngines } = await import('/files/figures.js');
    let now = 0;
    performance.now = () => now * 1000;
    document.getElementById('engines').replaceChildren();
    window.show = (at, ...stages) => {
      now = at;
      const one = { engine: '/det', input: '', runtime: '', rate: 1, processed: 0, skipped: 0,
        failed: 0, lost: 0, stages: stages.map(([name, ms]) => ({ name, median: ms, p99: ms })) };
      showEngines([one]);
    };
    const rgb = (color) => {
      const it = document.createElement('i');
      it.style.color = color;
      return it.style.color;
    };
    window.chart = () => ({
      lines: [...document.querySelectorAll('#engines path')].map(
        (it) => [rgb(it.getAttribute('stroke')), it.getAttribute('d')]),
      legend: [...document.querySelectorAll('#engines .legend li')].map(
        (it) => [it.firstChild.style.background, it.innerText]),
    });
})()"""


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    with (
        closing(Site(Access())) as site,
        closing(Chromium(tmp_path_factory.mktemp('chromium'))) as chromium,
        closing(chromium.page(f'{site.url}/files/style.css')) as made,
    ):
        yield made


@pytest.fixture
def charts(page):
    """The page, in which no state is shown but what the test shows."""
    page.value(
        'document.body.innerHTML = \'<ul id="diagnostics"></ul><div id="engines"></div>\'; true'
    )
    page.value(SHOWN)
    return page


def shown(page, *calls):
    """What is drawn after these calls of `show`."""
    for call in calls:
        page.value(f'show({call}); true')
    return page.value('chart()')


def test_the_axis_is_the_time(charts):
    """However often figures come; what is older than the axis is gone."""
    calls = [f'{at}, ["total", 10]' for at in (0, 1, 11, 16, 21, 31.5)]
    median = shown(charts, *calls)['lines'][0][1]
    assert median.count('M') == 2  # nothing is known of the long pause
    parts = [float(part.split()[0]) for part in median.replace('L', 'M').split('M')[1:]]
    assert parts == pytest.approx([95, 145, 195, 300], abs=0.1)


def test_a_line_has_the_color_of_its_legend_whatever_goes(charts):
    before = shown(charts, '0, ["infer", 5], ["decode", 2]')
    assert [color for color, _ in before['lines']] == [color for color, _ in before['legend']]
    after = shown(charts, '1, ["total", 10]')
    colors = {text.split(':')[0]: color for color, text in after['legend']}
    lines = [color for color, _ in after['lines']]
    assert [lines[4], lines[5]] == [colors['total, median'], colors['total, 99 %']]
    assert len(set(lines)) == 6
    later = shown(charts, '32, ["total", 10]')
    assert [color for color, _ in later['lines']] == [lines[4], lines[5]]
