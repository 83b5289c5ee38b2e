"""One detector with a tracker on two cameras, and a recording of both.

The node reads the cameras itself, so there is one copy of the model and no image on the way.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare


def generate_launch_description():
    perception = PathJoinSubstitution(
        [FindPackageShare('jetson_perception'), 'launch', 'yolo.launch.py']
    )
    parameters = PathJoinSubstitution(
        [FindPackageShare('two_cameras'), 'config', 'two_cameras.yaml']
    )
    front, rear = LaunchConfiguration('front'), LaunchConfiguration('rear')
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'front', default_value='v4l2:///dev/video0', description='Camera to open.'
            ),
            DeclareLaunchArgument(
                'rear', default_value='v4l2:///dev/video2', description='Camera to open.'
            ),
            DeclareLaunchArgument(
                'params_file', default_value=parameters, description='YAML file for yolo_node.'
            ),
            DeclareLaunchArgument(
                'record',
                default_value='',
                description='Folder for recordings; nothing is recorded if it is empty.',
            ),
            IncludeLaunchDescription(
                perception,
                launch_arguments={
                    'namespace': 'robot',
                    'sources': ['front=', front, ',rear=', rear],
                    'params_file': LaunchConfiguration('params_file'),
                    'record': LaunchConfiguration('record'),
                    'respawn': 'true',
                }.items(),
            ),
        ]
    )
