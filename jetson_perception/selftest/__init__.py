"""What the owner of a machine runs to confirm or refute what the package claims of it.

`jetson-perception selftest` runs checks, each in a process of its own, and writes one report.
"""
