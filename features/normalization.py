"""How torchvision shows images to its networks."""

import numpy as np

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def imagenet(image):
    """Turns RGB in [-1, 1] into colours of mean 0 and deviation 1 over ImageNet."""
    mean, deviation = (np.array(x, "float32") for x in (MEAN, DEVIATION))
    return ((image + 1) / 2 - mean) / deviation


def of_imagenet(colours):
    """Turns what `imagenet` returns into RGB in [-1, 1]."""
    mean, deviation = (np.array(x, "float32") for x in (MEAN, DEVIATION))
    return 2 * (colours * deviation + mean) - 1
