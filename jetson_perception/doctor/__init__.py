"""What the package needs and this machine has or lacks, line by line, with what to do about it.

`jetson-perception doctor` prints it. Everything is looked up through a `Machine`, so that a tree
of captured files can stand for one.
"""

from jetson_perception.doctor.examination import can_do_main_job, examine
from jetson_perception.doctor.finding import MISSING, OK, VERDICTS, WARNING, Finding
from jetson_perception.doctor.machine import Answer, Machine

__all__ = [
    'MISSING',
    'OK',
    'VERDICTS',
    'WARNING',
    'Answer',
    'Finding',
    'Machine',
    'can_do_main_job',
    'examine',
]
