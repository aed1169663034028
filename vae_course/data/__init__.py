"""Images to learn from: digits, photographs, anyone's folders."""

from vae_course.data.folders import open_folder
from vae_course.data.images import DataError, ImageSet
from vae_course.data.mnist import Digits, mnist, small_digits
from vae_course.data.photos import photo_patches, photographs, read_image

__all__ = [
    "DataError",
    "Digits",
    "ImageSet",
    "mnist",
    "open_folder",
    "photo_patches",
    "photographs",
    "read_image",
    "small_digits",
]
