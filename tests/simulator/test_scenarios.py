"""Scenarios: those in samples/ play, decode to what they said, and a mistake is named by file, line and key."""

from __future__ import annotations

import pytest
from encode.equal import plain

from kho_tui.errors import InputError
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.handover import Handover
from kho_tui.simulator.contents import Counting, FileContents, crc32
from kho_tui.simulator.new_scenario import new_scenario
from kho_tui.simulator.scenario import boot, parse_scenario
from kho_tui.simulator.steps import Kexec
from kho_tui.subsystems.kho_test.plain import PlainTest
from kho_tui.subsystems.luo.plain import PlainLuo
from kho_tui.subsystems.luo.steps import Retrieve
from kho_tui.subsystems.memfd.plain import PlainMemfd
from kho_tui.subsystems.registry import builtin

from .playing import SCENARIOS, first_stage, memfd_of, opened, scenario

PlainTest.__test__ = False  # type: ignore[attr-defined]  # the kernel's name, not a test
NAMES = sorted(path.stem for path in SCENARIOS.glob("*.toml"))
LARGE = {"host-2tib", "limits-7.3"}


def played(name: str) -> tuple[Handover, SparseImage]:
    one = scenario(name)
    user = boot(one)
    done = first_stage(user, one)
    assert done is not None
    image = SparseImage(one.machine.page_size)
    user.kernel.write(image, 0)
    return done, image


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LARGE])
def test_what_a_scenario_leaves_opens_as_the_very_same_handover(name: str) -> None:
    done, image = played(name)
    assert plain(opened(image, done.platform)) == plain(done)


def test_a_host_of_2_tib_and_300_guests_costs_megabytes() -> None:
    done, image = played("host-2tib")
    assert done.runs.bytes > 1800 << 30
    assert image.total_bytes < 64 << 20
    luo = done.by_name()[b"LUO"].content
    assert isinstance(luo, PlainLuo) and len(luo.sessions) == 300
    nodes = {
        int(file.content.folios[0, 0]) >> 27 for session in luo.sessions for file in session.files if isinstance(file.content, PlainMemfd)
    }
    assert len(nodes) >= 4


def test_every_producer_at_its_limit() -> None:
    done, _ = played("limits-7.3")
    luo = done.by_name()[b"LUO"].content
    assert isinstance(luo, PlainLuo) and luo.flb_page is not None
    assert (len(luo.sessions), len(luo.pages), len(luo.sessions[0].files), len(luo.flb_page.flbs)) == (2040, 40, 1000, 63)


def test_holes_seals_and_position_reach_the_file() -> None:
    done, _ = played("huge-folios")
    luo = done.by_name()[b"LUO"].content
    assert isinstance(luo, PlainLuo)
    first, second, empty, text = (file.content for file in luo.sessions[0].files)
    assert isinstance(first, PlainMemfd) and isinstance(second, PlainMemfd) and isinstance(empty, PlainMemfd) and text is not None
    assert second.folios[:, 0].tolist() == [0x80000000 >> 14]
    assert empty.area is None
    assert first.folios[-1, 2] + 64 == 67 << 6


def test_contents_are_those_of_the_scenario() -> None:
    one = scenario("story-7.3")
    user = boot(one)
    first_stage(user, one)
    file = memfd_of(user, b"vm-beta", 0xDEADBEEF)
    assert crc32(file.contents, file.size) == crc32(FileContents(Counting(3), 3000000), 3000000)
    image = SparseImage(4096)
    user.kernel.write(image, 1 << 23)
    assert image.read(int(file.addresses[1]), 4096) == Counting(3).read(4096, 4096)
    last = image.read(int(file.addresses[-1]), 4096)
    assert last[3000000 % 4096 :].strip(b"\0") == b""


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    one, again = (played("story-7.3")[0] for _ in range(2))
    assert plain(one) == plain(again)
    other = parse_scenario((SCENARIOS / "story-7.3.toml").read_text().replace("seed = 1", "seed = 2"), "other", builtin())
    user = boot(other)
    moved = first_stage(user, other)
    assert moved is not None and plain(moved) != plain(one)


def test_stages_end_with_a_kexec() -> None:
    chain = scenario("chain")
    assert len(chain.stages) == 6
    assert chain.stages[2].kexec == Kexec("7.3", "7.3.4", where="chain.toml:75: step 13 (kexec)")
    assert isinstance(chain.stages[5].steps[0].action, Retrieve) and chain.stages[5].kexec is None


def test_the_new_scenario_plays() -> None:
    one = parse_scenario(new_scenario(), "new.toml", builtin())
    assert first_stage(boot(one), one) is not None


@pytest.mark.parametrize(
    ("find", "put", "at", "message"),
    [
        ("release = ", "relase = ", "relase", "relase: unknown: did you mean release"),
        ('release = "7.3"', 'release = "8.0"', '"8.0"', "release: it is one of 6.16"),
        ('"5M"', '"5Q"', "5Q", "size: no number"),
        ('do = "memfd"', 'do = "memdf"', "memdf", "do: no such step: did you mean memfd"),
        ('"SHRINK"', '"SHRINKS"', "SHRINKS", "seals: a list of SEAL"),
        ('name = "vm-alpha"', 'title = "vm-alpha"', "title", "title: unknown"),
        ('do = "memfd"\nsession = "vm-alpha"', 'do = "memfd"', '[[step]]\ndo = "memfd"', "session is missing"),
        ("[kernel]", "[kernle]", "[kernle]", "kernle: unknown: did you mean kernel"),
        ('"512M", "512M"', '"511M", "512M"', "[machine]", "machine: memory at"),
        ('page_size = "4K"', 'page_size = "5K"', "5K", "page_size: it is one of"),
    ],
)
def test_a_mistake_is_named_by_file_line_and_key(find: str, put: str, at: str, message: str) -> None:
    text = new_scenario()
    assert find in text
    wrong = text.replace(find, put, 1)
    line = wrong[: wrong.index(at)].count("\n") + 1
    with pytest.raises(InputError) as caught:
        parse_scenario(wrong, "new.toml", builtin())
    assert str(caught.value).startswith(f"new.toml:{line}: {message}")


def test_what_is_no_toml_is_named_by_file_and_line() -> None:
    with pytest.raises(InputError, match=r"new.toml: .* \(at line 3"):
        parse_scenario("[machine]\n\na = = 1\n", "new.toml", builtin())


def test_a_step_that_fails_or_does_not_fail_as_said_names_its_line() -> None:
    head = new_scenario().split("[[step]]")[0]
    twice = head + '[[step]]\ndo = "session"\nname = "a"\n[[step]]\ndo = "session"\nname = "a"\n'
    one = parse_scenario(twice, "x.toml", builtin())
    with pytest.raises(InputError, match=r"x.toml:\d+: step 2 \(session\): luo_session_create: -EEXIST: a session a is there"):
        boot(one).perform(one.stages[0].steps)
    wrong = parse_scenario(head + '[[step]]\ndo = "session"\nname = "a"\nexpect = "ENOMEM"\n', "x.toml", builtin())
    with pytest.raises(InputError, match="expected -ENOMEM, but the call succeeded"):
        boot(wrong).perform(wrong.stages[0].steps)


def test_a_subtree_that_was_never_added_is_named_by_file_line_and_step() -> None:
    head = new_scenario().split("[[step]]")[0]
    line = head.count("\n") + 1
    text = head + '[[step]]\ndo = "remove"\nname = "gone"\n'
    one = parse_scenario(text, "x.toml", builtin())
    with pytest.raises(InputError, match=rf"^x.toml:{line}: step 1 \(remove\): kho_remove_subtree: -ENOENT: no subtree gone was added"):
        boot(one).perform(one.stages[0].steps)
    expected = parse_scenario(text + 'expect = "ENOENT"\n', "x.toml", builtin())
    boot(expected).perform(expected.stages[0].steps)


@pytest.mark.parametrize(
    ("pin", "message"),
    [
        ('"0x100000001"', "pins: root FDT: the block at 0x100000001 is not aligned to its 4096 bytes"),
        ('"0xfffffffff000"', "pins: root FDT: 4096 bytes at 0xfffffffff000 are not all free"),
        ('"3x"', "pins: root FDT: no number"),
    ],
)
def test_a_pin_that_cannot_be_had_is_named_by_file_line_and_key(pin: str, message: str) -> None:
    text = new_scenario() + f'[pins]\n"LUO" = []\n"root FDT" = [{pin}]\n'
    line = text.count("\n")
    with pytest.raises(InputError) as caught:
        boot(parse_scenario(text, "x.toml", builtin()))
    assert str(caught.value).startswith(f"x.toml:{line}: {message}")
