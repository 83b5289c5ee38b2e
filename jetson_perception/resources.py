"""Where the package's own models and configuration files are.

They lie in `models/` and `config/` of a share directory: that of the ROS package
(`<prefix>/share/jetson_perception`), that of a wheel (`jetson_perception/share`), or the source
checkout itself. The models that know rendered people lie in the package of the scenes, which may
be left out.
"""

from __future__ import annotations

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path

from jetson_perception.errors import ModelError, ParameterError, PerceptionError
from jetson_perception.files.private_files import PrivateFolder, cache_folder
from jetson_perception.printable import quoted

_PACKAGE = 'jetson_perception'

DEMO_PACKAGE = 'jetson_perception_scenes'
"""What renders scenes, and brings the models that know them; a distribution of its own."""

_DEMO_MODELS = ('people_detect', 'people_pose')

_TWIN_RECIPE = (
    'commands/int8_twins.py',
    'engines/onnx_file/graph.py',
    'engines/onnx_file/precision.py',
    'engines/onnx_file/quantization.py',
)
"""What decides, beside the scenes, what an INT8 twin is like: pictures, settings, float nodes."""

INT8_TWINS = {f'{name}_int8': name for name in _DEMO_MODELS}
"""Demo models in INT8, made when they are first asked for, and what each is made of."""


def share_directory() -> Path:
    """Directory with `models/` and `config/`.

    A wheel's own comes first: it belongs to the code that asks. Then the first prefix of
    AMENT_PREFIX_PATH that registers the package (read without importing ROS), then the checkout.

    Raises
    ------
    PerceptionError
        The package was taken out of all three.
    """
    package = Path(__file__).resolve().parent
    in_wheel = package / 'share'
    if in_wheel.is_dir():
        return in_wheel
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        if not prefix:
            continue
        if Path(prefix, 'share/ament_index/resource_index/packages', _PACKAGE).is_file():
            return Path(prefix, 'share', _PACKAGE)
    checkout = package.parent
    if (checkout / 'package.xml').is_file():
        return checkout
    raise PerceptionError(
        f'the models and configuration of {_PACKAGE} were not found: not in {in_wheel}, not under '
        'any prefix of AMENT_PREFIX_PATH, and this is not a source checkout; source the setup '
        'file of the workspace, or reinstall the package'
    )


def how_to_get_demos(what: str) -> str:
    """What to say where rendered scenes, or models that know them, are not installed."""
    return (
        f'{what} come with jetson-perception-scenes, which is not installed here; install it '
        "(the wheel of this version's release, or pip install ./scenes in a checkout), or build "
        'the ROS package in a checkout, without -DWITH_SCENES=OFF'
    )


def model_names() -> list[str]:
    """Names of the models that come with the package, and with its scenes; sorted."""
    files = [file for folder in _model_folders() for file in folder.glob('*.onnx')]
    return sorted({file.stem for file in files if file.is_file()})  # links may outlive theirs


def model_path(name: str) -> Path:
    """Path of a model that comes with the package or its scenes, or was made of one of these.

    Parameters
    ----------
    name : str
        File name without the `.onnx`.

    Raises
    ------
    ModelError
        There is no such model; the text says which there are, or what to install.
    """
    if Path(name).name == name:
        for folder in _model_folders():
            path = folder / f'{name}.onnx'
            if os.path.isfile(path):
                return path
    if name in INT8_TWINS:
        if has_int8_twin(name):
            return int8_twin_path(name)
        raise ModelError(
            f'{name} is not made yet; make it once: ros2 run jetson_perception make_int8_models, '
            'or python -m jetson_perception.commands.int8_twins, which takes half a minute'
        )
    if name in _DEMO_MODELS:
        raise ModelError(f'{name}: {how_to_get_demos("models of rendered people")}')
    available = ', '.join(model_names()) or 'none'
    raise ModelError(
        f'no model {quoted(name)} comes with the package; there are: {available}. '
        'Name one of them, or give the path of an ONNX file'
    )


def int8_twin_path(name: str) -> Path:
    """Where the INT8 twin of a demo model is kept, made or not: in the user's cache.

    Of another original, or made in another way or on other scenes, it is another file.

    Raises
    ------
    ModelError
        The original is not installed; the text says what to install.
    """
    original = model_path(INT8_TWINS[name])
    digest = hashlib.sha256()
    for file in (original, *_recipe_files(original)):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return cache_folder('models') / digest.hexdigest()[:16] / f'{name}.onnx'


def _recipe_files(original: Path) -> list[Path]:
    """The code that makes a twin, and that of the scenes, which lies beside the original."""
    package = Path(__file__).parent
    scenes = sorted(original.parent.parent.rglob('*.py'))
    return [*(package / name for name in _TWIN_RECIPE), *scenes]


def has_int8_twin(name: str) -> bool:
    """Whether the INT8 twin of a demo model is made, and nobody else can have made it.

    Raises
    ------
    ModelError
        As `int8_twin_path`.
    """
    path = int8_twin_path(name)
    folder = PrivateFolder(path.parent, holds='models', error=ModelError)
    try:
        folder.check()
        return folder.read(path.name) is not None
    except (ModelError, OSError):
        return False


def _model_folders() -> list[Path]:
    folders = [share_directory() / 'models']
    scenes = find_spec(DEMO_PACKAGE)  # imports nothing of it
    if scenes and scenes.origin:
        folders.append(Path(scenes.origin).parent / 'models')
    return folders


def config_path(name: str) -> Path:
    """Path of a configuration file that comes with the package.

    Parameters
    ----------
    name : str
        File name; `.yaml` may be left out.

    Raises
    ------
    ParameterError
        The package has no such file.
    """
    directory = share_directory() / 'config'
    path = directory / (name if Path(name).suffix else f'{name}.yaml')
    if Path(name).name != name or not os.path.isfile(path):
        available = ', '.join(sorted(file.name for file in directory.glob('*.*'))) or 'none'
        raise ParameterError(
            f'no configuration {quoted(name)} comes with the package; there are: '
            f'{available}. Name one of them, or give the path of a file'
        )
    return path
