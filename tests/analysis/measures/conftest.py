"""Images for the laws of measures: a textured picture without a file, and the same picture spoiled step by step."""

import cv2
import numpy as np
import pytest


def picture(height: int, width: int) -> np.ndarray:
    """Return colours that drift, with texture of several sizes and hard edges."""
    random = np.random.RandomState(11)
    image = np.full((height, width, 3), 120.0)
    for sigma in (1, 4, 16):
        texture = cv2.GaussianBlur(random.normal(size=(height, width, 3)), (0, 0), sigma)
        image += 25 * texture / texture.std()
    image[height // 3 : height // 2, width // 4 :] += 60
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def image() -> np.ndarray:
    """Both sides are odd at several scales."""
    return picture(147, 201)


@pytest.fixture(scope="session")
def noisy(image: np.ndarray) -> list[np.ndarray]:
    """The same noise, stronger and stronger."""
    noise = np.random.RandomState(5).normal(size=image.shape)
    return [np.clip(np.round(image + sigma * noise), 0, 255).astype(np.uint8) for sigma in (1, 2, 4, 8, 16, 32)]


@pytest.fixture(scope="session")
def blurred(image: np.ndarray) -> list[np.ndarray]:
    return [cv2.GaussianBlur(image, (0, 0), sigma) for sigma in (0.5, 0.8, 1.2, 2, 4, 8)]
