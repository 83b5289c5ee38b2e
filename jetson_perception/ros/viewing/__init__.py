"""A robot as the live view shows it: its topics, what they say, and the parameters to set.

The node is spun in a thread of its own; what the web server asks for is done there.
"""
