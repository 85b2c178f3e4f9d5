"""From a symptom, or none, to cause, evidence and remedy: on this machine, on a capture, or by a kernel's log alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from kho_tui.analysis.checkup.handover import named_by
from kho_tui.analysis.checkup.question import Examined, Standing
from kho_tui.analysis.checkup.table import examine
from kho_tui.analysis.symptoms.case import Case, Kernel
from kho_tui.analysis.symptoms.explain import Explained, explain
from kho_tui.analysis.symptoms.select import MAX_WORDS, nearest, select, spoken
from kho_tui.analysis.symptoms.symptom import Symptom
from kho_tui.analysis.symptoms.table import SYMPTOMS
from kho_tui.capture import probe
from kho_tui.capture.dmesg import NO_LOG, parse_dmesg, read_log
from kho_tui.capture.reader import LOG_LIMIT
from kho_tui.context import Context
from kho_tui.errors import InputError, ReadError
from kho_tui.model.registry import Registry
from kho_tui.model.sides import outgoing_or_none
from kho_tui.operations.check_state import check_state
from kho_tui.operations.check_target import TargetRequest, check_target, read_target
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.releases.cmdline import read_cmdline
from kho_tui.releases.table import Release
from kho_tui.subsystems.registry import builtin
from kho_tui.text import NO_TEXT, SafeText, visible

NOTHING_AMISS, CAUSE_FOUND, UNKNOWN = 0, 1, 2
MOST_IMAGES = 8
"""Kernel images of a directory that are looked at, the newest by name first: each is unpacked and searched."""
MAX_LOG = LOG_LIMIT
"""Bytes of a log that is given."""
_IMAGE = re.compile(r"(?:vmlinuz|vmlinux|bzImage|Image)(?:-(?P<release>.+?))?(?:\.efi|\.gz|\.img)?")
_FAILURE = re.compile(
    rb"fail|error|invalid|unable|cannot|could not|refus|reject|mismatch|corrupt|not supported|incompatible|exceed|-E[A-Z]{3}|"
    rb"too (?:small|large)",
    re.IGNORECASE,
)
"""Matches log messages that report a failure, also those that are not known here."""
_FEW_LINES = 20
_RELEASE = re.compile(
    r"\b(?:kernel|linux|release)s?(?: of| is)? v?(?P<behind>\d{1,2}\.\d{1,2}(?:\.\d{1,3})?)(?![.\d]*\d)"
    r"|(?<![\d.])(?P<before>\d{1,2}\.\d{1,2}(?:\.\d{1,3})?)[- ]kernel\b"
    r"|\b(?:on|under|running|in) v?(?P<on>\d{1,2}\.\d{1,2}(?:\.\d{1,3})?)(?![.\d]*\d)",
    re.IGNORECASE,
)
_KEXEC = re.compile(r"(?<![\d.])(\d{1,2}\.\d{1,2}(?:\.\d{1,3})?) ?(?:to|into|->|=>) ?(\d{1,2}\.\d{1,2}(?:\.\d{1,3})?)(?![.\d]*\d)")
_PARAMETERS = re.compile(r"(?<!\S)(?:kho|liveupdate|kho_scratch|reserve_mem|mem|memmap|debugfs|elfcorehdr|lockdown)=[!-~]+")
"""Parameters of the command line that the user names."""
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Checkup:
    """Every question with its answer."""

    subject: SafeText
    examined: tuple[Examined, ...]

    @property
    def exit_code(self) -> int:
        """1 where something is wrong, 2 where what decides on a handover is unknown, else 0."""
        if any(one.finding.standing is Standing.WRONG for one in self.examined):
            return CAUSE_FOUND
        return UNKNOWN if any(one.undecided for one in self.examined) else NOTHING_AMISS


@dataclass(frozen=True, slots=True)
class Answer:
    """The symptoms that were meant, each with its causes. ``others``: those that match less well.

    ``nearest``: where no symptom was meant, those whose words are alike. ``note``: what else is to be said; ``sound_log``: of a log with
    KHO messages, that none is of a failure.
    """

    subject: SafeText
    asked: SafeText
    explained: tuple[Explained, ...] = ()
    others: tuple[Symptom, ...] = ()
    nearest: tuple[Symptom, ...] = ()
    note: SafeText = NO_TEXT
    sound_log: bool = False
    left_out: SafeText = NO_TEXT
    """Why what this machine shows is no evidence; empty where it is."""

    @property
    def exit_code(self) -> int:
        """1 where evidence supports a cause, 0 where a log has no failure, else 2, also where evidence rules out all that is known."""
        if any(one.found for one in self.explained):
            return CAUSE_FOUND
        return NOTHING_AMISS if self.sound_log else UNKNOWN


@contextmanager
def case_of(
    path: str | Path | None,
    context: Context,
    *,
    log: bytes = b"",
    images: Path | None = None,
    rules: bool = False,
    implied: bool = False,
) -> Iterator[Case]:
    """What there is to weigh causes with. Raises InputError, ReadError or Cancelled.

    ``path``: this machine's kho tree or a capture, None: neither; ``log``: a kernel's log that the user gave. ``images``: a directory of
    kernels that might be loaded next, on this machine /boot where none is named. ``rules``: put the rules of ``check`` too.
    ``implied``: the user did not name this machine. One without KHO cannot have the symptom: then what it shows is no evidence.
    """
    registry = builtin()
    given = read_log(log, registry, MAX_LOG) if log else NO_LOG
    if path is None:
        if images is not None:
            raise InputError("--images asks what kernels would do with a state: name a capture too")
        yield Case(registry=registry, given=given, context=context)
        return
    with open_state(path, context, even_without_kho=True) as opened:
        runs = opened.state.machine.release
        if given.release is not None and runs is not None and given.release != runs:
            raise InputError(f"the log given is of kernel {visible(given.release)}, the state of {visible(runs)}: ask with one of them")
        folder = images
        hands_over = outgoing_or_none(opened.state) is not None
        if folder is None and hands_over and opened.sources.machine is not None:
            folder = probe.LIVE_ROOT / "boot"
        names = () if folder is None else _names_of_kernels(folder, asked_for=images is not None)

        @cache
        def look_at_kernels() -> tuple[Kernel, ...]:
            return tuple(_looked_at(names, opened, context))

        case = Case(
            registry=registry,
            state=opened.state,
            sources=opened.sources,
            memory=opened.memory,
            given=given,
            report=check_state(opened, context).report if rules and hands_over else None,
            changed=opened.changed or opened.sources.torn,
            look_at_kernels=look_at_kernels,
            context=context,
        )
        without_kho = case.facts.obstacle("tree") if implied and not case.shows_kho else None
        if without_kho is not None and without_kho.code == "not-built":
            set_aside = SafeText(
                f"for more give a capture or the log of the machine that you ask about; this one is left out: {without_kho.message}"
            )
            case = Case(registry=registry, given=given, set_aside=set_aside, context=context)
        yield case


def checkup(case: Case) -> Checkup:
    """Is anything amiss with this machine, or with the machine of this capture? Raises Cancelled."""
    return Checkup(case.subject, examine(case))


def explain_words(text: str, case: Case) -> Answer:
    """What the user's words, or a line of a log, stand for. Raises Cancelled."""
    said = spoken(text)
    lines = parse_dmesg(_as_log(text), case.registry)
    if lines:
        given = replace(case.given, messages=(*lines, *case.given.messages))
        case = replace(case, given=given, given_file=case.given_file if case.given.from_log else "message given")
    if case.cmdline is None and (parameters := " ".join(_PARAMETERS.findall(text))):
        case = replace(case, given=replace(case.given, cmdline=read_cmdline(parameters, whole=False)), given_file="words given")
    case = replace(case, kexec=_kexec_in(text, case.registry))
    if case.version is None and (release := _release_in(text, case.registry)) is not None:
        case = replace(case, given=replace(case.given, release=release), given_file="words given")
    chosen = select(said, lines, SYMPTOMS)
    answer = partial(Answer, subject=case.subject, asked=visible(text[:200]), left_out=case.set_aside)
    if chosen.symptoms:
        unknown = lines and not any(symptom.names_line(line.kind, line.text) for symptom in chosen.symptoms for line in lines)
        note = SafeText("this message is not known here; its words say" if unknown else "")
        # A log that is given with the words is of that machine: what it proves comes first.
        of_log = [symptom for symptom, _ in named_by(case).values()] if case.given.from_log else []
        explained = [explain(symptom, case, said) for symptom in dict.fromkeys((*chosen.symptoms, *of_log))]
        explained.sort(key=lambda one: not one.found)
        others = tuple(symptom for symptom in chosen.others if symptom not in of_log)
        return answer(explained=tuple(explained), others=others, note=note)
    if named := named_by(case):
        note = SafeText("not a symptom that is known here; the kernel's log names")
        return answer(explained=tuple(explain(symptom, case, said) for symptom, _ in named.values()), note=note)
    return answer(nearest=nearest(said, SYMPTOMS))


def explain_log(text: bytes, case: Case) -> Answer:
    """What a log that was given (``text``, and in ``case``) names as causes. Raises Cancelled.

    A few lines without a message of KHO are taken as words: what QEMU, kexec or an agent wrote.
    """
    answer = partial(Answer, subject=case.subject, asked=SafeText(case.given_file), left_out=case.set_aside)
    named = named_by(case)
    if named:
        return answer(explained=tuple(explain(symptom, case) for symptom, _ in named.values()))
    if case.given.messages:
        failing = [line for line in case.lines if line.kind == "warning" or _FAILURE.search(line.text)]
        if not failing and case.given.cut:
            return answer(note=SafeText("no KHO message of what was read is of a failure, and not all of it was read"))
        if not failing:
            return answer(note=SafeText("no KHO message of it is of a failure"), sound_log=True)
        of_words = explain_words(failing[0].text.decode("utf-8", "replace"), case)
        quoted = f"no cause is known for its message: {failing[0].evidence.value}"
        return of_words if of_words.explained else answer(note=SafeText(quoted))
    if not text.strip():
        return answer(note=SafeText("standard input is empty"))
    if text.count(b"\n") <= _FEW_LINES and len(text) <= MAX_WORDS:
        of_words = explain_words(text.decode("utf-8", "replace"), case)
        if of_words.explained:
            return of_words
    return answer(note=SafeText("there is no KHO message in it"))


def _release_in(text: str, registry: Registry) -> str | None:
    """The kernel that a text names, if its release is known and it is the only one."""
    named = {match["behind"] or match["before"] or match["on"] for match in _RELEASE.finditer(text)}
    return named.pop() if len(named) == 1 and all(registry.releases.of(name) is not None for name in named) else None


def _kexec_in(text: str, registry: Registry) -> tuple[Release, Release] | None:
    """The two releases of a kexec that a text names, if both are known."""
    match = _KEXEC.search(text)
    writer, reader = (None, None) if match is None else (registry.releases.of(match[1]), registry.releases.of(match[2]))
    return None if writer is None or reader is None else (writer, reader)


def _as_log(text: str) -> bytes:
    try:
        return text[:MAX_WORDS].encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text[:MAX_WORDS].encode("utf-8", "surrogatepass")


def _names_of_kernels(folder: Path, *, asked_for: bool) -> tuple[Path, ...]:
    """The images of a directory, the newest by name first. Raises InputError for a directory that was asked for and has none."""
    try:
        names = sorted((path.name for path in folder.iterdir() if _IMAGE.fullmatch(path.name)), key=_by_version, reverse=True)
    except OSError as error:
        if asked_for:
            raise InputError(f"{visible(str(folder))}: {error.strerror or 'cannot be read'}") from None
        return ()
    if asked_for and not names:
        raise InputError(f"{visible(str(folder))}: no kernel image in it (vmlinuz-*, vmlinux-*, bzImage-*, Image-*)")
    return tuple(folder / name for name in names[:MOST_IMAGES])


def _looked_at(images: tuple[Path, ...], opened: Opened, context: Context) -> Iterator[Kernel]:
    for number, image in enumerate(images):
        context.step("looking at the kernels of the directory", number, len(images))
        yield _kernel(image, opened, context)


def _kernel(path: Path, opened: Opened, context: Context) -> Kernel:
    shown = visible(str(path))
    initrd = _initrd_of(path)
    try:
        target = read_target(TargetRequest(str(path), initrd=initrd), context)
        found = check_target(opened, target, context=context)
    except (InputError, ReadError) as error:
        return Kernel(shown, None, SafeText(str(error)))
    return Kernel(shown, found, initrd=NO_TEXT if initrd is None else visible(initrd.name))


def _initrd_of(image: Path) -> Path | None:
    """The initrd of an image by the names that distributions give it; None where there is none."""
    match = _IMAGE.fullmatch(image.name)
    release = None if match is None else match["release"]
    if release is None:
        return None
    names = (f"initrd.img-{release}", f"initramfs-{release}.img", f"initrd-{release}", f"initrd-{release}.img")
    return next((image.with_name(name) for name in names if image.with_name(name).is_file()), None)


def _by_version(name: str) -> list[tuple[int, str]]:
    """Numbers as numbers, so that 6.9 comes before 6.19."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(name)]
