"""Rendered scenes with exact ground truth, and the models that know them."""
