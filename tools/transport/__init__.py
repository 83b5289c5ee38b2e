"""What `measure_transport.py` is made of: hosts, places, programs, and the rows of its table."""
