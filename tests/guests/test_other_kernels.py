"""Running machines whose kernels list no variables in /proc/kallsyms (no CONFIG_KALLSYMS_ALL), of four releases, before and after a kexec.

Nobody but a search of RAM tells where the outgoing root FDT is. What debugfs shows all the same is shown, what is unknown says why, and
what a search finds is what the next kernel is handed.
"""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from comparable import decoded

from guests.guest import Guest, Ran, kernel, why_not

pytestmark = [pytest.mark.qemu, pytest.mark.guest, pytest.mark.shared]

SLOW = 600.0
"""Seconds that a process of the program may take for ten commands under software emulation on a busy host."""
SHOW = ("show", "--json", "--blocks")
NOT_LISTED = "/proc/kallsyms does not list kho_out (CONFIG_KALLSYMS_ALL off)"


class Release(NamedTuple):
    """``abi``: of its root FDT; ``root``: bytes of it that debugfs shows at the first boot, None: none before out/finalize has 1."""

    abi: str
    root: int | None
    has_luo: bool = True


RELEASES = {
    "7.3": Release("kho-v4", 233),
    "7.1": Release("kho-v3", 233),
    "6.19": Release("kho-v1", 152),
    "6.18": Release("kho-v1", None, has_luo=False),
}


class Looked(NamedTuple):
    """What the commands gave: documents, and the text of ``show``."""

    text: str
    shown: Any
    searched: Any
    checked: Any
    mapped: Any
    why: Any
    owner: Ran

    @property
    def out(self) -> Any:
        return self.shown["sides"]["out"]

    @property
    def found(self) -> Any:
        return self.searched["sides"]["out"]

    def question(self, name: str) -> Any:
        return next(one for one in self.why["checkup"] if one["question"] == name)


def program(guest: Guest, *commands: tuple[str, ...]) -> list[Ran]:
    """What several commands of kho-tui did, run in the guest by one process."""
    shutil.copy(Path(__file__).with_name("many_commands.py"), guest.share)
    line = f"python3 /share/many_commands.py {shlex.quote(json.dumps(commands))}"
    return [Ran(*done) for done in json.loads(guest.check(line, SLOW))]


def look(guest: Guest, name: str, address: str) -> Looked:
    """Look at the guest in all ways; a capture of it is kept as ``name``.tar.gz in the share, and shows the same."""
    capture = f"/share/{name}.tar.gz"
    ran = program(
        guest,
        ("show",),
        SHOW,
        (*SHOW, "--search"),
        ("check", "--json"),
        ("map", "--json", "--search"),
        ("why", "--json"),
        ("whois", "/sys/kernel/debug/kho", address, "--search"),
        ("capture", "-o", capture),
        (*SHOW, capture),
    )
    text, shown, searched, checked, mapped, why, owner, captured, again = ran
    for one in ran:
        assert "Traceback" not in one.out + one.err and (one.out or one.err)
    assert (text.status, shown.status, searched.status, again.status) == (0, 0, 0, 0)
    # Without KALLSYMS_ALL, and after a kexec without out/fdt, all that the outgoing root FDT leads to is lost (from 6.19 on).
    lost = [line for line in captured.err.splitlines() if "could not read" in line]
    assert captured.status == len(lost) <= (name == "after"), captured.err
    assert all("could not read memory.elf: /proc/kallsyms does not list kho_out" in line for line in lost)
    live, taken = json.loads(shown.out), json.loads(again.out)
    assert decoded(taken) == decoded(live)
    # A capture says of itself what it lacks.
    assert [one["code"] for one in taken["findings"]] == [*(["KHO115"] if lost else []), *(one["code"] for one in live["findings"])]
    return Looked(
        text=text.out,
        shown=live,
        searched=json.loads(searched.out),
        checked=json.loads(checked.out),
        mapped=json.loads(mapped.out),
        why=json.loads(why.out),
        owner=owner,
    )


def scratch_of(guest: Guest) -> list[tuple[int, int]]:
    phys, lengths = (guest.check(f"cat /sys/kernel/debug/kho/out/{name}").split() for name in ("scratch_phys", "scratch_len"))
    return [(int(start, 16), int(size, 16)) for start, size in zip(phys, lengths, strict=True)]


def areas(document: Any) -> list[tuple[int, int]]:
    return [(int(one["start"], 16), one["size"]) for one in document["scratch"]]


def pages(side: Any) -> set[int]:
    return {(int(address, 16) >> 12) + page for address, order in side["preserved"]["block_list"] for page in range(1 << order)}


def unowned(mapped: Any) -> set[int]:
    ranges = [(int(start, 16) >> 12, size >> 12) for start, size in mapped["sums"]["unowned_ranges"]]
    return {page for first, count in ranges for page in range(first, first + count)}


def subtree(side: Any, name: str) -> Any:
    return next(one for one in side["subtrees"] if one["name"] == name)


@pytest.mark.parametrize("name", RELEASES)
def test_before_and_after_a_kexec(name: str) -> None:
    if reason := why_not(kernel(name)):
        pytest.skip(reason)
    abi, root, has_luo = RELEASES[name]
    command_line = "kho=on liveupdate=on reserve_mem=4096:4096:oops_trace"
    with Guest(kernel(name), memory_mib=448, project=True, cmdline=command_line) as guest:
        held: set[int] = set()
        if has_luo:
            guest.check("hold_state hold /share/truth.json")
            truth = json.loads((guest.share / "truth.json").read_text())
            held = {pfn for one in truth["sessions"] for file in one["files"] for pfn in file["pfns"]}
        else:
            assert guest.run("test -e /dev/liveupdate").status == 1
        page = min(held, default=1)
        if root is None:
            (early,) = program(guest, SHOW)
            side = json.loads(early.out)["sides"]["out"]
            assert side["fdt"] is None and side["preserved"]["reason"].startswith("not finalized: this release builds the root FDT when")
        finalizes = abi == "kho-v1"
        if finalizes:
            guest.check("echo 1 > /sys/kernel/debug/kho/out/finalize")
        shows = guest.check("wc -c < /sys/kernel/debug/kho/out/fdt")
        assert root is None or int(shows) == root

        before = look(guest, "before", f"pfn:{page:#x}")
        assert areas(before.shown) == scratch_of(guest)
        # What debugfs has of the root FDT is shown as that; where it is, is not known.
        assert before.out["abi"] == abi and before.out["fdt"]["phys"] is None and before.out["fdt"]["available"] == int(shows)
        assert before.out["fdt"]["truncated"] is (root is not None)
        assert before.question("memory")["answer"] == ("ok" if root is None else "wrong")
        assert root is None or NOT_LISTED in before.question("memory")["says"]
        # A search finds it, and with it all that the guest's program holds.
        assert before.found["fdt"]["phys"] is not None and not before.found["fdt"]["truncated"]
        assert before.found["preserved"]["state"] == "decoded" and before.mapped["sums"]["hold"] is True
        assert held <= pages(before.found)
        if before.out["preserved"]["state"] == "decoded":
            assert before.out["preserved"] == before.found["preserved"]
        region = subtree(before.out, "memblock")["content"]["regions"]
        assert [one["name"] for one in region] == ["oops_trace"] and (int(region[0]["start"], 16) >> 12) in pages(before.found)
        if has_luo:
            # LUO writes them in liveupdate_reboot() alone (kernel/liveupdate/luo_core.c, 6.19 to 7.3): until then nobody owns their pages.
            assert subtree(before.out, "LUO")["content"]["sessions"] is None and "only inside the reboot call" in before.text
            assert before.owner.status == 2 and "preserved, but no owner: sessions not written yet" in before.owner.out
            assert held <= unowned(before.mapped)

        guest.kexec()
        after = look(guest, "after", f"pfn:{page:#x}")
        assert areas(after.shown) == scratch_of(guest) == areas(before.shown)
        # The search was right: that is what this kernel was handed.
        handed = after.shown["sides"]["in"]
        assert handed["fdt"]["phys"] == before.found["fdt"]["phys"] and not handed["fdt"]["truncated"] and handed["abi"] == abi
        assert handed["preserved"]["state"] == "stale" and handed["preserved"]["blocks"] is None
        assert subtree(handed, "memblock")["content"]["regions"] == region
        assert guest.run("test -e /sys/kernel/debug/kho/out/fdt").status == 1
        assert after.out["fdt"] is None and after.out["preserved"]["blocks"] is None
        if root is None:
            assert "not finalized" in after.out["preserved"]["reason"] and after.found["fdt"] is None
            assert after.question("memory")["answer"] == "ok"
        else:
            assert NOT_LISTED in after.text and "--search" in after.text
            assert after.question("memory")["answer"] == "wrong"
            assert after.found["abi"] == abi and after.found["fdt"]["phys"] not in (None, handed["fdt"]["phys"])
            assert (after.found["preserved"]["state"] == "decoded") is not finalizes
        if has_luo:
            guest.check("hold_state retrieve /share/report.json")
