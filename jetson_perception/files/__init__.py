"""Files and data from outside, within limits; files that the user asks for."""
