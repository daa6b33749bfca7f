"""Gated PixelCNN: two stacks of convolutions that together see all that was drawn before."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from zoo.networks.pixels import PixelNetwork, cycled, dense, gate
from zoo.networks.shifted import ShiftedConv, moved_down, moved_right
from zoo.registration import register


class _GatedLayer(keras.layers.Layer):
    """One layer of both stacks: the rows above, and the present row up to the pixel before.

    u = conv_v(v);  v' = gate(u + c_v);  s = conv_h(h) + u W_1 + c_h
    g = gate(s);  h' = h + g W_2 (no h in the first layer);  skip = g W_3

    The last layer is asked for its skip only, and has neither v' nor W_2.
    """

    def __init__(
        self,
        filters: int,
        rows: tuple[int, int],
        pixels: int,
        dilation: int,
        first: bool,
        last: bool,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.first = first
        sizes = {"vertical": rows, "horizontal": (1, pixels)}
        self.vertical, self.horizontal = (
            ShiftedConv(2 * filters, size, name == "vertical", dilation=dilation, name=name)
            for name, size in sizes.items()
        )
        self.link = dense(2 * filters, "link", bias=False)
        self.out = None if last else dense(filters, "out")
        self.skip = dense(filters, "skip", bias=False)
        names = ("horizontal_context",) if last else ("horizontal_context", "vertical_context")
        self.contexts = [dense(2 * filters, name, bias=False) for name in names]
        self.filters = filters

    def build_for(self, v: int, h: int, context_size: int | None) -> None:
        """Makes the variables, for so many channels of the two inputs."""
        places = (None, None, None)
        self.vertical.build((*places, v))
        self.horizontal.build((*places, h))
        self.link.build((None, 2 * self.filters))
        if self.out is not None:
            self.out.build((None, self.filters))
        self.skip.build((None, self.filters))
        for projection in self.contexts if context_size else ():
            projection.build((None, context_size))
        self.built = True

    def on_rows(self, u: tf.Tensor, contexts) -> tuple[tf.Tensor, tf.Tensor]:
        """From u: v', where there is a layer to take it, and what the horizontal stack is told."""
        link = self.link(u)
        if contexts is not None:
            link += contexts[0]
        if self.out is None:
            return u, link
        return gate(u if contexts is None else u + contexts[1]), link

    def on_pixels(self, convolved: tf.Tensor, link: tf.Tensor, h: tf.Tensor):
        """From conv_h(h): h', where there is a layer to take it, and the skip."""
        gated = gate(convolved + link)
        if self.out is not None:
            h = self.out(gated) if self.first else h + self.out(gated)
        return h, self.skip(gated)

    def given(self, context: tf.Tensor | None, spatial: bool):
        """c_h and c_v, to be added to whole images, or to rows and pixels."""
        if context is None:
            return None
        found = tuple(projection(context) for projection in self.contexts)
        return tuple(c[:, tf.newaxis, tf.newaxis] for c in found) if spatial else found


@register
class GatedPixelCNN(PixelNetwork):
    """Features of each pixel from all pixels above it and left of it in its row; no blind spot.

    Args:
        filters: channels of both stacks.
        layers: gated layers, the first one with the large kernel.
        first_kernel: odd; the first layer sees (first_kernel - 1) / 2 rows up, columns left and
            right in the rows above, and as many pixels left.
        kernel: odd, of the other layers.
        units: channels of the 1x1 convolution after the skips.
        dilations: of the layers after the first, over and over, such as [1, 2, 4]: they see further
            at no cost. By default all are 1, as in the paper.
        order: "forward" or "reversed".
        **kwargs: `name`, `trainable` and `dtype`, as for any Keras layer.

    Shapes: x `[B, H, W, C]`, context `[B, C']` or none -> `[B, H, W, units]`. A pixel is drawn with
    all its channels at once: their dependence is the likelihood's.

    Raises:
        ValueError: even kernels, or anything but images.

    Reference: van den Oord et al. 2016, arXiv 1606.05328, section 2.2, 2.3 and Figure 2; skips to
    the output as in WaveNet, arXiv 1609.03499. Departures: the image is moved
    by one before unmasked convolutions, instead of masks; channels are not masked.
    """

    def __init__(
        self,
        filters: int,
        layers: int,
        first_kernel: int = 7,
        kernel: int = 3,
        units: int = 64,
        dilations: Sequence[int] = (1,),
        order: str = "forward",
        **kwargs: Any,
    ):
        super().__init__(order, **kwargs)
        if layers < 1 or first_kernel % 2 == 0 or kernel % 2 == 0 or min(first_kernel, kernel) < 3:
            raise ValueError("GatedPixelCNN takes 1 layer or more, and odd kernels of 3 or more")
        self.filters, self.depth, self.units = filters, layers, units
        self.first_kernel, self.kernel = first_kernel, kernel
        self.dilations, self.gated = list(dilations), []
        for i, dilation in enumerate([1, *cycled(dilations, layers - 1)]):
            # The first layer's image is moved by one, so that as many pixels less are left to see.
            size = first_kernel if i == 0 else kernel
            rows = size // 2 + (i > 0)
            ends = {"first": i == 0, "last": i == layers - 1}
            self.gated.append(
                _GatedLayer(filters, (rows, size), rows, dilation, **ends, name=f"gated_{i}")
            )
        self.top = dense(units, "top")

    @property
    def feature_size(self) -> int:
        return self.units

    def build_for(self, context_size):
        channels = self.event_shape[-1]
        for i, layer in enumerate(self.gated):
            inputs = self.filters if i else channels
            layer.build_for(inputs, inputs, context_size)
        self.top.build((None, self.filters))

    def forward(self, x, context):
        v, h, skips = moved_down(x), moved_right(x), 0.0
        for layer in self.gated:
            v, link = layer.on_rows(layer.vertical(v), layer.given(context, spatial=True))
            h, skip = layer.on_pixels(layer.horizontal(h), link, h)
            skips += skip
        return self._finished(skips)

    def start(self, batch, context):
        size = (batch, self.height, self.columns)
        return {
            "pixels": self.blank(batch, self.event_shape[-1]),
            "vertical": [layer.vertical.memory(*size) for layer in self.gated],
            "horizontal": [layer.horizontal.memory(batch, 1, self.columns) for layer in self.gated],
            "links": [
                tf.zeros([self.columns, batch, 2 * self.filters], self.compute_dtype)
                for _ in self.gated
            ],
        }

    def step(self, state, previous, index, context):
        j = index % self.columns
        h = tf.where(tf.equal(j, 0), tf.zeros_like(previous), previous)
        layers = zip(self.gated, state["horizontal"], state["links"], strict=True)
        horizontal, skips = [], 0.0
        for layer, memory, link in layers:
            memory = layer.horizontal.push(memory, h, 0, j)
            convolved = layer.horizontal.pixel(memory, 0, j)
            h, skip = layer.on_pixels(convolved, link[j], h)
            horizontal.append(memory)
            skips += skip
        pixels = self.drawn(state["pixels"], previous, index)
        return self._finished(skips), {**state, "pixels": pixels, "horizontal": horizontal}

    def start_row(self, state, previous, index, context):
        """The vertical stack: all pixels of a row see the same rows above."""
        i = index // self.columns
        v = self.row_of(self.drawn(state["pixels"], previous, index), i)
        pushed, links = [], []
        for layer, memory in zip(self.gated, state["vertical"], strict=True):
            memory = layer.vertical.push_row(memory, v, i)
            v, link = layer.on_rows(layer.vertical.row(memory, i), layer.given(context, False))
            pushed.append(memory)
            links.append(link)
        return {**state, "vertical": pushed, "links": links}

    def _finished(self, skips: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(self.top(tf.nn.relu(skips)))

    def get_config(self) -> dict[str, Any]:
        own = {
            "filters": self.filters,
            "layers": self.depth,
            "first_kernel": self.first_kernel,
            "kernel": self.kernel,
            "units": self.units,
            "dilations": self.dilations,
        }
        return {**super().get_config(), **own}
