"""Images to learn from: digits and patches of photographs."""

from vae_course.data.images import DataError, ImageSet
from vae_course.data.mnist import Digits, mnist, small_digits
from vae_course.data.photos import photo_patches, photographs, read_image

__all__ = [
    "DataError",
    "Digits",
    "ImageSet",
    "mnist",
    "photo_patches",
    "photographs",
    "read_image",
    "small_digits",
]
