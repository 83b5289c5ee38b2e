"""What a release is made of: its version, its files, and that these can be installed."""
