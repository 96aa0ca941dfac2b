from forebear.report import names
from tests.report import examples


def test_names_are_counted_with_their_ground_and_confidence() -> None:
    told = names.renaming_text(examples.renaming())
    assert told.startswith("8 tensors of the model bear another name")
    assert "for 6 of 8, with a confidence of at least 0.9 (1 is certain)" in told
    assert "the other 2 follow from names" in told
    assert told.endswith("1 name claims to be a part whose values are another's.")


def test_names_taken_at_their_word_are_no_evidence() -> None:
    assert "a layout, not evidence" in names.renaming_text(examples.renaming() | {"by_content": False})


def test_without_renamed_tensors_nothing_is_said() -> None:
    nothing: list[names.Renaming | None] = [None, {}, {"names": []}, {"names": None}, {"names": ["odd"]}]
    for renaming in nothing:
        assert names.renaming_text(renaming) == ""
        assert names.contradicted(renaming) == []
