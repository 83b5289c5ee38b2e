from glob import glob

from setuptools import setup

package = 'detection_markers'

setup(
    name=package,
    version='0.1.0',
    packages=[package],
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{package}']),
        (f'share/{package}', ['package.xml']),
        (f'share/{package}/launch', glob('launch/*.launch.py')),
    ],
    description='Shows objects in space as boxes with names in rviz2 and Foxglove.',
    license='Apache-2.0',
    entry_points={'console_scripts': [f'{package} = {package}.node:main']},
)
