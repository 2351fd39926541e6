"""Time and memory of the operations against plain PyTorch versions of them: `python -m benchmarks`."""
