"""Images as arrays, from messages, picture files and whatever users pass."""
