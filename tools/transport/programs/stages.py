#!/usr/bin/env python3
"""What a node of ours says of its stages, on the topic given: one line of JSON a message."""

from __future__ import annotations

import json
import sys

import rclpy
from jetson_perception.msg import PipelineStats


def main() -> None:
    """Print until ended."""
    rclpy.init()
    node = rclpy.create_node('stages')

    def on_stats(msg: PipelineStats) -> None:
        print(json.dumps({each.name: each.median_ms for each in msg.stages}), flush=True)

    node.create_subscription(PipelineStats, sys.argv[1], on_stats, 5)
    rclpy.spin(node)


if __name__ == '__main__':
    main()
