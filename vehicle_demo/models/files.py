"""What a network's own files are called in the folder of a checkpoint or of a training run. Without torch."""

from typing import Final

# In half precision.
WEIGHTS_FILE: Final = "weights.safetensors"
# Sizes of the network, and how it was trained.
RUN_FILE: Final = "run.json"
