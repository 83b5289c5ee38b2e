"""Bars that count, and that no command needs a rich newer than the one of Ubuntu 22.04."""

import io
import logging
import re
from pathlib import Path

import pytest
from rich.console import Console

import jetson_perception
from jetson_perception.commands.progress import FrameBar, add_open_end, progress_bar


def test_of_how_many():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with progress_bar(console) as progress:
        counter = progress.add_task('pictures', total=5)
        progress.advance(counter)
        progress.refresh()
        assert '1/5' in console.file.getvalue()


@pytest.mark.parametrize('terminal', [True, False])
def test_nobody_knows_of_how_many(terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with progress_bar(console) as progress:
        counter = add_open_end(progress, 'frames')
        for _ in range(3):
            progress.advance(counter)
        progress.refresh()
        assert ('3/?' in console.file.getvalue()) is terminal


def shown(*frames):
    """The last state of the bar, after frames of (source number, name, count)."""
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with progress_bar(console) as progress:
        bar = FrameBar(progress)
        for frame in frames:
            bar.count(*frame)
        progress.refresh()
        text = re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', console.file.getvalue())
    return text.strip().replace('\r', '\n').splitlines()[-1]


def test_frames_of_a_known_number_have_a_rate_and_an_end():
    line = shown(*[(0, 'drive', 8)] * 4)
    assert 'drive' in line
    assert '4/8' in line
    assert '50%' in line
    assert re.search(r'\d+\.\d/s', line)
    assert re.search(r'\d:\d\d:\d\d', line)


def test_frames_of_a_camera_have_a_rate_and_no_end():
    line = shown(*[(0, 'v4l2', 0)] * 4)
    assert '4/?' in line
    assert '-:--:--' in line
    assert re.search(r'\d+\.\d/s', line)


def test_each_source_has_its_bar_and_its_name():
    line = shown((0, 'a', 3), (0, 'a', 3), (1, '[red]' + 'x' * 300, 5))
    assert '1/5' in line
    assert '[red]xx' in line
    assert 'x' * 40 not in line


def test_what_is_logged_meanwhile_goes_above_the_bar(capsys, monkeypatch):
    handler = logging.StreamHandler()
    other = logging.StreamHandler(io.StringIO())
    console = Console(file=io.StringIO(), force_terminal=True, width=40)
    root = logging.getLogger()
    monkeypatch.setattr(root, 'handlers', [handler, other])  # without what other tests left
    with progress_bar(console) as progress:
        add_open_end(progress, 'frames')
        root.warning('[red] %s', 60 * 'x')
    root.warning('after it')
    assert f'\x1b[2K[red] {60 * "x"}\n' in console.file.getvalue()  # not folded, nor marked up
    assert capsys.readouterr().err == 'after it\n'
    assert other.stream.getvalue().count('\n') == 2


def test_what_rich_11_2_lacks_is_not_used():
    lacking = re.compile(r'import .*MofNCompleteColumn|\.add_section\(|add_task\(.*total=None')
    folder = Path(jetson_perception.__file__).parent
    found = [
        f'{path.name}: {line.strip()}'
        for path in sorted(folder.rglob('*.py'))
        for line in path.read_text().splitlines()
        if lacking.search(line)
    ]
    assert found == []
