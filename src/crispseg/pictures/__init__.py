"""Pictures of labels on their image, made of tensors by Pillow."""
