"""One family of detectors: its name, and how its outputs are recognized."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from jetson_perception.model_info import ModelInfo
    from jetson_perception.tasks.detectors.box_layout import BoxLayout
    from jetson_perception.tasks.detectors.output import Output


class Reader(Protocol):
    """Finds boxes in outputs."""

    def __call__(
        self, seen: list[Output], info: ModelInfo, network_wh: tuple[int, int]
    ) -> BoxLayout | None:
        """The layout; None where outputs are of another family.

        Parameters
        ----------
        seen : list of Output
            All outputs of a run on a black image; at least one.
        info : ModelInfo
            `layout` is '' or this family: then doubts are the user's to have.
        network_wh : tuple of int
            Width and height of the network's input, pixels.

        Raises
        ------
        ParameterError
            When they may be of another family as well; the error names the parameter that
            decides.
        """


class Family(NamedTuple):
    """How to recognize the detectors of one family.

    Attributes
    ----------
    name : str
        A value of the parameter `layout`.
    told_by : str
        What it is told by, for people.
    read : callable
        Finds its boxes.
    """

    name: str
    told_by: str
    read: Reader
