"""Detectors that are no YOLO: a file for each family, which `registry` lists.

The networks differ in little: where boxes, scores and classes are, how a box is written, what
becomes of a score, and whether boxes suppress each other. A family's file finds that in the
outputs of a run and says it as a `BoxLayout`; `decoding` reads every layout.

To add a family, write a file with a `Family`, list it in `registry`, and its name in
`model_info.LAYOUTS`.
"""
