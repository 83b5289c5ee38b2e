from glob import glob

from setuptools import setup

package = 'follow_person'

setup(
    name=package,
    version='0.1.0',
    packages=[package],
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{package}']),
        (f'share/{package}', ['package.xml']),
        (f'share/{package}/launch', glob('launch/*.launch.py')),
    ],
    description='Drives a robot after the nearest person that a detector sees.',
    license='Apache-2.0',
    entry_points={'console_scripts': [f'{package} = {package}.node:main']},
)
