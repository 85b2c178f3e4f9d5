"""Which parts of the incoming side are still what was handed over, on a kernel that runs.

After a KHO boot the kernel gives back the memory of the incoming tracker, of the LUO structures it has read and of whatever
consumers have restored. What stays is decided by release, told by the version of the root that it takes, never by whether it still
decodes (kernel/liveupdate/luo_core.c, kexec_handover.c, 6.19 to 7.3).
"""

from __future__ import annotations

from kho_tui.decode.facet import Decoding
from kho_tui.model.registry import Registry

TRACKER_GIVEN_BACK = "the running kernel has given back the memory of the incoming tracker"
REACHED_THROUGH_FREED = "reached through memory that the running kernel has given back"


def subtree_is_kept(registry: Registry, root: bytes | None, name: bytes) -> bool:
    """Whether the blob itself (not what it points at) of an incoming subtree is still a fact.

    ``root`` is the compatible string of the incoming root FDT: it tells the releases that take it.
    """
    decoding = registry.facets(Decoding).get(name)
    return decoding is not None and decoding.stays(registry, root)
