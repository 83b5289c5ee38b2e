from glob import glob

from setuptools import setup

package = 'two_cameras'

setup(
    name=package,
    version='0.1.0',
    packages=[],  # no code: a launch file and parameters
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{package}']),
        (f'share/{package}', ['package.xml']),
        (f'share/{package}/launch', glob('launch/*.launch.py')),
        (f'share/{package}/config', glob('config/*.yaml')),
    ],
    description='Tracks objects in the images of two cameras, and records it.',
    license='Apache-2.0',
)
