"""Rules on which subtrees there are: those of the writer's release, each under the name by which a kernel looks for it."""

from __future__ import annotations

from kho_tui.abi.luo import LUO, LUO_NAME
from kho_tui.abi.memblock import MEMBLOCK_COMPATIBLE, MEMBLOCK_NAME
from kho_tui.abi.metadata import KEXEC_METADATA_NAME, METADATA_WRITTEN
from kho_tui.abi.properties import compatible_of
from kho_tui.abi.test_kho import KHO_TEST_COMPATIBLE, KHO_TEST_NAME
from kho_tui.analysis.checks.answer import Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.rule import error, rule, warning
from kho_tui.decode.luo import decode_luo_fdt, decode_luo_struct, is_luo_struct
from kho_tui.decode.reader import Findings, Reader
from kho_tui.model.contents.luo import Luo
from kho_tui.model.contents.sessions import SessionList
from kho_tui.model.facts import Missing, Status
from kho_tui.model.state import Subtree
from kho_tui.text import plural, visible

_OWNERS = {MEMBLOCK_COMPATIBLE: MEMBLOCK_NAME, KHO_TEST_COMPATIBLE: KHO_TEST_NAME}
"""Whose subtree it is, by its compatible string; LUO's has a version."""


@rule(
    "KHO147",
    "the writer's release has the subtrees that it hands over",
    warning(),
    explanation="LUO is in kernels of kernel.org from 6.19 on, kexec-metadata from 7.1 on.",
    consequence="either the kernel has a backport, and what its own successor does is unknown here, or the files are of two machines",
    source="kernel/liveupdate/luo_core.c (6.19); kernel/liveupdate/kexec_handover.c, kho_out_kexec_metadata (7.1)",
)
def of_the_release(evidence: Evidence, found: Found) -> None:
    """A name that the release has no code for."""
    release = evidence.release
    if release is None:
        found.lack("release of the writer", evidence.newer or "more than one release may have written this side")
        return
    for subtree in evidence.subtrees(found):
        written = {
            LUO_NAME: evidence.state.registry.formats(LUO).of(release) is not None,
            KEXEC_METADATA_NAME: METADATA_WRITTEN.covers(release.version),
        }
        if not written.get(subtree.lookup_name, True):
            found.broken(f"mainline {release.name} has no {visible(subtree.name)} (a backport, or files of two machines?)", subtree.path)


@rule(
    "KHO148",
    "every subtree that is known by its contents stands under its own name",
    error(),
    explanation="Subtrees whose compatible string is that of LUO, memblock or the test module, against the names LUO, memblock and "
    "kho_test; and LUO and memblock, which no kernel takes back, where only debugfs has them and the root FDT does not name them.",
    consequence="the next kernel looks for the subtree by its name and does not find it: LUO's sessions and files are lost, memblock's "
    "regions are allocated anew, and their memory stays reserved",
    source="kernel/liveupdate/kexec_handover.c, kho_retrieve_subtree (6.19 to 7.3; kernel/kexec_handover.c before)",
)
def names(evidence: Evidence, found: Found) -> None:
    """State that is there and that nobody finds."""
    if evidence.root(found) is None:
        return
    for subtree in evidence.subtrees(found):
        if subtree.status is Status.STALE or isinstance(subtree.blob, Missing):
            found.lack(f"blob of {subtree.path}", subtree.reason)
            continue
        if subtree.in_root is None:
            found.lack(f"name of {subtree.path} in the root FDT", "only debugfs shows it, and not all of the root FDT is at hand")
            continue
        own = _own_name(subtree, evidence)
        if own is not None and own != subtree.lookup_name and (own != LUO_NAME or _has_luo(evidence)):
            said = f"this is {visible(own)}'s state, which a kernel looks for under the name {visible(own)}{_luo_words(evidence, subtree)}"
            found.broken(said, subtree.path, subtree.blob.place.phys)
    if found.count:
        return
    for missing in (one for one in evidence.side.subtrees if one.in_root is False and one.lookup_name in (LUO_NAME, MEMBLOCK_NAME)):
        if missing.lookup_name == MEMBLOCK_NAME or _has_luo(evidence):
            said = f"{visible(missing.name)} is in debugfs, and the root FDT does not name it: it is not handed over"
            found.broken(said, missing.path)


def _has_luo(evidence: Evidence) -> bool:
    return any(evidence.state.registry.formats(LUO).of(release) is not None for release in evidence.releases)


def _own_name(subtree: Subtree, evidence: Evidence) -> bytes | None:
    if isinstance(subtree.blob, Missing):
        return None
    if is_luo_struct(subtree.blob.data):
        return LUO_NAME
    root = None if subtree.fdt is None else subtree.fdt.tree.root
    if root is None:
        return None
    luo = evidence.state.registry.formats(LUO)
    compatible = compatible_of(root, (*_OWNERS, *(form.compatible for form in luo))) or b""
    return LUO_NAME if compatible in luo else _OWNERS.get(compatible)


def _luo_words(evidence: Evidence, subtree: Subtree) -> str:
    """How many sessions and files LUO's state has that stands under another name; empty where it has none, or they cannot be read."""
    if isinstance(subtree.blob, Missing) or _own_name(subtree, evidence) != LUO_NAME:
        return ""
    reader = Reader(
        memory=evidence.held,
        platform=evidence.state.machine.platform,
        context=evidence.context,
        findings=Findings(),
        host=evidence.state.host,
        registry=evidence.state.registry,
    )
    if subtree.fdt is None:
        luo = decode_luo_struct(reader, subtree.blob, subtree.path, None)
    else:
        luo = decode_luo_fdt(reader, subtree.fdt, subtree.path, None, None)
    if not isinstance(luo, Luo) or not isinstance(luo.sessions, SessionList):
        return ""
    sessions, whole = luo.sessions.sessions, luo.sessions.status is Status.DECODED
    files = sum(one.count or 0 for one in sessions)
    return f": {'' if whole else 'at least '}{plural(len(sessions), 'session')} and {plural(files, 'file')} are lost"


RULES = (of_the_release, names)
