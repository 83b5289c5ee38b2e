"""Pages of docs/ that are generated from the code, one a module."""
