"""The options of the commands and their help, one file per command. Nothing here imports PyTorch."""
