"""The commands of `zoo`. A new one is a function in a module here and a line in `COMMANDS`."""

from zoo.commands import demo, export, listing, measuring, operations, pictures, shipping, training
from zoo.commands.command import Command

COMMANDS: tuple[Command, ...] = (
    demo.DEMO,
    listing.LIST,
    listing.INFO,
    training.TRAIN,
    measuring.EVALUATE,
    measuring.VERIFY,
    operations.SAMPLE,
    operations.RECONSTRUCT,
    operations.INTERPOLATE,
    operations.TRAVERSE,
    operations.ENCODE,
    pictures.PICTURE,
    export.EXPORT,
    shipping.SHIP,
)
