"""How a process begins, and how it ends."""
