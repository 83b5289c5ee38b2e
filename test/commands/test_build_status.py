import io
import threading

import pytest
from rich.console import Console

from jetson_perception.commands.build_status import BuildStatus


@pytest.fixture
def terminal():
    return Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)


def shown(console):
    return console.file.getvalue()


def test_nothing_is_shown_when_nothing_is_built(terminal):
    with BuildStatus('det', terminal):
        pass
    assert shown(terminal) == ''


@pytest.mark.parametrize(
    ('fraction', 'phase', 'text'),
    [
        pytest.param(None, 'reading the network', 'det[0]: reading the network', id='unknown'),
        pytest.param(0.431, 'timing tactics', 'det[0] 43 %: timing tactics', id='known'),
        pytest.param(1.0, '', 'det[0] 100 %', id='without_a_phase'),
    ],
)
def test_how_far_it_is(terminal, fraction, phase, text):
    with BuildStatus('det[0]', terminal) as progress:
        progress(0.1, 'something before')
        progress(fraction, phase)
    assert f'building engine {text}' in shown(terminal)


def test_from_other_threads(terminal):
    with BuildStatus('det', terminal) as progress:
        threads = [
            threading.Thread(target=progress, args=(index / 8, 'tactics')) for index in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert shown(terminal).count('\x1b[?25h') == 1, 'the cursor is shown again, once'


def test_the_cursor_is_there_again_after_an_error(terminal):
    def build():
        with BuildStatus('det', terminal) as progress:
            progress(0.5, '')
            raise RuntimeError

    with pytest.raises(RuntimeError):
        build()
    assert '\x1b[?25h' in shown(terminal)


def test_without_a_terminal():
    console = Console(file=io.StringIO())
    with BuildStatus('det', console) as progress:
        progress(0.5, 'tactics')
    assert '\x1b' not in console.file.getvalue()
