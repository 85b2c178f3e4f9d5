"""From a symptom, or none, to cause, evidence and remedy: on this machine, on a capture, or by a kernel's log alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from kho_tui.analysis.checkup.handover import named_by
from kho_tui.analysis.checkup.question import Examined, Standing
from kho_tui.analysis.checkup.table import examine
from kho_tui.analysis.symptoms.case import Case, Kernel
from kho_tui.analysis.symptoms.explain import Explained, explain
from kho_tui.analysis.symptoms.select import MAX_WORDS, nearest, said_words, select
from kho_tui.analysis.symptoms.table import SYMPTOMS
from kho_tui.capture import probe
from kho_tui.capture.dmesg import parse_dmesg, releases_of, starts_at_boot
from kho_tui.capture.reader import LOG_LIMIT
from kho_tui.context import Context
from kho_tui.errors import InputError, ReadError
from kho_tui.model.sides import outgoing_or_none
from kho_tui.operations.check_state import check_state
from kho_tui.operations.check_target import TargetRequest, check_target, read_target
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.subsystems.registry import builtin
from kho_tui.text import NO_TEXT, SafeText, visible

NOTHING_AMISS, CAUSE_FOUND, UNKNOWN = 0, 1, 2
MOST_IMAGES = 8
"""Kernel images of a directory that are looked at, the newest by name first: each is unpacked and searched."""
MAX_LOG = LOG_LIMIT
"""Bytes of a log that is given."""
_IMAGE = re.compile(r"(?:vmlinuz|vmlinux|bzImage|Image)(?:-(?P<release>.+?))?(?:\.efi|\.gz|\.img)?")
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
        deciding = any(one.question.decides and one.finding.standing is Standing.UNKNOWN for one in self.examined)
        return UNKNOWN if deciding else NOTHING_AMISS


@dataclass(frozen=True, slots=True)
class Answer:
    """The symptoms that were meant, each with its causes. ``others``: names of those that match less well.

    ``known``: where no symptom was meant, the words that are known, the nearest first. ``note``: what else is to be said; ``sound_log``: of
    a log with KHO messages, that none names a cause.
    """

    subject: SafeText
    asked: SafeText
    explained: tuple[Explained, ...]
    others: tuple[str, ...] = ()
    known: tuple[SafeText, ...] = ()
    note: SafeText = NO_TEXT
    sound_log: bool = False

    @property
    def exit_code(self) -> int:
        """1 where evidence supports a cause, 0 where it rules out all that are known or a log names none, else 2."""
        if not self.explained:
            return NOTHING_AMISS if self.sound_log else UNKNOWN
        if any(one.found for one in self.explained):
            return CAUSE_FOUND
        return NOTHING_AMISS if all(one.ruled_out for one in self.explained) else UNKNOWN


@contextmanager
def case_of(
    path: str | Path | None,
    context: Context,
    *,
    log: bytes = b"",
    images: Path | None = None,
    look_for_images: bool = False,
    rules: bool = False,
) -> Iterator[Case]:
    """What there is to weigh causes with. Raises InputError, ReadError or Cancelled.

    ``path``: this machine's kho tree or a capture, None: neither; ``log``: a kernel's log that the user gave. ``images``: a directory of
    kernels that might be loaded next; ``look_for_images``: on this machine /boot where none is named.
    ``rules``: put the rules of ``check`` too.
    """
    registry = builtin()
    log = log[:MAX_LOG]
    given = parse_dmesg(log, registry)
    banners = sorted(releases_of(log))
    release = banners[-1] if len(banners) == 1 else None
    if path is None:
        yield Case(registry=registry, given=given, given_release=release, given_whole=starts_at_boot(log), context=context)
        return
    with open_state(path, context, even_without_kho=True) as opened:
        folder = images
        hands_over = outgoing_or_none(opened.state) is not None
        if folder is None and look_for_images and hands_over and opened.sources.machine is not None:
            folder = probe.LIVE_ROOT / "boot"
        yield Case(
            registry=registry,
            state=opened.state,
            sources=opened.sources,
            memory=opened.memory,
            given=given,
            given_release=release,
            given_whole=starts_at_boot(log),
            report=check_state(opened, context).report if rules and hands_over else None,
            changed=opened.changed,
            kernels=() if folder is None else tuple(_kernels(folder, opened, context, asked_for=images is not None)),
            context=context,
        )


def checkup(case: Case) -> Checkup:
    """Is anything amiss with this machine, or with the machine of this capture? Raises Cancelled."""
    return Checkup(case.subject, examine(case))


def asks_kernels(text: str) -> bool:
    """Whether the images that might be loaded next matter for what the user's words stand for."""
    chosen = select(text, parse_dmesg(_as_log(text), builtin()), SYMPTOMS)
    return any(one.asks_kernels for one in chosen.symptoms)


def explain_words(text: str, case: Case) -> Answer:
    """What the user's words, or a line of a log, stand for. Raises Cancelled."""
    lines = parse_dmesg(_as_log(text), case.registry)
    if lines:
        case = replace(case, given=(*lines, *case.given), given_file="message given" if not case.given else case.given_file)
    chosen = select(text, lines, SYMPTOMS)
    asked = visible(text[:200])
    if not chosen.symptoms:
        return Answer(case.subject, asked, (), known=nearest(text, SYMPTOMS))
    spoken = said_words(text)
    return Answer(
        case.subject, asked, tuple(explain(one, case, spoken) for one in chosen.symptoms), tuple(one.name for one in chosen.others)
    )


def explain_log(case: Case) -> Answer:
    """What a log that was given names as causes; of a log without a message of KHO that is unknown. Raises Cancelled."""
    found = named_by(case)
    asked = SafeText(case.given_file)
    if found:
        return Answer(case.subject, asked, tuple(explain(symptom, case) for symptom, _ in found.values()))
    if case.given:
        return Answer(case.subject, asked, (), note=SafeText("no KHO message of it names a cause"), sound_log=True)
    return Answer(case.subject, asked, (), note=SafeText("there is no KHO message in it"))


def _as_log(text: str) -> bytes:
    try:
        return text[:MAX_WORDS].encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text[:MAX_WORDS].encode("utf-8", "surrogatepass")


def _kernels(folder: Path, opened: Opened, context: Context, *, asked_for: bool) -> Iterator[Kernel]:
    """The kernels of a directory with what each would do. Raises InputError for a directory that was asked for and cannot be read."""
    try:
        names = sorted((path.name for path in folder.iterdir() if _IMAGE.fullmatch(path.name)), key=_by_version, reverse=True)
    except OSError as error:
        if asked_for:
            raise InputError(f"{visible(str(folder))}: {error.strerror or 'cannot be read'}") from None
        return
    if asked_for and not names:
        raise InputError(f"{visible(str(folder))}: no kernel image in it (vmlinuz-*, vmlinux-*, bzImage-*, Image-*)")
    for number, name in enumerate(names[:MOST_IMAGES]):
        context.step("looking at the kernels of the directory", number, len(names))
        yield _kernel(folder / name, opened, context)


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
