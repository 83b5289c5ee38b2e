"""The window's keys and sizes, with a stand-in for OpenCV's windows, which tests have none of."""

import re

import cv2
import numpy as np
import pytest
from command_output import write_picture, write_video

from jetson_perception.commands import run, window
from jetson_perception.commands.main import main
from jetson_perception.commands.window import Window
from jetson_perception.errors import ParameterError

NO_KEY = -1


class StandInWindows:
    """What `window` calls of OpenCV; `keys` are pressed one after another, each in one wait."""

    def __init__(self, monkeypatch, keys=()):
        self.keys = list(keys)
        self.shown, self.sizes, self.waits, self.closed = [], [], [], 0
        self.gone_after = None
        monkeypatch.setattr(window, 'window_problem', str)
        for name in ('namedWindow', 'resizeWindow', 'imshow', 'waitKey', 'destroyAllWindows'):
            monkeypatch.setattr(window.cv2, name, getattr(self, name))
        monkeypatch.setattr(window.cv2, 'getWindowProperty', self.getWindowProperty)

    def namedWindow(self, title, flags):
        pass

    def resizeWindow(self, title, width, height):
        self.sizes.append((width, height))

    def imshow(self, title, pixels):
        self.shown.append(pixels.shape)

    def waitKey(self, wait_ms):
        self.waits.append(wait_ms)
        return self.keys.pop(0) if self.keys else NO_KEY

    def getWindowProperty(self, title, name):
        if self.gone_after is not None and len(self.waits) >= self.gone_after:
            raise cv2.error('NULL window')
        return 1.0

    def destroyAllWindows(self):
        self.closed += 1


def picture(width, height):
    return np.zeros((height, width, 3), np.uint8)


@pytest.fixture
def windows(monkeypatch):
    return StandInWindows(monkeypatch)


class TestWindow:
    @pytest.mark.parametrize('key', [ord('q'), ord('Q'), 27, 0x100000 + ord('q')])
    def test_keys_that_end_it(self, windows, key):
        windows.keys = [NO_KEY, key]
        with Window('a') as shown:
            assert shown.show(picture(64, 48))
            assert not shown.show(picture(64, 48))
        assert windows.closed == 1

    def test_other_keys_do_not(self, windows):
        windows.keys = [ord('x'), 0]
        shown = Window('a')
        assert shown.show(picture(64, 48))
        assert shown.show(picture(64, 48))

    def test_a_picture_stays_until_a_key(self, windows):
        windows.keys = [NO_KEY, NO_KEY, ord(' ')]
        assert Window('a').show(picture(64, 48), until_key=True)
        assert len(windows.waits) == 3
        assert all(wait_ms > 1 for wait_ms in windows.waits)

    @pytest.mark.parametrize('until_key', [True, False])
    def test_the_close_button(self, windows, until_key):
        shown = Window('a')
        windows.keys = [ord(' ')]
        assert shown.show(picture(64, 48), until_key=until_key)
        windows.gone_after = 2
        assert not shown.show(picture(64, 48), until_key=until_key)
        assert not shown.show(picture(64, 48), until_key=until_key)
        assert len(windows.shown) == 2

    def test_it_has_the_shape_of_the_picture_and_fits_a_screen(self, windows):
        shown = Window('a')
        for width, height in [(64, 48), (64, 48), (3840, 2160), (1, 5000), (64, 48)]:
            shown.show(picture(width, height))
        assert windows.sizes == [(64, 48), (1280, 720), (1, 720), (64, 48)]

    def test_one_that_shows_nothing_is_never_opened(self, windows):
        with Window('a'):
            pass
        assert not windows.closed


class TestProblem:
    @pytest.mark.skipif(
        re.search(r'GUI: +NONE', cv2.getBuildInformation()) is None,
        reason='this OpenCV has windows',
    )
    def test_of_an_opencv_without_windows(self, colors, tmp_path, capsys):
        video = write_video(tmp_path / 'a.mp4')
        assert main(['run', colors, video, '--show']) == 1
        said = ' '.join(capsys.readouterr().err.split())
        assert 'has no windows' in said
        assert 'pip install opencv-python' in said
        assert '--output' in said
        assert 'ros2 run jetson_perception view' in said

    def test_of_qt_that_finds_no_display(self, monkeypatch):
        """It ends the process."""
        said = 'import os, sys; print("no display [bold]", file=sys.stderr, flush=True)'
        monkeypatch.setattr(window, '_PROBE', f'{said}; os.abort()')
        monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
        monkeypatch.setenv('DISPLAY', ':77')
        with pytest.raises(ParameterError, match=r'display :77: no display \[bold\]; run it'):
            Window('a')
        monkeypatch.delenv('DISPLAY')
        with pytest.raises(ParameterError, match='there is no display'):
            Window('a')


class TestShow:
    def test_q_ends_with_what_is_written_whole(self, colors, tmp_path, windows, capsys):
        windows.keys = [NO_KEY, NO_KEY, ord('q')]
        video = write_video(tmp_path / 'a.mp4', 9)
        out = tmp_path / 'out'
        assert main(['run', colors, video, video, '--show', '--output', str(out)]) == 0
        assert len(windows.shown) == 3
        assert windows.closed == 1
        assert len((out / 'results.jsonl').read_text().splitlines()) == 3
        capture = cv2.VideoCapture(str(out / 'a.mp4'))
        assert sum(1 for _ in iter(lambda: capture.read()[0], False)) == 3
        captured = capsys.readouterr()
        assert '3 frames' in captured.err
        assert captured.out == ''

    def test_each_picture_waits_for_a_key_and_videos_for_none(self, colors, tmp_path, windows):
        for name in 'ab':
            write_picture(tmp_path / 'in' / f'{name}.png')
        windows.keys = [NO_KEY, ord(' '), ord(' ')]
        video = write_video(tmp_path / 'a.mp4', 2)
        assert main(['run', colors, str(tmp_path / 'in'), video, '--show']) == 0
        assert len(windows.shown) == 4
        assert len(windows.waits) == 5

    def test_videos_are_shown_at_their_rate(self, colors, tmp_path, windows, monkeypatch):
        paces = []
        made = run.FrameStages.run

        def noted(stages, sources, overlap, **options):
            paces.append(options['pace'].name)
            return made(stages, sources, overlap, **options)

        monkeypatch.setattr(run.FrameStages, 'run', noted)
        video = write_video(tmp_path / 'a.mp4', 2)
        assert main(['run', colors, video, '--show']) == 0
        assert main(['run', colors, video]) == 0
        assert paces == ['EVERY_FRAME', 'OFFLINE']
