"""A recipe says its units, and refuses what makes no sense."""

import json
import math

import pytest

from vae_course.sd.recipe import RECIPES, Recipe, RecipeError, from_dict, read


def test_the_units_come_first():
    first, second, third, *_ = RECIPES["sd1"].describe().splitlines()
    assert "nats per image" in first and "196,608 values" in first
    assert "your KL weight is β = 1e-06 per nat" in second
    assert "19,660.8 nats for a distance of 1" in third
    learned = Recipe(learned_scale=True, beta=1.0).describe()
    assert "β = 1 per nat, beside errors divided by a learned scale" in learned


def test_how_a_step_is_shared_is_said():
    text = Recipe(batch=48, accumulate=3).describe(processes=4)
    assert "4 processes × 3 parts × 4 images = 48 images a step" in text


def test_the_learning_rate_follows_the_batch_if_asked_to():
    sd1 = RECIPES["sd1"]
    assert sd1.peak_lr == pytest.approx(4.5e-6 * 12)
    assert "5.4e-05 = 4.5e-06 × batch 12" in sd1.describe()
    assert RECIPES["small"].peak_lr == 1e-3


def test_warm_up_rises_and_cosine_falls():
    recipe = Recipe(lr=1.0, schedule="cosine", warm_up=10, steps=110)
    rates = [recipe.lr_at(step) for step in range(110)]
    assert rates[0] == pytest.approx(0.1) and rates[10] == 1.0
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[60] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.01
    assert Recipe(lr=1.0).lr_at(1999) == 1.0


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"size": 66}, "multiple of that, such as 64"),
        ({"size": 2}, "such as 4"),
        ({"batch": 10, "accumulate": 3}, "3 equal parts"),
        ({"size": 16}, "needs crops of 24"),
        ({"preset": "sd9"}, "choose one of"),
        ({"precision": "half"}, "choose one of"),
        ({"critic_norm": "layer"}, "choose one of"),
        ({"beta": -1.0}, "at least 0"),
        ({"beta": math.nan}, "at least 0"),
        ({"lr": 0}, "not a positive number"),
        ({"steps": 2.5}, "not a whole number"),
        ({"batch": 0}, "at least 1"),
        ({"batch": True}, "not a whole number"),
        ({"ema": 1.0}, r"\[0, 1\)"),
        ({"held_out": 0}, "between 0 and 1"),
        ({"shorter": 32}, "not be less than the crop"),
        ({"clip": -1}, "a positive number"),
        ({"flip": "no"}, "a bool"),
        ({"critic_width": 12}, "multiple of 8"),
        ({"adam_betas": (0.5,)}, "two in"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(changes, words):
    with pytest.raises(RecipeError, match=words):
        Recipe(**changes)


def test_a_recipe_survives_its_file(tmp_path):
    recipe = Recipe(beta=0.5, adam_betas=(0.1, 0.2), shorter=80)
    recipe.save(tmp_path / "x.json")
    assert from_dict(read(tmp_path / "x.json")) == recipe


def test_files_are_checked(tmp_path):
    path = tmp_path / "x.json"
    with pytest.raises(RecipeError, match="cannot be read"):
        read(path)
    path.write_text("{")
    with pytest.raises(RecipeError, match="cannot be read"):
        read(path)
    with pytest.raises(RecipeError, match="there is no setting 'betta'"):
        from_dict({"betta": 1})
    with pytest.raises(RecipeError, match="no table"):
        from_dict([1])
    with pytest.raises(RecipeError, match="No recipe 'sd9'"):
        from_dict({"recipe": "sd9"})
    assert from_dict({"recipe": "sd1"}) == RECIPES["sd1"]
    path.write_text(json.dumps({"recipe": "sd1", "batch": 4}))
    assert from_dict(read(path)).batch == 4


def test_only_what_a_run_may_change_differs_freely():
    recipe = Recipe()
    assert not recipe.differences(Recipe(steps=9, every=3, keep=1, workers=2))
    found = recipe.differences(Recipe(beta=0.1, seed=3))
    assert found == [
        "beta: 1e-06, and 0.1 in the run",
        "seed: 0, and 3 in the run",
    ]
