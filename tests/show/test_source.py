"""What the reader is shown is what runs."""

import ast
import inspect

import pytest

from vae_course import core, mlp, training
from vae_course.show.source import show_source

SHOWN = [core.elbo, core.ELBO, core.VAE, mlp.MLPVAE, training.train]


@pytest.mark.parametrize("obj", SHOWN, ids=lambda obj: obj.__name__)
def test_the_listing_is_the_code_that_runs(obj):
    def shape(tree):
        for node in ast.walk(tree):
            is_block = isinstance(node, ast.FunctionDef | ast.ClassDef)
            if is_block and ast.get_docstring(node) and len(node.body) > 1:
                node.body = node.body[1:]
        return ast.dump(tree)

    shown = ast.parse(show_source(obj).code)
    assert shape(shown) == shape(ast.parse(inspect.getsource(obj)))


def test_docstrings_are_left_out_unless_asked_for():
    assert '"""' not in show_source(mlp.MLPVAE).code
    assert '"""' in show_source(mlp.MLPVAE, docstring=True).code
    full = show_source(core.elbo, docstring=True).code
    assert full == inspect.getsource(core.elbo).rstrip()


def test_comments_stay():
    assert "half: the root" in show_source(core.diagonal_gaussian).code


def test_a_method_is_shown_without_its_indentation():
    assert show_source(mlp.MLPVAE.encode).code.startswith("def encode(")


def test_a_body_that_is_only_a_docstring_keeps_it():
    class OnlyWords:
        """Nothing but this."""

    assert '"""Nothing but this."""' in show_source(OnlyWords).code


def test_it_renders_as_highlighted_markdown_and_as_plain_text():
    bundle = show_source(core.elbo)._repr_mimebundle_()
    assert bundle["text/markdown"].startswith("```python\n")
    assert bundle["text/markdown"].endswith("\n```")
    assert bundle["text/plain"].startswith("# vae_course/core.py\ndef elbo(")


@pytest.mark.parametrize("obj", [len, 3, "elbo"])
def test_what_has_no_source_is_refused(obj):
    with pytest.raises(TypeError, match="no Python source"):
        show_source(obj)
