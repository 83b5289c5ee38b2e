"""`ros2 run jetson_perception make_int8_models`: the demo models in INT8, made once a user.

They are not shipped, as making them takes seconds: the demo models are quantized on rendered
scenes, into the user's cache. Launch files have them made before a node starts that names them,
and commands make them at their first use.
"""

from __future__ import annotations

import itertools
import sys
import time
from functools import lru_cache
from typing import TYPE_CHECKING

from jetson_perception.camera.scene_kinds import scene_kind
from jetson_perception.commands.options import positive
from jetson_perception.commands.parser import CommandParser
from jetson_perception.engines.metadata import sidecar_path
from jetson_perception.engines.onnx_file.graph import require_onnx
from jetson_perception.engines.onnx_file.quantization import quantize_model
from jetson_perception.errors import PerceptionError
from jetson_perception.files.lock import locked
from jetson_perception.files.output_files import write_output
from jetson_perception.files.private_files import PrivateFolder
from jetson_perception.models import open_model
from jetson_perception.printable import counted
from jetson_perception.resources import (
    INT8_TWINS,
    has_int8_twin,
    int8_twin_path,
    model_path,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

SCENE = 'people'
PICTURES = 24
"""To calibrate on. 200 make no better model, and rendering takes most of the time."""


def make_int8_twin(name: str, count: int = PICTURES) -> Path:
    """The INT8 twin of a demo model, in the user's cache; made if it is not there.

    Parameters
    ----------
    name : str
        One of `INT8_TWINS`.
    count : int
        Pictures to calibrate on.

    Raises
    ------
    PerceptionError
        When it cannot be made: the scenes or onnx are not installed, the cache cannot be written.
    """
    original, twin = model_path(INT8_TWINS[name]), int8_twin_path(name)
    make_folder(twin.parent)
    with locked(twin.parent / 'lock', on_wait=lambda: _say_waiting(twin.parent)):
        # Without a lock two may make it: each writes the whole file at once.
        if has_int8_twin(name):
            return twin
        require_onnx()  # before pictures are rendered for nothing
        _say(f'making {name} of {counted(count, "picture")} of scene://{SCENE}, once for all …')
        begun = time.monotonic()
        with open_model(original, runtime='onnxruntime_cpu') as model:
            tensors = (model.preprocess(bgr)[0] for bgr in _pictures(count))
            beside = sidecar_path(original)
            if beside:
                write_output(twin.with_suffix('.yaml'), beside.read_bytes())
            quantize_model(original, twin, tensors)  # the whole file is there at once, or none
        twin.chmod(0o600)  # whatever the user's mask
        size = twin.stat().st_size / 1e6
        _say(f'made {twin}: {size:.2f} MB, {time.monotonic() - begun:.0f} s')
    return twin


def main(argv: Sequence[str] | None = None) -> int:
    """Be `ros2 run jetson_perception make_int8_models`."""
    parser = CommandParser(
        prog='make_int8_models', description='Make the demo models in INT8, in your cache.'
    )
    parser.add_argument(
        'names', nargs='*', default=list(INT8_TWINS), help=f'some of {", ".join(INT8_TWINS)}'
    )
    parser.add_argument(
        '--count',
        type=positive,
        default=PICTURES,
        metavar='N',
        help=f'calibrate on so many pictures (default: {PICTURES})',
    )
    arguments = parser.parse_args(argv)
    unknown = [name for name in arguments.names if name not in INT8_TWINS]
    if unknown:
        parser.error(f'{", ".join(unknown)}: expected some of {", ".join(INT8_TWINS)}')
    try:
        for name in arguments.names:
            make_int8_twin(name, arguments.count)
    except PerceptionError as err:
        sys.stderr.write(f'make_int8_models: {err}\n')
        return 1
    return 0


def make_folder(folder: Path) -> None:
    """Make the folder of a model, for its user alone.

    Raises
    ------
    PerceptionError
        When it cannot be made, or somebody else may write it.
    """
    try:
        PrivateFolder(folder, holds='models', error=PerceptionError).make()
    except OSError as err:
        raise PerceptionError(
            f'{folder} cannot be written: {err.strerror}; set XDG_CACHE_HOME to a folder of your '
            'own'
        ) from err


@lru_cache(maxsize=1)  # the same for every twin
def _pictures(count: int) -> tuple[NDArray[np.uint8], ...]:
    return tuple(bgr for _, bgr, _ in itertools.islice(scene_kind(SCENE).training(), count))


def _say_waiting(folder: Path) -> None:
    _say(f'another process makes models in {folder}; waiting for it …')


def _say(text: str) -> None:
    """To standard error: a command's results go to standard output."""
    sys.stderr.write(f'{text}\n')
    sys.stderr.flush()


if __name__ == '__main__':
    sys.exit(main())
