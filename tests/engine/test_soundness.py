"""What a whole process is warned of: nodes out of reach, joins that may wait for ever."""

from __future__ import annotations

import time
from typing import Self

import pytest

from processes.engine.parser import parse
from tests.drawing import Drawing


class Sketch(Drawing):
    def task(self, id: str) -> Self:
        return self.node("task", id)


def warned(drawing: Drawing) -> list[tuple[str, str]]:
    return [(found.rule, found.element) for found in parse(drawing.xml()).warnings]


def branches() -> Sketch:
    """A parallel split into a and b, which join."""
    drawing = Sketch().start().parallel("split").task("a").parallel("join").end()
    return drawing.at("split").task("b").to("join")


def choice_into_join() -> Sketch:
    drawing = Sketch().start().exclusive("choice").when("x").task("a").parallel("join").end()
    return drawing.at("choice").otherwise().task("b").to("join")


def inclusive_into_join() -> Sketch:
    drawing = Sketch().start().inclusive("choice").when("x").task("a").parallel("join").end()
    return drawing.at("choice").when("y").task("b").to("join")


def conditional_flow_into_join() -> Sketch:
    drawing = Sketch().start().task("choice").when("x").task("a").parallel("join").end()
    return drawing.at("choice").when("y").task("b").to("join")


def way_out_of_a_branch() -> Sketch:
    drawing = Sketch().start().parallel("split").exclusive("choice").when("x").parallel("join").end()
    drawing.at("choice").otherwise().end("gone")
    return drawing.at("split").task("b").to("join")


def error_out_of_a_branch() -> Sketch:
    return branches().on_error("a", "failed", "E").end("gone")


def timer_out_of_a_branch() -> Sketch:
    return branches().on_timer("a", "late", "PT1H").end("gone")


def error_that_comes_back() -> Sketch:
    return branches().on_error("a", "failed", "E").task("mend").to("join")


@pytest.mark.parametrize(
    "drawing",
    [
        choice_into_join(),
        inclusive_into_join(),
        conditional_flow_into_join(),
        way_out_of_a_branch(),
        error_out_of_a_branch(),
        timer_out_of_a_branch(),
        error_that_comes_back(),
    ],
)
def test_a_join_in_danger(drawing: Drawing) -> None:
    assert warned(drawing) == [("join-may-wait", "join")]


def reminder() -> Sketch:
    return branches().on_timer("a", "late", "PT1H", interrupting=False).end("reminded")


def error_that_ends_all() -> Sketch:
    return branches().on_error("a", "failed", "E").terminate("all_over")


def loop_in_a_branch() -> Sketch:
    drawing = Sketch().start().parallel("split").exclusive("again").task("a").exclusive("choice").when("x")
    drawing.parallel("join").end().at("choice").otherwise().to("again")
    return drawing.at("split").task("b").to("join")


def choice_before_the_split() -> Sketch:
    drawing = Sketch().start().exclusive("choice").when("x").parallel("split").task("a").parallel("join").end()
    drawing.at("split").task("b").to("join")
    return drawing.at("choice").otherwise().end("nothing")


def inclusive_join() -> Sketch:
    drawing = Sketch().start().inclusive("choice").when("x").task("a").inclusive("join").end()
    return drawing.at("choice").when("y").task("b").to("join")


@pytest.mark.parametrize(
    "drawing",
    [
        branches(),
        reminder(),
        error_that_ends_all(),
        loop_in_a_branch(),
        choice_before_the_split(),
        inclusive_join(),
    ],
)
def test_no_danger(drawing: Drawing) -> None:
    assert warned(drawing) == []


def test_nodes_out_of_reach_are_warned_of_and_the_rest_runs() -> None:
    drawing = Sketch().start().task("a").end()
    drawing.node("task", "island", connect=False).task("beyond").end("coast")
    drawing.node("task", "one", connect=False).task("two").to("one")
    found = parse(drawing.xml())
    assert [problem.rule for problem in found.warnings] == ["never-reached"] * 5
    assert {problem.element for problem in found.warnings} == {"island", "beyond", "coast", "one", "two"}
    assert all(problem.line > 1 for problem in found.warnings)


def test_a_large_net_is_read_in_time() -> None:
    drawing = Sketch().start()
    for number in range(150):
        drawing.exclusive(f"x{number}").when("x").parallel(f"s{number}").task(f"a{number}").parallel(f"j{number}")
        drawing.at(f"s{number}").task(f"b{number}").to(f"j{number}")
        drawing.at(f"x{number}").otherwise().task(f"c{number}").exclusive(f"m{number}").at(f"j{number}").to(
            f"m{number}"
        )
    drawing.end()
    began = time.process_time()
    assert warned(drawing) == []
    assert time.process_time() - began < 5
