"""What is claimed, in words; docs/tensorrt.md lists the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PASS = 'pass'
FAIL = 'FAIL'
NOT_HERE = 'not here'

CLAIMS = {
    'machine': 'The machine has everything it takes to run a model on images.',
    'truth': "On the CPU, the package's models find the objects in rendered scenes.",
    'agrees': 'Engines agree with the CPU in every precision.',
    'pipeline': "The nodes' pipeline answers every frame and agrees with the CPU.",
    'together': 'Models that run side by side on one device agree with the CPU.',
    'cache': 'An engine is built once, and rebuilt when its file is damaged; a folder that others '
    'can write to is refused.',
    'refusals': 'A file that is no engine for this machine is refused, with the reason; '
    'nothing crashes.',
    'cancel': 'A canceled build ends within 10 s.',
}
"""By the name of the check."""


@dataclass(frozen=True)
class Result:
    """The result of one check.

    Attributes
    ----------
    claim : str
        Name of the claim, one of `CLAIMS`.
    subject : str
        What was checked, such as 'people_pose, tensorrt, int8'; empty for the machine.
    outcome : str
        `PASS`, `FAIL` or `NOT_HERE`.
    reason : str
        Why it failed or could not run; for a check that passed, anything worth knowing.
    figures : dict
        Measurements, as JSON types; times in milliseconds.
    log : str
        The last lines that the check's process logged.
    seconds : float
        How long it took.
    """

    claim: str
    subject: str
    outcome: str
    reason: str = ''
    figures: dict[str, Any] = field(default_factory=dict)
    log: str = ''
    seconds: float = 0.0
