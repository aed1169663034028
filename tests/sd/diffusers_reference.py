"""diffusers' autoencoder, the reference, and configurations to compare in."""

from dataclasses import replace

import diffusers
import torch

from vae_course.sd import PRESETS, Config

CONFIGS = {
    "tiny": Config(
        block_out_channels=(4,), norm_num_groups=2, layers_per_block=1
    ),
    "one level": Config(
        block_out_channels=(12,), norm_num_groups=6, layers_per_block=1
    ),
    "narrowing": Config(
        in_channels=1,
        out_channels=2,
        latent_channels=3,
        block_out_channels=(20, 10, 15),
        norm_num_groups=5,
        layers_per_block=3,
        sample_size=17,
    ),
    "no quant": replace(
        PRESETS["flux"], block_out_channels=(8, 8, 16, 24), norm_num_groups=4
    ),
    "half quant": Config(
        block_out_channels=(8, 16), norm_num_groups=8, use_quant_conv=False
    ),
    "small": PRESETS["small"],
}


def reference(config: Config) -> diffusers.AutoencoderKL:
    """diffusers' model of the same configuration, at random weights."""
    levels = len(config.block_out_channels)
    return diffusers.AutoencoderKL(
        **vars(config),
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
    )


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    """‖a − b‖ / ‖b‖."""
    return ((a - b).norm() / b.norm()).item()
