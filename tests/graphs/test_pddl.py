"""PDDL: problems become the right query, plans can be executed, and nothing that is damaged gets further than an error.

The four operators are simulated here, on sets of facts, by their preconditions and effects in PlanBench's domain.
"""

from __future__ import annotations

import itertools
import random
import re
import time
from collections.abc import Set

import networkx as nx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from planviz.graphs.blocksworld import State, blocksworld, stacks
from planviz.graphs.formats.common import GraphFileError
from planviz.graphs.limits import GraphError
from planviz.graphs.pddl import MAX_PDDL_BYTES, PddlProblem, find_query, read_problem, write_plan
from tests.graphs.test_blocksworld import states as all_states

NAMES = {"A": "b1", "B": "b2", "C": "b3", "D": "b4", "E": "b5"}
PLANBENCH = """


(define (problem BW-rand-4)
(:domain blocksworld-4ops)
(:objects a b c d )
(:init
(handempty)
(ontable a)
(ontable b)
(on c a)
(on d c)
(clear b)
(clear d)
)
(:goal
(and
(on a b)
(on c d))
)
)
"""


def facts(state: State, names: dict[str, str]) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = {("handempty",)}
    for stack in state:
        found.add(("ontable", names[stack[0]]))
        found.add(("clear", names[stack[-1]]))
        for under, over in itertools.pairwise(stack):
            found.add(("on", names[over], names[under]))
    return found


def problem(
    init: Set[tuple[str, ...]], goal: Set[tuple[str, ...]] | str, objects: str = "b1 b2 b3 b4", rest: str = ""
) -> str:
    def written(facts: Set[tuple[str, ...]]) -> str:
        return " ".join(f"({' '.join(fact)})" for fact in sorted(facts))

    wanted = goal if isinstance(goal, str) else f"(and {written(goal)})"
    return (
        f"(define (problem p) (:domain blocksworld) (:objects {objects})\n"
        f"(:init {written(init)} {rest})\n(:goal {wanted}))"
    )


def execute(plan: str, state: set[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """The facts after a plan; every operator is checked for its preconditions."""
    state = set(state)
    for line in plan.splitlines():
        match re.fullmatch(r"\(([a-z-]+) (\S+)(?: (\S+))?\)", line):
            case None:
                raise AssertionError(f"{line!r} is no operator")
            case found:
                name, x, y = found.groups()
        before: set[tuple[str, ...]]
        added: set[tuple[str, ...]]
        if name == "pick-up":
            before, added = {("clear", x), ("ontable", x), ("handempty",)}, {("holding", x)}
        elif name == "put-down":
            before, added = {("holding", x)}, {("clear", x), ("handempty",), ("ontable", x)}
        elif name == "stack":
            before, added = {("clear", y), ("holding", x)}, {("handempty",), ("clear", x), ("on", x, y)}
        else:
            assert name == "unstack"
            before, added = {("on", x, y), ("clear", x), ("handempty",)}, {("holding", x), ("clear", y)}
        assert before <= state, f"{line} cannot be executed"
        state = (state - before) | added  # every operator deletes what it needs
    return state


def state_of(graph: nx.DiGraph[int], node: int) -> State:
    return stacks(graph.nodes[node]["label"])


@pytest.mark.parametrize("blocks", [2, 3, 4])
def test_every_pair_of_states_becomes_its_query_and_its_shortest_plan_can_be_executed(blocks: int) -> None:
    """Reading is brute-forced over all starts and over all goals, and the plans of all pairs are executed."""
    graph = blocksworld(blocks)
    objects = " ".join(NAMES[letter] for letter in "ABCDE"[:blocks])
    described = {node: facts(state_of(graph, node), NAMES) for node in graph}
    starts = {node: read_problem(problem(described[node], described[0], objects)).start for node in graph}
    goals = {node: read_problem(problem(described[0], described[node], objects)).goals for node in graph}
    for source, target in itertools.product(graph, repeat=2):
        read = PddlProblem(tuple(objects.split()), starts[source], goals[target])
        assert find_query(read, graph) == (source, target)
        path = nx.shortest_path(graph, source, target)
        plan = write_plan([state_of(graph, node) for node in path], read.letters)
        assert len(plan.splitlines()) == 2 * (len(path) - 1)
        assert execute(plan, described[source]) == described[target]


@pytest.mark.parametrize("blocks", [2, 3, 4, 5])
def test_a_partial_goal_is_satisfied_by_exactly_the_states_in_which_it_holds(blocks: int) -> None:
    drawn = random.Random(blocks)
    graph = blocksworld(blocks)
    names = {letter: NAMES[letter] for letter in "ABCDE"[:blocks]}
    every = [tuple(sorted(state)) for state in sorted(all_states("ABCDE"[:blocks]), key=sorted)]
    distance = dict(nx.all_pairs_shortest_path_length(graph))
    number = {state_of(graph, node): node for node in graph}
    for _ in range(30):
        start, end = drawn.choice(every), drawn.choice(every)
        wanted = set(drawn.sample(sorted(facts(end, names)), drawn.randint(1, 3)))
        read = read_problem(problem(facts(start, names), wanted, " ".join(names.values())))
        fitting = {state for state in every if wanted <= facts(state, names)}
        assert set(read.goals) == fitting and len(read.goals) == len(fitting)
        source, target = find_query(read, graph)
        assert source == number[start]
        assert (distance[source][target], target) == min(
            (distance[source][number[state]], number[state]) for state in fitting
        )


@pytest.mark.parametrize(("blocks", "count"), [(1, 1), (2, 3), (3, 13), (4, 73), (5, 501)])
def test_without_conditions_every_state_is_a_goal(blocks: int, count: int) -> None:
    names = list(NAMES.values())[:blocks]
    init = {("handempty",), *(("ontable", name) for name in names), *(("clear", name) for name in names)}
    text = problem(init, "(and)", " ".join(names))
    if blocks == 1:
        assert len(blocksworld(1)) == count
        with pytest.raises(GraphFileError, match="has 1 block; 2 to 5 are allowed"):
            read_problem(text)
    else:
        assert len(read_problem(text).goals) == len(blocksworld(blocks)) == count


def test_a_problem_of_planbench() -> None:
    read = read_problem(PLANBENCH)
    assert read.names == ("a", "b", "c", "d")
    assert read.start == ("ACD", "B")
    assert set(read.goals) == {("BA", "DC"), ("DCBA",), ("BADC",)}
    graph = blocksworld(4)
    source, target = find_query(read, graph)
    path = nx.shortest_path(graph, source, target)
    plan = write_plan([state_of(graph, node) for node in path], read.letters)
    assert plan.startswith("(unstack d c)\n")
    names = dict(zip("ABCD", "abcd", strict=True))
    assert {("on", "a", "b"), ("on", "c", "d")} <= execute(plan, facts(read.start, names))


def test_capitals_comments_types_and_white_space_change_nothing() -> None:
    plain = read_problem(PLANBENCH)
    assert read_problem(PLANBENCH.upper()).start == plain.start
    assert read_problem(PLANBENCH.upper()).names == ("A", "B", "C", "D")
    odd = PLANBENCH.replace("a b c d", "d\t a - block b ; ) on a b\n\r\n c - block").replace(
        "(on", "  (\n ON"
    )
    assert read_problem(odd) == plain
    assert read_problem("\ufeff; by hand\n" + PLANBENCH) == plain
    assert read_problem(PLANBENCH.encode("utf-16")) == plain
    other = PLANBENCH.replace("ontable", "on-table").replace("handempty", "arm-empty")
    assert read_problem(other) == plain


def test_blocks_become_letters_by_name_and_keep_their_names_in_the_plan() -> None:
    text = problem(
        {("handempty",), ("ontable", "Zed"), ("on", "ant", "zed"), ("clear", "Ant")},
        "(on zed ant)",
        "Zed Ant",
    )
    read = read_problem(text)
    assert (read.names, read.start, read.goals) == (("Ant", "Zed"), ("BA",), (("AB",),))
    graph = blocksworld(2)
    path = nx.shortest_path(graph, *find_query(read, graph))
    plan = write_plan([state_of(graph, node) for node in path], read.letters)
    assert plan == "(unstack Ant Zed)\n(put-down Ant)\n(pick-up Zed)\n(stack Zed Ant)\n"


def test_a_goal_may_name_what_must_not_be() -> None:
    init = facts(("A", "B", "C"), NAMES)
    read = read_problem(problem(init, "(and (on b1 b2) (not (ontable b2)))", "b1 b2 b3"))
    assert set(read.goals) == {("CBA",)}
    assert set(read_problem(problem(init, "(not (clear b1))", "b1 b2 b3")).goals) == {
        state
        for state in (tuple(sorted(stacks)) for stacks in all_states("ABC"))
        if not any(s[-1] == "A" for s in state)
    }


def test_a_goal_that_holds_at_the_start_asks_for_nothing() -> None:
    graph = blocksworld(3)
    read = read_problem(problem(facts(("AB", "C"), NAMES), {("clear", "b2")}, "b1 b2 b3"))
    source, target = find_query(read, graph)
    assert source == target and state_of(graph, source) == ("AB", "C")
    assert write_plan([read.start]) == ""


START = facts(("AB", "C", "D"), NAMES)
GOAL = {("on", "b1", "b2")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the problem is empty"),
        ("; nothing", "cannot be read at line 1"),
        ("(define (problem p)", "cannot be read at"),
        ("graph { a -- b }", "cannot be read at line 1, column 1"),
        (b"\xff\xfe\x00", "no UTF-16 text"),
        (b"\xa0", "no UTF-8 text"),
        ("(define (domain blocksworld-4ops) (:predicates (clear ?x)))", "this is a PDDL domain"),
        ("(" * 30, "nests more than 20 parentheses"),
        ("(" * 50_000 + ")" * 50_000, "nests more than 20 parentheses"),
        (" " * MAX_PDDL_BYTES + "x", "at most 100 kB are allowed"),
        (PLANBENCH.replace("(on c a)", "(on ç a)"), "the character 'ç'"),
        (PLANBENCH.replace("a b c d )", "a )"), "has 1 block; 2 to 5"),
        (PLANBENCH.replace("a b c d )", "a b c d e f g)"), "has 7 blocks; 2 to 5"),
        (PLANBENCH.replace("(handempty)", ""), r"lacks \(handempty\)"),
        (PLANBENCH.replace("(handempty)", "(holding b)"), "a block in the arm"),
        (PLANBENCH.replace("(ontable a)", "(ontable a b)"), "with 2 blocks; ontable takes 1"),
        (PLANBENCH.replace("(ontable a)", "(ontable e)"), "the block 'e', which is not among the objects"),
        (PLANBENCH.replace("(ontable a)", "(at a)"), "the predicate 'at'; on, ontable, clear and handempty"),
        (PLANBENCH.replace("(ontable a)", "(not (ontable a))"), "plain facts such as"),
        (PLANBENCH.replace("(ontable a)", ""), "does not say where 'a' stands"),
        (PLANBENCH.replace("(ontable a)", "(ontable a) (on a b)"), "has 'a' in two places"),
        (PLANBENCH.replace("(ontable b)", "(on b a)"), "two blocks on 'a'"),
        (PLANBENCH.replace("(ontable a)", "(on a d)"), "on each other in a circle"),
        (PLANBENCH.replace("(clear d)", ""), "'d' has nothing on it, but is not clear"),
        (PLANBENCH.replace("(clear d)", "(clear d) (clear c)"), "'c' has a block on it, but is clear"),
        (PLANBENCH.replace("(on a b)", "(on a b) (on b a)"), "goal contradicts itself"),
        (PLANBENCH.replace("(on a b)", "(on a a)"), "goal contradicts itself"),
        (PLANBENCH.replace("(on a b)", "(holding a)"), "the arm must be empty"),
        (PLANBENCH.replace("(on a b)", "(or (on a b) (on b a))"), "disjunctive"),
        (PLANBENCH.replace("(on a b)", "(forall (?x) (clear ?x))"), "cannot be read"),
        (PLANBENCH.replace("(on a b)", "(= a b)"), "cannot be read"),
        (PLANBENCH.replace("(on a b)", "(not (and (on a b) (on b c)))"), "plain facts such as"),
        (PLANBENCH.replace("(:goal", "(:gaol"), r"cannot be read at line 1[56], column"),
        (PLANBENCH + PLANBENCH, "cannot be read at line"),
        (problem(START, GOAL, rest="(= (total-cost) 0)"), "plain facts such as"),
    ],
)
def test_what_is_wrong_is_one_sentence(text: str | bytes, message: str) -> None:
    with pytest.raises(GraphFileError, match=message) as refused:
        read_problem(text)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


def test_large_problems_are_refused_quickly() -> None:
    many = " ".join(f"b{i}" for i in range(15_000))
    for text in (
        problem(START, GOAL, objects=many),
        problem(START, GOAL, rest="(on b1 b2) " * 8_000),
        problem(START, f"(and {'(on b1 b2) (on b2 b1) ' * 4_000})"),
        problem(START, "(and (on " + many + "))"),
    ):
        began = time.monotonic()
        with pytest.raises(GraphFileError):
            read_problem(text)
        assert time.monotonic() - began < 10


WORDS = [
    "(",
    ")",
    "on",
    "ontable",
    "clear",
    "handempty",
    "and",
    "not",
    "or",
    "a",
    "b",
    "e",
    ":goal",
    "?x",
    "-",
    ";",
    "=",
]


@settings(max_examples=2500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some.data())
def test_damaged_problems_raise_nothing_else(data: some.DataObject) -> None:
    text = PLANBENCH
    for _ in range(data.draw(some.integers(1, 3))):
        start = data.draw(some.integers(0, len(text)))
        end = start + data.draw(some.integers(0, 12))
        text = text[:start] + data.draw(some.sampled_from(WORDS) | some.text(max_size=4)) + text[end:]
    try:
        read = read_problem(text)
    except GraphFileError:
        return
    assert len(set(read.names)) == len(read.names) == sum(map(len, read.start))
    find_query(read, blocksworld(len(read.names)))


@given(some.binary(max_size=60) | some.text(max_size=60))
def test_other_contents_raise_nothing_else(content: bytes | str) -> None:
    with pytest.raises(GraphFileError):
        read_problem(content)


def test_the_query_is_asked_of_the_same_blocks_only() -> None:
    read = read_problem(PLANBENCH)
    with pytest.raises(GraphFileError, match="has 4 blocks, but the graph has 3"):
        find_query(read, blocksworld(3))
    grid: nx.DiGraph[int] = nx.DiGraph([(0, 1)])
    nx.set_node_attributes(grid, {0: "(0, 0)", 1: "(0, 1)"}, "label")
    with pytest.raises(GraphFileError, match="not that of Blocksworld"):
        find_query(read, grid)


def test_a_graph_that_lost_nodes_or_edges_is_named() -> None:
    read = read_problem(problem(facts(("A", "B"), NAMES), GOAL, "b1 b2"))
    small: nx.DiGraph[int] = nx.DiGraph()
    small.add_nodes_from([(0, {"label": "AB"}), (1, {"label": "BA"})])
    with pytest.raises(GraphFileError, match="no node 'A B'"):
        find_query(read, small)
    small.add_node(2, label="A B")
    with pytest.raises(GraphFileError, match="no path of the graph leads from 'A B'"):
        find_query(read, small)
    small.add_edge(2, 1)
    assert find_query(read, small) == (2, 1)


def test_a_plan_needs_legal_moves() -> None:
    assert write_plan([("AB", "C"), ("A", "CB")]) == "(unstack b a)\n(stack b c)\n"
    with pytest.raises(GraphError, match="no legal move leads from 'A B C' to 'ABC'"):
        write_plan([("A", "B", "C"), ("ABC",)])
