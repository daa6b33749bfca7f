"""The entries that make images of noise in PyTorch: a diffusion, and the players of a DCGAN."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.torch_layers import Layers

# As the zoo has them where a config does not say.
_GROUPS, _TIME_SIZE, _COSINE_OFFSET = 8, 32, 0.008


class Diffusion(nn.Module):
    """As `zoo.models.Diffusion` that predicts the velocity, with a cosine schedule.

    Its loss is the squared error alone: the bound that the zoo reports beside it is left out.

    Args:
        model: the config's section.
    """

    turned = True

    def __init__(self, model: Mapping[str, Any]):
        super().__init__()
        self.steps = model["schedule"]["steps"]
        place = (np.arange(self.steps + 1) / self.steps + _COSINE_OFFSET) / (1 + _COSINE_OFFSET)
        curve = np.cos(np.pi / 2 * place) ** 2
        kept = np.maximum(curve[1:] / curve[:-1], 0.001)
        signal = np.concatenate([[1.0], np.cumprod(kept)])
        for name, share in (("signal", signal), ("rest", 1 - signal)):
            self.register_buffer(name, torch.from_numpy(np.sqrt(share).astype(np.float32)))
        self.unet = UNet(Layers(turned=True), model["network"]["filters"])

    def forward(
        self, x: torch.Tensor, t: torch.Tensor | None = None, noise: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The loss of images in [0, 1]; times and noise are drawn unless they are given."""
        if t is None:
            t = torch.randint(1, self.steps + 1, x.shape[:1])
        image = 2 * x - 1
        noise = torch.randn_like(image) if noise is None else noise
        signal, rest = (share[t][:, None, None, None] for share in (self.signal, self.rest))
        error = self.unet(signal * image + rest * noise, t) - (signal * noise - rest * image)
        return error.square().sum() / len(x)

    def step(self, x: torch.Tensor, t: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        """x_s of x_t, both in [-1, 1], by DDIM without noise; t and s are `[1]`, s < t."""
        velocity = self.unet(x, t.expand(len(x)))
        guess = (self.signal[t] * x - self.rest[t] * velocity).clamp(-1, 1)
        noise = (x - self.signal[t] * guess) / self.rest[t]
        return self.signal[s] * guess + self.rest[s] * noise


class UNet(nn.Module):
    """As `zoo.networks.UNet`, which explains it, of grey images and times.

    Args:
        make: makes the layers.
        filters: channels at each size.
    """

    def __init__(self, make: Layers, filters: list[int]):
        super().__init__()
        waves = 10_000.0 ** (-np.arange(_TIME_SIZE // 2) / (_TIME_SIZE // 2))
        self.register_buffer("waves", torch.from_numpy(waves.astype(np.float32)))
        context = 4 * filters[0]
        first, second = make.dense(_TIME_SIZE, context), make.dense(context, context)
        self.embed = nn.Sequential(first, nn.SiLU(), second, nn.SiLU())
        self.first = make.conv(1, filters[0], (3, 3), padding=1)
        self.down, widths = nn.ModuleList(), [filters[0]]
        for i, wide in enumerate(filters):
            self.down.append(_Block(make, widths[-1], wide, context))
            widths.append(wide)
            if i < len(filters) - 1:
                self.down.append(make.conv(wide, wide, (3, 3), stride=2, padding=1))
                widths.append(wide)
        width = filters[-1]
        self.middle = nn.ModuleList(_Block(make, width, width, context) for _ in range(2))
        self.attend = _Attention(make, width)
        self.up = nn.ModuleList()
        for i, wide in reversed(list(enumerate(filters))):
            for _ in range(2):
                self.up.append(_Block(make, width + widths.pop(), wide, context))
                width = wide
            if i > 0:
                self.up.append(make.conv(width, width, (3, 3), padding=1))
        self.norm = make.group_norm(_GROUPS, width)
        self.last = make.conv(width, 1, (3, 3), padding=1)

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        angles = t[:, None] * self.waves
        context = self.embed(torch.cat([angles.sin(), angles.cos()], dim=1))
        h = self.first(x)
        kept = [h]
        for layer in self.down:
            h = layer(h, context) if isinstance(layer, _Block) else layer(h)
            kept.append(h)
        h = self.middle[1](self.attend(self.middle[0](h, context)), context)
        for layer in self.up:
            if isinstance(layer, _Block):
                h = layer(torch.cat([h, kept.pop()], dim=1), context)
            else:
                h = layer(F.interpolate(h, scale_factor=2, mode="nearest"))
        return self.last(F.silu(self.norm(h)))


class _Block(nn.Module):
    def __init__(self, make: Layers, width: int, wide: int, context: int):
        super().__init__()
        self.norms = nn.ModuleList(make.group_norm(_GROUPS, n) for n in (width, wide))
        sizes = ((width, wide), (wide, wide))
        self.convs = nn.ModuleList(make.conv(a, b, (3, 3), padding=1) for a, b in sizes)
        self.given = make.dense(context, 2 * wide)
        self.short = nn.Identity() if width == wide else make.conv(width, wide)

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        h = self.norms[1](self.convs[0](F.silu(self.norms[0](x))))
        scale, shift = self.given(context)[:, :, None, None].chunk(2, dim=1)
        return self.short(x) + self.convs[1](F.silu((1 + scale) * h + shift))


class _Attention(nn.Module):
    def __init__(self, make: Layers, width: int):
        super().__init__()
        self.norm = make.group_norm(_GROUPS, width)
        self.qkv, self.out = make.dense(width, 3 * width), make.dense(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        places = self.norm(x).permute(0, 2, 3, 1).flatten(1, 2)
        # One head.
        q, k, v = self.qkv(places)[:, None].chunk(3, dim=-1)
        seen = self.out(F.scaled_dot_product_attention(q, k, v)[:, 0])
        return x + seen.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)


class DCGAN(nn.Module):
    """As `zoo.models.GAN` of `ConvDecoder` and `ConvEncoder` with batch normalization.

    Args:
        model: the config's section.
    """

    def __init__(self, model: Mapping[str, Any]):
        super().__init__()
        up, down, make = model["generator"], model["discriminator"], Layers()
        (side, _, channels), self.code_size = up["start"], model["prior"]["size"]
        generator = [make.unflattened(self.code_size, side, channels, bias=False)]
        generator += [nn.Unflatten(1, (channels, side, side)), make.batch_norm(channels), nn.ReLU()]
        widths = [channels, *up["filters"]]
        for a, b in pairwise(widths):
            generator += [make.up(a, b, bias=False), make.batch_norm(b), nn.ReLU()]
        self.generator = nn.Sequential(*generator, make.conv(widths[-1], 1), nn.Sigmoid())

        widths, options = [1, *down["filters"]], {"stride": 2, "padding": 1}
        discriminator: list[nn.Module] = []
        for a, b in pairwise(widths):
            # The first convolution sees data, which is not normalized, and has a bias.
            discriminator.append(make.conv(a, b, (4, 4), bias=a == 1, **options))
            if a > 1:
                discriminator.append(make.batch_norm(b))
            discriminator.append(nn.LeakyReLU(0.2))
        self.discriminator = nn.Sequential(
            *discriminator, nn.Flatten(), make.flattened(side, widths[-1], 1)
        )

    def generate(self, count: int) -> torch.Tensor:
        """So many images, from noise."""
        return self.generator(torch.randn(count, self.code_size))

    def discriminator_loss(self, x: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        """Of data and of generated images, each with a batch normalization of its own."""
        real = F.softplus(-self.discriminator(x))
        return real.mean() + F.softplus(self.discriminator(fake)).mean()

    def generator_loss(self, fake: torch.Tensor) -> torch.Tensor:
        """That does not saturate."""
        return F.softplus(-self.discriminator(fake)).mean()
