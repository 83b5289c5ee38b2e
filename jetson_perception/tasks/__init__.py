"""What tensors mean: fitting images to networks, decoding their outputs; NumPy and OpenCV only."""
