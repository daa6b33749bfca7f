"""The entries of sequences in PyTorch: modules from levels `[B, T]` to their mean loss."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.torch_layers import Layers, parameter

# As in the zoo: of WaveNet's code of time in seconds, and of the Transformer's rotary code.
_RATE, _SLOWEST, _ROTARY_BASE = 8000, 4.0, 10_000.0


class WaveNet(nn.Module):
    """As `zoo.networks.WaveNet`, which explains it; sound is an image `[B, C, 1, T]`.

    Args:
        model: the config's section.
    """

    def __init__(self, model: Mapping[str, Any]):
        super().__init__()
        network, make = model["network"], Layers()
        filters, self.levels = network["filters"], network["levels"]
        (length,) = model["likelihood"]["event_shape"]
        dilations = network["dilations"] * network["stacks"]
        self.classes = model["condition"]["classes"]
        self.table = parameter(make.next(self.levels + 1, filters))
        self.blocks = nn.ModuleList(
            _Dilated(make, filters, dilation, last=i == len(dilations) - 1)
            for i, dilation in enumerate(dilations)
        )
        self.skips = make.conv(filters * len(dilations), network["skip"])
        self.hidden = make.conv(network["skip"], network["units"])
        time = make.next(2 * network["positions"], 2 * filters * len(dilations))
        # Keras's `[in, out]` to a kernel of each block.
        kernels = time.T.reshape(len(dilations), 2 * filters, -1, 1, 1)
        self.time = nn.ParameterList(parameter(kernel) for kernel in kernels)
        self.given = make.dense(sum(self.classes), 2 * filters * len(dilations), bias=False)
        self.projection = make.conv(network["units"], self.levels)
        turns = 2 * np.pi * 2.0 ** np.arange(network["positions"]) / _SLOWEST
        self.register_buffer("turns", torch.from_numpy(turns.astype(np.float32)))
        self.register_buffer("steps", torch.arange(length, dtype=torch.float32) / _RATE)

    def forward(self, levels: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        h = _as_image(F.embedding(_before(levels, self.levels), self.table), self)
        codes = [F.one_hot(labels[:, i], n) for i, n in enumerate(self.classes)]
        given = self.given(torch.cat(codes, dim=1).float()).chunk(len(self.blocks), dim=1)
        seconds = labels[:, -1:].float() / _RATE + self.steps
        angles = seconds[..., None] * self.turns
        waves = _as_image(torch.cat([angles.sin(), angles.cos()], dim=-1), self)
        zs = []
        for block, told, time in zip(self.blocks, given, self.time, strict=True):
            h, z = block(h, told[:, :, None, None] + F.conv2d(waves, time))
            zs.append(z)
        features = F.relu(self.hidden(F.relu(self.skips(torch.cat(zs, dim=1)))))
        logits = self.projection(features)[:, :, 0]
        if self.channels_last:
            logits, levels = logits.transpose(1, 2).flatten(0, 1), levels.flatten()
        total = F.cross_entropy(logits, levels, ignore_index=self.levels, reduction="sum")
        return total / len(labels)

    @property
    def channels_last(self) -> bool:
        """Whether the kernels are."""
        return self.skips.weight.is_contiguous(memory_format=torch.channels_last)


class _Dilated(nn.Module):
    def __init__(self, make: Layers, filters: int, dilation: int, last: bool):
        super().__init__()
        self.dilation = dilation
        self.conv = nn.Conv2d(filters, 2 * filters, (1, 2), dilation=(1, dilation))
        # In the zoo, the rows of one matrix: of h before, then of h.
        kernel = make.next(2 * filters, 2 * filters).reshape(2, filters, 2 * filters)
        self.conv.weight = parameter(kernel.transpose(2, 1, 0)[:, :, np.newaxis])
        self.conv.bias = parameter(make.next(2 * filters))
        self.residual = None if last else make.conv(filters, filters)

    def forward(self, h: torch.Tensor, addend: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        f, g = (self.conv(F.pad(h, (self.dilation, 0))) + addend).chunk(2, dim=1)
        z = torch.tanh(f) * torch.sigmoid(g)
        return h if self.residual is None else h + self.residual(z), z


class GRU(nn.Module):
    """One layer of `nn.GRU`, which reads one-hot codes; its loop runs over time first.

    Args:
        model: the config's section.
    """

    def __init__(self, model: Mapping[str, Any]):
        super().__init__()
        network, make = model["network"], Layers()
        self.levels, units = network["levels"], network["units"]
        self.gru = nn.GRU(self.levels + 1, units)
        table = make.next(self.levels + 1, 3 * units)
        recurrent, biases = make.next(units, 3 * units), make.next(2, 3 * units)
        for name, array in (
            ("weight_ih_l0", table),
            ("weight_hh_l0", recurrent),
            ("bias_ih_l0", biases[:1]),
            ("bias_hh_l0", biases[1:]),
        ):
            z, r, c = np.split(array.T, 3)
            with torch.no_grad():
                tensor = getattr(self.gru, name)
                tensor.copy_(torch.from_numpy(np.concatenate([r, z, c])).reshape(tensor.shape))
        self.projection = make.dense(units, self.levels)
        self.register_buffer("codes", torch.eye(self.levels + 1))

    def forward(self, levels: torch.Tensor) -> torch.Tensor:
        h, _ = self.gru(F.embedding(_before(levels, self.levels).T, self.codes))
        return _cross_entropy(self.projection(h), levels.T, len(levels))


class Transformer(nn.Module):
    """As `zoo.networks.Transformer`, which explains it.

    Args:
        model: the config's section.
    """

    def __init__(self, model: Mapping[str, Any]):
        super().__init__()
        network, make = model["network"], Layers()
        self.levels, size, heads = network["levels"], network["size"], network["heads"]
        (length,) = model["likelihood"]["event_shape"]
        self.table = parameter(make.next(self.levels + 1, size))
        self.blocks = nn.ModuleList(_Block(make, size, heads) for _ in range(network["layers"]))
        self.norm = make.norm(size)
        self.projection = make.dense(size, self.levels)
        half = size // heads // 2
        waves = _ROTARY_BASE ** (-np.arange(half) / half)
        angles = torch.from_numpy((np.arange(length)[:, None] * waves).astype(np.float32))
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, levels: torch.Tensor) -> torch.Tensor:
        h = F.embedding(_before(levels, self.levels), self.table)
        for block in self.blocks:
            h = block(h, self.cos, self.sin)
        return _cross_entropy(self.projection(self.norm(h)), levels, len(levels))


class _Block(nn.Module):
    def __init__(self, make: Layers, size: int, heads: int):
        super().__init__()
        self.heads = heads
        self.attention_norm, self.mlp_norm = make.norm(size), make.norm(size)
        self.qkv, self.out = make.dense(size, 3 * size, bias=False), make.dense(size, size)
        self.up, self.down = make.dense(size, 4 * size), make.dense(4 * size, size)

    def forward(self, h: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        batch, steps, size = h.shape
        parts = self.qkv(self.attention_norm(h)).view(batch, steps, 3, self.heads, -1)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind()
        q, k = _rotated(q, cos, sin), _rotated(k, cos, sin)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h + self.out(seen.transpose(1, 2).reshape(batch, steps, size))
        return h + self.down(F.gelu(self.up(self.mlp_norm(h))))


def _rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


def _before(levels: torch.Tensor, start: int) -> torch.Tensor:
    """The level before each step; `start` at the first one."""
    return F.pad(levels[:, :-1], (1, 0), value=start)


def _as_image(x: torch.Tensor, network: WaveNet) -> torch.Tensor:
    """`[B, T, C]` to `[B, C, 1, T]`, in the memory format of the network's kernels."""
    image = x.transpose(1, 2)[:, :, None]
    return image if network.channels_last else image.contiguous()


def _cross_entropy(logits: torch.Tensor, levels: torch.Tensor, batch: int) -> torch.Tensor:
    total = F.cross_entropy(logits.flatten(0, 1), levels.flatten(), reduction="sum")
    return total / batch
