"""Times and memory of the operations against what a user would write without them: `python -m benchmarks`."""
