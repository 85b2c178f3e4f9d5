"""The registry is a value: another one in the same process reads, judges and simulates by what it knows itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from captures import read, sample

from kho_tui.abi.format import Family, Format, Formats
from kho_tui.abi.luo import LUO
from kho_tui.abi.memblock import MEMBLOCK
from kho_tui.abi.memfd import MEMFD
from kho_tui.abi.metadata import METADATA
from kho_tui.abi.test_kho import KHO_TEST
from kho_tui.context import Context
from kho_tui.decode.facet import Decoding
from kho_tui.layout.place import Blob
from kho_tui.model.facts import Missing, Status
from kho_tui.model.registry import Declaration
from kho_tui.model.state import RawContent
from kho_tui.operations.check_target import TargetRequest, check_target, read_target
from kho_tui.operations.open_state import open_state
from kho_tui.releases.ranges import Range
from kho_tui.subsystems.luo.content import Luo
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


@pytest.mark.parametrize("family", [LUO, MEMFD, MEMBLOCK, METADATA, KHO_TEST], ids=lambda family: family.name.decode())
def test_what_nobody_declares_is_unknown_and_the_rest_is_as_before(family: Family[Formats[Format]]) -> None:
    before = {subtree.name: subtree for subtree in read(STATE).sides["out"].subtrees}
    with open_state(STATE, Context(), registry=builtin().without(family)) as opened:
        after = {subtree.name: subtree for subtree in opened.state.sides["out"].subtrees}
    assert after.keys() == before.keys()
    for name, subtree in after.items():
        if name == family.name:
            assert isinstance(subtree.content, RawContent) and subtree.status is Status.UNKNOWN
            assert isinstance(subtree.blob, Blob) and subtree.blob == before[name].blob
        else:
            assert (type(subtree.content), subtree.status) == (type(before[name].content), before[name].status)
    luo = after[b"LUO"].content
    if family is MEMFD:
        assert isinstance(luo, Luo) and {
            "memfd-v2 is not known" in file.content.reason for file in luo.files if isinstance(file.content, Missing)
        }


def test_a_facet_that_was_forgotten_is_named() -> None:
    """An engine asks for it, and neither it nor a reason why there is none was declared."""
    forgetful = replace(builtin().declared[0], package="")
    registry = replace(builtin(), declared=(forgetful,))
    with pytest.raises(TypeError, match="kexec-metadata declares no Decoding"):
        registry.facets(Decoding)
    reasoned = replace(forgetful, without={Decoding: "its blob is shown as it is"})
    assert registry.facets is not None and replace(registry, declared=(reasoned,)).facets(Decoding) == {}


def test_declaring_a_family_again_adds_versions_behind_the_known_ones() -> None:
    newest = builtin().formats(LUO).versions[-1]
    more = replace(newest, compatible=b"luo-v999", written=Range("9.9"))
    registry = FUTURE.plus(Declaration(family=LUO, formats=replace(builtin().formats(LUO), versions=(more,)), facets={}))
    assert [form.compatible for form in registry.formats(LUO)][-2:] == [newest.compatible, b"luo-v999"]
    future, known = registry.releases.of("9.9"), registry.releases.of("7.3")
    assert registry.of(future, LUO) is more and registry.of(known, LUO) is newest
