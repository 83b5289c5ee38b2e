"""seg_node on a camera, by default rendered oranges, and the node that stops their belt."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare


def number(name):
    """A launch argument as a parameter that is a float."""
    return ParameterValue(LaunchConfiguration(name), value_type=float)


def generate_launch_description():
    perception = PathJoinSubstitution(
        [FindPackageShare('jetson_perception'), 'launch', 'seg.launch.py']
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument('model', default_value='', description='ONNX file.'),
            DeclareLaunchArgument('source', default_value='', description='Camera to open.'),
            DeclareLaunchArgument(
                'class_name', default_value='ulcer', description='Class that stops the belt.'
            ),
            DeclareLaunchArgument(
                'stop_above',
                default_value='0.012',
                description='Share of the image that stops it.',
            ),
            DeclareLaunchArgument(
                'run_below', default_value='0.008', description='Share at which it may run again.'
            ),
            IncludeLaunchDescription(
                perception,
                launch_arguments={
                    'model': LaunchConfiguration('model'),
                    'source': LaunchConfiguration('source'),
                }.items(),
            ),
            Node(
                package='belt_stop',
                executable='belt_stop',
                namespace='belt',
                parameters=[
                    {
                        'class_name': ParameterValue(
                            LaunchConfiguration('class_name'), value_type=str
                        ),
                        'stop_above': number('stop_above'),
                        'run_below': number('run_below'),
                    }
                ],
                remappings=[('summary', '/seg/summary')],
                output='screen',
            ),
        ]
    )
