"""The verbs of the command `jetson-perception`, one a file."""
