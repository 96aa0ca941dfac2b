from forebear.report import charts


def test_equal_numbers_are_said_in_one_sentence() -> None:
    drawn = charts.layer_map([0, 1, 2], 3)
    assert drawn is not None
    assert drawn.description == "Each layer of the model was compared with the reference's layer of the same number."
    assert all(used for _, _, used in drawn.reference)


def test_a_deeper_model_draws_new_repeated_and_left_out_layers() -> None:
    drawn = charts.layer_map([0, 1, None, 1, 3, None], 5)
    assert drawn is not None
    assert [link.partner for link in drawn.links] == [0, 1, None, 1, 3, None]
    assert [used for _, _, used in drawn.reference] == [True, True, False, True, False]
    assert "4 of 6 layers" in drawn.description
    assert "Without a counterpart in the reference: 2, 5." in drawn.description
    assert "Compared more than once: 1." in drawn.description
    assert "Of the reference, compared with none: 2, 4." in drawn.description


def test_dropped_layers_and_another_order_are_told() -> None:
    assert "compared with none: 3-4" in charts.layer_map_text([0, 1, 2], 5)
    assert "in another order" in charts.layer_map_text([1, 0], 2)
    assert "in another order" not in charts.layer_map_text([0, 1], 3)


def test_a_model_without_any_counterpart_can_be_drawn() -> None:
    drawn = charts.layer_map([None, None], None)
    assert drawn is not None
    assert drawn.reference == ()
    assert charts.layer_map([], 4) is None
