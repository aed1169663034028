"""The long benchmark goes on where it was stopped."""

import json

import pytest

from benchmarks import sd_vae


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """What was measured, one by one; nothing takes longer than a call."""
    made = []
    monkeypatch.setattr(sd_vae, "WAITING", tmp_path / "a" / "rows.jsonl")
    monkeypatch.setattr(sd_vae, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(sd_vae, "show", lambda entry: None)

    def row(names, task, size, dtype, repeats):
        if len(made) == 5:
            made.clear()
            raise KeyboardInterrupt
        made.append((names, task, size, dtype))
        return {"size": size, "repeats": repeats}

    monkeypatch.setattr(sd_vae, "row", row)
    return made


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["sd_vae", *arguments])
    sd_vae.main()
    return json.loads(sd_vae.RESULTS.read_text())["table"]


def test_a_stopped_run_goes_on_with_the_row_it_was_at(rows, monkeypatch):
    sizes = ["--sizes", "64", "--steps", "128", "--large", "256"]
    with pytest.raises(KeyboardInterrupt):
        run(monkeypatch, *sizes)
    assert not sd_vae.RESULTS.exists()
    table = run(monkeypatch, *sizes)
    assert rows == [(sd_vae.CODERS, "decode", 256, "float32")]
    assert [*table] == [
        "encode_64_float32",
        "decode_64_float32",
        "encode_64_bfloat16",
        "decode_64_bfloat16",
        "step_128_float32",
        "decode_large_256",
    ]
    assert not sd_vae.WAITING.exists()  # the next run begins anew


@pytest.mark.parametrize("change", ["machine", "repeats"])
def test_rows_of_another_machine_or_fewer_repeats_do_not_count(
    rows, monkeypatch, change
):
    how = ("ours",), "encode", 64, "float32"
    sd_vae.measured("a", 2, (*how, 2))
    sd_vae.measured("a", 2, (*how, 2))
    assert len(rows) == 1
    if change == "machine":
        monkeypatch.setattr(sd_vae, "machine", lambda: {"threads": 99})
        sd_vae.measured("a", 2, (*how, 2))
    else:
        sd_vae.measured("a", 5, (*how, 5))
    assert len(rows) == 2
