"""The parts of `tools/check_gpu.py`, one module each."""
