import pytest

from zoo.errors import ConfigError
from zoo.registration import build, parameters, register_builder, registered


class Part:
    def __init__(self, size, *, scale=1.0, inner=None, **kwargs):
        if size < 0:
            raise ValueError("size is negative\nand a second line")
        self.size, self.scale, self.inner, self.kwargs = size, scale, inner, kwargs


@pytest.fixture(autouse=True)
def part():
    register_builder("PartOfTest", Part)


def test_nested_specs_are_built_first():
    whole = build(
        {
            "type": "PartOfTest",
            "size": 1,
            "inner": [{"type": "PartOfTest", "size": 2, "scale": 3.0}, {"plain": 4}],
        }
    )
    assert whole.size == 1 and whole.scale == 1.0
    first, second = whole.inner
    assert (first.size, first.scale) == (2, 3.0)
    assert second == {"plain": 4}


@pytest.mark.parametrize(
    "spec, path, message",
    [
        ({"type": "PartOfTset", "size": 1}, ("m", "type"), "did you mean: PartOfTest"),
        ({"type": "PartOfTest", "sise": 1}, ("m", "sise"), "valid keys: size, scale, inner"),
        # **kwargs of a builder are not open to configs.
        ({"type": "PartOfTest", "size": 1, "name": "x"}, ("m", "name"), "no key 'name'"),
        ({"type": "PartOfTest"}, ("m",), "size"),
        ({"type": "PartOfTest", "size": -1}, ("m",), "size is negative"),
        ({"size": 1}, ("m",), "needs a `type:`"),
        (None, ("m",), "needs a `type:`"),
        (
            {"type": "PartOfTest", "size": 1, "inner": {"type": "PartOfTest", "sise": 1}},
            ("m", "inner", "sise"),
            "m.inner (PartOfTest) has no key 'sise'",
        ),
        (
            {"type": "PartOfTest", "size": 1, "inner": [{"type": "Nobody"}]},
            ("m", "inner", "0", "type"),
            "m.inner.0 asks for the unknown type 'Nobody'",
        ),
    ],
)
def test_a_bad_spec_names_the_key_and_the_remedy(spec, path, message):
    with pytest.raises(ConfigError) as caught:
        build(spec, ("m",))
    assert caught.value.path == path
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_import_paths_reach_nothing():
    for name in ("os.system", "zoo.registration.build", "builtins.eval", ["PartOfTest"], None, 3):
        with pytest.raises(ConfigError, match="unknown type"):
            build({"type": name})


def test_one_name_has_one_builder():
    register_builder("PartOfTest", Part)
    assert registered()["PartOfTest"] is Part
    assert parameters(Part) == ["size", "scale", "inner"]
    with pytest.raises(ValueError, match="two builders"):
        register_builder("PartOfTest", dict)
