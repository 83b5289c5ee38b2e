"""What the middleware does below ROS: its shared memory, its sockets, the ids of its participants.

Only Fast DDS is understood, in the releases that ROS 2 Humble and Jazzy have; for any other
middleware the answer is "not known".
"""
