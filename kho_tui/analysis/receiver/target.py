"""The kernel that is booted on a handover, as far as it is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from kho_tui.abi.format import F, Family, Formats
from kho_tui.abi.root import RootFormat
from kho_tui.analysis.receiver.outcome import Stage
from kho_tui.analysis.receiver.verdict import unknown
from kho_tui.model.facts import Missing
from kho_tui.model.registry import Registry
from kho_tui.releases.cmdline import BootOptions, CommandLine, PanicOptions, ReserveMem
from kho_tui.releases.fixes import BITMAPS_IN_SCRATCH, KDUMP_KEEPS_KHO, Fix
from kho_tui.releases.table import Release
from kho_tui.releases.version import Version


@dataclass(frozen=True, kw_only=True)
class Target:
    """The kernel that would take the state. ``version`` None: any of the series. ``cmdline`` None: not known.

    ``built``: with KHO in it; ``on_by_default``: CONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT; ``debug_vm``: CONFIG_DEBUG_VM; ``flb_test``:
    CONFIG_LIVEUPDATE_TEST, the one user of FLBs in the kernel's own tree. None: not known; then LUO is taken to be on, so that a panic
    that is found is one unless it is off.
    ``page_size`` None: that of its architecture, where there is one only.
    """

    registry: Registry
    release: Release
    version: Version | None = None
    cmdline: CommandLine | None = None
    built: bool | None = True
    on_by_default: bool | None = False
    page_size: int | None = None
    consumers: Mapping[bytes, bool | None] = field(default_factory=dict)
    """Whether the consumer of a subtree is in it, as a module too, by the name of the subtree; None: not known. One left out is in it."""
    handlers: frozenset[bytes] | None = None
    """Compatible strings of the memfd handlers in it; None: not known, presumably the release's own."""
    may_hold: Callable[[bytes], bool] | None = None
    """Whether a string stands in its image, of which nothing is a module; None: no such image is at hand."""
    debug_vm: bool | None = None
    flb_test: bool | None = None
    loaded: int | None = None
    """Bytes of its image, as it lies in memory, and initrd; None: not known."""

    @staticmethod
    def in_tree(registry: Registry, release: Release, *, cmdline: CommandLine | None = None, version: Version | None = None) -> Target:
        """A kernel of ``release`` with all that kernel.org's tree has for it built in."""
        return Target(registry=registry, release=release, version=version, cmdline=cmdline, handlers=registry.handlers(release))

    @property
    def root(self) -> RootFormat:
        """The version of the root FDT that it accepts."""
        return self.registry.roots.written_by(self.release)

    def own(self, family: Family[Formats[F]]) -> F | None:
        """The version of a format that it accepts; None: it has none."""
        return self.registry.of(self.release, family)

    @property
    def precise_version(self) -> Version:
        """Its version, as far as it is known: fixes inside a series go by it."""
        return self.version or self.release.version

    def has_consumer(self, name: bytes) -> bool | None:
        """Whether the consumer of a subtree is in it; None: not known."""
        return self.consumers.get(name, True)

    def panics(self, stage: Stage) -> PanicOptions:
        """What its command line makes a panic of at a stage: sysctl.kernel words count from init on, which opens and retrieves."""
        if self.cmdline is None:
            return PanicOptions()
        return self.cmdline.panics_in_user_space if stage in (Stage.OPEN, Stage.RETRIEVE) else self.cmdline.panics_at_boot

    @cached_property
    def options(self) -> BootOptions | None:
        """What it takes from its command line; None where that is not known to its end."""
        if self.cmdline is None or not self.cmdline.whole:
            return None
        known = self.registry.releases
        return self.cmdline.options(self.release, known, version=self.version, on_by_default=bool(self.on_by_default))

    @property
    def kho(self) -> bool | None:
        """Whether KHO is on. ``kho=off`` does not stop it from taking a handover, but switches LUO off; so does a kdump kernel."""
        if self.options is None or self.cmdline is None:
            return None
        if self.options.kho and self.cmdline.is_kdump and KDUMP_KEEPS_KHO.affects(self.precise_version, self.registry.releases) is None:
            return None
        return self.options.kho if self.cmdline.says_kho or self.on_by_default is not None else None

    @property
    def liveupdate(self) -> bool | None:
        """Whether LUO is on, if it is there at all."""
        return None if self.options is None else self.options.liveupdate

    @property
    def asked_regions(self) -> tuple[ReserveMem, ...] | None:
        """Each ``reserve_mem=`` that it accepts."""
        return None if self.options is None else self.options.regions

    def has(self, fault: Fix, *, by_release: bool) -> bool | None:
        """Whether it has a fault that a fix ended inside a series; None where its version does not tell.

        ``by_release``: what its row of the table says, which holds for a release that is named without a patch level.
        """
        whole = self.version is None or self.version == self.release.version
        return by_release if whole else fault.affects(self.version, self.registry.releases)

    @property
    def bitmap_bytes(self) -> int | Missing | None:
        """Bytes of a bitmap that it reads: None for a page, or where there are no bitmaps; Missing where its patch level does not tell."""
        small = self.has(BITMAPS_IN_SCRATCH, by_release=self.release.bitmap_bytes is not None)
        if small is None:
            return unknown("whether it reads bitmaps of 512 bytes or of a page is not known of its patch level")
        return self.release.bitmap_bytes if small else None

    @property
    def is_vendors(self) -> bool:
        """See Version."""
        return self.precise_version.is_vendors

    def has_handler(self, compatible: bytes) -> bool | None:
        """Whether a file handler of this compatible string is there; None: not known, a module or a vendor may bring it."""
        if self.handlers is not None and compatible in self.handlers:
            return True
        if self.may_hold is not None:
            # What only looks like a handler's name cannot be told from one.
            return None if self.may_hold(compatible) else False
        if compatible in self.registry.handlers(self.release):
            return None if self.handlers is None else False
        return False if self.registry.handler(compatible) is not None and not self.is_vendors else None
