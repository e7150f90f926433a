from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planviz.config import (
    BASE,
    PRESETS,
    ExperimentConfig,
    GraphConfig,
    PolicyGradientConfig,
    QLearningConfig,
    SettingError,
    SftConfig,
    differences,
    flatten,
    parse,
    preset,
    read_toml,
    to_toml,
    with_settings,
)

CONFIG = ExperimentConfig(
    arms={"sft": SftConfig(), "pg": PolicyGradientConfig(), "q-process": QLearningConfig()}
)
DOTTED = sorted(flatten(CONFIG.model_dump()))
HUGE = 10**5000  # Python refuses to write an integer of more than 4,300 digits

# Strategies

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["nan", "1e400", "\ud800", b"bytes", object()])
)
KEYS = st.sampled_from([part for key in DOTTED for part in key.split(".")]) | st.text(max_size=8)
JUNK = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)

unit = st.floats(0, 1)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "name": st.text(st.characters(codec="utf-8"), min_size=1, max_size=80),
        "graph.kind": st.sampled_from(["acyclic", "directed", "staged", "grid", "blocksworld", "file"]),
        "graph.nodes": st.integers(2, 1600),
        "graph.labels": st.lists(st.text(st.characters(codec="utf-8"))).map(tuple),
        "graph.edges": st.lists(st.tuples(st.integers(), st.integers())).map(tuple),
        "split.train_share": st.floats(0, 1, exclude_min=True, exclude_max=True),
        "model.kind": st.sampled_from(["transformer", "factored", "tabular"]),
        "base.learning_rate": unit,
        "arms.sft.steps": st.integers(1, 1_000_000),
        "arms.pg.kl": st.floats(0, 100),
        "arms.pg.baseline": st.sampled_from(["none", "moving average", "group mean"]),
        "arms.q-process.off_policy": st.booleans(),
        "arms.q-process.discount": unit,
        "evaluation.samples": st.integers(1, 1000),
        "seeds": st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=50, unique=True).map(tuple),
    },
)


# Errors


def message(values: dict[str, Any]) -> str:
    with pytest.raises(SettingError) as error:
        parse(values)
    return str(error.value)


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"graph": {"nodes": 1}}, ["graph.nodes = 1", "greater than or equal to 2"]),
        ({"graph": {"nodes": 1601}}, ["graph.nodes = 1601", "less than or equal to 1600"]),
        ({"graph": {"nodes": "many"}}, ["graph.nodes = 'many'", "valid integer"]),
        ({"graph": {"density": 0}}, ["graph.density = 0", "greater than 0"]),
        ({"graph": {"density": float("nan")}}, ["graph.density = nan", "finite number"]),
        ({"graph": {"kind": "torus"}}, ["graph.kind = 'torus'", "'acyclic'", "'blocksworld'"]),
        ({"graph": {"edges": [(0, 1, 2)]}}, ["graph.edges.0 = ", "2"]),
        ({"graph": {"sides": 3}}, ["graph.sides = 3", "no such setting"]),
        ({"grpah": {}}, ["grpah = {}", "no such setting"]),
        ({"graph": 7}, ["graph = 7", "dictionary"]),
        ({"split": {"train_share": 1}}, ["split.train_share = 1", "less than 1"]),
        ({"split": {"tested_stages": "1-2-3"}}, ["split.tested_stages = '1-2-3'", "write 1-3,2-4"]),
        ({"split": {"tested_stages": "1-x"}}, ["split.tested_stages.0.1 = 'x'", "valid integer"]),
        (
            {"split": {"tested_stages": "0-3"}},
            ["split.tested_stages.0.0 = '0'", "greater than or equal to 1"],
        ),
        ({"model": {"width": 10, "heads": 3}}, ["width 10", "multiple of heads 3"]),
        ({"seeds": []}, ["seeds = []", "at least 1"]),
        ({"seeds": "1,x"}, ["seeds.1 = 'x'", "valid integer"]),
        ({"seeds": -1}, ["seeds.0 = -1", "greater than or equal to 0"]),
        ({"name": ""}, ["name = ''", "at least 1 character"]),
        ({"arms": {"pg": {"method": "pg", "kl": -1}}}, ["arms.pg.kl = -1", "greater than or equal to 0"]),
        ({"arms": {"pg": {"method": "pg", "beta": 1}}}, ["arms.pg.beta = 1", "no such setting"]),
        ({"arms": {"x": {"method": "dpo"}}}, ["arms.x", "'dpo'", "'sft', 'pg', 'q'"]),
        ({"arms": {"x": {}}}, ["arms.x", "method"]),
        ({"arms": {BASE: {"method": "sft"}}}, ["'base'", "letters, digits"]),
        ({"arms": {"../x": {"method": "sft"}}}, ["'../x'", "letters, digits"]),
        ({"arms": {"": {"method": "sft"}}}, ["''", "letters, digits"]),
        ({"arms": {"a" * 41: {"method": "sft"}}}, ["at most 40"]),
        ({"arms": {f"a{i}": {"method": "sft"} for i in range(13)}}, ["arms = ", "at most 12"]),
    ],
)
def test_a_bad_value_is_named_with_its_key_and_what_is_allowed(
    values: dict[str, Any], parts: list[str]
) -> None:
    for part in parts:
        assert part in message(values)


def test_a_seed_may_be_given_only_once() -> None:
    assert "0" in message({"seeds": [0, 1, 0]})


def test_long_keys_and_values_are_cut() -> None:
    assert len(message({"x" * 10_000: "y" * 10_000})) < 300
    assert len(message({"arms": {"x" * 10_000: {"method": "sft"}}})) < 400
    assert len(message({"graph": {"kind": "y" * 10_000}})) < 400


@pytest.mark.parametrize("values", [{"name": HUGE}, {"graph": {"nodes": HUGE}}, {"arms": {"x": HUGE}}])
def test_numbers_too_long_to_be_written_are_refused_like_others(values: dict[str, Any]) -> None:
    assert "=" in message(values)


def result_or_sentence(make: Callable[[], ExperimentConfig]) -> ExperimentConfig | str:
    try:
        return make()
    except SettingError as error:
        return str(error)


@given(st.dictionaries(KEYS, JUNK, max_size=6))
def test_junk_raises_nothing_but_setting_errors(values: dict[str, Any]) -> None:
    outcome = result_or_sentence(lambda: parse(values))
    assert isinstance(outcome, ExperimentConfig) or 0 < len(outcome) < 1000


@given(st.dictionaries(st.sampled_from(DOTTED) | st.text(st.characters(), max_size=20), JUNK, max_size=3))
def test_junk_changes_raise_nothing_but_setting_errors(changes: dict[str, Any]) -> None:
    outcome = result_or_sentence(lambda: with_settings(CONFIG, changes))
    assert isinstance(outcome, ExperimentConfig) or 0 < len(outcome) < 1000


# Dotted keys


@pytest.mark.parametrize("key", DOTTED)
def test_every_dotted_key_can_be_set_to_its_own_value(key: str) -> None:
    assert with_settings(CONFIG, {key: flatten(CONFIG.model_dump())[key]}) == CONFIG


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("graph.nodes", "30", 30),
        ("arms.pg.kl", "1e-3", 1e-3),
        ("arms.q-process.off_policy", "true", True),
        ("model.kind", "factored", "factored"),
        ("seeds", "0, 1,2", (0, 1, 2)),
        ("seeds", "7", (7,)),
        ("seeds", 7, (7,)),
    ],
)
def test_text_becomes_the_type_of_the_setting(key: str, text: Any, value: Any) -> None:
    assert flatten(with_settings(CONFIG, {key: text}).model_dump())[key] == value


def test_changes_leave_the_original_alone() -> None:
    before = CONFIG.model_dump()
    with_settings(CONFIG, {"arms.pg.kl": 0.5, "graph.nodes": 5})
    assert CONFIG.model_dump() == before


@pytest.mark.parametrize(
    "key",
    ["", ".", "graph", "arms", "arms.pg", "graph.", "graph.nodes.x", "graph.sides", "arms.dpo.kl", "a.b.c.d"],
)
def test_an_unknown_dotted_key_is_named(key: str) -> None:
    with pytest.raises(SettingError, match="there is no such setting") as error:
        with_settings(CONFIG, {key: 1})
    assert str(error.value).startswith(f"{key}:")


def test_an_unknown_key_comes_with_the_ones_that_exist() -> None:
    with pytest.raises(SettingError, match=r"known here: .*\bdensity\b.*\bnodes\b|\bnodes\b.*\bdensity\b"):
        with_settings(CONFIG, {"graph.sides": 1})


@given(CHANGES, CHANGES)
def test_the_differences_lead_from_one_config_to_the_other(
    some: dict[str, Any], others: dict[str, Any]
) -> None:
    config, reference = with_settings(CONFIG, some), with_settings(CONFIG, others)
    changes = differences(config, reference)
    assert with_settings(reference, changes) == config
    assert changes.keys() <= some.keys() | others.keys()
    assert differences(config, config) == {}


# Arms


def test_arms_and_the_base_are_found_by_name() -> None:
    assert CONFIG.arm("pg") == PolicyGradientConfig() and CONFIG.arm(BASE) == CONFIG.base
    with pytest.raises(SettingError, match="'dpo' is unknown; this experiment has sft, pg, q-process"):
        CONFIG.arm("dpo")


# Files


@given(CHANGES)
def test_a_config_survives_toml(tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any]) -> None:
    config = with_settings(CONFIG, changes)
    path = tmp_path_factory.mktemp("config") / "config.toml"
    path.write_text(to_toml(config), "utf-8", newline="")
    assert read_toml(path) == config


def test_chosen_pairs_and_texts_survive_toml(tmp_path: Path) -> None:
    config = parse(
        {
            "split": {
                "train_pairs": [(0, 1)],
                "test_pairs": [(1, 2)],
                "texts": "0 1 0 1\n",
                "tested_stages": "1-3",
            }
        }
    )
    (tmp_path / "config.toml").write_text(to_toml(config), "utf-8")
    assert read_toml(tmp_path / "config.toml") == config


def test_a_config_without_arms_survives_toml(tmp_path: Path) -> None:
    config = ExperimentConfig(graph=GraphConfig(kind="file", labels=("a", "b"), edges=((0, 1), (1, 0))))
    (tmp_path / "config.toml").write_text(to_toml(config), "utf-8")
    assert read_toml(tmp_path / "config.toml") == config


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"nodes = = 3", "no valid TOML"),
        (b"\xff\xfe\x00", "no valid TOML"),
        (b"name = " + b"9" * 5000, "no valid TOML"),
        (b"name = " + b"[" * 100_000, "no valid TOML"),
        (b"[graph]\nnodes = 1", "graph.nodes = 1"),
        (b"[graph]\nsides = 1", "graph.sides = 1"),
        (b"[graph]\nkind = 1979-05-27", "graph.kind"),
    ],
    ids=["syntax", "encoding", "huge number", "deep nesting", "value", "key", "date"],
)
def test_a_bad_file_is_refused_with_a_sentence(content: bytes, part: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(SettingError) as error:
        read_toml(path)
    assert part in str(error.value) and len(str(error.value)) < 500


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.toml", tmp_path):
        with pytest.raises(SettingError, match="cannot be read"):
            read_toml(path)


# Presets


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_its_name_and_all_six_arms(name: str) -> None:
    config = preset(name)
    assert config.name == name
    assert list(config.arms) == ["sft", "pg", "pg-kl", "q-outcome", "q-process", "q-process-offpolicy"]


def test_an_unknown_preset_is_refused_with_those_that_exist() -> None:
    with pytest.raises(SettingError, match="'slow' is unknown; there are quick, paper, blocksworld"):
        preset("slow")


def test_unknown_names_are_cut_in_messages() -> None:
    for ask in (preset, CONFIG.arm):
        with pytest.raises(SettingError) as error:
            ask("x" * 10_000)
        assert len(str(error.value)) < 300
