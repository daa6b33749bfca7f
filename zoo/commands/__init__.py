"""The commands of `zoo`. A new one is a function in a module here and a line in `COMMANDS`."""

from zoo.commands import (
    demo,
    density,
    export,
    lesson,
    listing,
    measuring,
    operations,
    pictures,
    shipping,
    training,
)
from zoo.commands.command import Command

COMMANDS: tuple[Command, ...] = (
    demo.DEMO,
    listing.LIST,
    listing.INFO,
    training.TRAIN,
    measuring.EVALUATE,
    measuring.VERIFY,
    operations.SAMPLE,
    operations.COMPLETE,
    operations.RECONSTRUCT,
    operations.INTERPOLATE,
    operations.TRAVERSE,
    operations.ENCODE,
    pictures.PICTURE,
    lesson.LESSON,
    density.FIT_DENSITY,
    export.EXPORT,
    shipping.SHIP,
    shipping.REMEASURE,
)
