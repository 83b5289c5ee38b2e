"""From pixel values to those that a network takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jetson_perception.errors import ParameterError
from jetson_perception.model_info import COLOR_ORDERS
from jetson_perception.printable import quoted
from jetson_perception.tasks.numbers import is_number


@dataclass(frozen=True, slots=True)
class Normalization:
    """From pixel values, 0 to 255, to the network's: (value × scale - mean) / std.

    Attributes
    ----------
    scale : float
        Applied first.
    mean, std : tuple of three floats
        Per channel, in the network's color order, in units of value × scale.
    color_order : str
        The network's: 'rgb' or 'bgr'.

    Raises
    ------
    ParameterError
        When a value is not finite, the scale or a std is zero, or the color order is unknown.
    """

    scale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    color_order: str = 'rgb'

    def __post_init__(self) -> None:
        if self.color_order not in COLOR_ORDERS:
            raise ParameterError(
                f"color_order is {quoted(self.color_order)}; choose 'rgb' or 'bgr', whichever the "
                'network was trained with',
                'color_order',
            )
        for name, values in (('mean', self.mean), ('std', self.std)):
            if len(values) != 3 or not all(is_number(v) and np.isfinite(v) for v in values):
                raise ParameterError(
                    f'{name} is {values}; give three finite numbers, one per channel', name
                )
        if not all(self.std):
            raise ParameterError(
                f'std is {self.std}; pixels are divided by it, so none may be 0', 'std'
            )
        if not (is_number(self.scale) and np.isfinite(self.scale) and self.scale):
            raise ParameterError(
                f'scale is {self.scale!r}; give a finite number other than 0, such as 1/255',
                'scale',
            )
