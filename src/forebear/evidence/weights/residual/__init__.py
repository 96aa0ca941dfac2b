"""What was done: the difference model minus reference, after pairing, tensor by tensor and all together.

``tensor`` takes one tensor's difference apart: steps that leave a certain mark are undone one after another (one file
a mark), and what is left over is measured. ``measure`` holds all tensors; ``noise`` asks what they share.
"""

from forebear.evidence.weights.residual.measure import Residual, measure_residual, residual_of
from forebear.evidence.weights.residual.tensor import TensorResidual

__all__ = ["Residual", "TensorResidual", "measure_residual", "residual_of"]
