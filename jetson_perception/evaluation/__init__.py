"""Measures how good a model is: against the truth of a dataset, or against another engine."""

from jetson_perception.evaluation.confusion import ConfusionMatrix

__all__ = ['ConfusionMatrix']
