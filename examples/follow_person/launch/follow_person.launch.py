"""A detector with a tracker on a camera, and the follower on what it finds."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare


def generate_launch_description():
    perception = PathJoinSubstitution(
        [FindPackageShare('jetson_perception'), 'launch', 'yolo.launch.py']
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument('model', description='ONNX file of a detector of persons.'),
            DeclareLaunchArgument(
                'source', default_value='v4l2:///dev/video0', description='Camera to open.'
            ),
            DeclareLaunchArgument(
                'cmd_vel', default_value='/cmd_vel', description='Topic that the base listens to.'
            ),
            IncludeLaunchDescription(
                perception,
                launch_arguments={
                    'model': LaunchConfiguration('model'),
                    'source': LaunchConfiguration('source'),
                    'tracker': 'bytetrack',
                }.items(),
            ),
            Node(
                package='follow_person',
                executable='follow_person',
                remappings=[
                    ('detections', '/yolo/det/detections'),
                    ('camera_info', '/yolo/camera/camera_info'),
                    ('cmd_vel', LaunchConfiguration('cmd_vel')),
                ],
                output='screen',
            ),
        ]
    )
