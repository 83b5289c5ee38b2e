"""`measure_topic` in a process of its own, for the doctor: it prints one JSON object last."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import asdict

from jetson_perception.dds import transports
from jetson_perception.errors import PerceptionError
from jetson_perception.ros.beginning import SEGMENT_BYTES
from jetson_perception.ros.log_folder import require_log_folder
from jetson_perception.ros.measuring.camera_topic import measure_topic


def main() -> None:
    """Measure the topic that the command line names, for so many seconds."""
    topic, seconds = sys.argv[1:3]
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # leave the graph
    require_log_folder()
    transports.take(SEGMENT_BYTES)
    try:
        found = asdict(measure_topic(topic, float(seconds)))
    except PerceptionError as error:
        found = {'error': str(error)}
    finally:
        transports.forget_profile()
    sys.stdout.write('\n' + json.dumps(found) + '\n')
