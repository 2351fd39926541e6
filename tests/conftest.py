"""What holds for all tests."""

import os

import torch

# Without a GPU the Triton kernels run interpreted. Triton reads this when a kernel is defined.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"
