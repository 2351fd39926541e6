"""Draw labels on their image, from tensors to Pillow images."""
