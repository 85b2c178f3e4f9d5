"""Which parts of the incoming side are still what was handed over, on a kernel that runs.

After a KHO boot the kernel gives back the memory of the incoming tracker, of the LUO structures it has read and of whatever
consumers have restored. What stays is decided by release, told by the version of the root that it takes, never by whether it still
decodes (kernel/liveupdate/luo_core.c, kexec_handover.c, 6.19 to 7.3).
"""

from __future__ import annotations

from kho_tui.abi.luo import LUO, LUO_NAME
from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.abi.metadata import KEXEC_METADATA_NAME
from kho_tui.abi.test_kho import KHO_TEST_NAME
from kho_tui.model.registry import Registry

_KEPT_SINCE_6_16 = frozenset({MEMBLOCK_NAME, KHO_TEST_NAME, KEXEC_METADATA_NAME})

TRACKER_GIVEN_BACK = "the running kernel has given back the memory of the incoming tracker"
REACHED_THROUGH_FREED = "reached through memory that the running kernel has given back"


def subtree_is_kept(registry: Registry, root: bytes | None, name: bytes) -> bool:
    """Whether the blob itself (not what it points at) of an incoming subtree is still a fact.

    ``root`` is the compatible string of the incoming root FDT: it tells the releases that take it. LUO keeps its FDT from
    6.19 to 7.1 and frees its struct at early initcall from 7.2 on.
    """
    if name == LUO_NAME:
        luo = registry.formats(LUO).in_root(root)
        return luo is not None and not luo.is_struct
    return name in _KEPT_SINCE_6_16
