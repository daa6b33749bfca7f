"""A page of a lesson: paragraphs in Markdown, tables and pictures, written together."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zoo.files import refuse_existing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES = "pictures"


@dataclasses.dataclass
class Page:
    """What a lesson makes.

    Attributes:
        title: its first line.
        blocks: Markdown, in order.
        figures: by the name of their file, without `.png`.
    """

    title: str
    blocks: list[str] = dataclasses.field(default_factory=list)
    figures: "dict[str, Figure]" = dataclasses.field(default_factory=dict)

    def say(self, text: str) -> None:
        """Adds a paragraph."""
        self.blocks.append(text)

    def show(self, name: str, figure: "Figure", caption: str) -> None:
        """Adds a picture."""
        self.figures[name] = figure
        self.blocks.append(f"![{caption}]({PICTURES}/{name}.png)")

    def tabulate(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Adds a table."""
        lines = [head, ["---"] * len(head), *rows]
        self.blocks.append("\n".join(f"| {' | '.join(line)} |" for line in lines))


class Lesson(NamedTuple):
    """A lesson.

    Attributes:
        help: one line.
        make: trains and measures what it needs, and returns the page.
    """

    help: str
    make: Callable[[], Page]


def write(make: Callable[[], Page], name: str, directory: Path, overwrite: bool = False) -> Path:
    """Writes `NAME.md` and its pictures below `directory`; returns the page's file.

    Raises:
        ZooError: the page exists, or cannot be written.
    """
    from zoo.pictures import save

    file = directory / f"{name}.md"
    if not overwrite:
        refuse_existing(file)
    page = make()
    for figure, drawing in page.figures.items():
        save(drawing, directory / PICTURES / f"{figure}.png", overwrite=overwrite)
    directory.mkdir(parents=True, exist_ok=True)
    command = f"`zoo lesson {name}` measures and draws this page again."
    text = "\n\n".join([f"# {page.title}", *page.blocks, command]) + "\n"
    file.write_text(text, encoding="utf-8")
    return file
