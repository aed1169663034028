"""The Stable Diffusion autoencoder, bottom-up, in one file.

A convolutional VAE whose latent is itself a small image: eight times smaller
than the picture on either side and, in Stable Diffusion v1, four numbers deep.
The small convolutional VAE of chapter 6 is this class with small numbers.

Attributes carry the names of the public checkpoints (``down_blocks``,
``resnets``, ``conv_norm_out``, …), so such a checkpoint loads with no mapping,
and :class:`Config` carries the names of its ``config.json``. Comments give
shapes as (B, C, H, W); f is the downsampling factor.

Sources: Rombach et al. 2022 (https://arxiv.org/abs/2112.10752), section 3.1
and appendix G; Esser et al. 2021 (https://arxiv.org/abs/2012.09841).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain, pairwise

import torch
from torch import Tensor, nn
from torch import distributions as D
from torch.nn import functional as F

from vae_course.core import (
    VAE,
    StandardNormalField,
    check_batch,
    diagonal_gaussian,
)
from vae_course.sd.doubling import doubled
from vae_course.sd.group_norm import GroupNorm


@dataclass(frozen=True)
class Config:
    """What distinguishes one autoencoder of the family from another.

    Raises:
        ValueError: a value is of the wrong kind or not positive, or a width is
            no multiple of the number of groups.
    """

    in_channels: int = 3
    out_channels: int = 3
    latent_channels: int = 4
    # One width a level; between levels the image halves, so four make f = 8.
    block_out_channels: tuple[int, ...] = (128, 256, 512, 512)
    layers_per_block: int = 2  # in the encoder; the decoder has one more
    norm_num_groups: int = 32  # in every norm, so four channels at width 128
    # 1×1 convolutions around the latent. They come from the VQ sibling, where
    # they meet the codebook's width; a KL model could do without, and the
    # later members of the family do.
    use_quant_conv: bool = True
    use_post_quant_conv: bool = True
    # 1/std of the latents of the first training batch (Rombach et al. 2022,
    # appendix G): a diffusion model expects inputs of unit variance.
    scaling_factor: float = 0.18215
    shift_factor: float = 0.0  # the mean that is taken off before
    sample_size: int = 512  # side of the images that it was trained for

    def __post_init__(self):
        wants = {int: "a whole number from 1 to 65535", bool: "True or False"}
        wants[float] = "a finite number"
        for field in fields(self):
            value, kind = getattr(self, field.name), type(field.default)
            if kind is int:
                fits = type(value) is int and 0 < value < 2**16
            elif kind is float:
                # isfinite would raise for an integer too large for a float.
                largest = sys.float_info.max
                fits = type(value) in (int, float) and abs(value) <= largest
            else:  # the widths are looked at below
                fits = kind is not bool or type(value) is bool
            if not fits:
                raise ValueError(
                    f"{field.name} must be {wants[kind]}, got {value!r}."
                )
        if not self.scaling_factor > 0:
            raise ValueError(
                f"scaling_factor must be positive, got {self.scaling_factor}."
            )
        if self.layers_per_block > 64 or len(self.block_out_channels) > 16:
            raise ValueError(
                f"layers_per_block={self.layers_per_block} with "
                f"{len(self.block_out_channels)} levels: no autoencoder has "
                "more than 64 and 16."
            )
        widths, groups = self.block_out_channels, self.norm_num_groups
        whole = all(type(w) is int and 0 < w < 2**16 for w in widths)
        if not widths or not whole or any(w % groups for w in widths):
            raise ValueError(
                f"block_out_channels={widths} with norm_num_groups={groups}: "
                "each width must be a multiple of the number of groups, for "
                "group norm needs groups of equal size."
            )

    @property
    def factor(self) -> int:
        """f: how many times smaller the latent is, on either side."""
        return 2 ** (len(self.block_out_channels) - 1)


SIXTEEN = {
    # More channels give better copies: Esser et al. 2024, section 5.2.1
    # (https://arxiv.org/abs/2403.03206).
    "latent_channels": 16,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
    "sample_size": 1024,
}
PRESETS = {
    # For patches of photographs on a CPU: f = 4, so a code is one twelfth of
    # its patch. The scale is 1 until somebody measures it.
    "small": Config(
        block_out_channels=(16, 32, 32),
        layers_per_block=1,
        norm_num_groups=8,
        use_quant_conv=False,
        use_post_quant_conv=False,
        scaling_factor=1.0,
        sample_size=32,
    ),
    "sd1": Config(),
    # The same architecture, trained again; overflows in float16.
    "sdxl": Config(scaling_factor=0.13025, sample_size=1024),
    "sd3": Config(**SIXTEEN, scaling_factor=1.5305, shift_factor=0.0609),
    "flux": Config(**SIXTEEN, scaling_factor=0.3611, shift_factor=0.1159),
}


def preset(config: Config | str) -> Config:
    """The configuration of this name; a configuration stays as it is.

    Raises:
        ValueError: no preset has this name.
    """
    if isinstance(config, Config):
        return config
    if config not in PRESETS:
        raise ValueError(f"No preset {config!r}; choose one of {[*PRESETS]}.")
    return PRESETS[config]


def silu(x: Tensor) -> Tensor:
    """x · sigmoid(x), in the memory of x, which must be a fresh tensor."""
    return F.silu(x, inplace=True)


class ResnetBlock(nn.Module):
    """x + f(x), where f is twice: norm, SiLU, 3×3 convolution.

    He et al. 2016, in the pre-activation order (https://arxiv.org/abs/
    1603.05027). A 1×1 convolution carries x over where the width changes.
    """

    def __init__(self, channels: int, out_channels: int, groups: int):
        super().__init__()
        self.norm1 = GroupNorm(groups, channels)
        self.conv1 = nn.Conv2d(channels, out_channels, 3, padding=1)
        self.norm2 = GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.conv_shortcut = None
        if channels != out_channels:
            self.conv_shortcut = nn.Conv2d(channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(self.norm1(x, silu=True))  # (B, out, H, W)
        h = self.norm2(h, silu=True)  # on a line of its own: frees h before
        h = self.conv2(h)
        return h.add_(self.conv_shortcut(x) if self.conv_shortcut else x)


class Attention(nn.Module):
    """x + single-head self-attention over the H·W positions of x.

    Each position asks all others, so the cost grows with the square of their
    number, and the layer sits where the image is smallest. Vaswani et al.
    2017, equation 1, with one head as wide as the channels.

    PyTorch's fused kernel on CPUs has neither second nor forward-mode
    derivatives (``torch.func.jvp``). Whoever needs them takes the plain one:
    ``with sdpa_kernel(SDPBackend.MATH)``, both from ``torch.nn.attention``.
    """

    def __init__(self, channels: int, groups: int):
        super().__init__()
        self.group_norm = GroupNorm(groups, channels)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        # A list of one, because checkpoints say to_out.0; 1 was a dropout.
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        positions = self.group_norm(x).flatten(2).transpose(1, 2)  # (B, HW, C)
        q, k, v = (
            project(positions).unsqueeze(1)  # (B, 1, HW, C): one head
            for project in (self.to_q, self.to_k, self.to_v)
        )
        y = F.scaled_dot_product_attention(q, k, v).squeeze(1)  # (B, HW, C)
        return x + self.to_out[0](y).transpose(1, 2).reshape(b, c, h, w)


class Downsample(nn.Module):
    """Halves height and width by a convolution of stride 2.

    The padding is asymmetric, one column at the right and one row at the
    bottom: a 3×3 kernel of stride 2 fits an even side exactly once a single
    pixel is added. TensorFlow's "same" padding puts it there, and from there
    the layer was ported. Padding on both sides, as is usual, has the same
    shape and shifts what each position sees by one pixel; three such layers
    make seven.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))  # (B, C, H/2, W/2)


class Upsample(nn.Module):
    """Doubles height and width: repeats each pixel 2×2, then convolves 3×3.

    Computed as one transposed convolution, which is the same map: repeating is
    a transposed convolution with a 2×2 kernel of ones, and two convolutions in
    a row are one, here with a 4×4 kernel. It costs 4 multiplications a pixel
    and pair of channels in place of 9, and no repeated image is ever stored.
    On a flat area it draws no pattern, where a free transposed convolution
    does: each output pixel gets the same nine weights. On a slope its steps
    may take turns between two sizes, unless the weights forbid it.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        kernel = doubled(self.conv)  # (C, C, 4, 4)
        bias = self.conv.bias
        return F.conv_transpose2d(x, kernel, bias, stride=2, padding=1)


class Level(nn.Module):
    """Residual blocks at one size of the image, and what changes the size.

    Iterate over it for its layers. It has no forward of its own, so that an
    encoder or decoder holds one activation at a time: a caller waiting for its
    level to return would keep that level's input in memory.

    Args:
        widths: channels before, between and after the residual blocks.
        groups: of every norm.
        samplers: :class:`Downsample` or :class:`Upsample`, under the name that
            checkpoints give it; none at the last level.
    """

    def __init__(self, widths: Sequence[int], groups: int, **samplers: type):
        super().__init__()
        self.resnets = nn.ModuleList(
            ResnetBlock(a, b, groups) for a, b in pairwise(widths)
        )
        for name, sampler in samplers.items():
            self.add_module(name, nn.ModuleList([sampler(widths[-1])]))

    def __iter__(self) -> Iterator[nn.Module]:
        return chain.from_iterable(self.children())


class MidBlock(nn.Module):
    """Where the image is smallest: residual block, attention, residual."""

    def __init__(self, width: int, groups: int):
        super().__init__()
        self.resnets = nn.ModuleList(
            ResnetBlock(width, width, groups) for _ in range(2)
        )
        self.attentions = nn.ModuleList([Attention(width, groups)])

    def forward(self, x: Tensor) -> Tensor:
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class Encoder(nn.Module):
    """(B, 3, H, W) → (B, 2 · latent channels, H/f, W/f)."""

    def __init__(self, config: Config):
        super().__init__()
        widths, groups = config.block_out_channels, config.norm_num_groups
        first, last = widths[0], widths[-1]
        self.conv_in = nn.Conv2d(config.in_channels, first, 3, padding=1)
        self.down_blocks = nn.ModuleList()
        for i, (a, b) in enumerate(pairwise((first, *widths)), 1):
            level = (a, *[b] * config.layers_per_block)
            half = {} if i == len(widths) else {"downsamplers": Downsample}
            self.down_blocks.append(Level(level, groups, **half))
        self.mid_block = MidBlock(last, groups)
        self.conv_norm_out = GroupNorm(groups, last)
        # Means and log-variances, with a quant_conv only after it.
        moments = 2 * config.latent_channels
        self.conv_out = nn.Conv2d(last, moments, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for layer in chain.from_iterable(self.down_blocks):
            x = layer(x)
        x = self.mid_block(x)
        return self.conv_out(self.conv_norm_out(x, silu=True))


class Decoder(nn.Module):
    """(B, latent channels, H/f, W/f) → (B, 3, H, W)."""

    def __init__(self, config: Config):
        super().__init__()
        widths = config.block_out_channels[::-1]
        groups = config.norm_num_groups
        first, last = widths[0], widths[-1]
        self.conv_in = nn.Conv2d(config.latent_channels, first, 3, padding=1)
        self.mid_block = MidBlock(first, groups)
        self.up_blocks = nn.ModuleList()
        for i, (a, b) in enumerate(pairwise((first, *widths)), 1):
            level = (a, *[b] * (config.layers_per_block + 1))
            twice = {} if i == len(widths) else {"upsamplers": Upsample}
            self.up_blocks.append(Level(level, groups, **twice))
        self.conv_norm_out = GroupNorm(groups, last)
        self.conv_out = nn.Conv2d(last, config.out_channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = self.mid_block(self.conv_in(z))
        for layer in chain.from_iterable(self.up_blocks):
            x = layer(x)
        return self.conv_out(
            self.conv_norm_out(x, silu=True)
        )  # no tanh after it


def laplace_pixels(mean: Tensor) -> D.Independent:
    """Pixels around ``mean``, (B, 3, H, W), with b = 1; one event an image.

    Laplace, because the family trains on the sum of absolute errors:
    −log p(x|z) is that sum, plus log 2 for each value.
    """
    return D.Independent(D.Laplace(mean, 1.0, validate_args=False), 3)


class AutoencoderKL(VAE):
    """The KL autoencoder of Rombach et al. 2022, section 3.1.

    Images are (B, 3, H, W) in [−1, 1], H and W multiples of f; latents are
    (B, C, H/f, W/f). The decoder ends in a convolution: nothing squashes its
    output, so clamp before you show it.

    Args:
        config: a :class:`Config`, or the name of one of the ``PRESETS``.

    Raises:
        ValueError: no preset has this name; or ``encode`` or ``decode`` was
            given a batch of another shape.
    """

    def __init__(self, config: Config | str = "sd1"):
        super().__init__()
        self.config = config = preset(config)
        c = config.latent_channels
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quant_conv = (
            nn.Conv2d(2 * c, 2 * c, 1) if config.use_quant_conv else None
        )
        self.post_quant_conv = (
            nn.Conv2d(c, c, 1) if config.use_post_quant_conv else None
        )
        # Convolutions on CPUs and GPUs alike run faster when the channels of
        # one pixel lie side by side; activations follow the weights.
        self.to(memory_format=torch.channels_last)

    def moments(self, x: Tensor, encoder=None) -> Tensor:
        """Means, then log-variances, of q(z|x): (B, 2C, H/f, W/f).

        ``encoder`` computes them in place of the model's own.
        """
        f = self.config.factor
        check_batch(x, (self.config.in_channels, *x.shape[-2:]), "images")
        h, w = x.shape[-2:]
        if h % f or w % f:
            nearest = [max(f, f * round(side / f)) for side in (h, w)]
            raise ValueError(
                f"Images of {h}×{w} do not fit: this model shrinks them {f} "
                f"times, so both sides must be multiples of {f}. The nearest "
                f"size is {nearest[0]}×{nearest[1]}: crop or resize to it, or "
                "use reconstruct(x, pad=True)."
            )
        moments = (encoder or self.encoder)(x)
        return self.quant_conv(moments) if self.quant_conv else moments

    def encode(self, x: Tensor, encoder=None) -> D.Independent:
        """q(z|x), (B, 3, H, W) → a diagonal Gaussian over (C, H/f, W/f)."""
        moments = self.moments(x, encoder)
        mean, log_var = moments.chunk(2, dim=1)  # (B, C, H/f, W/f) each
        # Keeps exp from overflowing, should a log-variance run away.
        return diagonal_gaussian(mean, log_var.clamp(-30, 20))

    def decode(self, z: Tensor) -> D.Independent:
        """p(x|z), (B, C, h, w) → Laplace pixels over (3, f·h, f·w)."""
        return laplace_pixels(self.decoder(self.before_decoder(z)))

    def before_decoder(self, z: Tensor) -> Tensor:
        """What goes into the decoder: z, mixed by the 1×1 if there is one."""
        event_shape = (self.config.latent_channels, *z.shape[-2:])
        check_batch(z, event_shape, "latents")
        return self.post_quant_conv(z) if self.post_quant_conv else z

    @property
    def prior(self) -> StandardNormalField:
        """p(z) = N(0, I), over latents of any height and width."""
        weight, config = self.decoder.conv_in.weight, self.config
        side = max(1, config.sample_size // config.factor)
        origin = weight.new_zeros(config.latent_channels, side, side)
        return StandardNormalField(origin)

    def scale(self, z: Tensor) -> Tensor:
        """Latents as a diffusion model wants them, near unit variance."""
        return (z - self.config.shift_factor) * self.config.scaling_factor

    def unscale(self, z: Tensor) -> Tensor:
        """Takes :meth:`scale` back: latents as :meth:`decode` wants them."""
        return z / self.config.scaling_factor + self.config.shift_factor

    def reconstruct(
        self, x: Tensor, pad: bool = False, encode=None, decode=None
    ) -> Tensor:
        """x̂, decoded from the mean of q(z|x) and clamped to [−1, 1].

        With ``pad`` images of any size are taken: the last row and column are
        repeated up to the next multiple of f, and cut off again. ``encode``
        and ``decode`` may be those of :mod:`vae_course.sd.strips`, for images
        that are large.
        """
        h, w = x.shape[-2:]
        if pad:
            f = self.config.factor
            x = F.pad(x, (0, -w % f, 0, -h % f), mode="replicate")
        z = (encode(self, x) if encode else self.encode(x)).mean
        p = decode(self, z) if decode else self.decode(z)
        return p.mean.clamp(-1, 1)[..., :h, :w]


def parameter_counts(vae: AutoencoderKL) -> dict[str, int]:
    """How many numbers each stage learns, and the total under ``"total"``."""
    counts = {
        name: sum(p.numel() for p in stage.parameters())
        for name, stage in vae.named_children()
    }
    return counts | {"total": sum(counts.values())}
