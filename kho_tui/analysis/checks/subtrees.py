"""Rules on which subtrees there are: those of the writer's release, each under the name by which a kernel looks for it."""

from __future__ import annotations

from kho_tui.abi.properties import compatible_of
from kho_tui.analysis.checks.answer import Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.facet import Judging
from kho_tui.analysis.checks.rule import error, rule, warning
from kho_tui.decode.facet import Decoding, SubtreeBlob
from kho_tui.decode.reader import Findings, Reader
from kho_tui.model.facts import Missing, Status
from kho_tui.model.state import Subtree
from kho_tui.text import NO_TEXT, visible


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
        declared = evidence.state.registry.subtree(subtree.lookup_name)
        if declared is not None and declared.formats.of(release) is None:
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
        if own is not None and own != subtree.lookup_name and _writes(evidence, own):
            said = (
                f"this is {visible(own)}'s state, which a kernel looks for under the name {visible(own)}{_losses(evidence, subtree, own)}"
            )
            found.broken(said, subtree.path, subtree.blob.place.phys)
    if found.count:
        return
    judgings = evidence.state.registry.facets(Judging)
    for missing in (one for one in evidence.side.subtrees if one.in_root is False):
        judging = judgings.get(missing.lookup_name)
        if judging is not None and not judging.taken_back and _writes(evidence, missing.lookup_name):
            said = f"{visible(missing.name)} is in debugfs, and the root FDT does not name it: it is not handed over"
            found.broken(said, missing.path)


def _writes(evidence: Evidence, name: bytes) -> bool:
    """Whether any release that may have written the state has this subtree."""
    declared = evidence.state.registry.subtree(name)
    return declared is not None and any(declared.formats.of(release) is not None for release in evidence.releases)


def _own_name(subtree: Subtree, evidence: Evidence) -> bytes | None:
    """Whose state it is by its version; None where it has none, or one that nobody knows."""
    registry = evidence.state.registry
    if isinstance(subtree.blob, Missing):
        return None
    root = None if subtree.fdt is None else subtree.fdt.tree.root
    if root is None:
        heads = ((name, decoding.struct_head(registry, subtree.blob.data)) for name, decoding in registry.facets(Decoding).items())
        return next((name for name, head in heads if head is not None), None)
    compatible = compatible_of(root, registry.compatibles("subtree"))
    declared = registry.having("subtree", compatible) if compatible else None
    return None if declared is None else declared.family.name


def _losses(evidence: Evidence, subtree: Subtree, own: bytes) -> str:
    """What is lost with the state of ``own`` that stands under another name; empty where that cannot be read."""
    registry = evidence.state.registry
    decoding, judging = registry.facets(Decoding).get(own), registry.facets(Judging).get(own)
    if isinstance(subtree.blob, Missing) or decoding is None or judging is None:
        return ""
    reader = Reader(
        memory=evidence.held,
        platform=evidence.state.machine.platform,
        context=evidence.context,
        findings=Findings(),
        host=evidence.state.host,
        registry=registry,
    )
    found = SubtreeBlob(blob=subtree.blob, fdt=subtree.fdt, path=subtree.path, size=None, root_version=None, behind=None, outdated=NO_TEXT)
    content = decoding.decode(reader, found)
    return "" if isinstance(content, Missing) else judging.losses(content)


RULES = (of_the_release, names)
