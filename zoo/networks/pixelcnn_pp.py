"""PixelCNN++: two streams of gated residual blocks, down to coarser images and up again."""

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from zoo.networks.pixels import PixelNetwork, dense
from zoo.networks.shifted import ShiftedConv, moved_down, moved_right
from zoo.registration import register


class _Whole:
    """All places at once."""

    def conv(self, layer: ShiftedConv, x: tf.Tensor, level: int) -> tf.Tensor:
        del level
        return layer(x)

    def finer(self, cells: tf.Tensor, level: int) -> tf.Tensor:
        """`[B, h, w, 4 F]`, a cell for each 2 x 2 pixels -> `[B, 2 h, 2 w, F]`."""
        del level
        return tf.nn.depth_to_space(cells, 2)

    def given(self, context: tf.Tensor) -> tf.Tensor:
        return context[:, tf.newaxis, tf.newaxis]


class _Remembering:
    """What rows and pixels share: every convolution has its memory, in the order of their calls."""

    def __init__(self, memories: list[tf.Tensor]):
        self.memories: Iterator[tf.Tensor] = iter(memories)
        self.kept: list[tf.Tensor] = []

    def given(self, context: tf.Tensor) -> tf.Tensor:
        return context


class _Row(_Remembering):
    """Row i of the finest image, row i / 2^level of a coarser one."""

    def __init__(self, memories: list[tf.Tensor], i: tf.Tensor):
        super().__init__(memories)
        self.i = i

    def conv(self, layer, x, level):
        row = self.i // 2**level
        memory = layer.push_row(next(self.memories), x, row)
        self.kept.append(memory)
        # A strided output is that of the cell's first row: there, the cell has seen nothing of
        # itself, and in its second row it stays as it was.
        return layer.row(memory, row // layer.stride * layer.stride)

    def finer(self, cells, level):
        width, features = cells.shape[0], cells.shape[-1] // 4
        parity = self.i // 2**level % 2
        split = tf.reshape(cells, [width, -1, 2, 2, features])[:, :, parity]
        return tf.reshape(tf.transpose(split, [0, 2, 1, 3]), [2 * width, -1, features])


class _Pixel(_Remembering):
    """Pixel (i, j) of the finest image, likewise."""

    def __init__(self, memories: list[tf.Tensor], i: tf.Tensor, j: tf.Tensor):
        super().__init__(memories)
        self.i, self.j = i, j

    def conv(self, layer, x, level):
        row, column = self.i // 2**level, self.j // 2**level
        memory = layer.push(next(self.memories), x, row, column)
        self.kept.append(memory)
        stride = layer.stride
        return layer.pixel(memory, row // stride * stride, column // stride * stride)

    def finer(self, cells, level):
        scale = 2**level
        split = tf.reshape(cells, [-1, 2, 2, cells.shape[-1] // 4])
        return split[:, self.i // scale % 2, self.j // scale % 2]


class _Block(keras.layers.Layer):
    """x + a sigmoid(b), (a, b) = conv(e(conv(e(x)) + W e(beside))) + V context, e = concat-elu."""

    def __init__(self, filters: int, kernel: tuple[int, int], centred: bool, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters = filters
        self.first = ShiftedConv(filters, kernel, centred, name="first")
        self.second = ShiftedConv(2 * filters, kernel, centred, name="second")
        self.nearby = dense(filters, "beside")
        self.context = dense(2 * filters, "context", bias=False)

    def build_for(self, beside: int, context_size: int | None) -> None:
        """Makes the variables; `beside` is the number of channels of what stands beside x."""
        places = (None, None, None, 2 * self.filters)
        self.first.build(places)
        self.second.build(places)
        if beside:
            self.nearby.build((None, 2 * beside))
        if context_size is not None:
            self.context.build((None, context_size))
        self.built = True

    def run(self, at, x, level: int, beside=None, context=None):
        hidden = at.conv(self.first, _concat_elu(x), level)
        if beside is not None:
            hidden += self.nearby(_concat_elu(beside))
        both = at.conv(self.second, _concat_elu(hidden), level)
        if context is not None:
            both += at.given(self.context(context))
        a, b = tf.split(both, 2, axis=-1)
        return x + a * tf.sigmoid(b)


class _Stream(keras.layers.Layer):
    """Blocks down to the coarsest image and up again; each block up sees one on the way down."""

    def __init__(
        self, filters: int, blocks: int, levels: int, kernel: tuple[int, int], centred: bool, **kw
    ):
        super().__init__(**kw)
        self.filters, self.count, self.levels = filters, blocks, levels

        def row_of_blocks(name: str) -> list[list[_Block]]:
            return [
                [_Block(filters, kernel, centred, name=f"{name}_{i}_{k}") for k in range(blocks)]
                for i in range(levels)
            ]

        self.downward, self.upward = row_of_blocks("down"), row_of_blocks("up")
        steps = range(levels - 1)
        self.coarser = [
            ShiftedConv(filters, kernel, centred, stride=2, name=f"coarser_{i}") for i in steps
        ]
        self.finer = [dense(4 * filters, f"finer_{i}") for i in steps]

    def build_for(self, beside: int, context_size: int | None) -> None:
        """`beside`: how many streams of `filters` channels stand beside this one: 0 or 1."""
        for i in range(self.levels):
            for down, up in zip(self.downward[i], self.upward[i], strict=True):
                down.build_for(beside * self.filters, context_size)
                up.build_for((beside + 1) * self.filters, context_size)
        for coarser, finer in zip(self.coarser, self.finer, strict=True):
            coarser.build((None, None, None, self.filters))
            finer.build((None, self.filters))
        self.built = True

    def run(self, at, x, context, beside: Iterator[tf.Tensor] | None = None) -> list[tf.Tensor]:
        """The output of every block, the last one's last.

        Args:
            at: all places, a row, or a pixel.
            x: the stream's input.
            context: `[B, C]` or None.
            beside: the outputs of another stream's blocks, at the same places.
        """
        outputs, shortcuts = [], []
        for level in range(self.levels):
            for block in self.downward[level]:
                x = block.run(at, x, level, None if beside is None else next(beside), context)
                outputs.append(x)
                shortcuts.append(x)
            if level < self.levels - 1:
                x = at.conv(self.coarser[level], x, level)
        for level in reversed(range(self.levels)):
            for block in self.upward[level]:
                near = [shortcuts.pop()] if beside is None else [next(beside), shortcuts.pop()]
                x = block.run(at, x, level, tf.concat(near, axis=-1), context)
                outputs.append(x)
            if level > 0:
                x = at.finer(self.finer[level - 1](x), level - 1)
        return outputs

    def memories(self, batch, height: int, width: int) -> list[tf.Tensor]:
        """One for each convolution, in the order in which `run` calls them."""
        found = []

        def add(layer: ShiftedConv, level: int) -> None:
            found.append(layer.memory(batch, height // 2**level, width // 2**level))

        for level in range(self.levels):
            for block in self.downward[level]:
                add(block.first, level)
                add(block.second, level)
            if level < self.levels - 1:
                add(self.coarser[level], level)
        for level in reversed(range(self.levels)):
            for block in self.upward[level]:
                add(block.first, level)
                add(block.second, level)
        return found


@register
class PixelCNNPP(PixelNetwork):
    """Features of each pixel from all pixels before it, seen at several resolutions.

    One stream sees the rows above, the other also what is left in the row, with the first beside
    it. Both go down to images of half, a quarter, ... the size, and up again with short cuts.

    Args:
        filters: channels of both streams.
        blocks: gated residual blocks at each resolution, in each direction.
        levels: resolutions; height and width are divisible by 2^(levels - 1).
        order: "forward" or "reversed".
        **kwargs: `name`, `trainable` and `dtype`, as for any Keras layer.

    Shapes: x `[B, H, W, C]`, context `[B, C']` or none -> `[B, H, W, filters]`. A pixel is drawn
    with all its channels at once: their dependence is the likelihood's, such as
    `DiscretizedLogisticMixture`.

    Raises:
        ValueError: no block or level, or an image that cannot be halved so often.

    Reference: Salimans, Karpathy, Chen and Kingma 2017, arXiv 1701.05517, section 2 and its code.
    Departures: no dropout and no weight normalization; a finer image comes from a dense layer for
    each of four pixels instead of a transposed convolution.
    """

    def __init__(
        self, filters: int, blocks: int = 2, levels: int = 3, order: str = "forward", **kwargs: Any
    ):
        super().__init__(order, **kwargs)
        if min(filters, blocks, levels) < 1:
            raise ValueError("PixelCNNPP takes filters, blocks and levels from 1 on")
        self.filters, self.blocks, self.levels = filters, blocks, levels
        self.above = _Stream(filters, blocks, levels, (2, 3), centred=True, name="above")
        self.left = _Stream(filters, blocks, levels, (2, 2), centred=False, name="left")
        self.first_above = ShiftedConv(filters, (2, 3), centred=True, name="first_above")
        self.row_above = ShiftedConv(filters, (1, 3), centred=True, name="row_above")
        self.first_left = ShiftedConv(filters, (2, 1), centred=False, name="first_left")

    @property
    def feature_size(self) -> int:
        return self.filters

    def build_for(self, context_size):
        scale = 2 ** (self.levels - 1)
        if self.height % scale or self.columns % scale:
            raise ValueError(
                f"PixelCNNPP with {self.levels} levels takes images whose sides {scale} divides"
            )
        channels = self.event_shape[-1] + 1
        for first in (self.first_above, self.row_above, self.first_left):
            first.build((None, None, None, channels))
        self.above.build_for(0, context_size)
        self.left.build_for(1, context_size)

    def forward(self, x, context):
        # A channel of ones tells the image from what is outside of it.
        x = tf.concat([x, tf.ones_like(x[..., :1])], axis=-1)
        down, right, whole = moved_down(x), moved_right(x), _Whole()
        above = self.above.run(whole, self.first_above(down), context)
        start = self.row_above(down) + self.first_left(right)
        return tf.nn.elu(self.left.run(whole, start, context, iter(above))[-1])

    def start(self, batch, context):
        size = (batch, self.height, self.columns)
        firsts = (self.first_above, self.row_above, self.first_left)
        beside = [
            tf.zeros([self.columns // 2**level, batch, self.filters], self.compute_dtype)
            for level in self._levels_of_blocks()
        ]
        return {
            "pixels": self.blank(batch, self.event_shape[-1] + 1),
            "firsts": [first.memory(*size) for first in firsts],
            "above": self.above.memories(*size),
            "left": self.left.memories(*size),
            "beside": [tf.zeros([self.columns, *size[:1], self.filters]), *beside],
        }

    def start_row(self, state, previous, index, context):
        """The stream of the rows above, and what it hands to the other one."""
        i = index // self.columns
        row = self.row_of(self._drawn(state, previous, index), i)
        above_memory, row_memory, left_memory = state["firsts"]
        above_memory = self.first_above.push_row(above_memory, row, i)
        row_memory = self.row_above.push_row(row_memory, row, i)
        here = _Row(state["above"], i)
        outputs = self.above.run(here, self.first_above.row(above_memory, i), context)
        return {
            **state,
            "firsts": [above_memory, row_memory, left_memory],
            "above": here.kept,
            "beside": [self.row_above.row(row_memory, i), *outputs],
        }

    def step(self, state, previous, index, context):
        i, j = index // self.columns, index % self.columns
        *firsts, left_memory = state["firsts"]
        before = _with_inside(previous, index)
        seen = tf.where(tf.equal(j, 0), tf.zeros_like(before), before)
        left_memory = self.first_left.push(left_memory, seen, i, j)
        first, *others = state["beside"]
        near = [
            row[j // 2**level] for row, level in zip(others, self._levels_of_blocks(), strict=True)
        ]
        here = _Pixel(state["left"], i, j)
        start = first[j] + self.first_left.pixel(left_memory, i, j)
        features = tf.nn.elu(self.left.run(here, start, context, iter(near))[-1])
        return features, {
            **state,
            "pixels": self._drawn(state, previous, index),
            "firsts": [*firsts, left_memory],
            "left": here.kept,
        }

    def _drawn(self, state, previous, index):
        return self.drawn(state["pixels"], _with_inside(previous, index), index)

    def _levels_of_blocks(self) -> list[int]:
        """The resolution of each block, in the order in which they run."""
        down = [level for level in range(self.levels) for _ in range(self.blocks)]
        return down + down[::-1]

    def get_config(self) -> dict[str, Any]:
        own = {"filters": self.filters, "blocks": self.blocks, "levels": self.levels}
        return {**super().get_config(), **own}


def _with_inside(previous: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """`[B, C]` with the channel of ones; before step 0 nothing was drawn inside the image."""
    inside = tf.cast(tf.fill([tf.shape(previous)[0], 1], index > 0), previous.dtype)
    return tf.concat([previous, inside], axis=-1)


def _concat_elu(x: tf.Tensor) -> tf.Tensor:
    """elu of x and of -x, twice as many channels."""
    return tf.nn.elu(tf.concat([x, -x], axis=-1))
