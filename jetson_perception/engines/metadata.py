"""Reads what is known about a model: from its ONNX metadata, or from a YAML file beside it.

The YAML file has the model's name (`my.onnx` and `my.yaml`) and the keys of `ModelInfo`; it wins
over the ONNX metadata, and a node's parameters win over both.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jetson_perception.engines.class_names import read_class_names
from jetson_perception.engines.model_folder import file_beside
from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.files.foreign_data import Limits, parse_literal, parse_yaml
from jetson_perception.files.foreign_files import read_foreign_file
from jetson_perception.model_info import (
    DEPTH_VALUES,
    MOST_NAMES,
    SHOWN_CHARACTERS,
    TASKS,
    ModelInfo,
    class_name_of,
    did_you_mean,
    find_problem,
    validate,
)
from jetson_perception.printable import printable, quoted

_log = logging.getLogger(__name__)

METADATA_LIMITS = Limits(size_bytes=2 << 20)
"""Limits for metadata: room for as many names as a model may have."""


_MOST_NUMBERS = 64

# Each reader turns a parsed value into one for `ModelInfo`. It raises ValueError with what it
# expected. Bool is refused for a number: YAML reads `yes` and `on` as True.


def _read_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f'expected text, found {_show(value)}')
    return value


def _read_int(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f'expected a whole number, found {_show(value)}')
    return value


def _read_float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f'expected a number, found {_show(value)}')
    return float(value)


def _read_list(value: object, length: int, what: str) -> list[object]:
    if not isinstance(value, (list, tuple)) or len(value) != length:
        raise ValueError(f'expected {what}, found {_show(value)}')
    return list(value)


def _read_size_wh(value: object) -> tuple[int, int]:
    if isinstance(value, int):
        value = [value, value]
    width, height = _read_list(value, 2, '[width, height]')
    return _read_int(width), _read_int(height)


def _read_imgsz(value: object) -> tuple[int, int]:
    """Ultralytics' imgsz, one side or [height, width], as (width, height)."""
    if isinstance(value, int):
        value = [value, value]
    height, width = _read_list(value, 2, 'one number or [height, width]')
    return _read_int(width), _read_int(height)


def _read_keypoint_shape(value: object) -> tuple[int, int]:
    count, values = _read_list(value, 2, '[keypoints, values per keypoint]')
    return _read_int(count), _read_int(values)


def _read_triple(value: object) -> tuple[float, float, float]:
    one, two, three = _read_list(value, 3, 'three numbers, one per channel')
    return _read_float(one), _read_float(two), _read_float(three)


def _read_numbers(value: object) -> tuple[float, ...]:
    if not isinstance(value, (list, tuple)) or len(value) > _MOST_NUMBERS:
        raise ValueError(f'expected a list of at most {_MOST_NUMBERS} numbers')
    return tuple(map(_read_float, value))


def _read_names(value: object) -> tuple[str, ...]:
    """A list of names, or a dict of index to name; a missing index becomes 'class_<index>'."""
    if isinstance(value, Mapping):
        by_index = {_read_index(index): _read_name(name) for index, name in value.items()}
        if by_index and not 0 <= min(by_index) <= max(by_index) < MOST_NAMES:
            raise ValueError(
                f'expected indices from 0 to {MOST_NAMES - 1}, '
                f'found {min(by_index)} to {max(by_index)}'
            )
        count = max(by_index, default=-1) + 1
        return tuple(by_index.get(index, class_name_of((), index)) for index in range(count))
    if not isinstance(value, (list, tuple)):
        raise ValueError(f'expected a list of names, or index: name, found {_show(value)}')
    return tuple(map(_read_name, value))


def _read_name(value: object) -> str:
    if isinstance(value, (Mapping, list, tuple)):
        raise ValueError(f'expected a name, found {_show(value)}')
    return str(value)


def _read_index(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    # JSON has only strings as keys.
    if isinstance(value, str) and re.fullmatch(r'-?\d{1,18}', value):
        return int(value)
    raise ValueError('expected whole numbers as keys of a dict of names')


def _read_keypoint_names(value: object) -> tuple[str, ...]:
    """A list of names; of Ultralytics' dict from class index to such a list, the first one."""
    if isinstance(value, Mapping) and value:
        first = value[min(value, key=_read_index)]
        if isinstance(first, (list, tuple)):
            value = first
    return _read_names(value)


def _read_skeleton(value: object) -> tuple[tuple[int, int], ...]:
    what = 'a list of [keypoint index, keypoint index]'
    if not isinstance(value, (list, tuple)):
        raise ValueError(f'expected {what}, found {_show(value)}')
    pairs = (_read_list(pair, 2, what) for pair in value)
    return tuple((_read_int(start), _read_int(end)) for start, end in pairs)


def _show(value: object) -> str:
    return quoted(value, SHOWN_CHARACTERS)


def _read_names_file(value: object) -> tuple[str, ...]:
    try:
        return read_class_names(_read_text(value))
    except ParameterError as err:
        raise ValueError(str(err)) from err


_Reader = Callable[[object], Any]

_SIDECAR_READERS: dict[str, tuple[str, _Reader]] = {
    'task': ('task', _read_text),
    'class_names': ('class_names', _read_names),
    'class_names_file': ('class_names', _read_names_file),
    'input_size_wh': ('input_size_wh', _read_size_wh),
    'stride': ('stride', _read_int),
    'keypoint_shape': ('keypoint_shape', _read_keypoint_shape),
    'keypoint_names': ('keypoint_names', _read_keypoint_names),
    'skeleton': ('skeleton', _read_skeleton),
    'layout': ('layout', _read_text),
    'box_format': ('box_format', _read_text),
    'anchors': ('anchors', _read_numbers),
    'output_name': ('output_name', _read_text),
    'output': ('output', _read_text),
    'depth_values': ('depth_values', _read_text),
    'resize': ('resize', _read_text),
    'color_order': ('color_order', _read_text),
    'scale': ('scale', _read_float),
    'mean': ('mean', _read_triple),
    'std': ('std', _read_triple),
    # The node parameter that errors tell the user to set.
    'input_size': ('input_size_wh', _read_size_wh),
    # Ultralytics' spelling in data and model files.
    'names': ('class_names', _read_names),
    'imgsz': ('input_size_wh', _read_imgsz),
    'kpt_shape': ('keypoint_shape', _read_keypoint_shape),
    'kpt_names': ('keypoint_names', _read_keypoint_names),
}
"""Key in the file: field of `ModelInfo`, reader."""


def sidecar_path(model_path: str | Path) -> Path | None:
    """The YAML file beside a model, `my.yaml` or `my.yml` for `my.onnx`; None if there is none."""
    for suffix in ('.yaml', '.yml'):
        path = Path(model_path).with_suffix(suffix)
        # A folder or device of that name is refused when it is read, not passed over.
        if os.path.exists(path):
            return path
    return None


def read_sidecar(path: str | Path) -> ModelInfo:
    """Read the YAML file beside a model.

    Parameters
    ----------
    path : str or Path
        The YAML file; it may be empty. `class_names_file` is relative to its folder, and must be
        below it.

    Raises
    ------
    ModelError
        When it cannot be read or is not YAML, or when a key is unknown, appears under two
        spellings, or has a value of the wrong type or out of range. The message names the key.
    """
    content = read_foreign_file(
        path, what='metadata', error=ModelError, limit_bytes=METADATA_LIMITS.size_bytes
    )
    return parse_sidecar(content, Path(path))


def parse_sidecar(text: bytes, path: Path) -> ModelInfo:
    """Read the text of the YAML file at this path; raises the same errors as `read_sidecar`."""
    content = parse_yaml(
        text, where=f'metadata {printable(path)}', error=ModelError, limits=METADATA_LIMITS
    )
    if content is None:
        return ModelInfo()
    if not isinstance(content, dict):
        kind = 'a list' if isinstance(content, list) else 'one value'
        raise ModelError(f'{path} holds {kind}; expected lines of `key: value`')
    return read_mapping(content, str(path), Path(path))


def read_mapping(
    content: Mapping[Any, object], origin: str, model: Path | None = None
) -> ModelInfo:
    """Read a mapping with the keys of a sidecar file.

    Parameters
    ----------
    content : mapping
        Values as YAML gives them.
    origin : str
        Where it comes from, for errors.
    model : Path, optional
        The model file that the mapping comes with; `class_names_file` must be in its folder.
        Without it the mapping comes from the user, who may name any file.

    Raises
    ------
    ModelError
        See `read_sidecar`.
    """
    values: dict[str, Any] = {}
    said_as: dict[str, str] = {}
    for key, value in content.items():
        if key not in _SIDECAR_READERS:
            keys = tuple(_SIDECAR_READERS)
            raise ModelError(
                f'{origin}: unknown key {_show(key)}{did_you_mean(str(key), keys) or "."} '
                f'Known keys: {", ".join(keys)}'
            )
        field, read = _SIDECAR_READERS[key]
        if field in values:
            raise ModelError(
                f'{origin}: {key} and {said_as[field]} set the same value; keep one of them'
            )
        said_as[field] = key
        try:
            if key == 'class_names_file' and model is not None:
                value = str(file_beside(model, _read_text(value)))
            values[field] = read(value)
        except ValueError as err:
            raise ModelError(f'{origin}: {key}: {err}') from err
    info = ModelInfo(**values)
    if info.task and info.task not in TASKS:
        raise ModelError(
            f'{origin}: task: {_show(info.task)} is not one of {", ".join(TASKS)}'
            f'{did_you_mean(info.task, TASKS)}'
        )
    validate(info, origin)
    return info


_ONNX_READERS: dict[str, tuple[str, _Reader]] = {
    'names': ('class_names', _read_names),
    'imgsz': ('input_size_wh', _read_imgsz),
    'stride': ('stride', _read_int),
    'kpt_shape': ('keypoint_shape', _read_keypoint_shape),
    'kpt_names': ('keypoint_names', _read_keypoint_names),
}


def read_onnx_metadata(props: Mapping[str, str]) -> ModelInfo:
    """Read the metadata of an ONNX file, with the keys that Ultralytics writes.

    A key that cannot be read is ignored, with a warning in the log: metadata is free text, and a
    model runs without it.

    Parameters
    ----------
    props : mapping of str to str
        The file's `metadata_props`.

    Notes
    -----
    Ultralytics writes Python literals (`str(value)` of a dict or list); other exporters JSON.
    `task` is kept as it is. `end2end`, or `nms` among `args`, means that the output is one row per
    box, after suppression. `end2end: False` only excludes that: shapes and names decide the rest.
    Depth of Ultralytics is in metres.
    """
    info = ModelInfo(task=printable(props.get('task', '').strip(), SHOWN_CHARACTERS))
    for key, (field, read) in _ONNX_READERS.items():
        if key not in props:
            continue
        try:
            candidate = replace(info, **{field: read(_parse(props[key]))})
            problem = find_problem(candidate)
            if problem:
                raise ValueError(problem[1])
        except (ValueError, ModelError) as err:
            _log.warning("the model's metadata %r is ignored: %s", key, err)
        else:
            info = candidate
    return replace(info, layout=_read_layout(props), depth_values=_read_depth_values(props))


def _read_depth_values(props: Mapping[str, str]) -> str:
    if props.get('task') == 'depth' and props.get('author') == 'Ultralytics':
        return 'metric'
    said = props.get('depth_values', '').strip()
    return said if said in DEPTH_VALUES else ''


def _read_layout(props: Mapping[str, str]) -> str:
    values: dict[str, object] = {}
    for key in ('end2end', 'args'):
        if key in props:
            try:
                values[key] = _parse(props[key])
            except ModelError as err:
                _log.warning("the model's metadata %r is ignored: %s", key, err)
    args = values.get('args')
    suppressed = isinstance(args, dict) and args.get('nms') is True
    return 'end_to_end' if suppressed or values.get('end2end') is True else ''


def _parse(text: str) -> object:
    return parse_literal(text, where='it', error=ModelError, limits=METADATA_LIMITS)
