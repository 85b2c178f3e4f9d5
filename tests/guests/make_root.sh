#!/bin/sh
# Makes the root directory of the test guests: Debian bookworm with python3, what kho-tui needs, kexec-tools and makedumpfile.
# For machines that cannot be their guests' root directory themselves (../guest_directory.py).
#
#   make_root.sh DIRECTORY [SITE-PACKAGES]
#
# DIRECTORY       where the root goes, outside the checkout; 275 MB, one or two minutes. Tests look in $KHO_GUEST_ROOT, or /var/tmp/kho-guest-root.
# SITE-PACKAGES   where the Python packages are copied from: an environment of CPython 3.11 in which kho-tui is installed with its
#                 dependencies (Debian 12 has 3.11 too, so that compiled modules fit). Default: that of the python3 in the PATH.
#
# Needs root, debootstrap, and a mirror: $KHO_GUEST_MIRROR, or the first one in this machine's apt sources.
# What is there already is left alone: a second run only brings the Python packages up to date (not while a guest runs), which takes some
# seconds. After an interrupted run it starts anew.
# The guest mounts this directory read-only; its init comes in an initrd (guest.py, agent.c), so that none is installed here.
set -eu

SUITE=bookworm
PACKAGES=python3,kexec-tools,makedumpfile,bsdextrautils,strace
# Empty directories that the guest mounts something on.
MOUNT_POINTS="share proc sys dev run tmp root var/tmp"

say() { echo "make_root: $*" >&2; }
fail() { say "$*"; exit 1; }

[ $# -ge 1 ] && [ $# -le 2 ] || fail "usage: make_root.sh DIRECTORY [SITE-PACKAGES]"
[ "$(id -u)" = 0 ] || fail "has to run as root (debootstrap makes device nodes and changes root)"
PATH=$PATH:/usr/sbin:/sbin
command -v debootstrap >/dev/null || fail "debootstrap is not installed (Debian, Ubuntu: apt install debootstrap)"
command -v python3 >/dev/null || fail "python3 is not in the PATH"

checkout=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
root=$(cd "$1" && pwd)
case $root/ in
"$checkout"/* | /)
    rmdir "$root" 2>/dev/null || true
    fail "$root: not inside the checkout, please"
    ;;
esac
done_mark=$root/.kho-guest-root

# The first http mirror that has the suite: one-line sources and deb822 ones.
mirror() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        sed -n "s/^deb  *\(\[[^]]*\] *\)\{0,1\}\(https\{0,1\}:[^ ]*\)  *$SUITE .*/\2/p"
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -r "$file" ] || continue
        awk -v suite="$SUITE" '
            /^#/ { next }
            /^URIs:/ { uri = $2 }
            /^Suites:/ { for (i = 2; i <= NF; i++) if ($i == suite) has = 1 }
            /^[ \t]*$/ { if (has && uri) print uri; has = 0; uri = "" }
            END { if (has && uri) print uri }' "$file"
    done
}

if [ -e "$done_mark" ]; then
    say "$root: already there"
else
    from=${KHO_GUEST_MIRROR:-$(mirror | head -n 1)}
    [ -n "$from" ] || fail "no mirror of $SUITE in this machine's apt sources: set KHO_GUEST_MIRROR"
    # Only what an interrupted run left is cleared away, never somebody's directory.
    if [ -e "$root/.kho-guest-root.unfinished" ]; then
        say "$root: left unfinished, starting anew"
        find "$root" -xdev -mindepth 1 -maxdepth 1 ! -name .kho-guest-root.unfinished -exec rm -rf --one-file-system {} +
    elif [ -n "$(ls -A "$root")" ]; then
        fail "$root: neither empty nor made by this script"
    fi
    : >"$root/.kho-guest-root.unfinished"
    say "debootstrap of $SUITE into $root"
    debootstrap --variant=minbase --include="$PACKAGES" "$SUITE" "$root" "$from" >"$root.log" 2>&1 ||
        { tail -n 20 "$root.log" >&2; fail "debootstrap failed, see $root.log"; }
    rm -f "$root.log"
    say "dropping what a guest does not need"
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/cache/debconf/* \
        "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/info/* "$root"/usr/share/locale/* "$root"/usr/share/zoneinfo/*
    for point in $MOUNT_POINTS; do mkdir -p "$root/$point"; done
    # An unprivileged user: what kho-tui says to somebody who may not read is tested too.
    chroot "$root" useradd --uid 1000 --no-create-home --home-dir /tmp --shell /bin/sh tester
    mv "$root/.kho-guest-root.unfinished" "$done_mark"
fi

say "copying Python packages"
target=$root/usr/local/lib/python3.11/dist-packages
python3 - "$checkout/pyproject.toml" "$target" "${2:-}" <<'EOF'
"""Copies the distributions that kho-tui depends on, with what those depend on."""
import re
import shutil
import sys
import sysconfig
import tomllib
from importlib.metadata import Distribution, distributions
from pathlib import Path

project, target, given = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
source = Path(given or sysconfig.get_path("platlib"))
if not given and sys.version_info[:2] != (3, 11):
    sys.exit(f"make_root: python3 is {sys.version.split()[0]}, the guest has 3.11: name the site-packages of a 3.11")


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted(requirement: str) -> str | None:
    """The name in a requirement; None for one of an extra."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    return None if match is None or re.search(r";.*\bextra\b", requirement) else plain(match[0])


there: dict[str, Distribution] = {plain(each.metadata["Name"]): each for each in distributions(path=[str(source)])}
open_names = [name for line in tomllib.loads(project.read_text())["project"]["dependencies"] if (name := wanted(line))]
copied: set[str] = set()
if target.exists():
    shutil.rmtree(target)
while open_names:
    name = open_names.pop()
    if name in copied:
        continue
    copied.add(name)
    if name not in there:
        if name in {"importlib-metadata", "typing-extensions", "colorama", "tomli"}:  # of other Pythons and systems
            continue
        sys.exit(f"make_root: {name} is not installed in {source}")
    found = there[name]
    for file in found.files or ():
        path = Path(source, file)
        # Scripts of bin/ and caches stay behind.
        if ".." in file.parts or "__pycache__" in file.parts or not path.is_file():
            continue
        goal = target / file
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, goal)
    open_names += [name for line in found.requires or () if (name := wanted(line))]
print(f"make_root: {' '.join(sorted(copied))}", file=sys.stderr)
EOF
# Compiled here once: the guest, which is slow, mounts this read-only.
chroot "$root" python3 -m compileall -q /usr/local/lib/python3.11/dist-packages
chroot "$root" python3 -c 'import libfdt, numpy, rich, textual, typer, elftools'
say "$root: ready, $(du -sxm "$root" | cut -f 1) MiB"
