"""Executables: one node a file."""
