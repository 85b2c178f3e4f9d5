"""The registry is a value: another one in the same process reads, judges and simulates by what it knows itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from captures import read, sample

from kho_tui.abi.format import Family, Formats
from kho_tui.abi.luo import LUO
from kho_tui.abi.memfd import MEMFD
from kho_tui.context import Context
from kho_tui.model.luo import Luo
from kho_tui.model.registry import Declaration
from kho_tui.operations.check_target import TargetRequest, check_target, read_target
from kho_tui.operations.open_state import open_state
from kho_tui.releases.ranges import Range
from kho_tui.subsystems.registry import builtin

STATE = sample("x86_64-7.3/1-pre")
V999 = replace(builtin().roots[b"kho-v4"], compatible=b"kho-v999", written=Range("9.9"))
FUTURE = builtin().plus(releases=[builtin().releases.newest.next("9.9")], roots=[V999])


def test_a_release_of_the_future_writes_its_own_root_and_changes_no_other() -> None:
    names = {release.name: FUTURE.roots.version_of(release) for release in FUTURE.releases}
    assert names.pop("9.9") == b"kho-v999"
    assert names == {release.name: builtin().roots.version_of(release) for release in builtin().releases}
    assert FUTURE.releases.of("9.9.1") is not None and builtin().releases.of("9.9.1") is None
    assert builtin().releases.is_newer("9.9.1") and not FUTURE.releases.is_newer("9.9.1")


def test_two_registries_are_open_in_one_process() -> None:
    with open_state(STATE, Context()) as known, open_state(STATE, Context(), registry=FUTURE) as future:
        request = TargetRequest("9.9")
        answer = check_target(future, read_target(request, Context(), FUTURE))
        assert answer.reception.deciding is not None and "kho-v999" in answer.reception.deciding.met
        with pytest.raises(Exception, match=r"known are 6\.16 to 7\.3"):
            read_target(request, Context())
        sides = [opened.state.sides["out"].root for opened in (known, future)]
        assert {type(root) for root in sides} == {type(sides[0])}
        assert future.state.registry is FUTURE and known.state.registry is builtin()


@pytest.mark.parametrize("family", [LUO, MEMFD], ids=lambda family: family.name.decode())
def test_what_nobody_declares_is_unknown_and_the_rest_is_as_before(family: Family[Formats[object]]) -> None:  # type: ignore[type-var]
    before = read(STATE)
    with open_state(STATE, Context(), registry=builtin().without(family)) as opened:
        out = opened.state.sides["out"]
        luo = next(subtree for subtree in out.subtrees if subtree.name == b"LUO")
        if family is LUO:
            assert not isinstance(luo.content, Luo) and "not known" in luo.reason
        else:
            assert isinstance(luo.content, Luo)
            assert {"memfd-v2" in file.content.reason for file in luo.content.files if not hasattr(file.content, "record")} == {True}
        others = [(subtree.name, subtree.status) for subtree in out.subtrees if subtree.name != b"LUO"]
        assert others == [(subtree.name, subtree.status) for subtree in before.sides["out"].subtrees if subtree.name != b"LUO"]


def test_declaring_a_family_again_adds_versions_behind_the_known_ones() -> None:
    newest = builtin().formats(LUO).versions[-1]
    more = replace(newest, compatible=b"luo-v999", written=Range("9.9"))
    registry = FUTURE.plus(Declaration(family=LUO, formats=replace(builtin().formats(LUO), versions=(more,))))
    assert [form.compatible for form in registry.formats(LUO)][-2:] == [newest.compatible, b"luo-v999"]
    future, known = registry.releases.of("9.9"), registry.releases.of("7.3")
    assert registry.of(future, LUO) is more and registry.of(known, LUO) is newest
