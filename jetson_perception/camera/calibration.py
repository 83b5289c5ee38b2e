"""Camera calibrations as ROS's camera_calibration writes them: YAML, one file a camera."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from jetson_perception.camera.shown import shown
from jetson_perception.errors import ParameterError
from jetson_perception.files.foreign_data import SMALL, parse_yaml
from jetson_perception.files.foreign_files import foreign_path, read_foreign_file
from jetson_perception.printable import counted, printable, quoted

if TYPE_CHECKING:
    from pathlib import Path

_MATRICES = {
    'camera_matrix': (3, 3),
    'rectification_matrix': (3, 3),
    'projection_matrix': (3, 4),
}
_COEFFICIENTS = {
    'plumb_bob': (4, 5),
    'rational_polynomial': (8, 12, 14),
    'equidistant': (4,),
}
# image_geometry and image_proc refuse all other names.
_NAMES_IN_ROS = {
    **{name: name for name in _COEFFICIENTS},
    'fisheye': 'equidistant',  # of OpenCV, and of camera_calibration before Foxy
    'kannala_brandt': 'equidistant',
    'radtan': 'plumb_bob',  # of Kalibr
}
_NO_DISTORTION = 'none'
_FOCAL_LENGTHS = {'camera_matrix': (0, 4), 'projection_matrix': (0, 5)}

# CameraInfo carries these with every picture.
_LARGEST_SIDE = 1 << 16
_LONGEST_TEXT = 200
MOST_COEFFICIENTS = 64
"""More than any model of distortion has."""

_SHOWN = 60  # characters of a value in an error


class UncalibratedError(ParameterError):
    """A file that is well written, and says that its camera is not calibrated."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is known of a camera's geometry; the fields are those of sensor_msgs/CameraInfo.

    Attributes
    ----------
    size_wh : tuple of int
        Width and height of the pictures that it was made with, pixels.
    camera_name : str
        As the file gives it; may be empty.
    distortion_model : str
        'plumb_bob', 'rational_polynomial' or 'equidistant'; empty if uncalibrated.
    distortion : tuple of float
        Coefficients of that model (`d`).
    camera_matrix : tuple of 9 floats
        Intrinsic matrix of the distorted picture, row by row, pixels (`k`); zeros if
        uncalibrated, as ROS has it.
    rectification_matrix : tuple of 9 floats
        Rotation that aligns the camera with the rectified plane, row by row (`r`).
    projection_matrix : tuple of 12 floats
        Projection into the rectified picture, 3×4, row by row, pixels (`p`).
    """

    size_wh: tuple[int, int]
    camera_name: str
    distortion_model: str
    distortion: tuple[float, ...]
    camera_matrix: tuple[float, ...]
    rectification_matrix: tuple[float, ...]
    projection_matrix: tuple[float, ...]

    @classmethod
    def uncalibrated(cls, size_wh: tuple[int, int]) -> Calibration:
        """What ROS expects of a camera that nobody calibrated: its size, and zeros."""
        return cls(size_wh, '', '', (), (0.0,) * 9, (0.0,) * 9, (0.0,) * 12)

    def scaled_to(self, size_wh: tuple[int, int]) -> Calibration:
        """The calibration for the same view at another resolution.

        Pixel centers lie at whole numbers, so x becomes (x + ½) · scale - ½, as OpenCV's resize
        has it. A camera that crops, rather than scales, at the other resolution needs a
        calibration of its own; sizes alone cannot tell.

        Parameters
        ----------
        size_wh : tuple of int
            Width and height of the pictures now, pixels.

        Raises
        ------
        ParameterError
            When the aspect ratio differs by more than rounding to whole pixels explains.
        """
        if size_wh == self.size_wh:
            return self
        (width, height), (old_width, old_height) = size_wh, self.size_wh
        if abs(width * old_height - height * old_width) > max(old_width, old_height):
            raise ParameterError(
                f'the calibration is for {old_width}x{old_height}, the pictures are '
                f'{width}x{height}, which is another aspect ratio; calibrate the camera at '
                f'{width}x{height}, or run it at {old_width}x{old_height}',
                'calibration',
            )
        scale_x, scale_y = width / old_width, height / old_height
        return replace(
            self,
            size_wh=size_wh,
            camera_matrix=_scaled(self.camera_matrix, 3, scale_x, scale_y),
            projection_matrix=_scaled(self.projection_matrix, 4, scale_x, scale_y),
        )


def calibration_of_part(
    whole: Calibration, region: tuple[int, int, int, int], binning_xy: tuple[int, int]
) -> Calibration:
    """The calibration of images that a camera cuts out and bins, as its camera_info tells.

    K and P of a camera_info are of the camera's full resolution (sensor_msgs/CameraInfo).

    Parameters
    ----------
    whole : Calibration
        Of the full resolution.
    region : tuple of int
        Left, top, width and height of what is cut out, pixels of the full resolution; a width or
        height of 0 stands for all of it.
    binning_xy : tuple of int
        How many pixels become one, across and down; 0 is as 1.

    Raises
    ------
    ParameterError
        When binning changes the aspect ratio by more than rounding.
    """
    left, top, width, height = region
    full_wh = width or whole.size_wh[0], height or whole.size_wh[1]
    cut = replace(
        whole,
        size_wh=full_wh,
        camera_matrix=_moved(whole.camera_matrix, 3, left, top),
        projection_matrix=_moved(whole.projection_matrix, 4, left, top),
    )
    across, down = (max(each, 1) for each in binning_xy)
    return cut.scaled_to((max(full_wh[0] // across, 1), max(full_wh[1] // down, 1)))


def load_calibration(path: str | Path) -> Calibration:
    """The calibration in a YAML file of camera_calibration or camera_info_manager.

    Parameters
    ----------
    path : str or Path
        A path, or a file:// URL. `package://` is for who knows where ROS packages are:
        `jetson_perception.ros.calibration_files`.

    Raises
    ------
    UncalibratedError
        When its camera matrix is of zeros, which is how ROS says that a camera is not calibrated.
    ParameterError
        When it cannot be read; the text names the field that is wrong.
    """
    file = calibration_path(path)
    content = read_foreign_file(
        file, what='calibration', error=_parameter_error, limit_bytes=SMALL.size_bytes
    )
    return parse_calibration(content, file)


def parse_calibration(text: bytes, file: Path) -> Calibration:
    """The calibration in the text of the YAML file of this path.

    Raises
    ------
    UncalibratedError, ParameterError
        As `load_calibration`.
    """
    content = parse_yaml(text, where=f'calibration {printable(file)}', error=_parameter_error)
    if not isinstance(content, dict):
        raise _error(
            file, 'holds no calibration; expected image_width, image_height, camera_matrix, …'
        )
    matrices = {name: _matrix(file, content, name) for name in _MATRICES}
    if not any(matrices['camera_matrix']):
        # First, as the rest of such a file is empty too.
        raise UncalibratedError(str(_no_focal_length(file, 'camera_matrix', 0, 0)), 'calibration')
    model, distortion = _distortion(file, content)
    _check_matrices(file, matrices)
    return Calibration(
        size_wh=(_side(file, content, 'image_width'), _side(file, content, 'image_height')),
        camera_name=_text(file, content, 'camera_name', required=False),
        distortion_model=model,
        distortion=distortion,
        **matrices,
    )


def calibration_path(path: str | Path) -> Path:
    """The file that a path or file:// URL names.

    Raises
    ------
    ParameterError
        When it is another URL, or can name no file.
    """
    text = str(path)
    if text.startswith('file://'):
        text = unquote(text.removeprefix('file://'))
        text = text.removeprefix('localhost') if text.startswith('localhost/') else text
    elif '://' in text:
        raise ParameterError(
            f'{shown(text)}: expected a path or file:///… of a calibration YAML', 'calibration'
        )
    return foreign_path(text, what='calibration', error=_parameter_error)


def _distortion(file: Path, content: dict[Any, Any]) -> tuple[str, tuple[float, ...]]:
    """The model of the distortion, as ROS calls it, and its coefficients."""
    field = 'distortion_model'
    if field not in content and 'camera_model' in content:  # as Melodic's camera_calibration
        field = 'camera_model'
    given = _text(file, content, field, required=True)
    distortion = _matrix(file, content, 'distortion_coefficients')
    if len(distortion) > MOST_COEFFICIENTS:
        raise _error(
            file,
            f'has {len(distortion)} distortion_coefficients; expected at most {MOST_COEFFICIENTS}',
        )
    plain = given.lower().replace(' ', '_').replace('-', '_')
    if plain == _NO_DISTORTION and not any(distortion):
        return 'plumb_bob', (0.0,) * 5
    model = _NAMES_IN_ROS.get(plain)
    if model is None:
        zeros = ' with coefficients that are not 0' if plain == _NO_DISTORTION else ''
        raise _error(
            file, f'has {field}: {_show(given)}{zeros}; expected {", ".join(_COEFFICIENTS)}'
        )
    counts = _COEFFICIENTS[model]
    if len(distortion) not in counts:
        raise _error(
            file,
            f'distortion_coefficients has {counted(len(distortion), "value")}; {model} takes '
            f'{" or ".join(map(str, counts))}',
        )
    return model, distortion


def _check_matrices(file: Path, matrices: dict[str, tuple[float, ...]]) -> None:
    """Refuse what ROS takes for a camera that is not calibrated, or draws nothing by."""
    for name, places in _FOCAL_LENGTHS.items():
        lengths = [matrices[name][place] for place in places]
        if min(lengths) <= 0:
            raise _no_focal_length(file, name, *lengths)
    if not any(matrices['rectification_matrix']):
        raise _error(
            file,
            'has a rectification_matrix of zeros; expected a rotation, 1 0 0 0 1 0 0 0 1 for a '
            'camera by itself',
        )


def _no_focal_length(file: Path, name: str, x: float, y: float) -> ParameterError:
    return _error(
        file,
        f'has focal lengths of {x:g} and {y:g} in its {name}; expected more than 0: calibrate the '
        'camera, or leave the calibration empty',
    )


def _parameter_error(text: str) -> ParameterError:
    return ParameterError(text, 'calibration')


def _error(file: Path, problem: str) -> ParameterError:
    return _parameter_error(f'calibration {printable(file)} {problem}')


def _show(value: object) -> str:
    return quoted(value, _SHOWN)


def _value(file: Path, content: dict[Any, Any], name: str) -> Any:
    if name not in content:
        raise _error(file, f'lacks {name}; camera_calibration writes it')
    return content[name]


def _side(file: Path, content: dict[Any, Any], name: str) -> int:
    value = _value(file, content, name)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LARGEST_SIDE:
        raise _error(
            file,
            f'has {name}: {_show(value)}; expected a number of pixels, 1 to {_LARGEST_SIDE}',
        )
    return value


def _text(file: Path, content: dict[Any, Any], name: str, *, required: bool) -> str:
    value = _value(file, content, name) if required else content.get(name, '')
    if not isinstance(value, str) or (required and not value):
        raise _error(file, f'has {name}: {_show(value)}; expected a name')
    if len(value) > _LONGEST_TEXT or not value.isprintable():
        raise _error(
            file,
            f'has a {name} of {len(value)} characters: {_show(value)}; expected at most '
            f'{_LONGEST_TEXT}, all printable',
        )
    return value


def _matrix(file: Path, content: dict[Any, Any], name: str) -> tuple[float, ...]:
    """The values of a field like `{rows: 3, cols: 3, data: […]}`."""
    value = _value(file, content, name)
    if not isinstance(value, dict) or not isinstance(value.get('data'), list):
        raise _error(file, f'has a {name} that is not rows, cols and data')
    data = tuple(_number(file, name, number) for number in value['data'])
    rows, columns = _MATRICES.get(name, (1, len(data)))
    found = value.get('rows', rows), value.get('cols', columns)
    if found != (rows, columns) or len(data) != rows * columns:
        raise _error(
            file,
            f'has a {name} of {_show(found[0])} rows, {_show(found[1])} cols and '
            f'{counted(len(data), "value")}; expected {rows} by {columns}',
        )
    return data


def _number(file: Path, name: str, value: Any) -> float:
    # PyYAML reads 1e-05, as yaml-cpp writes it, as text, because it has no point.
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        with suppress(ValueError):
            number = float(value)
            if math.isfinite(number):
                return number
    raise _error(file, f'has {_show(value)} in the data of {name}; expected numbers alone')


def _moved(matrix: tuple[float, ...], columns: int, left: int, top: int) -> tuple[float, ...]:
    """A matrix whose pixels begin there; one of zeros, of a camera not calibrated, as it is."""
    if not any(matrix):
        return matrix
    moved = list(matrix)
    moved[2] -= left
    moved[columns + 2] -= top
    return tuple(moved)


def _scaled(
    matrix: tuple[float, ...], columns: int, scale_x: float, scale_y: float
) -> tuple[float, ...]:
    """A matrix of three rows, for pixels that are scaled about the corner of the picture."""
    x, y, z = (matrix[row * columns : (row + 1) * columns] for row in range(3))
    shift_x, shift_y = (scale_x - 1) / 2, (scale_y - 1) / 2
    return (
        *(scale_x * a + shift_x * c for a, c in zip(x, z, strict=True)),
        *(scale_y * b + shift_y * c for b, c in zip(y, z, strict=True)),
        *z,
    )
