"""Where the package's own models and configuration files are.

They lie in `models/` and `config/` of a share directory: that of the ROS package
(`<prefix>/share/jetson_perception`), that of a wheel (`jetson_perception/share`), or the source
checkout itself.
"""

from __future__ import annotations

import os
from pathlib import Path

from jetson_perception.errors import ModelError, ParameterError, PerceptionError
from jetson_perception.printable import quoted

_PACKAGE = 'jetson_perception'


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


def model_names() -> list[str]:
    """Names of the models that come with the package, sorted."""
    return sorted(file.stem for file in Path(share_directory(), 'models').glob('*.onnx'))


def model_path(name: str) -> Path:
    """Path of a model that comes with the package.

    Parameters
    ----------
    name : str
        File name without the `.onnx`.

    Raises
    ------
    ModelError
        The package has no such model.
    """
    directory = share_directory() / 'models'
    path = directory / f'{name}.onnx'
    if Path(name).name != name or not os.path.isfile(path):
        available = ', '.join(model_names()) or 'none'
        raise ModelError(
            f'no model {quoted(name)} comes with the package; there are: {available}. '
            'Name one of them, or give the path of an ONNX file'
        )
    return path


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
