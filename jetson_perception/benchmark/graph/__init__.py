"""A running graph measured from outside: `jetson-perception bench --ros`.

Pictures go to an image topic at a rate, and what comes on another topic is heard. `settings` is
what to measure, `figures` what a run gives, `rate_search` finds the highest rate, `usage` tells
what the measured processes take, `session` runs all, and `report` shows it. What talks to the
graph is in `jetson_perception.ros.measuring`.
"""
