"""Rendered scenes with exact ground truth, and models trained on them."""
