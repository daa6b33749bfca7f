"""Which file may import which: from lower storeys, or from its own package."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "zoo"

STOREYS = {
    "backend": 0,
    "cards": 0,
    "configuration": 0,
    "errors": 0,
    "files": 0,
    "noise": 0,
    "numerics": 0,
    "plain_yaml": 0,
    "registration": 0,
    "data": 1,
    "networks": 1,
    "distributions": 2,
    "objectives": 3,
    "models": 4,
    "evaluation": 5,
    "pictures": 5,
    "storing": 5,
    "training": 6,
    "catalogue": 7,
    "exporting": 7,
    "judging": 7,
    "lessons": 7,
    "measuring": 7,
    "pretrained": 7,
    "shipping": 7,
    "__init__": 8,
    "__main__": 8,
    "cli": 8,
    "commands": 8,
}
# The foundation and the roof are each one household; the tenants between live apart.
HOUSEHOLDS = (0, 7, 8)


def imports(source: str, module: str) -> set[str]:
    """Names directly below `zoo` that the source of `module` ("data.loading") imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parent = ["zoo", *module.split(".")[: -node.level]] if node.level else []
            base = ".".join([*parent, *([node.module] if node.module else [])])
            targets = [f"{base}.{a.name}" for a in node.names] if base == "zoo" else [base]
        else:
            continue
        for target in targets:
            first, *rest = target.split(".")
            if first == "zoo":
                found.add(rest[0] if rest else "__init__")
    return found


def allowed(importer: str, imported: str) -> bool:
    low, high = STOREYS[imported], STOREYS[importer]
    return imported == importer or low < high or (low == high and low in HOUSEHOLDS)


def tenant(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


SOURCES = sorted(PACKAGE.rglob("*.py"))


def test_every_module_has_its_storey():
    assert {tenant(path) for path in SOURCES} <= set(STOREYS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_import_goes_up(path):
    relative = path.relative_to(PACKAGE).with_suffix("")
    names = {
        # `from zoo import __version__` and the lazy functions stand in the roof.
        name if name in STOREYS else "__init__"
        for name in imports(path.read_text(encoding="utf-8"), ".".join(relative.parts))
    }
    wrong = {name for name in names if not allowed(tenant(path), name)}
    assert not wrong, f"{relative} imports {wrong} from above, or from a neighbour"


def test_the_parser_sees_every_form_of_import():
    source = (
        "import zoo\nimport zoo.models.vae as v\nfrom zoo import data\nfrom zoo.cli import main\n"
        "from . import base\nfrom ..training import run\nfrom .. import pictures\n"
        "def f():\n    from zoo.exporting import export\n"
    )
    assert imports(source, "models.vae") == {
        "__init__",
        "models",
        "data",
        "cli",
        "training",
        "pictures",
        "exporting",
    }
    assert not allowed("models", "training") and not allowed("networks", "data")
    assert not allowed("evaluation", "storing") and allowed("catalogue", "pretrained")


def test_public_functions_are_not_called_like_modules():
    import zoo

    modules = {tenant(path) for path in SOURCES}
    assert not modules & set(zoo._FUNCTIONS)
    assert set(zoo.__all__) == {"__version__", *zoo._SUBMODULES, *zoo._FUNCTIONS}
