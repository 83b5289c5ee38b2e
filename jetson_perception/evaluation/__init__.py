"""How good a model is: results against the truth of a dataset, or against another engine's."""

from jetson_perception.evaluation.confusion import ConfusionMatrix

__all__ = ['ConfusionMatrix']
