"""What tensors mean: fitting images to networks and decoding outputs, with NumPy and OpenCV."""
