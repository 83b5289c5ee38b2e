"""The main job, run for a while and measured: `make demo` and `make demo-yolo`."""
