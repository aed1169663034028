"""The Stable Diffusion autoencoder, block by block, and its files."""

from vae_course.sd.autoencoder import (
    PRESETS,
    Attention,
    AutoencoderKL,
    Config,
    Decoder,
    Downsample,
    Encoder,
    Level,
    MidBlock,
    ResnetBlock,
    Upsample,
    laplace_pixels,
    parameter_counts,
    preset,
    silu,
)
from vae_course.sd.group_norm import GroupNorm

__all__ = [
    "PRESETS",
    "Attention",
    "AutoencoderKL",
    "Config",
    "Decoder",
    "Downsample",
    "Encoder",
    "GroupNorm",
    "Level",
    "MidBlock",
    "ResnetBlock",
    "Upsample",
    "laplace_pixels",
    "parameter_counts",
    "preset",
    "silu",
]
