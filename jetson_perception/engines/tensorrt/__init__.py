"""TensorRT: engines that run, their building and keeping."""
