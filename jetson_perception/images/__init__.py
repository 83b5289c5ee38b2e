"""Images as arrays: bytes of messages, picture files, what users give."""
