"""Engines and INT8 models made from the command line: the commands, and the pictures they take."""
