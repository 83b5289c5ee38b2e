"""`python -m jetson_perception`: the command `jetson-perception`, also as pip installs it."""

from __future__ import annotations

from typing import NoReturn

from jetson_perception.process.executable import run_command_module


def main() -> NoReturn:
    """Run the command."""
    run_command_module('jetson_perception.commands.main')


if __name__ == '__main__':
    main()
