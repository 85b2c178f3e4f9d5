"""Would another kernel take this state? The one model of a boot, for a target of which some things may not be known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from kho_tui.abi.luo import LUO, LUO_NAME
from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.analysis.early import NoRoom, without_room
from kho_tui.analysis.loading import Image, Loading, load_arm64, load_x86
from kho_tui.analysis.receiver.check import EVERY, Answer, Check
from kho_tui.analysis.receiver.facet import optional_consumers
from kho_tui.analysis.receiver.handed import Handed
from kho_tui.analysis.receiver.outcome import Outcome, Stage
from kho_tui.analysis.receiver.receive import receive
from kho_tui.analysis.receiver.reception import Reception
from kho_tui.analysis.receiver.target import Target
from kho_tui.analysis.receiver.verdict import unknown
from kho_tui.capture.kernel_image import KhoSupport
from kho_tui.fdt.tree import lookup_name
from kho_tui.model.facts import Missing
from kho_tui.model.state import Scratch, State
from kho_tui.releases.cmdline import CommandLine, read_cmdline
from kho_tui.releases.table import Release
from kho_tui.releases.version import Version
from kho_tui.text import SafeText, plural, visible

_ON_BY_DEFAULT: dict[KhoSupport | None, bool] = {KhoSupport.BUILT_ON: True, KhoSupport.BUILT_OFF: False}
OWN_CMDLINE = SafeText("the command line of this state")
BUILT_IN = SafeText("that KHO and what reads this state are built in")
_CANDIDATE = Check(
    name="release-candidate",
    stage=Stage.FIND,
    question="which release is the candidate like",
    fails=Outcome.IGNORED,
    consequence="what it makes of the state changes at a candidate that is not known here",
    releases=EVERY,
    ask=lambda _: unknown("not asked"),
    source="Makefile, EXTRAVERSION",
)


@dataclass(frozen=True, kw_only=True)
class TargetKernel:
    """The kernel that would boot on a state, as far as it is known; None: not known.

    ``name`` is its release as it calls itself, ``kind`` and ``source`` say where that comes from. ``release`` is None for one without KHO.
    ``consumers``: of subtrees, by name, those left out not known; ``handlers``, ``debug_vm``, ``flb_test``: what is built into it.
    ``image``: what kexec would load.
    """

    name: SafeText
    kind: str
    source: SafeText
    release: Release | None
    support: KhoSupport | None
    arch: str | None
    page_size: int | None
    cmdline: CommandLine | None
    consumers: Mapping[bytes, bool | None] = field(default_factory=dict)
    handlers: frozenset[bytes] | None = None
    may_hold: Callable[[bytes], bool] | None = None
    debug_vm: bool | None = None
    flb_test: bool | None = None
    image: Image | None = None
    assumed: tuple[SafeText, ...] = ()
    """What is taken to be so without being known, each a few words that stand behind "assuming"."""

    @property
    def built(self) -> bool | None:
        """Whether KHO is in it."""
        return None if self.support is None else self.support.built


@dataclass(frozen=True, eq=False)
class Compatibility:
    """What a target does with a state. ``loading`` is None where no image is at hand; ``notes`` are for the user to know."""

    target: TargetKernel
    reception: Reception
    loading: Loading | None
    notes: tuple[SafeText, ...]
    without_room: tuple[NoRoom, ...] = ()
    """What it cannot reserve early, where it accepts the state."""

    @property
    def outcome(self) -> Outcome | None:
        """What becomes of the state; None where that is unknown, or where the kernel cannot be loaded."""
        return None if self.loads is False else self.reception.outcome

    @property
    def loads(self) -> bool | None:
        """Whether kexec can load it at all; None where that cannot be told."""
        return None if self.loading is None else self.loading.fits

    @property
    def taken_whole(self) -> bool | None:
        """True: nothing against it was found; False: something gets lost; None: it cannot be told."""
        if self.loads is False:
            return False
        return None if self.outcome is None else self.outcome is Outcome.TAKEN

    @property
    def open(self) -> tuple[SafeText, ...]:
        """What could not be told, in words."""
        loading = () if self.loading is None or self.loading.fits is not None else (self.loading.reason,)
        return tuple(SafeText(f"{one.check.question}: {one.met}") for one in self.reception.unknown) + loading

    @property
    def verdict(self) -> SafeText:
        """One line."""
        name, outcome = self.target.name, self.outcome
        if self.loading is not None and self.loading.fits is False:
            return SafeText(f"{name} could not be loaded: {self.loading.reason}")
        if outcome is None:
            undecided = self.reception.undecided
            more = f" (and {len(undecided) - 1} more)" if len(undecided) > 1 else ""
            return SafeText(f"cannot tell whether {name} would take this state: {undecided[0].met}{more}{assuming(self.assumed)}")
        deciding = self.reception.deciding
        why = "" if deciding is None else f": {deciding.met}"
        words = {
            Outcome.TAKEN: "would take this state",
            Outcome.PART: f"would take this state in part{why}",
            Outcome.IGNORED: f"would IGNORE this state and boot cold{why}",
            Outcome.CHANCE: f"may lose some of this state, or die of it: that is left to chance{why}",
            Outcome.MISREAD: f"would MISREAD this state{why}",
            Outcome.OOPS: f"would OOPS{why}",
            Outcome.WILD: f"would MISREAD this state, or PANIC{why}",
            Outcome.PANIC: f"would PANIC{why}",
        }
        kdump = "".join(f"; {one.consequence}: scratch has no room for {one.word}" for one in self.without_room if one.kdump)
        missing = f"{kdump}; {plural(len(self.open), 'thing')} cannot be told" if self.open and outcome is not Outcome.IGNORED else kdump
        return SafeText(f"{name} {words[outcome]}{missing}{assuming(self.assumed)}")

    @property
    def assumed(self) -> tuple[SafeText, ...]:
        """What the answer rests on without being known; nothing where the state would not be taken in any case."""
        return () if self.outcome is Outcome.IGNORED else self.target.assumed


def assuming(assumed: tuple[SafeText, ...]) -> SafeText:
    """What a verdict rests on without being known, to stand behind it; empty for nothing."""
    return SafeText(f" (assuming {', '.join(assumed)})" if assumed else "")


def compatibility(handed: Handed, target: TargetKernel, *, assume: bool = True) -> Compatibility:
    """What ``target`` does with what it would be handed, were it booted by kexec now.

    ``assume``: what is decisive and not known of it is as it is here: the command line of the state, and built in what reads the state.
    """
    state = handed.state
    if assume:
        target = _with_assumptions(target, handed)
    boots = Target(
        registry=handed.state.registry,
        release=target.release or handed.state.registry.releases.newest,
        version=Version.parse(target.name),
        cmdline=target.cmdline,
        built=target.built,
        on_by_default=_ON_BY_DEFAULT.get(target.support),
        page_size=target.page_size,
        consumers={name: target.consumers.get(name) for name in optional_consumers(handed.state.registry)},
        handlers=target.handlers,
        may_hold=target.may_hold,
        debug_vm=target.debug_vm,
        flb_test=target.flb_test,
        loaded=None if target.image is None or not target.image.init_size else target.image.init_size + target.image.initrd,
    )
    reception = _candidate(handed, boots, receive(handed, boots))
    if target.support is not None and not target.support.built:
        reception = _unbuilt(reception, target.support)
    loading = _loading(state, target)
    accepted = reception.worst not in (Outcome.IGNORED, Outcome.PANIC)
    cmdline = reception.target.cmdline
    lacking = tuple(without_room(state, reception.target.release, cmdline, loading)) if accepted and cmdline is not None else ()
    return Compatibility(target, reception, loading, (*_notes(handed, target, reception), *map(_lacking, lacking)), lacking)


def _lacking(one: NoRoom) -> SafeText:
    return SafeText(f"{one.word} does not fit into scratch, of which early reservations are made: {one.consequence}")


def _with_assumptions(target: TargetKernel, handed: Handed) -> TargetKernel:
    """The target with what is not known of it filled in, as far as this state has to do with it."""
    machine, release, assumed = handed.state.machine, target.release, []
    if target.cmdline is None and machine.cmdline is not None and machine.cmdline_whole:
        target = replace(target, cmdline=read_cmdline(machine.cmdline))
        assumed.append(OWN_CMDLINE)
    if target.page_size is None and machine.arch != "x86_64":
        target = replace(target, page_size=machine.platform.page_size)
        assumed.append(SafeText(f"pages of {machine.platform.page_size} bytes"))
    if release is None:
        return replace(target, assumed=tuple(assumed))
    there = [name for name in optional_consumers(handed.state.registry) if handed.subtree(name) is not None]
    read = {name: target.consumers.get(name) is not False for name in there}
    guessed = replace(
        target,
        support=target.support or (KhoSupport.BUILT_OFF if handed.state.registry.of(release, LUO) is None else KhoSupport.BUILT),
        consumers={**target.consumers, **read},
        handlers=handed.state.registry.handlers(release)
        if LUO_NAME in read and handed.state.registry.of(release, LUO) is not None and target.handlers is None
        else target.handlers,
    )
    assumed += [BUILT_IN] if guessed != target else []
    return replace(guessed, assumed=tuple(assumed))


def _candidate(handed: Handed, target: Target, reception: Reception) -> Reception:
    """The same, left open where a release candidate may still be what the series before was, and that one does something else."""
    before = handed.state.registry.releases.before(target.release.version)
    if before is None or target.precise_version.rc is None:
        return reception
    other = receive(handed, replace(target, release=before, version=before.version))
    same = all(other.consumers.get(name, (None, ""))[0] is outcome for name, (outcome, _) in reception.consumers.items())
    if same and other.outcome is reception.outcome:
        return reception
    met = f"{before.name} and {target.release.name} differ in what they make of it, and which of them the candidate is like is not known"
    return replace(reception, answers=(Answer(_CANDIDATE, None, met), *reception.answers), worst=Outcome.TAKEN, deciding=None)


def _unbuilt(reception: Reception, support: KhoSupport) -> Reception:
    """The same in the words of what was found out."""
    deciding = reception.answers[0]
    worded = replace(deciding, met=support.value)
    lost = {name: (outcome, support.value) for name, (outcome, _) in reception.consumers.items()}
    return replace(reception, deciding=worded, answers=(worded, *reception.answers[1:]), consumers=lost)


def _loading(state: State, target: TargetKernel) -> Loading | None:
    here = state.machine.arch
    if target.arch is not None and here is not None and target.arch != here:
        return Loading(False, SafeText(f"it is a kernel for {target.arch}, this machine is {here}"))
    if target.image is None:
        return None
    most, line = target.image.cmdline_size, target.cmdline
    if most is not None and line is not None and len(line.text) > most:
        return Loading(
            False, SafeText(f"its command line has {len(line.text)} characters, {most} are allowed: kexec_file_load fails with EINVAL")
        )
    if not target.image.init_size:
        return Loading(None, SafeText("the image does not say how much memory it needs, so whether it fits into scratch cannot be told"))
    scratch = state.scratch
    if isinstance(scratch, Missing):
        return Loading(None, SafeText(f"whether it fits into scratch cannot be told: {scratch.reason}"))
    load = load_arm64 if target.arch == "arm64" else load_x86
    loading = load(target.image, [(area.start, area.size) for area in scratch.areas], state.machine.platform.page_size)
    if not loading.fits and not scratch.whole:
        return _partly(scratch)
    return loading


def _partly(scratch: Scratch) -> Loading:
    return Loading(None, SafeText(f"whether it fits into scratch cannot be told: {scratch.reason}"))


def _notes(handed: Handed, target: TargetKernel, reception: Reception) -> Iterator[SafeText]:
    if target.release is not None and target.release.inferred:
        yield SafeText(f"{target.release.name} was not read from its own sources: what it does is inferred from the releases around it")
    if reception.worst in (Outcome.IGNORED, Outcome.PANIC):
        return
    options, release = reception.target.options, reception.target.release
    if options is None or release is None or target.cmdline is None:
        yield SafeText("its command line is not known: --target-cmdline tells it")
        return
    yield from (visible(f"{target.name} would refuse {line}") for line in options.refused)
    memblock = handed.content(MEMBLOCK_NAME)
    regions = None if memblock is None else memblock.region_sizes
    all_known = regions is not None or handed.subtree(MEMBLOCK_NAME) is None
    names = {lookup_name(name) for name, _ in regions or ()}
    fresh = [visible(one.name) for one in options.regions if all_known and one.name not in names]
    if fresh:
        yield SafeText(
            f"reserve_mem {', '.join(fresh)} is not handed over: it is allocated anew, inside scratch, "
            "so that a later kexec would preserve memory in scratch"
        )
    if target.cmdline.values(parameter := release.names.kho_scratch):
        yield SafeText(f"{parameter}= has no effect on a boot that takes a handover: the scratch areas stay as they are")
