"""What each command understands, a file for each: its options and their help. Nothing here imports PyTorch."""
