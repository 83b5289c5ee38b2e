"""A window that shows pictures, where the installed OpenCV has windows."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import cv2

from jetson_perception.errors import ParameterError
from jetson_perception.installing import pip_install
from jetson_perception.printable import printable_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

_LARGEST_WH = 1280, 720  # at first; its user may draw it larger
_KEYS_THAT_END = {ord('q'), ord('Q'), 27}
_LOOK_MS = 30  # how often the window is asked whether it was closed

# In a process of its own: Qt ends the process where there is no display.
_PROBE = "import cv2; cv2.namedWindow('probe'); cv2.waitKey(1)"
_INSTEAD = (
    'or leave out --show and write pictures and videos with --output DIR; nodes of ROS are seen '
    'in a browser with `ros2 run jetson_perception view`'
)


class Window:
    """A window for pictures one after another, opened with the first; for the main thread.

    q, Esc and its close button end it.

    Parameters
    ----------
    title : str
        Shown in its frame.

    Raises
    ------
    ParameterError
        When this OpenCV has no windows, or there is no display; it says what to do.
    """

    def __init__(self, title: str) -> None:
        problem = window_problem()
        if problem:
            raise ParameterError(problem, 'show')
        self._title = title
        self._is_open = False
        self._size_wh = (0, 0)

    def show(self, pixels: NDArray[np.uint8], *, until_key: bool = False) -> bool:
        """Show a picture in place of the one before.

        Parameters
        ----------
        pixels : ndarray, shape (h, w, 3), uint8
            BGR; fitted to the window.
        until_key : bool
            Whether it stays until a key is pressed.

        Returns
        -------
        bool
            False where the user has ended it.
        """
        if self._is_open and self._is_gone():
            return False
        self._fit(pixels.shape[1], pixels.shape[0])
        cv2.imshow(self._title, pixels)
        while True:
            key = cv2.waitKey(_LOOK_MS if until_key else 1)
            if (key & 0xFF in _KEYS_THAT_END and key >= 0) or self._is_gone():
                return False
            if key >= 0 or not until_key:
                return True

    def close(self) -> None:
        """Close the window; calling it twice is harmless."""
        if self._is_open:
            self._is_open = False
            cv2.destroyAllWindows()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fit(self, width: int, height: int) -> None:
        """Open the window, or give it the shape of a picture of another size."""
        if (width, height) == self._size_wh:
            return
        self._size_wh = width, height
        if not self._is_open:
            flags = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
            cv2.namedWindow(self._title, flags)
            self._is_open = True
        reduced = min(_LARGEST_WH[0] / width, _LARGEST_WH[1] / height, 1.0)
        size_wh = max(round(width * reduced), 1), max(round(height * reduced), 1)
        cv2.resizeWindow(self._title, *size_wh)

    def _is_gone(self) -> bool:
        """Whether its close button was used."""
        try:
            return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error:  # GTK's, of a window that is gone
            return True


def window_problem() -> str:
    """Why no window can be shown here, and what to do; '' if one can."""
    done = subprocess.run(
        [sys.executable, '-c', _PROBE],
        capture_output=True,
        text=True,
        errors='replace',
        check=False,
    )
    if not done.returncode:
        return ''
    if 'not implemented' in done.stderr:
        return (
            f'this OpenCV ({cv2.__version__}) has no windows, as that of opencv-python-headless; '
            'for --show, `pip uninstall opencv-python-headless` and '
            f'`{pip_install("opencv-python")}`, {_INSTEAD}'
        )
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    display = os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')
    where = (
        f'on the display {display}' if display else 'as there is no display (DISPLAY is not set)'
    )
    why = f': {printable_line(said[0], 200)}' if said else ''
    return f'--show cannot open a window {where}{why}; run it in a desktop session, {_INSTEAD}'
