"""Encodings that only cv_bridge converts, if it is installed and does no harm.

A cv_bridge that was built for another NumPy is imported without an error and then takes the
process down. So it is tried in a process of its own, once, when the first such image comes.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.errors import ImageError
from jetson_perception.images.arrays import is_bgr
from jetson_perception.images.sixteen_bit import view_deep
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Far more than importing it takes on a busy board.
_TRIAL_S = 20.0
_TRIAL = """
from types import SimpleNamespace
from cv_bridge import CvBridge
image = SimpleNamespace(
    height=1, width=2, encoding='rgb16', step=12, is_bigendian=0,
    data=(257 * 7).to_bytes(2, 'little') * 3 + bytes(6))
bgr = CvBridge().imgmsg_to_cv2(image, 'bgr8')
assert (bgr.shape, str(bgr.dtype), bgr.tolist()) == ((1, 2, 3), 'uint8', [[[7] * 3, [0] * 3]])
"""


class CvBridgeImages:
    """What cv_bridge converts. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tried = False
        self._bridge: Any = None
        #: Why cv_bridge cannot be used, as far as is known; empty while it may be usable.
        self.problem = ''
        try:
            found = importlib.util.find_spec('cv_bridge')
        except (ImportError, ValueError):  # a module that is put together by hand
            found = None
        if found is None:
            self.problem = 'is not installed (apt package ros-<distribution>-cv-bridge)'

    def to_bgr(self, msg: Any) -> NDArray[np.uint8]:
        """The image of a message as BGR; takes a second or two the first time.

        Parameters
        ----------
        msg : sensor_msgs Image
            Its encoding is one of `sixteen_bit.COLORS`.

        Returns
        -------
        ndarray, shape (h, w, 3), uint8

        Raises
        ------
        ImageError
            When cv_bridge cannot be used, or does not convert this image.
        """
        size = msg.height, msg.width
        pixels = view_deep(msg.data, *size, msg.encoding, msg.step, bool(msg.is_bigendian))
        bridge = self._usable_bridge(msg.encoding)
        packed = np.ascontiguousarray(pixels, '=u2')
        image = SimpleNamespace(
            height=msg.height,
            width=msg.width,
            encoding=msg.encoding,
            step=packed.nbytes // msg.height,
            is_bigendian=int(sys.byteorder == 'big'),
            data=packed.tobytes(),
        )
        try:
            bgr = bridge.imgmsg_to_cv2(image, 'bgr8')
        except Exception as error:
            raise ImageError(
                f'image is {msg.encoding}, and cv_bridge does not convert it: {printable(error)}; '
                "set the driver's pixel format to bgr8"
            ) from error
        if not is_bgr(bgr) or bgr.shape[:2] != size:
            raise ImageError(
                f'image is {msg.encoding}, and cv_bridge made something else than bgr8 of it'
            )
        return bgr

    def _usable_bridge(self, encoding: str) -> Any:
        with self._lock:
            if not self._tried and not self.problem:
                self._tried = True
                self.problem = _trial()
                if not self.problem:
                    self._import()
        if self.problem:
            raise refusal(encoding, self.problem)
        return self._bridge

    def _import(self) -> None:
        try:
            from cv_bridge import CvBridge

            self._bridge = CvBridge()
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not harm the node
            self.problem = f'cannot be imported: {printable(error)}'


def refusal(encoding: str, problem: str) -> ImageError:
    """The error for an image that cv_bridge would convert if it worked."""
    return ImageError(
        f'image is {encoding}, more than 8 bits a channel, which cv_bridge converts, and that '
        f"{problem}; mend that, or set the driver's pixel format to bgr8"
    )


def _trial() -> str:
    """Why cv_bridge must not be imported here; empty when it works in another process."""
    import subprocess

    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, sys.path))}
    try:
        tried = subprocess.run(
            # Python puts the working folder first, where anybody's cv_bridge.py may be.
            [sys.executable, '-c', f'import sys; sys.path.pop(0)\n{_TRIAL}'],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRIAL_S,
            check=False,
            start_new_session=True,  # Ctrl-C is not for it
        )
    except subprocess.TimeoutExpired:
        return f'does not answer within {_TRIAL_S:.0f} s when it is tried'
    except OSError as error:
        return f'cannot be tried: {printable(error)}'
    if not tried.returncode:
        return ''
    if tried.returncode < 0:
        number = -tried.returncode
        why = f'ends the process ({signal.Signals(number).name})'
    else:
        lines = tried.stderr.decode(errors='replace').split('\n')
        last = next((line for line in reversed(lines) if line.strip()), 'no reason given')
        why = f'fails: {printable(last)}'
    return f'{why} with NumPy {np.__version__} when it is tried; it may be built for another one'
