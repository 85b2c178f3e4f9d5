"""What is cited of the kernel: functions that /proc/kallsyms of booted kernels has, files by the release that moved them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kho_tui.analysis.checks.registry import rules_of
from kho_tui.analysis.symptoms.table import SYMPTOMS
from kho_tui.releases import fixes
from kho_tui.releases.fixes import Fix
from kho_tui.subsystems.registry import builtin

FUNCTIONS = {
    name: releases.split()
    for line in (Path(__file__).parents[1] / "data/kernel_functions.txt").read_text().splitlines()
    if not line.startswith("#")
    for name, _, releases in [line.partition(" ")]
}
INLINED = frozenset(
    {
        "__kho_finalize",
        "kho_mem_deserialize",
        "kho_mem_serialize",
        "kho_out_fdt_setup",
        "kho_radix_decode_key",
        "kho_radix_encode_key",
        "kho_reserve_scratch",
        "kho_test_restore_data",
        "kho_test_save",
        "luo_early_startup",
        "memfd_luo_preserve_folios",
        "memfd_luo_retrieve_folios",
        "reserve_mem_kho_revive",
    }
)
"""Functions with one caller, which no kernel at hand shows."""
NO_FUNCTIONS = frozenset({"kho_mem_phys_bits", "kho_out_kexec_metadata", "kho_test", "kho_tui", "liveupdate_file_ops"})
_NAME = re.compile(r"\b(?:__)?(?:kho|luo|memfd_luo|liveupdate|reserve_mem)_[a-z0-9_]+\b(?!\.[ch]\b)")


def sources() -> list[str]:
    causes = [cause.source for symptom in SYMPTOMS for cause in symptom.causes]
    fixed = [fix.source for fix in vars(fixes).values() if isinstance(fix, Fix)]
    return [*causes, *fixed, *(rule.source for rule in rules_of(builtin()).values())]


def test_functions_that_are_cited_are_the_kernels() -> None:
    cited = {name for source in sources() for name in _NAME.findall(source)}
    assert cited - FUNCTIONS.keys() - INLINED <= NO_FUNCTIONS
    assert not INLINED & FUNCTIONS.keys()


@pytest.mark.parametrize("source", sorted({source for source in sources() if "kernel/liveupdate/kexec_handover.c" in source}))
def test_before_6_19_the_core_is_cited_where_it_was(source: str) -> None:
    """kernel/kexec_handover.c moved to kernel/liveupdate/ in 6.19."""
    assert not [clause for clause in source.split(";") if "kernel/liveupdate/" in clause and re.search(r"\b6\.1[678]\b", clause)]
