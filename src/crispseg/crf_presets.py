"""Parameters of dense CRFs that were found for released networks, by their names."""

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
"""Parameters that were found for released networks on PASCAL VOC, whose images have 500 pixels: for those of DeepLab v1
(arXiv 1412.7062) by their names; "segaware" is what github.com/aharley/segaware has for MSc-COCO-LargeFOV instead."""
