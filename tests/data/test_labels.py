"""Which class of a model a name of the data stands for."""

from __future__ import annotations

from typing import Any

import pytest

from hf_tome import ToMeValueError
from hf_tome.data.labels import Classes, label_array, plain_name


def classes(*names: str) -> Classes:
    return Classes((name, number) for number, name in enumerate(names))


@pytest.mark.parametrize(
    ("model", "data", "expected"),
    [
        (["猫", "犬"], ["犬", "猫"], [(1,), (0,)]),
        (["C++", "C#", "C"], ["C#", "C++", "C"], [(1,), (0,), (2,)]),
        (["की", "का"], ["का"], [(1,)]),  # they differ in a vowel sign, which is no letter to Python
        (["T-shirt/top", "Ankle boot"], ["ankle boot", "t-shirt_top"], [(1,), (0,)]),
        (["Straße", "café"], ["STRASSE", "cafe\u0301"], [(0,), (1,)]),
        (["rain", "dog"], ["dog+rain", "Rain"], [(0, 1), (0,)]),
        (["dog", "rain", "dog+rain", "dog_rain"], ["dog+rain"], [(2,)]),
        (["dog", "rain", "dog_rain"], ["dog+rain"], [(0, 1)]),
        (["T-shirt+top", "dog"], ["T-shirt top"], [(0,)]),
        (["++", "--"], ["--"], [(1,)]),
    ],
)
def test_exact_names_count_first_then_plain_ones(model: list[str], data: list[str], expected: list[Any]) -> None:
    assert classes(*model).numbers(data) == expected


@pytest.mark.parametrize(
    ("model", "data", "said"),
    [
        (["C++", "C#"], ["C++", "C/"], r"C\+\+ \(number 0\).*C# \(number 1\)|C# \(number 1\), C\+\+ \(number 0\)"),
        (["crane", "crane"], ["crane"], r"crane \(number 0\), crane \(number 1\)"),
        (["cat", "dog"], ["cat", "cow"], r"The classes are cat, dog\. Got: no class for cow, among cat, cow"),
        (["cat", "dog"], ["cat", "bot+cat"], r"no class for bot\+cat, among"),
        (["cat", "dog"], ["cat", ""], "no class for no folder"),
        (["++", "--"], ["++", "//"], "no class for //"),
    ],
)
def test_what_fits_two_classes_or_none_is_refused(model: list[str], data: list[str], said: str) -> None:
    with pytest.raises(ToMeValueError, match=said):
        classes(*model).numbers(data, optional=True)


def test_a_thousand_classes_are_not_all_listed() -> None:
    with pytest.raises(ToMeValueError, match="and 980 more") as caught:
        classes(*(f"class {number}" for number in range(1000))).numbers(["cow"])
    assert len(str(caught.value)) < 600


def test_folders_that_all_are_named_otherwise_are_no_labels() -> None:
    assert classes("cat", "dog").numbers(["2021", "2022"], optional=True) == []
    with pytest.raises(ToMeValueError, match="no class for cow"):  # but names in a column are
        classes("cat", "dog").numbers([("cow",)], optional=True)


def test_names_in_a_column_are_not_taken_apart() -> None:
    assert classes("cat", "dog").numbers([("Dog", "cat"), ("dog",), ()]) == [(0, 1), (1,), ()]
    with pytest.raises(ToMeValueError, match=r"no class for cat\+dog"):
        classes("cat", "dog").numbers([("cat+dog",)])


def test_places_decide_where_names_do_not() -> None:
    """ImageNet has two classes `crane`; a ClassLabel must give one of them another name."""
    names = [f"class {number}" for number in range(200)]
    model = classes(*[*names[:134], "crane", *names[135:150], "crane", *names[151:]])
    data = [*names[:134], "crane", *names[135:150], "crane2", *names[151:]]
    with pytest.warns(UserWarning, match="no class has the name: crane2"):
        assert model.numbers([("crane",), ("crane2",), ("class 3",)], data) == [(134,), (150,), (3,)]
    with pytest.raises(ToMeValueError, match="no class for cow"):
        classes("cat", "dog").numbers([("cow",)], ["cow", "dog"])

    moved = ["class 1", "class 0", *names[2:150], "crane2", *names[151:]]  # not in the model's order
    with pytest.raises(ToMeValueError, match="no class for crane2"):
        model.numbers([("crane2",)], moved)


def test_of_unnamed_classes_the_numbers_count() -> None:
    unnamed = classes("LABEL_0", "LABEL_1")
    assert unnamed.numbers([("dog",), ("cat",)], ["cat", "dog"]) == [(1,), (0,)]
    assert unnamed.numbers(["dog", "cat"], ["cat", "dog"], optional=True) == [(1,), (0,)]  # folders
    assert unnamed.numbers(["dog", "cat"], ["cat", "cow", "dog"], optional=True) == []
    many = [str(number) for number in range(12)]
    assert classes(*(f"LABEL_{number}" for number in range(12))).numbers(many, sorted(many), optional=True) == []


def test_folders_of_imagenet_are_in_the_order_of_its_classes() -> None:
    folders = ["n01440764", "n01443537", "n01484850"]
    model = classes("tench, Tinca tinca", "goldfish, Carassius auratus", "great white shark")
    assert model.numbers(["n01484850", "n01440764"], folders, optional=True) == [(2,), (0,)]
    assert model.numbers(["n01484850", "n01440764"], folders[1:], optional=True) == []


def test_numbers_are_names_where_all_names_are_numbers() -> None:
    """As a training on numbers makes it."""
    assert classes("1", "10", "2").numbers([(10,), (2, 1)]) == [(1,), (0, 2)]
    with pytest.raises(ToMeValueError, match="no class for 0"):
        classes("1", "10", "2").numbers([(0,)])


def test_arrays_of_labels() -> None:
    assert label_array([(2,), (0,)], 3).tolist() == [2, 0]
    assert label_array([(2,), (0, 1), ()], 3).tolist() == [[0, 0, 1], [1, 1, 0], [0, 0, 0]]
    for wrong in (3, -1, None, 1.0):
        with pytest.raises(ToMeValueError, match="0 to 2"):
            label_array([(wrong,)], 3)  # pyright: ignore


def test_plain_names_can_be_folders() -> None:
    assert plain_name("T-shirt/top") == "t_shirt_top"
    assert plain_name("Ω: 犬-猫") == "ω_犬_猫"
