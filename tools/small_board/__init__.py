"""The limits of a small board, on a larger machine."""
