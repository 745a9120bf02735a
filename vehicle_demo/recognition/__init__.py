"""Photo -> Recognition. NumPy, Pillow and ONNX Runtime only: no torch, no gradio."""

from vehicle_demo.recognition.checkpoint import Checkpoint, CheckpointError, load_checkpoint
from vehicle_demo.recognition.images import ImageError, open_image
from vehicle_demo.recognition.recognizer import Recognizer
from vehicle_demo.recognition.results import Box, Novelty, PlateReading, Recognition, Scored, Vehicle

__all__ = [
    "Box",
    "Checkpoint",
    "CheckpointError",
    "ImageError",
    "Novelty",
    "PlateReading",
    "Recognition",
    "Recognizer",
    "Scored",
    "Vehicle",
    "load_checkpoint",
    "open_image",
]
