"""Records topics into a bag: by rosbag2 where it is, else by rclpy and the library rosbags."""
