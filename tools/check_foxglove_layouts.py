#!/usr/bin/env python3
"""Hold the layouts in config/foxglove against Foxglove's own definitions of panels.

    pip install foxglove-sdk
    python tools/check_foxglove_layouts.py

foxglove.layouts has a class for the settings of each panel. Each panel of a layout is made from
its class, and has to come out of it as it went in: so every setting exists, and every value is one
that the panel takes. Panels and places have to name each other. Exits with 1 if a layout is wrong,
with 2 if there is no foxglove.layouts.
"""

from __future__ import annotations

import json
import re
import sys
import types
import typing
from pathlib import Path
from typing import Any

try:
    from foxglove import layouts
except ImportError:
    print('there is no foxglove.layouts: pip install foxglove-sdk', file=sys.stderr)
    sys.exit(2)

FOLDER = Path(__file__).resolve().parent.parent / 'config' / 'foxglove'

#: The class of each panel's settings, by the panel's type in the files that Foxglove imports.
PANELS = {
    'Image': layouts.ImageConfig,
    'Plot': layouts.PlotConfig,
    'RawMessages': layouts.RawMessagesConfig,
    'DiagnosticSummary': layouts.DiagnosticsSummaryConfig,
}
_TITLE = 'foxglovePanelTitle'  # of any panel; in the SDK it belongs to the panel, not its settings
_PLACED = {'direction', 'first', 'second', 'splitPercentage'}


def main() -> int:
    """Check every layout. Returns the exit code."""
    files = sorted(FOLDER.glob('*.json'))
    problems = [problem for file in files for problem in check(file)]
    for problem in problems:
        print(problem)
    print(f'{len(files)} layouts, {len(problems)} problems')
    return 1 if problems or not files else 0


def check(file: Path) -> list[str]:
    """What is wrong with a layout, one text for each fault."""
    layout = json.loads(file.read_text(encoding='utf-8'))
    settings, found = layout['configById'], []
    placed = list(_panels(layout['layout'], found))
    if sorted(placed) != sorted(settings):
        found.append(f'panels {sorted(settings)} are placed as {sorted(placed)}')
    for name, config in settings.items():
        kind = PANELS.get(name.partition('!')[0])
        if kind is None:
            found.append(f'{name}: no such panel; known are {", ".join(PANELS)}')
            continue
        config.pop(_TITLE, None)
        try:
            again = json.loads(_made(kind, config).to_json())
        except (TypeError, ValueError) as error:
            found.append(f'{name}: {error}')
            continue
        if again != config:
            found.append(f'{name}: {config} is read as {again}')
    return [f'{file.name}: {each}' for each in found]


def _panels(place: Any, found: list[str]) -> typing.Iterator[str]:
    """Names of the panels in a place, which is a panel or two places side by side."""
    if isinstance(place, str):
        yield place
        return
    if not {'direction', 'first', 'second'} <= place.keys() <= _PLACED:
        found.append(f'a place has {sorted(place)}; expected {sorted(_PLACED)}')
    if place['direction'] not in ('row', 'column'):
        found.append(f'a place goes in direction {place["direction"]}; expected row or column')
    for half in ('first', 'second'):
        yield from _panels(place[half], found)


def _made(kind: Any, value: Any) -> Any:
    """A value as the SDK holds it.

    Raises
    ------
    TypeError
        When it is of another type, or has a setting that the class does not.
    ValueError
        When it is not one of the values that are possible.
    """
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _made_as_one_of(typing.get_args(kind), value)
    if origin is typing.Literal:
        if value not in typing.get_args(kind):
            raise ValueError(f'{value!r} is none of {typing.get_args(kind)}')
        return value
    if origin is list:
        return [_made(typing.get_args(kind)[0], each) for each in value]
    if origin is dict:
        return {key: _made(typing.get_args(kind)[1], each) for key, each in value.items()}
    if kind in (float, int, str, bool):
        number = kind is float and isinstance(value, int) and not isinstance(value, bool)
        if not number and type(value) is not kind:
            raise TypeError(f'{value!r} is no {kind.__name__}')
        return value
    if kind is Any:
        return value
    if not isinstance(value, dict):
        raise TypeError(f'{value!r} is no {kind.__name__}')
    hints = typing.get_type_hints(kind, vars(layouts))
    fields = {re.sub('([A-Z])', r'_\1', key).lower(): each for key, each in value.items()}
    unknown = fields.keys() - hints.keys()
    if unknown:
        raise TypeError(f'{kind.__name__} has no {sorted(unknown)}')
    return kind(**{name: _made(hints[name], each) for name, each in fields.items()})


def _made_as_one_of(kinds: tuple[Any, ...], value: Any) -> Any:
    """A value as the first type that takes it.

    Raises
    ------
    TypeError, ValueError
        When none does: what the last one said.
    """
    if value is None and type(None) in kinds:
        return None
    problem: Exception = TypeError(f'{value!r} is of no type')
    for kind in kinds:
        if kind is not type(None):
            try:
                return _made(kind, value)
            except (TypeError, ValueError) as error:
                problem = error
    raise problem


if __name__ == '__main__':
    sys.exit(main())
