"""The parameters of an engine that looks at the boxes of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jetson_perception.errors import ParameterError
from jetson_perception.parameter_fields import param
from jetson_perception.printable import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_NAMES = 10


@dataclass(frozen=True)
class CropParams:
    """On which boxes an engine looks, if not at the whole image."""

    crop_of: str = param(
        '',
        'Another engine, which finds objects: this one looks at each of them instead of at the '
        'image, and its results carry their ids. Empty for the whole image.',
        at_configure=True,
    )
    crop_classes: tuple[str, ...] = param(
        (),
        "Of the other engine's objects only those of these classes, by name; an empty list, or "
        "[''], for all.",
        example='[car, truck]',
    )
    crop_margin: float = param(
        0.0,
        'What is added to a box on each side: this share of its width on the left and right, of '
        'its height above and below.',
        between=(0.0, 2.0),
    )
    max_crops: int = param(
        20,
        'Maximum number of boxes per frame; those with the best scores are looked at, and '
        'diagnostics count the others. As many run together as the model and max_batch allow.',
        between=(1, 256),
    )
    crop_objects: str = param(
        'auto',
        'Which objects in a box are kept: one, whose own box fits it best, or all; auto: one of '
        'a pose or segmentation model, all of a detector.',
        choices=('auto', 'one', 'all'),
    )


def require_known_engine(name: str, followed: Mapping[str, str]) -> None:
    """Check what the `crop_of` of an engine names.

    Parameters
    ----------
    name : str
        The engine.
    followed : mapping of str to str
        The `crop_of` of each engine, by its name.

    Raises
    ------
    ParameterError
        When it is no other engine, or the engines wait for each other in a circle.
    """
    other = followed[name]
    if not other:
        return
    if other not in followed or other == name:
        others = [each for each in followed if each != name]
        known = f'one of {listed(others, _MOST_NAMES)}' if others else 'one, and there is no other'
        found = 'this engine itself' if other == name else quoted(other)
        raise ParameterError(
            f'crop_of is {found}; expected the name of another engine that finds objects, {known}',
            'crop_of',
        )
    way = [name]
    while other := followed.get(way[-1], ''):
        way.append(other)
        if other in way[:-1]:
            raise ParameterError(
                f'crop_of leads in a circle, {" of ".join(way[way.index(other) :])}; expected one '
                'of them to look at the whole image: leave its crop_of empty',
                'crop_of',
            )
