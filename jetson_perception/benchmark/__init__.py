"""How fast a set of models runs together: `jetson-perception bench`.

`inference` times engines alone, `end_to_end` times images in and messages out, and `baseline`
times the usual loop; `frames`, `messages` and `memory` serve them. `session` runs all,
`report` and `plot` show the results. `soak` runs a set until it is stopped.
"""
