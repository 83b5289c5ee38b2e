"""Runs the node that records, until a signal comes or the disk is full."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import rclpy
from rclpy.signals import SignalHandlerOptions

from jetson_perception.dds import transports
from jetson_perception.printable import counted, printable
from jetson_perception.process import ending
from jetson_perception.ros.arguments import require_utf8
from jetson_perception.ros.beginning import SEGMENT_BYTES
from jetson_perception.ros.log_folder import require_log_folder
from jetson_perception.ros.recording.bag import Bag
from jetson_perception.ros.recording.recorder import Recorder
from jetson_perception.ros.run import END_SIGNALS, log_library_to
from jetson_perception.ros.spinning import Spinner

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_log = logging.getLogger('jetson_perception.recording')


def record(folder: Path, topics: str, args: Sequence[str]) -> None:
    """Record into a folder that does not exist yet.

    Raises
    ------
    PerceptionError
        When nothing can be recorded there, or the recording has no end.
    """
    require_utf8(args)
    require_log_folder()
    spinner = Spinner()
    signals = ending.EndSignals(END_SIGNALS, spinner.stop)
    bag = Bag(folder)
    transports.take(SEGMENT_BYTES)
    rclpy.init(args=list(args), signal_handler_options=SignalHandlerOptions.NO)
    code = 0

    def is_full() -> None:
        nonlocal code
        code = 1
        spinner.stop()

    try:
        node = rclpy.create_node('recorder', start_parameter_services=False)
        transports.forget_profile()
        log_library_to(node)
        _log.info('recording into %s', printable(folder))
        Recorder(node, topics, bag, is_full)
        spinner.spin(node)
        bag.close()
        _log.info(
            '%s of %s are in %s',
            counted(bag.messages, 'message'),
            counted(bag.topics, 'topic'),
            printable(folder),
        )
        node.destroy_node()
        rclpy.try_shutdown()
    finally:
        transports.forget_profile()
        bag.close()
        signals.ignore()
    ending.leave(code)
    raise SystemExit(code)
