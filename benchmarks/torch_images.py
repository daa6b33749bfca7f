"""The entries of images in PyTorch: modules from a batch `[B, C, H, W]` to its mean loss."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.torch_layers import Layers


class GatedPixelCNN(nn.Module):
    """As `zoo.networks.GatedPixelCNN`, which explains it, with a Bernoulli likelihood.

    Args:
        model: the config's section.
    """

    turned = False

    def __init__(self, model: Mapping[str, Any]):
        super().__init__()
        network, make = model["network"], Layers()
        depth, filters = network["layers"], network["filters"]
        self.blocks = nn.ModuleList()
        for i in range(depth):
            size = network["kernel"] if i else network["first_kernel"]
            self.blocks.append(
                _Gated(make, filters if i else 1, filters, size, i == 0, i == depth - 1)
            )
        self.top = make.conv(filters, network["units"])
        self.projection = make.conv(network["units"], 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        v, h, skips = x, x, 0.0
        for block in self.blocks:
            v, h, skip = block(v, h)
            skips = skips + skip
        logits = self.projection(F.relu(self.top(F.relu(skips))))
        return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)


class _Gated(nn.Module):
    def __init__(self, make: Layers, inputs: int, filters: int, size: int, first: bool, last: bool):
        super().__init__()
        self.first = first
        rows, side = size // 2 + (not first), size // 2
        # What is left and right of a place, and above it. The first layer does not see the place.
        self.above = (side, side, rows - (not first), -first)
        self.before = (rows - (not first), -first)
        self.vertical = make.conv(inputs, 2 * filters, (rows, size))
        self.horizontal = make.conv(inputs, 2 * filters, (1, rows))
        self.link = make.conv(2 * filters, 2 * filters, bias=False)
        self.out = None if last else make.conv(filters, filters)
        self.skip = make.conv(filters, filters, bias=False)

    def forward(self, v: torch.Tensor, h: torch.Tensor):
        u = self.vertical(F.pad(v, self.above))
        gated = _gate(self.horizontal(F.pad(h, self.before)) + self.link(u))
        skip = self.skip(gated)
        if self.out is None:
            return v, h, skip
        return _gate(u), self.out(gated) if self.first else h + self.out(gated), skip


def _gate(x: torch.Tensor) -> torch.Tensor:
    a, b = x.chunk(2, dim=1)
    return torch.tanh(a) * torch.sigmoid(b)


class VQVAE(nn.Module):
    """As `zoo.models.VQVAE` with moving averages, which explains it.

    Args:
        model: the config's section.
    """

    turned = False

    def __init__(self, model: Mapping[str, Any]):
        super().__init__()
        make, book = Layers(), model["quantizer"]
        self.variance = model["objective"]["data_variance"]
        self.commitment = model["objective"]["commitment_weight"]
        down, up = model["encoder"], model["decoder"]
        widths = [1, *down["filters"]]
        strided = [make.conv(a, b, (4, 4), stride=2, padding=1) for a, b in pairwise(widths)]
        blocks = [_Block(make, widths[-1], down["block_filters"]) for _ in range(down["blocks"])]
        encoder = [*(m for layer in strided for m in (layer, nn.ReLU())), *blocks, nn.ReLU()]

        widths = [up["filters"][0], *up["filters"]]
        first = make.conv(book["size"], widths[0], (3, 3), padding=1)
        blocks = [_Block(make, widths[0], up["block_filters"]) for _ in range(up["blocks"])]
        strided = [make.up(a, b) for a, b in pairwise(widths)]
        decoder = [first, nn.ReLU(), *blocks, nn.ReLU()]
        decoder += [m for layer in strided for m in (layer, nn.ReLU())]
        decoder.append(make.conv(widths[-1], 1))

        encoder.append(make.conv(down["filters"][-1], book["size"]))
        self.encoder, self.decoder = nn.Sequential(*encoder), nn.Sequential(*decoder)
        self.book = _Book(make, book["codes"], book["size"], book["decay"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.encoder(x)
        # Channels last, as rows.
        rows = z.permute(0, 2, 3, 1)
        flat = rows.reshape(-1, rows.shape[-1])
        indices, codes = self.book.nearest(flat.detach())
        if self.training:
            self.book.update(flat.detach(), indices, codes)
        codes = codes.view(rows.shape).permute(0, 3, 1, 2)
        image = self.decoder(z + (codes - z).detach())
        return F.mse_loss(image, x) / self.variance + self.commitment * F.mse_loss(z, codes)


class _Book(nn.Module):
    """As `zoo.networks.VectorQuantizer`."""

    def __init__(self, make: Layers, codes: int, size: int, decay: float):
        super().__init__()
        self.decay = decay
        self.register_buffer("book", torch.from_numpy(make.next(codes, size)))
        self.register_buffer("counts", torch.full((codes,), 1 - decay))
        self.register_buffer("sums", self.counts[:, None] * self.book)

    @torch.no_grad()
    def nearest(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        distances = self.book.square().sum(1) - 2 * x @ self.book.T
        indices = distances.argmin(1)
        return indices, self.book[indices]

    @torch.no_grad()
    def update(self, x: torch.Tensor, indices: torch.Tensor, codes: torch.Tensor) -> None:
        """Moving averages, and revival of codes that are used below a tenth of the mean."""
        uses = torch.zeros_like(self.counts).index_add(0, indices, torch.ones_like(x[:, 0]))
        counts = torch.lerp(uses, self.counts, self.decay)
        sums = torch.zeros_like(self.sums).index_add(0, indices, x)
        sums = torch.lerp(sums, self.sums, self.decay)
        edges = (x - codes).square().sum(1).cumsum(0)
        places = torch.rand_like(counts) * edges[-1]
        drawn = x[torch.searchsorted(edges, places, right=True).clamp(max=len(x) - 1)]
        mean, total = counts.mean(), counts.sum()
        dead = counts < 0.1 * mean
        smoothed = (counts + 1e-5) * total / (total + 1e-5 * len(counts))
        counts, rows = torch.where(dead, mean, counts), dead[:, None]
        self.book.copy_(torch.where(rows, drawn, sums / smoothed[:, None]))
        self.sums.copy_(torch.where(rows, counts[:, None] * drawn, sums))
        self.counts.copy_(counts)


class _Block(nn.Module):
    """x + conv1x1(relu(conv3x3(relu(x))))."""

    def __init__(self, make: Layers, filters: int, inner: int):
        super().__init__()
        self.inner = make.conv(filters, inner, (3, 3), padding=1)
        self.outer = make.conv(inner, filters)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.outer(F.relu(self.inner(F.relu(x))))


class ResidualVAE(nn.Module):
    """As `zoo.models.VAE` with `ResidualEncoder` and `ResidualDecoder`.

    In evaluation, the posterior's mean stands in for a draw.

    Args:
        model: the config's section.
    """

    turned = True

    def __init__(self, model: Mapping[str, Any]):
        super().__init__()
        make, size = Layers(turned=True), model["posterior"]["size"]
        down, up = model["encoder"], model["decoder"]
        encoder: list[nn.Module] = []
        widths = [1, *down["filters"]]
        for a, b in pairwise(widths):
            encoder += [nn.ELU()] * (a > 1)
            encoder.append(make.conv(a, b, (3, 3), stride=2, padding=1))
            encoder += [_Residual(make, b) for _ in range(down["blocks"])]
        (units,), (side, _, channels) = down["units"], up["start"]
        encoder += [nn.ELU(), nn.Flatten(), make.flattened(side, widths[-1], units), nn.ELU()]
        encoder.append(make.dense(units, 2 * size))

        (units,) = up["units"]
        decoder = [make.dense(size, units), nn.ELU(), make.unflattened(units, side, channels)]
        decoder.append(nn.Unflatten(1, (channels, side, side)))
        widths = [channels, *up["filters"]]
        for a, b in pairwise(widths):
            decoder += [_Residual(make, a) for _ in range(up["blocks"])]
            decoder += [nn.ELU(), make.up(a, b)]
        decoder += [nn.ELU(), make.conv(widths[-1], 1)]
        self.encoder, self.decoder = nn.Sequential(*encoder), nn.Sequential(*decoder)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, raw = self.encoder(x).chunk(2, dim=-1)
        # softplus(0 + c) + 1e-5 = 1.
        scale = F.softplus(raw + _UNIT) + 1e-5
        z = mean + scale * torch.randn_like(mean) if self.training else mean
        misfit = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        kl = 0.5 * (mean.square() + scale.square() - 1) - scale.log()
        return (misfit + kl.sum()) / len(x)


_UNIT = float(torch.tensor(1 - 1e-5, dtype=torch.float64).expm1().log())


class _Residual(nn.Module):
    """x + conv(elu(conv(elu(x)))), the outer without bias."""

    def __init__(self, make: Layers, filters: int):
        super().__init__()
        self.first = make.conv(filters, filters, (3, 3), padding=1)
        self.second = make.conv(filters, filters, (3, 3), bias=False, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(F.elu(self.first(F.elu(x))))
