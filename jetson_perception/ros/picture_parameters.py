"""Parameters of what people look at: how many pictures, how large, how they are compressed."""

from __future__ import annotations

from dataclasses import dataclass

from jetson_perception.ros.parameters import param


@dataclass(frozen=True)
class AnnotatedParams:
    """Parameters of `annotated` and `annotated/compressed`, under `annotated`."""

    rate: float = param(
        0.0,
        'The most pictures a second, Hz; 0: one of every image that has results.',
        between=(0.0, 1000.0),
    )
    width: int = param(
        0,
        'Width in pixels that wider images are reduced to, in proportion, before results are '
        'drawn; 0: as the image.',
        between=(0, 16384),
    )


@dataclass(frozen=True)
class JpegParams:
    """Parameters of a topic with JPEG images, under the topic's name."""

    jpeg_quality: int = param(
        80,
        'Quality of the JPEG images that are made here; less makes them smaller.',
        between=(1, 100),
    )
