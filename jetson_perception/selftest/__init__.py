"""Checks that confirm or refute, on the user's machine, what the package claims.

`jetson-perception selftest` runs checks, each in a process of its own, and writes one report.
"""
