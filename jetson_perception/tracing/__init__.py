"""What happens to frames, moment by moment: recorded in a process, shown to people.

::

    stages, callbacks, collector ─ recorder ─ Trace service ─ `jetson-perception trace`
                                                                ├─ trace file, for Perfetto
                                                                └─ summary, for the terminal
"""

from jetson_perception.tracing.recorder import RECORDER, Recorder

__all__ = ['RECORDER', 'Recorder']
