"""The lamp above the belt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Light:
    """The lamp's position, and the properties of its light.

    Attributes
    ----------
    azimuth : float
        Direction in the image plane, radians; x points right and y down.
    elevation : float
        Angle above the belt, radians; π/2 is straight above.
    color_bgr : tuple of float
        Gain per channel, including the exposure.
    ambient : float
        Share of the light that comes from all directions, 0 to 1.
    gloss : float
        Strength of the highlight, 0 to 1.
    """

    azimuth: float
    elevation: float
    color_bgr: tuple[float, float, float]
    ambient: float
    gloss: float

    def direction(self) -> tuple[float, float, float]:
        """Unit vector towards the lamp; z points from the belt to the camera."""
        flat = float(np.cos(self.elevation))
        return (
            flat * float(np.cos(self.azimuth)),
            flat * float(np.sin(self.azimuth)),
            float(np.sin(self.elevation)),
        )
