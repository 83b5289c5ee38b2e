"""The library and its command for pip, without ROS. colcon builds with CMakeLists.txt instead."""

import shutil
from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

root = Path(__file__).parent

# models/ and config/ lie at the root, where ROS has them; a wheel carries them in the package.
data = {'jetson_perception.share.models': 'models', 'jetson_perception.share.config': 'config'}


class BuildAnew(build_py):
    """Leaves out what an earlier build of this folder copied and is not there any more."""

    def run(self) -> None:
        """Copy all modules and data."""
        shutil.rmtree(Path(self.build_lib, 'jetson_perception'), ignore_errors=True)
        super().run()


setup(
    cmdclass={'build_py': BuildAnew},
    version=ElementTree.parse(root / 'package.xml').findtext('version'),
    packages=[*find_packages(include=['jetson_perception', 'jetson_perception.*']), *data],
    package_dir=data,
    package_data={
        'jetson_perception': ['py.typed', 'cuda/kernels/*.cu', 'cuda/kernels/*.cuh'],
        'jetson_perception.drawing': ['fonts/*'],
        'jetson_perception.view': ['page/*'],
        'jetson_perception.share.models': ['*.onnx', '*.yaml'],
        'jetson_perception.share.config': [
            '*.yaml',
            '*.rviz',
            '*.xml',
            'foxglove/*.json',
            'sros2/*.xml',
        ],
    },
)
