import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebear.anatomy.parts import Role
from forebear.anatomy.tables import load_families, parse_family
from forebear.errors import AnatomyError

GOOD = """
family = "tiny"
model_types = ["tiny"]
norm = "rms"
block = "pre"
qk_norm = "head"
always = ["q"]
buffers = ["layers.{layer}.rotary.inv_freq"]

[body]
"embed.weight" = "embedding"
"layers.{layer}.qkv.weight" = { parts = ["q", "k", "v"], split = "grouped" }
"layers.{layer}.q_norm.weight" = "q_norm"
"layers.{layer}.experts.{expert}.up.weight" = { parts = ["up"], transposed = true }
"layers.{layer}.experts.down" = { parts = ["down"], stacked = true }

[head]
"lm_head.weight" = "output"

[extra]
"pooler" = ["pooler."]

[config]
hidden = "hidden_size"
"""


def test_a_table_says_what_it_says() -> None:
    family = parse_family(GOOD, "tiny.toml")
    entries = {entry.pattern: entry for entry in family.entries}
    assert entries["layers.{layer}.qkv.weight"].parts == (Role.Q, Role.K, Role.V)
    assert entries["layers.{layer}.experts.{expert}.up.weight"].transposed
    assert entries["layers.{layer}.experts.down"].stacked
    assert entries["lm_head.weight"].head
    assert (family.gain_offset, family.config, family.always) == (0.0, {"hidden": "hidden_size"}, {Role.Q})


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('norm = "rms"', 'norm = "rms"\ncolour = 1', "colour"),
        ('norm = "rms"', 'norm = "batch"', "norm"),
        ('norm = "rms"', 'norm = "rms"\ntower = "smell"', "tower"),
        ('norm = "rms"', "", "norm"),
        ('block = "pre"', "", "block"),
        ('family = "tiny"', "", "family"),
        ('family = "tiny"', "family = 3", "family"),
        ('model_types = ["tiny"]', "model_types = [1]", "model_types"),
        ('always = ["q"]', 'always = ["tail"]', "always"),
        ('always = ["q"]', 'always = ["o"]', "always or input"),
        ('qk_norm = "head"', "", "qk_norm"),
        ("stacked = true", "stacked = true, sorted = true", "body.layers.{layer}.experts.down.sorted"),
        ("stacked = true", 'input = "tail"', "body.layers.{layer}.experts.down.input"),
        ('split = "grouped"', 'split = "latent"', "body.layers.{layer}.qkv.weight.split"),
        (', split = "grouped"', "", "body.layers.{layer}.qkv.weight.split"),
        ('"q", "k", "v"', '"q", "k", "v_bias"', "body.layers.{layer}.qkv.weight.parts"),
        ('parts = ["down"]', 'parts = ["down_bias"]', "body.layers.{layer}.experts.down.parts"),
        ('"q", "k", "v"', '"q", "q", "v"', "body.layers.{layer}.qkv.weight.parts"),
        ("transposed = true", "stacked = true", "body.layers.{layer}.experts.{expert}.up.weight.stacked"),
        ('"embed.weight"', '"layers.{layer}.embed.weight"', "body.layers.{layer}.embed.weight"),
        ('"embed.weight"', '"{name}.weight"', "{name}.weight"),
        ('"embed.weight"', '"3.weight"', "3.weight"),
        ('"embedding"', "7", "body.embed.weight"),
        ("layers.{layer}.rotary", "layers.{expert}.rotary", "layers.{expert}.rotary.inv_freq"),
        ('hidden = "hidden_size"', 'height = "hidden_size"', "config.height"),
        ('hidden = "hidden_size"', "hidden = 1", "config.hidden"),
        ('"pooler" = ["pooler."]', '"pooler" = "pooler."', "extra.pooler"),
    ],
)
def test_what_the_recogniser_would_not_obey_is_refused(old: str, new: str, field: str) -> None:
    assert GOOD.count(old) >= 1
    with pytest.raises(AnatomyError) as caught:
        parse_family(GOOD.replace(old, new), "tiny.toml")
    assert (caught.value.where, caught.value.field) == ("tiny.toml", field)
    assert "\n" not in caught.value.line()


def test_text_that_is_no_table_is_refused() -> None:
    with pytest.raises(AnatomyError, match="not a TOML table"):
        parse_family("family = [", "tiny.toml")


@given(cut=st.integers(0, len(GOOD)), length=st.integers(0, 60), text=st.text(max_size=20))
def test_a_damaged_table_is_read_or_refused(cut: int, length: int, text: str) -> None:
    damaged = GOOD[:cut] + text + GOOD[cut + length :]
    try:
        family = parse_family(damaged, "tiny.toml")
    except AnatomyError as error:
        assert error.where == "tiny.toml"
    else:
        assert family.entries


def test_tables_of_the_package_load_once() -> None:
    assert load_families() is load_families()
    assert len({family.name for family in load_families()}) == len(load_families()) == 24
