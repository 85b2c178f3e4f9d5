"""Find out what the target of an upgrade is, and what it would do with a state."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kho_tui.abi.luo import LUO, LUO_VERSION
from kho_tui.analysis.compat import Compatibility, TargetKernel, compatibility
from kho_tui.analysis.loading import Image
from kho_tui.analysis.receiver.facet import BuildOption, optional_consumers
from kho_tui.analysis.receiver.handed import Handed
from kho_tui.capture.kernel_image import KernelImage, KhoSupport, NotAKernelError, kho_support, read_kernel_image
from kho_tui.capture.probe import open_sources
from kho_tui.capture.sources import Sources
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.memory.source import open_file
from kho_tui.model.facts import known
from kho_tui.model.registry import Registry
from kho_tui.model.sides import outgoing_side
from kho_tui.operations.check_state import ERRORS, NOT_CHECKED, NOTHING_WRONG, Checked
from kho_tui.operations.open_state import Opened
from kho_tui.releases.cmdline import read_cmdline
from kho_tui.releases.table import Release, Releases
from kho_tui.releases.version import Version
from kho_tui.subsystems.registry import builtin
from kho_tui.text import SafeText, visible

_RELEASE = re.compile(r"v?(\d{1,3})\.(\d{1,3})([.-][\w.+~-]{0,64})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class TargetRequest:
    """What the user said of the target. ``text``: a release, a capture or a kernel image; a path that exists wins.

    ``assume``: what is decisive and not known is taken to be as it is on this machine, or built in.
    """

    text: str
    cmdline: str | None = None
    initrd: Path | None = None
    assume: bool = True


def check_target(
    opened: Opened, target: TargetKernel, side: str | None = None, context: Context | None = None, *, assume: bool = True
) -> Compatibility:
    """What the target would do with an opened state. ``side``: the one that the user named. ``assume``: as in ``TargetRequest``.

    Raises InputError for a state that makes no sense, Cancelled.
    """
    if side == "in":
        raise InputError("--target asks what the next kernel does with the out side; the in side was handed over long ago")
    return compatibility(handed_over(opened, context or Context()), target, assume=assume)


def check_releases(opened: Opened, context: Context) -> tuple[Compatibility, ...]:
    """What each release that is known here would do with the state, oldest first. Raises InputError as ``check_target`` does."""
    handed = handed_over(opened, context)
    return tuple(compatibility(handed, _from_name(release.name, opened.state.registry)) for release in opened.state.registry.releases)


def handed_over(opened: Opened, context: Context) -> Handed:
    """What a kernel booted now would be handed. Raises InputError where the state has no such side."""
    return Handed(opened.state, outgoing_side(opened.state), opened.memory, context)


def read_target(request: TargetRequest, context: Context, registry: Registry | None = None) -> TargetKernel:
    """The kernel that is meant. Raises InputError where it is none of the three."""
    registry, initrd = registry or builtin(), 0
    if request.initrd is not None:
        with open_file(request.initrd) as source:
            initrd = source.size
    if not request.text.strip():
        raise InputError("--target is empty: it takes a release, a capture or a kernel image")
    where = Path(request.text)
    try:
        exists = where.exists()
    except (OSError, ValueError):
        exists = False
    target = _from_path(where, initrd, registry, context) if exists else _from_name(request.text, registry)
    if request.initrd is not None and target.image is None:
        raise InputError("--target-initrd goes with a kernel image as --target")
    return target if request.cmdline is None else replace(target, cmdline=read_cmdline(request.cmdline))


def _from_path(where: Path, initrd: int, registry: Registry, context: Context) -> TargetKernel:
    if not where.is_dir():
        try:
            return _from_image(read_kernel_image(where, context, registry), initrd, registry)
        except NotAKernelError as error:
            refusal = error
        try:
            return _from_capture(where, registry, context)
        except InputError as error:
            raise InputError(f"{refusal}; and no capture either ({error})") from None
    return _from_capture(where, registry, context)


def _from_name(text: str, registry: Registry) -> TargetKernel:
    releases = registry.releases
    found = _RELEASE.fullmatch(text)
    shown = visible(text[:80])
    if found is None:
        raise InputError(f"--target {shown}: no such file, and no release (such as {releases.newest.name})")
    series = f"{int(found[1])}.{int(found[2])}"
    release = releases.of(series)
    name = SafeText(shown.removeprefix("v"))
    source = SafeText("a release")
    if release is None:
        if (int(found[1]), int(found[2])) > _numbers(releases.oldest.name):
            raise InputError(f"--target {shown}: not a release that is known here; known are {releases.words}")
        version = Version.parse(text.removeprefix("v"))
        if version is not None and version.rest and not version.is_mainline:
            raise InputError(f"--target {shown}: a vendor's kernel older than {releases.oldest.name} may have KHO as a backport: unknown")
        return TargetKernel(
            name=name,
            kind="release",
            source=source,
            release=None,
            support=KhoSupport.NOT_IN_RELEASE,
            arch=None,
            page_size=None,
            cmdline=None,
        )
    return TargetKernel(
        name=name,
        kind="release",
        source=source,
        release=release,
        support=None,
        arch=None,
        page_size=None,
        cmdline=None,
        consumers={name: _of_release(name, release, registry) for name in optional_consumers(registry)},
    )


def _from_image(image: KernelImage, initrd: int, registry: Registry) -> TargetKernel:
    support, release = image.support(registry.releases), image.series(registry)
    if support.built and (release is None or registry.roots.version_of(release) not in image.versions):
        raise _unknown(image.path, image.release, image.roots)
    luo = registry.of(release, LUO)
    if luo is not None and support.built:
        strange = {one for one in image.versions if LUO_VERSION.fullmatch(one)} - {luo.compatible}
        if strange:
            raise _unknown(image.path, image.release, strange)
    config = image.config
    return TargetKernel(
        name=visible(image.release or ""),
        kind="kernel image",
        source=SafeText(f"{image.path}, {image.form}"),
        release=release,
        support=support,
        arch=image.arch,
        page_size=image.page_size,
        cmdline=None,
        consumers={name: _in_image(image, name, option, registry) for name, option in optional_consumers(registry).items()},
        handlers=frozenset(version for version in image.versions if registry.handler_like(version) is not None),
        may_hold=image.may_hold if _option(config, "CONFIG_MODULES") is False else None,
        debug_vm=_option(config, "CONFIG_DEBUG_VM"),
        flb_test=_option(config, "CONFIG_LIVEUPDATE_TEST"),
        image=Image(image.init_size or 0, image.alignment, image.preferred, initrd, image.cmdline_size),
    )


def _unknown(path: SafeText, release: str | None, versions: frozenset[bytes] | set[bytes]) -> InputError:
    told = ", ".join(visible(one) for one in sorted(versions))
    return InputError(
        f"{path}: a kernel {visible(release or '?')} of {told}, which is of no release that is known here: cannot tell what it would do"
    )


def _from_capture(where: Path, registry: Registry, context: Context) -> TargetKernel:
    with open_sources(where, context, registry) as sources:
        if sources.release is None:
            raise InputError(f"{visible(str(where))}: this capture does not say which kernel it is of (version)")
        config = known(sources.config)
        built = _capture_built(sources, config, registry.releases)
        release = registry.releases.of(sources.release)
        name = visible(sources.release)
        support = None if built is None else kho_support(sources.release, built, config, registry.releases)
        if release is None and support not in (KhoSupport.NOT_IN_RELEASE, KhoSupport.NOT_BUILT):
            raise InputError(f"{visible(str(where))}: {name} is of no release that is known here: cannot tell what it would do")
        handler = _option(config, "CONFIG_LIVEUPDATE_MEMFD")
        return TargetKernel(
            name=name,
            kind="capture",
            source=visible(str(where)),
            release=release,
            support=support,
            arch=sources.arch,
            page_size=_page_size(sources),
            cmdline=known(sources.cmdline),
            consumers={name: _seen(sources, name, _option(config, option.name)) for name, option in optional_consumers(registry).items()},
            handlers=None if handler is None else registry.handlers(release) if handler else frozenset(),
            debug_vm=_option(config, "CONFIG_DEBUG_VM"),
            flb_test=_option(config, "CONFIG_LIVEUPDATE_TEST"),
        )


def _capture_built(sources: Sources, config: Mapping[str, str] | None, known: Releases) -> bool | None:
    if config is not None:
        return _option(config, "CONFIG_KEXEC_HANDOVER")
    if sources.incoming is not None or sources.outgoing is not None:
        return True
    return False if _numbers(sources.release or "") < _numbers(known.oldest.name) else None


def _seen(sources: Sources, subtree: bytes, configured: bool | None) -> bool | None:
    """Whether somebody there writes the subtree, and so reads it too: it is on the outgoing side, or the configuration says it."""
    return True if sources.outgoing is not None and subtree in sources.outgoing.subtrees else configured


def _of_release(name: bytes, release: Release, registry: Registry) -> bool | None:
    """False where a release has no version of a subtree; whether its consumer is built into a kernel of the others is not known."""
    declared = registry.subtree(name)
    return None if declared is not None and declared.formats.of(release) is not None else False


def _in_image(image: KernelImage, name: bytes, option: BuildOption, registry: Registry) -> bool | None:
    """Whether the consumer of a subtree is in an image: one of its versions stands in it, or it may be a module."""
    declared = registry.subtree(name)
    if declared is not None and any(declared.has_version_like(version) for version in image.versions):
        return True
    return _option(image.config, option.name) if option.tristate else False


def _option(config: Mapping[str, str] | None, name: str) -> bool | None:
    return None if config is None else config.get(name) in ("y", "m")


def _page_size(sources: Sources) -> int | None:
    if sources.arch == "x86_64":
        return 4096
    told = [hint for hint in sources.hints if hint.what == "page_size" and isinstance(hint.value, int)]
    best = max(told, key=lambda hint: hint.strength, default=None)
    return None if best is None or not isinstance(best.value, int) else best.value


def _numbers(release: str) -> tuple[int, int]:
    found = re.match(r"(\d{1,9})\.(\d{1,9})", release)
    return (0, 0) if found is None else (int(found[1]), int(found[2]))


def exit_code(checked: Checked, found: Compatibility | None, *, strict: bool) -> int:
    """Of the check and, where there is a target, of what it does: 0 taken whole, 1 something gets lost, 2 could not check.

    ``strict``: also 2 where anything at all is unknown, or only assumed.
    """
    own = checked.exit_code(strict=strict)
    if found is None:
        return own
    if ERRORS in (own, 1 if found.taken_whole is False else 0):
        return ERRORS
    return NOT_CHECKED if own or found.taken_whole is None or (strict and (found.open or found.assumed)) else NOTHING_WRONG
