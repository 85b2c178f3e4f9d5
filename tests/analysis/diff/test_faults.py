"""Whatever the simulator breaks shows as a difference from what it was, at the thing that was broken."""

from __future__ import annotations

from pathlib import Path

from captures import sample

from kho_tui.analysis.diff.states import diff_states
from kho_tui.analysis.diff.verdict import with_consequences
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.model.change import Diff
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.operations.open_state import open_state
from kho_tui.simulator.faults.catalogue import faults_of
from kho_tui.subsystems.registry import builtin

NOBODY = ""
"""Preserved memory that belongs to nothing: blocks that a fault added, or took from something else."""
BROKEN_IN_7_1_AND_7_3 = {
    "out": """root-magic root-half-built root-format root-cut reservation root-too-long root-slack root-order root-two-versions root-version
        map-zero map-unaligned map-short fdt-version subtree-child subtree-property root-not-preserved root-in-larger-block""",
    "out/preserved": "radix-node-twice radix-cycle radix-unaligned radix-key tracker-in-scratch",
    NOBODY: "tracker-preserved block-outside-ram blocks-overlap block-in-scratch block-2g leak kernel-image-preserved vmalloc-unaligned",
    "out/kexec-metadata": """pointer-missing blob-size-missing blob-unaligned blob-size-zero blob-not-preserved subtree-forgotten
        metadata-version metadata-text metadata-count""",
    "out/kexec-metadata~2": "subtree-twice",
    "out/memblock": "blob-short blob-refused",
    "out/memblock/extra2": "nine-regions",
    "out/memblock/oops_trace": """region-in-scratch region-over-blob region-empty region-not-preserved region-version region-misaligned
        region-smaller""",
    "out/memblock/pstore": "two-owners",
    "out/kho_test": "test-magic",
    "out/kho_test/folios": "test-more-folios test-folio-not-preserved",
    "scratch/0": "scratch-unaligned scratch-high",
    "scratch/1": "scratch-absurd",
    "scratch/2": "scratch-outside-ram",
    "scratch/3": "scratch-overlap",
    "out/MUO": "luo-renamed",
    "out/LUO": """luo-version luo-size luo-flb-node session-block-cycle session-block-empty session-block-overfull
        session-block-half-full session-block-not-preserved session-array-not-preserved session-list-lost too-many-sessions""",
    "out/LUO/vm-alpha": """name-residue file-block-cycle file-block-empty file-block-overfull file-block-half-full file-block-not-preserved
        session-count file-array-split too-many-files""",
    "out/LUO/vm-alpha~2": "session-name-twice",
    "out/LUO/empty": "session-name-empty session-name-endless",
    "out/LUO/vm-alpha/0x1": """vmalloc-total vmalloc-flags vmalloc-no-flags vmalloc-order memfd-not-preserved memfd-too-many-folios
        memfd-size memfd-seals memfd-flags""",
    "out/LUO/vm-alpha/0x1/folios": """vmalloc-cycle vmalloc-hole vmalloc-chunk-not-preserved vmalloc-page-not-preserved folio-too-large
        folio-flags folio-not-preserved folios-descend folios-overlap""",
    "out/LUO/vm-alpha/0x2": "token-twice handler-unknown handler-endless",
    "out/LUO/vm-alpha/0x2/folios": "folio-shared",
    "out/LUO/FLBs": "flb-header-zero flb-pages flb-too-many flb-not-preserved",
    "out/LUO/FLBs/liveupdate-test-flb-v0": "flb-unused flb-many-files",
    "out/LUO/FLBs/liveupdate-test-flb-v0~2": "flb-twice",
}
"""What each fault breaks, by hand from what ``sim fault --list`` says of it."""
NOT_COMPARED = {"crashkernel-no-room"}
"""Of what is handed over nothing is broken: the command line is."""
BROKEN = {name: path for path, names in BROKEN_IN_7_1_AND_7_3.items() for name in names.split()}


def named(diff: Diff) -> set[str]:
    changes = list(with_consequences(diff.changes))
    memory = [*diff.memory, *(one for change in changes for one in change.memory)]
    return {change.where.text for change in changes} | {NOBODY if one.owner is None else one.owner.text for one in memory}


def test_the_thing_that_a_fault_breaks_is_named(tmp_path: Path) -> None:
    unnamed, applied = {}, set()
    for name in ("x86_64-7.1/1-pre", "x86_64-7.3/1-pre"):
        with open_state(sample(name), Context()) as before:
            for fault in (one for one in faults_of(builtin()) if one.side == "out" and one.name not in NOT_COMPARED):
                directory = tmp_path / name / fault.name
                directory.parent.mkdir(parents=True, exist_ok=True)
                try:
                    fault_capture(sample(name), fault.name, directory, Context())
                except InputError:
                    continue
                applied.add(fault.name)
                with open_state(directory, Context()) as after:
                    met = named(diff_states(before.state, after.state))
                    if BROKEN.get(fault.name) not in met:
                        unnamed[name, fault.name] = met
    assert unnamed == {}
    assert len(applied) > 80
    assert set(BROKEN) <= {one.name for one in faults_of(builtin())}
