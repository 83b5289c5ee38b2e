"""Parts of check_aarch64.py."""
