"""Parameters of every task whose results have a class and a score."""

from __future__ import annotations

from dataclasses import dataclass

from jetson_perception.parameter_fields import param


@dataclass(frozen=True)
class ScoredParams:
    """Which results count, by their class and score."""

    score_threshold: float = param(0.25, 'Drop results that score less.', between=(0.0, 1.0))
    classes: tuple[str, ...] = param(
        (),
        "Publish only these classes, by name; an empty list, or [''], publishes all.",
        example='[person, dog]',
    )
    class_score_thresholds: tuple[str, ...] = param(
        (),
        'Classes with a threshold of their own in place of score_threshold, each as '
        '"name: threshold"; an empty list, or [\'\'], for none.',
        example='["person: 0.5", "traffic light: 0.3"]',
    )
