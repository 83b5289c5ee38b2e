"""Detections, keypoints and masks from camera topics, on NVIDIA Jetson and on any Linux."""
