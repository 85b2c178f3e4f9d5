"""The kernel that is booted on a handover, as far as it is known."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.releases.table import Release


@dataclass(frozen=True, slots=True)
class Target:
    """The kernel that would take the state. ``built``: with KHO in it. ``page_size`` None: the same as the writer's.

    ``kho`` and ``liveupdate``: what is on once it has read its command line. ``kho=off`` does not stop it from taking a handover but
    switches LUO off. ``luo``: CONFIG_LIVEUPDATE; ``test``: CONFIG_TEST_KEXEC_HANDOVER, as a module too; ``debug_vm``: CONFIG_DEBUG_VM;
    ``flb_test``: CONFIG_LIVEUPDATE_TEST, the one user of FLBs in the kernel's own tree. None: not known; then KHO and LUO are taken to be
    on, so that a panic that is found is one unless they are off.
    """

    release: Release
    kho: bool | None = True
    built: bool = True
    page_size: int | None = None
    asked_regions: tuple[tuple[bytes, int, int], ...] | None = None
    """(name, size, alignment) of each ``reserve_mem=``; None: the command line is not known."""
    luo: bool | None = True
    liveupdate: bool | None = True
    handlers: frozenset[bytes] | None = None
    """Compatible strings of the file handlers in it; None: the release's own."""
    sure_of_handlers: bool = True
    """Whether it is known that ``handlers`` are built in."""
    test: bool | None = True
    debug_vm: bool | None = None
    flb_test: bool | None = None
    oops_panics: bool | None = None
    """Whether an oops is a panic (oops=panic, panic_on_oops); None: not known, a sysctl may say so."""

    @property
    def all_handlers(self) -> frozenset[bytes]:
        """Compatible strings of the file handlers that are taken to be in it."""
        if self.handlers is not None:
            return self.handlers
        return frozenset() if self.release.luo is None else frozenset({self.release.luo.memfd_compatible})
