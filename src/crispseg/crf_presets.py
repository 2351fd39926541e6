"""Published dense CRF parameters of released networks, by name."""

PRESETS = {
    "DeepLab": (5, 50, 10, 3, 3),
    "MSc": (3, 95, 3, 3, 3),
    "COCO": (5, 67, 3, 3, 3),
    "LargeFOV": (4, 121, 5, 3, 3),
    "MSc-LargeFOV": (4, 83, 5, 3, 3),
    "COCO-LargeFOV": (5, 69, 5, 3, 3),
    "MSc-COCO-LargeFOV": (4, 59, 5, 3, 3),
    "segaware": (3, 77, 4, 2, 2),
}
"""CRF parameters tuned on PASCAL VOC, whose images are up to 500 pixels long. The names are those of the DeepLab v1
networks (arXiv 1412.7062); "segaware" holds the values that github.com/aharley/segaware uses for MSc-COCO-LargeFOV."""
