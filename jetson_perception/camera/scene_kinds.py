"""Which scenes `scene://` shows: those that installed distributions register, by name.

A distribution registers a scene by an entry point of the group `jetson_perception.scenes`: its
name is the scene's, its value names a `SceneKind`. Renderers are imported when their scene is
asked for, and not before.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, TypeAlias

from jetson_perception.camera.shown import shown
from jetson_perception.errors import SourceError
from jetson_perception.printable import quoted
from jetson_perception.resources import DEMO_PACKAGE, how_to_get_demos

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from importlib.metadata import EntryPoint

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.tasks.results import Detections

    SceneTruth: TypeAlias = 'NDArray[np.uint8] | SceneObjects'
    """A class id per pixel, or the objects that are seen."""

    Still: TypeAlias = tuple[str, NDArray[np.uint8], SceneTruth]
    """Name, picture (h, w, 3) BGR, and truth."""

GROUP = 'jetson_perception.scenes'
"""The group of entry points that scenes are registered in."""

# So that a checkout shows its own scenes although nothing installed them.
_OURS = ('oranges', 'people')


class SceneObjects(Protocol):
    """The objects that are seen in a picture; row i of every array is the same object."""

    @property
    def xyxy(self) -> NDArray[np.float32]:
        """Left, top, right, bottom of what is visible, (n, 4)."""
        ...

    @property
    def class_id(self) -> NDArray[np.int32]:
        """Index into the kind's class names, (n,)."""
        ...

    @property
    def area(self) -> NDArray[np.float32]:
        """Visible pixels, (n,)."""
        ...

    def detections(self) -> Detections:
        """The same as perfect detections."""
        ...

    def annotated_keypoints(self) -> NDArray[np.float32] | None:
        """Keypoints as people annotate them, (n, k, 3); None where the scene has none."""
        ...


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
    training : callable
        To the stills that models are trained on; there are more than anybody needs.
    evaluation : callable
        (count, size_wh) to stills that no training has seen, always the same ones.
    knows_objects : bool
        Whether the truth is `SceneObjects`; else it is a class id per pixel.
    keypoint_count : int
        Keypoints an object; 0 for none.
    """

    class_names: tuple[str, ...]
    min_size_wh: tuple[int, int]
    make: Callable[[tuple[int, int], int], Scene]
    training: Callable[[], Iterator[Still]]
    evaluation: Callable[[int, tuple[int, int]], Iterator[Still]]
    knows_objects: bool = False
    keypoint_count: int = 0


def scene_names() -> list[str]:
    """Names of the scenes that are installed, sorted; none of them is imported."""
    return sorted(_registered())


def scene_kind(name: str) -> SceneKind:
    """The scene of that name.

    Raises
    ------
    SourceError
        When there is none: the text lists those there are, or says what to install. When the
        distribution that registers it is broken.
    """
    registered = _registered()
    uri = shown(f'scene://{name}')
    if name in registered:
        return _load(registered[name], uri)
    if not find_spec(DEMO_PACKAGE) and (name in _OURS or not registered):
        raise SourceError(f'{uri}: {how_to_get_demos("rendered scenes")}')
    called = quoted(uri.removeprefix('scene://'))
    raise SourceError(f'no scene is called {called}; scenes are {", ".join(sorted(registered))}')


def _registered() -> dict[str, EntryPoint]:
    from importlib.metadata import EntryPoint, entry_points  # takes milliseconds to import

    ours = (
        {name: EntryPoint(name, f'{DEMO_PACKAGE}.{name}:KIND', GROUP) for name in _OURS}
        if find_spec(DEMO_PACKAGE)
        else {}
    )
    return ours | {entry.name: entry for entry in entry_points(group=GROUP)}


def _load(entry: EntryPoint, uri: str) -> SceneKind:
    try:
        kind: SceneKind = entry.load()
    except (ImportError, AttributeError) as err:
        raise SourceError(
            f'{uri}: {entry.value}, which renders it, cannot be imported: {err}; install its '
            'package anew'
        ) from err
    return kind
