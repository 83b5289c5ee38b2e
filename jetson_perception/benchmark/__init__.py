"""How fast a set of models runs together: `jetson-perception bench` and what it is made of.

`inference` times engines alone, `end_to_end` images in and messages out, `baseline` a loop as it
is usually written; `frames`, `messages` and `memory` serve them. `session` puts them together,
`report` and `plot` show what came of it, `command` is the command. `soak` runs a set until it is
stopped.
"""
