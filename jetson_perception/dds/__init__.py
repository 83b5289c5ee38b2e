"""What the middleware does below ROS: its shared memory, its sockets, the ids of its participants.

Fast DDS alone is known here, as ROS 2 Humble and Jazzy have it; of another middleware, what is
asked is answered with "not known".
"""
