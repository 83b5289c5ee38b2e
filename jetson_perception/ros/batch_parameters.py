"""Parameters that say how images of several cameras run together."""

from __future__ import annotations

from dataclasses import dataclass

from jetson_perception.ros.parameters import param


@dataclass(frozen=True)
class BatchParams:
    """How an engine takes images of several cameras (image_topics), if its model can batch."""

    max_batch: int = param(
        0,
        'The most images, of different cameras, in one inference; 1: each camera in turn, which '
        'gives each result sooner where a batch takes longer. 0: on the CPU as many as the model '
        'takes, on a GPU in turn, as batches take memory there.',
        between=(0, 64),
    )
    batch_wait_ms: float = param(
        0.0,
        'How long an image waits for those of the other cameras, ms from its arrival; 0: what is '
        'there when the engine is free runs together. It waits for no camera that has stopped, '
        "and never until its own camera's next image.",
        between=(0.0, 1000.0),
    )
