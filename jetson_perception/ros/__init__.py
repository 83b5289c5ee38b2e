"""Everything that imports rclpy beside nodes/: messages, QoS, parameters, diagnostics."""
