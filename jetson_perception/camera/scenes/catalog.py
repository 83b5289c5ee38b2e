"""The scenes that `scene://` knows, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from jetson_perception.camera.scenes import oranges, people
from jetson_perception.errors import SourceError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    SceneTruth = NDArray[np.uint8] | people.PeopleTruth
    """A class id per pixel, or the objects that are seen."""


class Scene(Protocol):
    """A rendered scene that knows the class of every pixel, or every object."""

    def prepare(self, stop: threading.Event | None = None) -> None:
        """Do now what would make the first frames late, unless told to stop."""
        ...

    def frame(
        self,
        time_s: float,
        out: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None,
    ) -> tuple[NDArray[np.uint8], SceneTruth]:
        """Picture (h, w, 3) BGR, uint8, and truth at a time; into `out` if given.

        `out` is an array for the picture, and one of (h, w), uint8, for a truth of pixels; a scene
        whose truth is objects writes to the second what it pleases.
        """
        ...


@dataclass(frozen=True)
class SceneKind:
    """A scene that can be asked for by name.

    Attributes
    ----------
    class_names : tuple of str
        Name of class i of the truth at index i.
    min_size_wh : tuple of int
        Smallest width and height that can be rendered, pixels.
    make : callable
        (size_wh, seed) to a scene.
    evaluation : callable
        (count, size_wh) to names, pictures and truths of scenes that no training has seen.
    """

    class_names: tuple[str, ...]
    min_size_wh: tuple[int, int]
    make: Callable[[tuple[int, int], int], Scene]
    evaluation: Callable[
        [int, tuple[int, int]], Iterator[tuple[str, NDArray[np.uint8], SceneTruth]]
    ]


SCENES = {
    'oranges': SceneKind(
        oranges.CLASS_NAMES,
        oranges.MIN_SIZE_WH,
        oranges.OrangeScene,
        oranges.evaluation_stills,
    ),
    'people': SceneKind(
        people.CLASS_NAMES,
        people.MIN_SIZE_WH,
        people.PeopleScene,
        people.evaluation_stills,
    ),
}


def scene_kind(name: str) -> SceneKind:
    """The scene of that name.

    Raises
    ------
    SourceError
        When there is none; the text lists those there are.
    """
    if name not in SCENES:
        raise SourceError(f'no scene is called {name!r}; scenes are {", ".join(sorted(SCENES))}')
    return SCENES[name]


def evaluation_scenes(
    name: str, count: int, size_wh: tuple[int, int] = (1280, 720)
) -> Iterator[tuple[str, NDArray[np.uint8], SceneTruth]]:
    """Scenes to evaluate a model on; always the same ones, and none that training has seen.

    Parameters
    ----------
    name : str
        Of the scene, as in `scene://oranges`.
    count : int
        How many.
    size_wh : tuple of int
        Width and height, pixels.

    Yields
    ------
    name : str
        Of this one, to tell it from the others.
    bgr : ndarray, shape (h, w, 3), uint8
    truth : ndarray, shape (h, w), uint8, or PeopleTruth
        Class id of each pixel, or the objects that are seen.

    Raises
    ------
    SourceError
        When no scene has that name.
    """
    # A plain function that returns a generator, so that a wrong name is refused at once.
    return scene_kind(name).evaluation(count, size_wh)
