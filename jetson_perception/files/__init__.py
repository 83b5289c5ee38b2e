"""Reading files and data from outside, within limits; writing output files."""
