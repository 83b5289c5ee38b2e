"""yolo_node on the images of a depth camera that is running, and markers of what it finds."""

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
            DeclareLaunchArgument('model', description='ONNX file of a detector.'),
            DeclareLaunchArgument(
                'image', default_value='/camera/color/image_raw', description='Images.'
            ),
            DeclareLaunchArgument(
                'depth_image',
                default_value='/camera/aligned_depth_to_color/image_raw',
                description='Depth images that are registered to the images.',
            ),
            IncludeLaunchDescription(
                perception,
                launch_arguments={
                    'model': LaunchConfiguration('model'),
                    'image': LaunchConfiguration('image'),
                    'depth_image': LaunchConfiguration('depth_image'),
                    'tracker': 'bytetrack',
                }.items(),
            ),
            Node(
                package='detection_markers',
                executable='detection_markers',
                namespace='yolo',
                remappings=[('detections_3d', '/yolo/det/detections_3d')],
                output='screen',
            ),
        ]
    )
