"""What became of LUO, its sessions, files and FLBs: all of them are reached through LUO's own memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from kho_tui.abi.luo import HAS_FLBS, IGNORES_FILE_ERRORS, LUO
from kho_tui.analysis.diff.ends import handed_on, kept, made, unspoken
from kho_tui.analysis.diff.facet import Contents
from kho_tui.analysis.diff.log import Failure, quoted, says_kho_is_off
from kho_tui.analysis.diff.switched_off import whole_cmdline
from kho_tui.analysis.diff.teller import Contradiction, Teller, differing
from kho_tui.layout.arrays import U64s
from kho_tui.layout.struct import Unit
from kho_tui.model.change import EntityFate, Fate, FieldChange
from kho_tui.model.entity import Entity
from kho_tui.model.facts import Missing, NotWritten, Status
from kho_tui.model.path import EntityPath
from kho_tui.model.sessions import File
from kho_tui.model.state import LogLine, Subtree
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.luo.shared_folios import with_shared_folios
from kho_tui.text import SafeText, c_string

NOT_WRITTEN_YET = SafeText("written inside the reboot call, after A was taken")
"""Entries, counts and pointers of LUO in a copy that debugfs gave before (kernel/liveupdate/luo_session.c)."""

_FILE_DEPTH = 4
"""Parts of the path of a file; what is below it is a part of it."""
_LISTS = frozenset({"sessions", "FLBs"})
_SESSION = ("session", "session-list")
_OF_A_SESSION = frozenset({"session", "session-list", "handler", "folio"})
"""Lines that name what a line without a name ("file") speaks of: the kernel prints both."""
_LINES = _OF_A_SESSION | {"luo", "file", "flb"}
_PREFIX = re.compile(rb"(?:\w+_)?luo: ")
"""Of the lines of LUO and of its file handlers."""


class LuoTeller(Teller):
    """By the log, by what runs in the next kernel, and by the files that it preserves again."""

    lost_if_altered = True
    named_restores = frozenset({"folio"})

    @staticmethod
    def is_part(entity: Entity) -> bool:
        """What is below a file is told with it, a list that could be read with what is in it."""
        read = entity.kind in _LISTS and entity.status in (Status.DECODED, Status.PARTIAL)
        return read or len(entity.path.parts) > _FILE_DEPTH

    @property
    def _files(self) -> tuple[File, ...]:
        return self.subtree.content.files if isinstance(self.subtree.content, Luo) else ()

    @cached_property
    def _folios(self) -> Mapping[EntityPath, U64s]:
        """Physical addresses of the folios that are the contents of each file."""
        page_shift = self.ends.old.machine.platform.page_shift
        return {file.path: file.content.heads(page_shift) for file in self._files if not isinstance(file.content, Missing)}

    @cached_property
    def _holders(self) -> Mapping[Failure, tuple[EntityPath, ...]]:
        """For each line on a folio the files that list it: the kernel names the physical address of the first page."""
        return {
            failure: tuple(path for path, folios in self._folios.items() if bool((folios == int(failure.subject, 16)).any()))
            for failure in self.ends.log.failures_of("folio")
        }

    @cached_property
    def _preserved_again(self) -> Mapping[Contents, EntityPath]:
        """The files that the next kernel preserves itself, by what they hold."""
        onward = self.ends.onward
        contents = () if onward is None else ((path, onward.contents(path)) for path in onward.files)
        return {held: path for path, held in contents if held is not None and held.telling}

    @cached_property
    def _again(self) -> Mapping[EntityPath, tuple[EntityPath, Contents]]:
        """Files of A, with where the next kernel preserves the same again."""
        contents = ((file.path, self.ends.before.contents(file.path)) for file in self._files if self._preserved_again)
        return {path: (self._preserved_again[held], held) for path, held in contents if held is not None and held in self._preserved_again}

    @cached_property
    def _said(self) -> LogLine | None:
        """The line that tells the live update number."""
        return next(self.ends.log.of("liveupdate"), None)

    @cached_property
    def _off(self) -> SafeText | None:
        """Why LUO does not run in the next kernel, so that nobody can retrieve what it was handed; None: it does, or that is unknown.

        It runs where ``liveupdate=`` switches it on and KHO is on (kernel/liveupdate/luo_core.c, 6.19 on).
        """
        log, release, registry = self.ends.log, self.ends.release, self.ends.new.registry
        disabled = (line for line in log.of("disabled") if line.side != "in" and not says_kho_is_off(line))
        said = log.kho_off or next((quoted(line) for line in disabled), None)
        if said is not None or release is None:
            return said
        if registry.of(release, LUO) is None:
            return None if self._is_backported() else SafeText(f"{release.name} has no LUO")
        line = whole_cmdline(self.ends.new)
        if self.ends.kho_off is not None or line is None or line.liveupdate:
            return self.ends.kho_off
        return SafeText("the next kernel's command line does not switch LUO on (liveupdate=)")

    @property
    def _handed_on(self) -> tuple[Subtree, ...]:
        """The subtrees that the next kernel would hand over itself."""
        return () if self.ends.onward is None else self.ends.onward.side.subtrees

    def _is_backported(self) -> bool:
        """Whether a kernel of a release without LUO has it all the same."""
        return any(_PREFIX.match(line.text) for line in self.ends.log.lines) or any(subtree.name == LUO.name for subtree in self._handed_on)

    def failures(self) -> Iterator[Failure]:
        """All that LUO and the file handlers print, less what cannot be told of one thing and is told otherwise."""
        log = self.ends.log
        named = any(failure.what in _OF_A_SESSION for failure in log.failures)
        for failure in log.failures:
            shared = self.ends.release is not None and len(self._holders.get(failure, ())) > 1
            if failure.what in _LINES and not (failure.what == "file" and named) and not shared:
                yield failure

    def failures_of(self, entity: Entity) -> Iterator[Failure]:
        """By the name of a session or FLB, by a file's handler, and by a folio that only one file lists."""
        log = self.ends.log
        match entity.kind:
            case "subtree":
                yield from log.failures_of("luo")
            case "session":
                for what in _SESSION:
                    yield from log.failures_of(what, _text_of(entity, "name"))
            case "FLB":
                yield from log.failures_of("flb", _text_of(entity, "name"))
            case "file":
                yield from log.failures_of("handler", _text_of(entity, "compatible"))
                yield from (failure for failure, paths in self._holders.items() if paths == (entity.path,))

    def contradiction(self) -> Contradiction | None:
        """Another number in the log than A has."""
        luo, line = self.subtree.content, self._said
        if line is None or not isinstance(luo, Luo) or not isinstance(luo.number, int):
            return None
        fields = differing(FieldChange("liveupdate number", Unit.COUNT, luo.number, int(line.subject or b"0")))
        return Contradiction(f"another live update was retrieved: {quoted(line)}", fields) if fields else None

    def arrival(self) -> SafeText | None:
        """The line with the number."""
        return None if self._said is None else quoted(self._said)

    def unseen(self, entity: Entity) -> EntityFate:
        """The struct is freed at early initcall, the FDT is not (kernel/liveupdate/luo_core.c)."""
        root = self.ends.before.side.root
        form = None if isinstance(root, Missing) else self.ends.old.registry.formats(LUO).in_root(root.compatible)
        if form is None:
            return unspoken(entity)
        struct = "stale: the struct is freed at early initcall, and no log line speaks of it"
        return made(Fate.UNTOLD, entity, struct if form.is_struct else "not in B, and no line of its log speaks of it")

    def fate(self, entity: Entity) -> EntityFate:
        """Retrieved where it is preserved again, lost where nothing can be retrieved."""
        match entity.kind:
            case "session":
                again = [self._again[child.path][0] for child in entity.children() if child.path in self._again]
                if again:
                    return kept(entity, f"retrieved: B preserves pages of its files again, as {again[0]}", again[0].parent)
                return self._unless_no_session(entity, "stale: LUO frees the list of sessions once it has read it")
            case "file":
                if entity.path in self._again:
                    path, held = self._again[entity.path]
                    return kept(entity, f"retrieved: B preserves the same {held.words} again, as {path}", path)
                return self._unless_no_session(entity, "stale: its pages are no longer marked once user space has retrieved it")
            case "FLB":
                said = self._found_flbs.get(_text_of(entity, "name"))
                if said is not None:
                    return kept(entity, said)
                if self._off is None and self._without_flbs is not None:
                    return made(Fate.LOST, entity, self._without_flbs)
                # The page goes with the last file that uses an FLB.
                return self._unless_off(entity, "stale, and no line of the log speaks of it")
            case "sessions" | "FLBs":
                return self._unread_list(entity)
        return unspoken(entity)

    @cached_property
    def _without_flbs(self) -> SafeText | None:
        """Why the next kernel has LUO without FLBs, by its release; None: it may have them, and has where it hands a page of them on."""
        release, registry = self.ends.release, self.ends.new.registry
        if release is None or registry.of(release, LUO) is None or HAS_FLBS.covers(release.version) is not False:
            return None
        return SafeText(f"{release.name} has no FLBs") if all(subtree.flbs is None for subtree in self._handed_on) else None

    @cached_property
    def _found_flbs(self) -> Mapping[bytes, SafeText]:
        """The line of the one that asks for an FLB, by its name."""
        lines = [line for line in self.ends.log.of("flb") if line.text.endswith(b"found flb data from the previous boot")]
        return {line.subject or b"": quoted(line) for line in reversed(lines)}

    def _unread_list(self, entity: Entity) -> EntityFate:
        """A list that is not told before: written later, or not to be read."""
        luo = self.subtree.content
        if isinstance(luo, Luo) and isinstance(luo.sessions if entity.kind == "sessions" else luo.flbs, NotWritten):
            return made(Fate.MAY, entity, NOT_WRITTEN_YET)
        return made(Fate.UNTOLD, entity, f"not known before: {entity.reason or entity.status.value}")

    def _unless_no_session(self, entity: Entity, stale: str) -> EntityFate:
        """Every open of /dev/liveupdate fails where the sessions could not be taken over (luo_session.c)."""
        fatal = {"session-list"}
        release, has_luo = self.ends.release, self.ends.new.registry.of(self.ends.release, LUO) is not None
        if release is not None and has_luo and not IGNORES_FILE_ERRORS.covers(release.version):
            fatal |= {"session", "handler"}
        failure = next((failure for failure in self.ends.log.failures if failure.what in fatal), None)
        if failure is not None:
            return made(Fate.LOST, entity, f"no session can be retrieved: {failure.said}")
        return self._unless_off(entity, stale)

    def _unless_off(self, entity: Entity, stale: str) -> EntityFate:
        return made(Fate.UNTOLD, entity, stale) if self._off is None else made(Fate.LOST, entity, f"nobody can retrieve it: {self._off}")

    def settled(self, fates: Iterable[EntityFate]) -> Iterable[EntityFate]:
        """A folio is restored once, for whoever asks first."""
        if self.ends.release is None:
            return fates
        warned = next((f"; {failure.said}" for failure in self.ends.log.failures_of("restore")), "")
        return with_shared_folios(fates, self._folios, warned)

    def follows(self) -> bool:
        """Where it runs."""
        return self._said is not None and self._off is None

    def followed(self, other: Subtree, *, must: bool) -> Iterator[EntityFate]:
        """One live update more."""
        luo, after = self.subtree.content, other.content
        if not isinstance(luo, Luo) or not isinstance(after, Luo):
            yield from super().followed(other, must=must)
        elif isinstance(luo.number, Missing) or isinstance(after.number, Missing):
            missing = luo.number if isinstance(luo.number, Missing) else after.number
            assert isinstance(missing, Missing)
            yield handed_on(Fate.UNTOLD, self.subtree, other, missing.reason)
        else:
            yield self.counted(other, "liveupdate number", luo.number, after.number)


def _text_of(entity: Entity, field: str) -> bytes:
    """The text of one of an entity's fields, up to its NUL; empty where it has no such field."""
    values = (value.value for value in entity.detail().values if value.name == field)
    return next((c_string(value) for value in values if isinstance(value, bytes)), b"")
