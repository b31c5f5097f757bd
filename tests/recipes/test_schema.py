"""Recipes: what ships is valid, what is wrong is answered with what would be right."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from unmask.errors import UsageError
from unmask.imaging.faces import FacePolicy
from unmask.recipes import Augmentation, Backbone, Ensemble, Fusion, Recipe


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


BOMB = "a: &a [x, x]\n" + "".join(f"{n}: &{n} [*{p}, *{p}]\n" for p, n in pairwise("abcdefghijklmnop"))


@pytest.mark.parametrize("name", Recipe.shipped())
def test_every_shipped_recipe_loads_and_survives_writing(name: str, tmp_path: Path) -> None:
    recipe = Recipe.load(name)
    assert recipe.name == name
    assert recipe.summary
    again = Recipe.load(write(tmp_path, recipe.to_yaml()))
    assert again == recipe
    assert again.digest() == recipe.digest()
    assert again.to_yaml() == recipe.to_yaml()
    # Every setting is written out.
    assert yaml.safe_load(recipe.to_yaml()).keys() == Recipe.model_fields.keys()


def test_the_default_recipe_ships() -> None:
    assert "unmask-default" in Recipe.shipped()
    assert Recipe.shipped() == sorted(Recipe.shipped())


@pytest.mark.parametrize(
    ("text", "code", "parts"),
    [
        # a wrong key at the top
        ("name: x\nschedul: {}", "bad_recipe", ["There is no key schedul.", "Did you mean schedule?"]),
        # a wrong key in a part
        (
            "name: x\nschedule: {epoch: 3}",
            "bad_recipe",
            ["There is no key schedule.epoch.", "Did you mean schedule.epochs?"],
        ),
        # a wrong key two parts deep, below one that may be null
        (
            "name: x\npreprocessing: {faces: {zom: false}}",
            "bad_recipe",
            ["There is no key preprocessing.faces.zom.", "Did you mean preprocessing.faces.zoom?"],
        ),
        # a wrong key that is near nothing: no suggestion
        ("name: x\ndata: {qqqq: 3}", "bad_recipe", ["There is no key data.qqqq."]),
        # several things wrong at once: all are named
        (
            "name: x\nseeed: 3\nhead: {dropout: 1.5}",
            "bad_recipe",
            ["Did you mean seed?", "head.dropout: Input should be less than 1"],
        ),
        # a value out of its range
        ("name: x\nschedule: {learning_rate: 0}", "bad_recipe", ["schedule.learning_rate: ", "greater than 0"]),
        # a value of the wrong kind
        ("name: x\nschedule: {epochs: many}", "bad_recipe", ["schedule.epochs: ", "integer"]),
        # a value that is none of the choices
        ("name: x\ndata: {balance: sources}", "bad_recipe", ["data.balance: ", "'class-source'"]),
        # an unknown source of weights, in a list
        ("name: x\nbackbone: {weights: [disk]}", "bad_recipe", ["backbone.weights.0: ", "'pip'"]),
        # a sum without its weights, weights without a sum, and a bundle that would have to be trained
        ("name: x\nensemble: {members: [a, b], combine: sum}", "bad_recipe", ["needs one per member"]),
        ("name: x\nensemble: {members: [a, b], weights: [1, 1]}", "bad_recipe", ["needs one per member"]),
        ("name: x\nensemble: {members: [a, 'bundle:b'], combine: stacked}", "bad_recipe", ["a bundle cannot be"]),
        # blocks out of order, or named twice
        ("name: x\nbackbone: {tokens: [6, 3]}", "bad_recipe", ["backbone.tokens: ", "once each, in order"]),
        ("name: x\nbackbone: {stages: [3, 2]}", "bad_recipe", ["backbone.stages: ", "once each, in order"]),
        ("name: x\nbackbone: {stages: [2], tokens: [6]}", "bad_recipe", ["give one of them"]),
        ("name: x\nbackbone: {tokens: [6, 6]}", "bad_recipe", ["backbone.tokens: ", "once each, in order"]),
        # questions without the classifier that each of them is
        ("name: x\nquestions: [{name: a, kinds: [b]}]", "bad_recipe", ["set classifier.estimator"]),
        (
            "name: x\nclassifier: {estimator: random_forest}\nquestions: [{name: a, kinds: [b]}]",
            "bad_recipe",
            ["set classifier.estimator"],
        ),
        # two of one name
        (
            "name: x\nclassifier: {estimator: logistic_regression}\n"
            "questions: [{name: a, kinds: [b]}, {name: a, kinds: [c]}]",
            "bad_recipe",
            ["two have the same name"],
        ),
        # weights that the estimator does not take, mixed fakes without weights
        ("name: x\nclassifier: {estimator: mlp, balance: family-source}", "bad_recipe", ["logistic_regression only"]),
        (
            "name: x\nclassifier: {estimator: logistic_regression, mixed_fakes: 1}",
            "bad_recipe",
            ["needs balance: family-source"],
        ),
        # no name
        ("seed: 1", "bad_recipe", ["name: ", "required"]),
        # a name that cannot be a bundle's
        ("name: My Recipe", "bad_recipe", ["name: "]),
        # not a mapping
        ("- 1\n- 2", "bad_recipe", ["must be a mapping"]),
        # an empty file
        ("", "bad_recipe", ["must be a mapping"]),
        # no YAML
        ("name: [", "bad_recipe", ["is not readable YAML"]),
        # a date that no calendar has
        ("name: x\nsummary: 2001-99-99", "bad_recipe", ["is not readable YAML", "month must be in 1..12"]),
        # a number of more digits than Python reads
        ("name: x\nseed: " + "9" * 6000, "bad_recipe", ["is not readable YAML"]),
        # nested without end
        ("name: " + "[" * 100_000, "bad_recipe", ["is not readable YAML", "32 levels"]),
        # one scalar of 20 MB
        ("name: x\nsummary: " + "x" * 20_000_000, "bad_recipe", ["is not readable YAML", "262,144 bytes"]),
        # aliases that double with each line, and the same by merging
        (BOMB, "bad_recipe", ["is not readable YAML", "10 aliases"]),
        (BOMB.replace("[", "{<<: [").replace("]", "]}"), "bad_recipe", ["is not readable YAML"]),
        # a node inside itself
        ("name: x\nlimits: &a [*a]", "bad_recipe", ["limits.0: "]),
        # numbers that are none, lists and texts without end
        ("name: x\nschedule: {learning_rate: .inf}", "bad_recipe", ["schedule.learning_rate: "]),
        ("name: x\nschedule: {warmup_epochs: .nan}", "bad_recipe", ["schedule.warmup_epochs: "]),
        ("name: x\nhead: {units: [" + "8," * 50 + "]}", "bad_recipe", ["head.units: "]),
        ("name: x\nsummary: " + "x" * 20_000, "bad_recipe", ["summary: "]),
        ("name: " + "x" * 5000, "bad_recipe", ["name: "]),
        ("name: x\n" + "".join(f"key{i}: 1\n" for i in range(3000)), "bad_recipe", ["And 2990 errors more."]),
        # keys that would command a terminal
        ('name: x\n"\\e[2J' + "y" * 900 + '": 1', "bad_recipe", ["There is no key \\x1b[2J"]),
        # YAML that would run code when loaded unsafely
        ("name: !!python/object/apply:os.system [ls]", "bad_recipe", ["is not readable YAML"]),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, code: str, parts: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        Recipe.load(write(tmp_path, text))
    assert caught.value.code == code
    assert caught.value.exit_code == 2
    for part in parts:
        assert part in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 2000
    if "qqqq" in text:
        assert "Did you mean" not in caught.value.message


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"name: \xff\xfe")
    with pytest.raises(UsageError, match="not readable YAML"):
        Recipe.load(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        # a slip of the pen
        ("unmask-defalt", "There is no recipe called unmask-defalt. Did you mean unmask-default?"),
        # near nothing: all there are
        ("zzz", "There are: "),
        # a file that is not there
        ("missing.yaml", "There is no recipe file missing.yaml."),
        # a way out of the folder of recipes
        ("../builtin/unmask-default", "There is no recipe called"),
    ],
)
def test_a_missing_recipe(name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Recipe.load(name)
    assert caught.value.code == "no_such_recipe"
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        # at the top
        ("seed=7", "seed", 7),
        # in a part that the file has
        ("schedule.epochs=3", "schedule.epochs", 3),
        # a key that the file's part lacks
        ("augmentation.flip=0", "augmentation.flip", 0.0),
        # in a part that the file lacks
        ("data.class_weights=true", "data.class_weights", True),
        # two parts deep, and the other settings there keep their defaults
        ("preprocessing.faces.zoom=false", "preprocessing.faces", FacePolicy(zoom=False)),
        # nothing at all for a part that may be missing
        ("preprocessing.faces=null", "preprocessing.faces", None),
        # a list
        ("backbone.weights=[none]", "backbone.weights", ("none",)),
        # a pair of numbers
        ("augmentation.codec_quality=[50, 60]", "augmentation.codec_quality", (50, 60)),
        # a number as YAML 1.1 reads it only with a dot
        ("schedule.learning_rate=1.0e-3", "schedule.learning_rate", 0.001),
        # and without one it reads text, which is taken as a number all the same
        ("schedule.learning_rate=1e-3", "schedule.learning_rate", 0.001),
        # a value that holds an equals sign
        ("summary=a=b", "summary", "a=b"),
    ],
)
def test_overrides(override: str, path: str, value: object) -> None:
    recipe: object = Recipe.load("frequency", [override])
    for key in path.split("."):
        recipe = getattr(recipe, key)
    assert recipe == value


def test_later_overrides_win_and_all_are_applied() -> None:
    recipe = Recipe.load("frequency", ["seed=3", "schedule.epochs=2", "seed=4"])
    assert (recipe.seed, recipe.schedule.epochs) == (4, 2)


@pytest.mark.parametrize(
    ("override", "code", "part"),
    [
        # no equals sign
        ("schedule.epochs", "bad_override", "should read part.key=value"),
        # no key
        ("=3", "bad_override", "should read part.key=value"),
        # a value that is not YAML
        ("seed=[1", "bad_override", "the value is not YAML"),
        # values that make a parser fail, or run long
        ("seed=" + "9" * 6000, "bad_override", "is longer than"),
        ("seed=" + "9" * 4090, "bad_recipe", "seed: "),
        ("summary=2001-99-99", "bad_override", "the value is not YAML"),
        ("summary=" + "[" * 4000, "bad_override", "the value is not YAML"),
        ("a." * 3000 + "b=1", "bad_override", "is longer than"),
        ("a." * 900 + "b=1", "bad_recipe", "There is no key"),
        ("\x1b[2J", "bad_override", "'\\x1b[2J' should read"),
        # a part of something that has none
        ("seed.low=3", "bad_override", "seed has no parts"),
        # an unknown key
        ("schedule.epoch=3", "bad_recipe", "Did you mean schedule.epochs?"),
        # an unknown part
        ("shedule.epochs=3", "bad_recipe", "Did you mean schedule?"),
        # a value out of range
        ("schedule.batch_size=1", "bad_recipe", "schedule.batch_size: "),
        # a stray dot
        (".seed=1", "bad_recipe", "There is no key"),
    ],
)
def test_bad_overrides(override: str, code: str, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        Recipe.load("unmask-default", [override])
    assert caught.value.code == code
    assert part in caught.value.message


@pytest.mark.parametrize(
    ("name", "overrides", "why"),
    [
        # an ensemble trains its members' recipes, not its own parts
        ("unmask-default", ["schedule.batch_size=16"], "members bring their own"),
        ("unmask-default", ["head={dropout: 0.1}"], "members bring their own"),
        ("s2-ensemble", ["seed=3", "data.balance=none"], "'data.balance=none' would change nothing in s2-ensemble"),
        # phases stand in the place of the one stretch of epochs
        ("unmask-single", ["schedule.epochs=3"], "lists schedule.phases"),
        ("unmask-single", ["schedule.learning_rate=1e-3"], "lists schedule.phases"),
        # and a classifier without phases trains no network
        ("s0-mobilenetv2-rf", ["schedule.epochs=3"], "classifier"),
    ],
)
def test_an_override_that_would_change_nothing_is_refused(name: str, overrides: list[str], why: str) -> None:
    with pytest.raises(UsageError) as caught:
        Recipe.load(name, overrides)
    assert caught.value.code == "bad_override"
    assert why in caught.value.message


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        (
            "unmask-default",
            ["seed=3", "name=other", "ensemble.combine=weighted", "ensemble.weights=[]", "preprocessing.size=96"],
        ),
        # what counts is the recipe that all overrides make together
        ("unmask-single", ["schedule.epochs=3", "schedule.phases=[]"]),
        ("unmask-single", ["schedule={epochs: 3}"]),
        ("unmask-single", ["schedule.batch_size=16"]),
        ("s0-mobilenetv2-rf", ["classifier=null", "schedule.epochs=3"]),
    ],
)
def test_an_override_that_changes_something_is_taken(name: str, overrides: list[str]) -> None:
    assert Recipe.load(name, overrides).digest() != Recipe.load(name).digest()


def test_the_digest_is_of_what_training_depends_on() -> None:
    recipe = Recipe.load("frequency")
    prose = recipe.model_copy(update={"summary": "other words", "limits": ("Profiles.",)})
    assert prose.digest() == recipe.digest()
    assert len(recipe.digest()) == 64
    digests = {recipe.digest()}
    changes = ["seed=9", "schedule.epochs=99", "augmentation.flip=0.1", "preprocessing.faces=null", "name=other"]
    for change in [*changes, "data.self_blended=0.9", "head.dropout=0.1", "backbone.weights=[none]"]:
        digests.add(Recipe.load("frequency", [change]).digest())
    assert len(digests) == 9


@pytest.mark.parametrize(
    ("member", "shown"),
    [
        # recipes and bundles of the package
        ("unmask-single", "unmask-single"),
        ("bundle:unmask-default", "bundle:unmask-default"),
        # files of somebody's machine
        ("/home/someone/mine.yaml", "mine.yaml"),
        ("runs/mine.yaml", "mine.yaml"),
        ("bundle:/home/someone/runs/first", "bundle:first"),
        (r"bundle:C:\Users\someone\first.zip", "bundle:first.zip"),
    ],
)
def test_what_is_published_names_no_folders(member: str, shown: str) -> None:
    recipe = Recipe(name="mine", ensemble=Ensemble(members=(member, "clip-probe")))
    assert recipe.published()["ensemble"]["members"] == [shown, "clip-probe"]
    assert recipe.published()["preprocessing"] == recipe.model_dump(mode="json")["preprocessing"]


def test_weights_are_published_by_the_names_of_their_files() -> None:
    backbone = Backbone(weights=("file:/home/someone/net.pth", "pip", r"file:C:\x\net.pth"))
    fused = Recipe(name="mine", backbone=backbone, fusion=Fusion(branches=(backbone,)))
    seen = [fused.published()["backbone"], fused.published()["fusion"]["branches"][0]]
    assert [each["weights"] for each in seen] == [["file:net.pth", "pip", "file:net.pth"]] * 2


def test_a_run_of_an_earlier_version_has_the_same_digest() -> None:
    """Computed before recipes had stages and temporal heads: such a run can still be resumed."""
    assert Recipe.load("unmask-single").digest() == "f40060f560973b25b2bc0c6d5241fd6e83ba4cb31de3b5184fffa8bc2fb7e08d"


def test_defaults_written_out_do_not_change_the_digest(tmp_path: Path) -> None:
    short = Recipe.load(write(tmp_path, "name: mine"))
    assert short.digest() == Recipe.load(write(tmp_path, Recipe(name="mine").to_yaml())).digest()


def test_a_recipe_cannot_be_changed() -> None:
    recipe = Recipe(name="mine")
    with pytest.raises(ValidationError):
        recipe.seed = 2  # type: ignore[misc]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31 - 1),
    jitter=st.floats(0, 0.5),
    rate=st.floats(1e-12, 1e3, exclude_min=True),
    summary=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40),
    faces=st.none() | st.builds(FacePolicy, zoom=st.booleans(), max_faces=st.integers(1, 99)),
)
def test_any_recipe_survives_writing(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    jitter: float,
    rate: float,
    summary: str,
    faces: FacePolicy | None,
) -> None:
    recipe = Recipe.model_validate(
        {
            "name": "any",
            "seed": seed,
            "summary": summary,
            "schedule": {"learning_rate": rate},
            "augmentation": Augmentation(crop_jitter=jitter),
            "preprocessing": {"faces": faces},
        }
    )
    again = Recipe.load(write(tmp_path_factory.mktemp("recipe"), recipe.to_yaml()))
    assert again == recipe
    assert again.digest() == recipe.digest()
