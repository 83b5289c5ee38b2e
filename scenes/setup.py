"""What pyproject.toml cannot say of the build."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildAnew(build_py):
    """Leaves out what an earlier build of this folder copied and is not there any more."""

    def run(self) -> None:
        """Copy all modules and data."""
        shutil.rmtree(Path(self.build_lib, 'jetson_perception_scenes'), ignore_errors=True)
        super().run()


setup(cmdclass={'build_py': BuildAnew})
