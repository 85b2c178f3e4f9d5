#!/bin/sh
# Captures the Kexec HandOver (KHO) state of this machine for kho-tui.
#
#   sh capture-kho.sh [DIR]       as root; DIR is new or empty, default ./kho-HOSTNAME-YYYYmmdd-HHMMSS
#
# It reads debugfs, /proc, /sys, /boot and the kernel log and writes nothing but the directory. Only its owner can read what is in it: the
# kernel command line and log are. It mounts nothing and never opens /dev/liveupdate (the first open after a kexec changes the state).
# Needs coreutils and awk, or busybox. Exit status: 0 all copied, 1 something could not be read (capture.json says what and why),
# 2 no usable capture.
#
# Until it is done capture.json says "complete": false: so does a capture that was interrupted, or whose disk was full.
#
# KHO_CAPTURE_ROOT (default empty) goes before every absolute path that is read: for tests. What commands say (dmesg, getconf, uname) is of
# this machine all the same. A file that is a link is not copied from it.
# SPDX-License-Identifier: GPL-2.0-or-later

set -u
umask 077
# Messages in the words that are matched below, and patterns that see bytes.
LC_ALL=C
export LC_ALL

version=0.1.0
root=${KHO_CAPTURE_ROOT-}
out=
max_depth=16
partial=.partial  # the name of a file until all of it is there

files=        # JSON members, joined by commas
unreadable=
absent=
write_only=
changed=
file_count=0
unreadable_count=0
json=
reason=

say() { printf 'capture-kho: %s\n' "$*" >&2; }

die() {
    say "$*"
    exit 2
}

# ---------------------------------------------------------------- JSON

# Bytes (hex words of od) to the inside of a JSON string, in ASCII. A byte that is no UTF-8 becomes the lone surrogate \udcXX, which is
# how Python names such a byte in a file name; a name therefore comes back byte for byte.
# shellcheck disable=SC2016 # awk's variables
json_awk='
BEGIN { for (i = 0; i < 256; i++) value[sprintf("%02x", i)] = i }
{ for (i = 1; i <= NF; i++) byte[++n] = value[$i] }
function tail(i) { return i <= n && byte[i] >= 128 && byte[i] < 192 }
function decode(i,    b) {
    b = byte[i]; length_ = 1; code = b
    if (b < 128) return 1
    if (b >= 194 && b < 224 && tail(i + 1)) {
        length_ = 2; code = (b - 192) * 64 + byte[i + 1] - 128
        return 1
    }
    if (b >= 224 && b < 240 && tail(i + 1) && tail(i + 2)) {
        code = (b - 224) * 4096 + (byte[i + 1] - 128) * 64 + byte[i + 2] - 128
        if (code >= 2048 && (code < 55296 || code > 57343)) { length_ = 3; return 1 }
    }
    if (b >= 240 && b < 245 && tail(i + 1) && tail(i + 2) && tail(i + 3)) {
        code = (b - 240) * 262144 + (byte[i + 1] - 128) * 4096 + (byte[i + 2] - 128) * 64 + byte[i + 3] - 128
        if (code >= 65536 && code < 1114112) { length_ = 4; return 1 }
    }
    code = b
    return 0
}
END {
    for (i = 1; i <= n; i += length_) {
        if (!decode(i)) printf "\\udc%02x", code
        else if (code == 34) printf "\\\""
        else if (code == 92) printf "\\\\"
        else if (code >= 32 && code < 127) printf "%c", code
        else if (code < 65536) printf "\\u%04x", code
        else printf "\\u%04x\\u%04x", 55296 + int((code - 65536) / 1024), 56320 + (code - 65536) % 1024
    }
}'

# Sets $json: the argument as a JSON string. Also the way any captured name goes to the terminal.
json_string() {
    case $1 in
    *[!\ -~]* | *[\"\\]*) json=\"$(printf %s "$1" | od -An -v -tx1 | awk "$json_awk")\" ;;
    *) json=\"$1\" ;;
    esac
}

# PATH SOURCE REASON -> $json: an object that says why something is not in the capture.
json_missing() {
    json_string "$1"
    missing_path=$json
    json_string "$2"
    missing_source=$json
    json_string "$3"
    json="{\"path\": $missing_path, \"source\": $missing_source, \"reason\": $json}"
}

# The argument as a JSON string, or null where it is empty, printed.
json_or_null() {
    json=null
    [ -z "$1" ] || json_string "$1"
    printf %s "$json"
}

# "NAME": [ MEMBERS ], printed.
json_list() { printf '  "%s": [%s%s]' "$1" "$2" "${2:+
  }"; }

# ---------------------------------------------------------------- what was copied and what was not

# PATH SOURCE REASON: exists, or should, and could not be read.
note_unreadable() {
    json_missing "$1" "$2" "$3"
    unreadable="$unreadable${unreadable:+,}
    $json"
    unreadable_count=$((unreadable_count + 1))
    json_string "$1"
    quoted=$json
    json_string "$3"
    say "could not read $quoted: $json"
}

# PATH SOURCE REASON: this machine has no such thing.
note_absent() {
    json_missing "$1" "$2" "$3"
    absent="$absent${absent:+,}
    $json"
}

# PATH SOURCE: is now in the capture.
note_file() {
    size=$(wc -c <"$out/$1")
    json_string "$1"
    quoted=$json
    json_string "$2"
    files="$files${files:+,}
    {\"path\": $quoted, \"source\": $json, \"bytes\": ${size:-null}}"
    file_count=$((file_count + 1))
}

# FILE: nobody may read it by its mode (write-only control files of debugfs; root may open but not read them).
is_write_only() {
    case $(ls -ldL -- "$1" 2>/dev/null) in
    ?[!r]??[!r]??[!r]*) return 0 ;;
    esac
    return 1
}

# FILE PATH [twice]: copies one file by reading it to its end: stat says size 0 for all of debugfs.
# "twice": kernel memory that may change meanwhile is read again, and a difference noted.
copy_file() {
    if [ -n "$root" ] && [ -L "$1" ]; then
        note_unreadable "$2" "${1#"$root"}" "a symbolic link, not followed"
        return 1
    fi
    # First under another name: a part under the name of the whole would lie.
    if reason=$({ cat -- "$1" >"$out/$partial" && mv -f -- "$out/$partial" "$out/$2"; } 2>&1); then
        note_file "$2" "${1#"$root"}"
        if [ "${3-}" = twice ] && [ "$(md5sum 2>/dev/null <"$1")" != "$(md5sum <"$out/$2")" ]; then
            json_string "$2"
            changed="$changed${changed:+,}
    $json"
            say "$json changed while it was read"
        fi
        return 0
    fi
    rm -f -- "$out/$partial"
    if is_write_only "$1"; then
        json_string "$2"
        write_only="$write_only${write_only:+,}
    $json"
        return 0
    fi
    reason=${reason##*: }
    note_unreadable "$2" "${1#"$root"}" "${reason:-the copy ended without a word}"
    return 1
}

# DIRECTORY PATH DEPTH [twice]: copies everything below it. The state of the recursion is in the positional parameters: sh has no other
# variables that are local to a call.
copy_tree() {
    if ! reason=$({ ls -a -- "$1" >/dev/null; } 2>&1) || ! reason=$({ mkdir -- "$out/$2"; } 2>&1); then
        note_unreadable "$2" "${1#"$root"}" "${reason##*: }"
        return
    fi
    for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
        if [ -L "$entry" ]; then
            note_unreadable "$2/${entry##*/}" "${entry#"$root"}" "a symbolic link, not followed"
        elif [ -f "$entry" ]; then
            copy_file "$entry" "$2/${entry##*/}" "${4-}"
        elif [ -d "$entry" ] && [ "$3" -lt "$max_depth" ]; then
            copy_tree "$entry" "$2/${entry##*/}" $(($3 + 1)) "${4-}"
        elif [ -d "$entry" ]; then
            note_unreadable "$2/${entry##*/}" "${entry#"$root"}" "more than $max_depth directories deep"
        elif [ -e "$entry" ]; then
            note_unreadable "$2/${entry##*/}" "${entry#"$root"}" "not a regular file"
        fi
    done
}

# ---------------------------------------------------------------- where debugfs is, and why there may be no KHO tree

# What the program of the same release says of such a machine, from the same table: question|facts|code|message|remedy.
obstacles() {
    cat <<'END'
@obstacles@
END
}

# QUESTION: sets $code and $message to the first row of the table whose facts hold; empty where none does.
obstacle() {
    code=
    message=
    question=$1
    while IFS='|' read -r asked needed found_code found_message remedy; do
        [ "$asked" = "$question" ] || continue
        for fact in $needed; do
            case " $facts " in
            *" $fact "*) ;;
            *) continue 2 ;;
            esac
        done
        code=$found_code
        message=$found_message${remedy:+: $remedy}
        break
    done <<END
$(obstacles)
END
    json_string "$parameter"
    fill '{parameter}' "$json"
    fill '{debugfs}' "$debugfs"
}

# WORD VALUE: puts the value where the word stands in $message.
fill() {
    case $message in
    *"$1"*) message=${message%%"$1"*}$2${message#*"$1"} ;;
    esac
}

# Sets $debugfs, and $facts: words that the table of obstacles is asked with.
look_at_machine() {
    debugfs=/sys/kernel/debug
    facts="here=yes user=$([ "$(id -u)" = 0 ] && echo root || echo other)"
    if [ -d "$root$debugfs/kho" ]; then
        facts="$facts debugfs=mounted"
    else
        # The usual place first, else the first of others. A path that /proc/mounts has to escape is not looked for.
        mounted=$(awk '
            $3 == "debugfs" && $2 !~ /\\/ && (!place || $2 == "/sys/kernel/debug") { place = $2 }
            END { print place }' "$root/proc/mounts" 2>/dev/null)
        if [ -n "$mounted" ]; then
            debugfs=$mounted
            if [ -r "$root$debugfs" ] && [ -x "$root$debugfs" ]; then
                facts="$facts debugfs=mounted"
            else
                facts="$facts debugfs=denied"
            fi
        elif [ ! -r "$root/proc/filesystems" ]; then
            facts="$facts debugfs=unknown"
        elif awk '$NF == "debugfs" { f = 1 } END { exit !f }' "$root/proc/filesystems"; then
            facts="$facts debugfs=not-mounted"
        else
            facts="$facts debugfs=none"
        fi
    fi
    case $(cat -- "$root/sys/kernel/security/lockdown" 2>/dev/null) in
    *"[confidentiality]"*) facts="$facts lockdown=confidentiality" ;;
    *"[integrity]"*) facts="$facts lockdown=integrity" ;;
    *"[none]"*) facts="$facts lockdown=none" ;;
    *) facts="$facts lockdown=unknown" ;;
    esac
    if [ ! -e "$root/proc/kcore" ]; then
        facts="$facts kcore=absent"
    elif (: <"$root/proc/kcore") 2>/dev/null; then
        facts="$facts kcore=readable"
    else
        facts="$facts kcore=denied"
    fi
    # A function of every kernel with KHO (6.16 on): the list shows names to anyone, if not addresses.
    facts="$facts $(awk '
        $3 == "kho_is_enabled" { built = 1 }
        $3 == "kho_out" { listed = 1; if ($1 !~ /^0+$/) shown = 1 }
        END {
            if (!NR) print "symbol-built=unknown symbols=unreadable"
            else print "symbol-built=" (built ? "yes" : "no") " symbols=" (shown ? "yes" : listed ? "hidden" : "not-listed")
        }' "$root/proc/kallsyms" 2>/dev/null || echo symbol-built=unknown symbols=unreadable)"
}

# Adds to $facts what the captured configuration and command line say; sets $parameter to the word that decides on KHO.
look_at_kernel() {
    facts="$facts $(if [ -f "$out/config" ]; then
        cat -- "$out/config"
    elif [ -f "$out/config.gz" ]; then
        gzip -dc <"$out/config.gz" 2>/dev/null || zcat <"$out/config.gz" 2>/dev/null
    fi | awk '
        /^CONFIG_/ { known = 1 }
        $0 == "CONFIG_KEXEC_HANDOVER=y" { built = 1 }
        $0 == "# CONFIG_KEXEC_HANDOVER_DEBUGFS is not set" { hides = 1 }
        $0 == "CONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT=y" { on = 1 }
        END {
            if (!known) print "config-built=unknown default=unknown"
            else print "config-built=" (built ? "yes" : "no") " config-shows=" (hides ? "no" : "yes") " default=" (on ? "on" : "off")
        }')"
    # The last kho= with a truth value wins, in quotes or not; words after -- are for init.
    parameter=$(awk '{
        for (i = 1; i <= NF && $i != "--"; i++) if ($i ~ /^"?kho="?([eEyYtT1dDnNfF0]|[oO][nNfF])/) { v = $i; gsub(/"/, "", v) }
    } END { print v }' "$root/proc/cmdline" 2>/dev/null)
    case ${parameter#kho=} in
    [dDnNfF0]* | [oO][fF]*) facts="$facts switch=off" ;;
    [eEyYtT1]* | [oO][nN]*) facts="$facts switch=on" ;;
    *) if [ -f "$out/cmdline" ]; then facts="$facts switch=unset"; else facts="$facts switch=unknown"; fi ;;
    esac
}

# Sets $kho_code and $kho_message: why there is no KHO tree, as far as it can be known from here. The cause comes before what hides it.
explain_missing_kho() {
    look_at_kernel
    obstacle tree
    kho_code=$code
    kho_message=$message
    [ "$code" = unknown ] || return 0
    said=$(awk '/\] KHO: / { sub(/^.*\] KHO: /, ""); print; if (++n == 3) exit }' "$out/dmesg" 2>/dev/null | tr '\n' ';')
    [ -z "$said" ] || kho_message="$kho_message; the kernel log says: $said"
}

# ---------------------------------------------------------------- the parts of a capture

capture_debugfs() {
    kho_present=false
    if [ -d "$root$debugfs/kho" ]; then
        kho_present=true
        copy_tree "$root$debugfs/kho" kho 1 twice
    fi
    # Only what keeps anybody out of debugfs itself: the rest of the table speaks of KHO.
    debugfs_closed=
    case $facts in
    *debugfs=mounted*) ;;
    *) debugfs_closed=yes && obstacle tree ;;
    esac
    for part in memblock cma; do
        if [ -d "$root$debugfs/$part" ]; then
            copy_tree "$root$debugfs/$part" "$part" 1
        elif [ -n "$debugfs_closed" ]; then
            note_unreadable "$part" "$debugfs/$part" "$message"
        else
            note_absent "$part" "$debugfs/$part" "this kernel does not show it"
        fi
    done
}

capture_proc() {
    for part in iomem cmdline version zoneinfo buddyinfo meminfo; do
        if [ -e "$root/proc/$part" ]; then
            copy_file "$root/proc/$part" "$part"
        else
            note_unreadable "$part" "/proc/$part" "No such file or directory"
        fi
    done
    # Without CAP_SYS_ADMIN the kernel prints 0 for every address.
    if [ -f "$out/iomem" ] && ! awk '/^ *0*[1-9a-f]|^ *0+-0*[1-9a-f]/ { f = 1; exit } END { exit !f }' "$out/iomem"; then
        note_unreadable iomem /proc/iomem "every address in it is zero: the kernel hides them from all but root"
    fi
}

# From the command, else the journal, else the file that the boot scripts left.
capture_log() {
    log_problem=
    for source in "dmesg -r" dmesg "journalctl -k -b --no-pager -o short-monotonic"; do
        command -v "${source%% *}" >/dev/null 2>&1 || continue
        # shellcheck disable=SC2086 # words on purpose: the list above
        if reason=$({ $source >"$out/$partial"; } 2>&1) && [ -s "$out/$partial" ] && mv -f -- "$out/$partial" "$out/dmesg"; then
            note_file dmesg "$source"
            return
        fi
        [ -n "$log_problem" ] || log_problem=${reason##*: }
    done
    rm -f -- "$out/$partial"
    if [ -r "$root/var/log/dmesg" ]; then
        copy_file "$root/var/log/dmesg" dmesg
    else
        note_unreadable dmesg "dmesg, journalctl, /var/log/dmesg" "${log_problem:-no command here printed the kernel log}"
    fi
}

capture_config() {
    if [ -e "$root/proc/config.gz" ]; then
        copy_file "$root/proc/config.gz" config.gz && return
    fi
    for source in "/boot/config-$release" "/lib/modules/$release/config" "/usr/lib/modules/$release/config"; do
        if [ -e "$root$source" ]; then
            copy_file "$root$source" config && return
        fi
    done
    [ -e "$root/proc/config.gz" ] || note_absent config "/proc/config.gz, $source" "the configuration of this kernel was not found"
}

capture_nodes() {
    found=
    for node in "$root"/sys/devices/system/node/node[0-9]*/meminfo; do
        [ -e "$node" ] || continue
        [ -n "$found" ] || mkdir -- "$out/node" || return
        found=yes
        name=${node%/meminfo}
        copy_file "$node" "node/${name##*/}.meminfo"
    done
    [ -n "$found" ] || note_absent node /sys/devices/system/node "this kernel shows no memory nodes"
}

# PATH DIRECTORY REASON: a tree that not every machine has.
capture_optional() {
    if [ -d "$root$2" ]; then
        copy_tree "$root$2" "$1" 1
    else
        note_absent "$1" "$2" "$3"
    fi
}

# One directory for both forms: single files up to 6.18, /sys/kernel/kexec/ on newer kernels.
capture_kexec() {
    if [ -d "$root/sys/kernel/kexec" ]; then
        copy_tree "$root/sys/kernel/kexec" kexec 1
    fi
    found=
    for part in kexec_loaded kexec_crash_loaded kexec_crash_size; do
        [ -e "$root/sys/kernel/$part" ] || continue
        [ -d "$out/kexec" ] || mkdir -- "$out/kexec" || return
        found=yes
        copy_file "$root/sys/kernel/$part" "kexec/$part"
    done
    [ -n "$found" ] || [ -d "$out/kexec" ] || note_absent kexec /sys/kernel/kexec "this kernel does not show its kexec state"
}

# ---------------------------------------------------------------- facts of the machine

# FILE COMMAND...: the first line of the file, else what the command says.
fact() {
    fact_file=$root$1
    shift
    { [ -r "$fact_file" ] && head -n 1 -- "$fact_file" 2>/dev/null; } || "$@" 2>/dev/null
}

page_size() {
    size=$(getconf PAGESIZE 2>/dev/null) ||
        size=$(awk '/^KernelPageSize:/ { print $2 * 1024; exit }' "$root/proc/self/smaps" 2>/dev/null)
    case $size in
    '' | *[!0-9]*) printf null ;;
    *) printf %s "$size" ;;
    esac
}

byte_order() {
    case $(printf '\001\000' | od -An -td2 | tr -d ' ') in
    1) printf little ;;
    256) printf big ;;
    esac
}

# COMPLETE REASON: the manifest, printed; the reason says why it is not complete.
manifest() {
    printf '{\n'
    printf '  "schema": "kho-tui.capture/1",\n'
    printf '  "tool": {"name": "capture-kho.sh", "version": "%s"},\n' "$version"
    printf '  "complete": %s,\n' "$1"
    [ "$1" = true ] || printf '  "incomplete": %s,\n' "$(json_or_null "$2")"
    printf '  "taken": "%s",\n' "$taken"
    printf '  "hostname": %s,\n' "$(json_or_null "$hostname")"
    printf '  "kernel": %s,\n' "$(json_or_null "$release")"
    printf '  "machine": %s,\n' "$(json_or_null "$(uname -m)")"
    printf '  "page_size": %s,\n' "$(page_size)"
    printf '  "byte_order": %s,\n' "$(json_or_null "$(byte_order)")"
    printf '  "boot_id": %s,\n' "$(json_or_null "$(fact /proc/sys/kernel/random/boot_id true)")"
    printf '  "lockdown": %s,\n' "$(json_or_null "$(fact /sys/kernel/security/lockdown true)")"
    printf '  "uid": %s,\n' "$(id -u)"
    printf '  "facts": %s,\n' "$(json_or_null "$facts")"
    printf '  "kho": {"present": %s, "reason": %s, "message": %s},\n' "$kho_present" \
        "$(json_or_null "$kho_code")" "$(json_or_null "$kho_message")"
    json_list files "$files" && printf ',\n'
    json_list unreadable "$unreadable" && printf ',\n'
    json_list absent "$absent" && printf ',\n'
    json_list write_only "$write_only" && printf ',\n'
    json_list changed_while_reading "$changed" && printf '\n}'
}

# COMPLETE REASON: writes the manifest. The one before it stays where there is no room. Sets $reason where it fails.
write_manifest() {
    text=$(manifest "$1" "$2")
    reason=$({ printf '%s\n' "$text" >"$out/$partial" && mv -f -- "$out/$partial" "$out/capture.json"; } 2>&1)
}

# SIGNAL CODE
interrupted() {
    trap '' INT TERM HUP
    say "interrupted: the capture is incomplete"
    write_manifest false "interrupted by SIG$1"
    exit "$2"
}

# Sets $out to a directory that is new, or empty.
make_directory() {
    case ${1-} in
    '')
        base=kho-$(printf %s "$hostname" | tr -c 'A-Za-z0-9._-' _)-$(date +%Y%m%d-%H%M%S)
        out=./$base
        number=2
        while [ -e "$out" ] || [ -L "$out" ] || ! reason=$({ mkdir -- "$out"; } 2>&1); do
            [ -e "$out" ] || [ -L "$out" ] || die "cannot make a directory here: ${reason##*: }"
            [ "$number" -le 99 ] || die "$base and 98 more like it exist already"
            out=./$base-$number
            number=$((number + 1))
        done
        out=${out#./}
        ;;
    *)
        out=$1
        while :; do
            case $out in
            ?*/) out=${out%/} ;;
            *) break ;;
            esac
        done
        # A name that begins with - would be an option to tar.
        case $out in
        -*) out=./$out ;;
        esac
        json_string "$out"
        if [ -d "$out" ] && [ -z "$(ls -A -- "$out" 2>&1)" ]; then
            # Its own name, for the last line: "." is none that can be taken away.
            case /$out/ in
            */./ | */../) out=$(cd -- "$out" && pwd -P) || die "cannot tell where $json is" ;;
            esac
            return
        fi
        if [ -e "$out" ] || [ -L "$out" ]; then
            die "$json exists already and is not empty: nothing done"
        fi
        reason=$({ mkdir -- "$out"; } 2>&1) || die "cannot make $json: ${reason##*: }"
        ;;
    esac
}

# The argument as one word of a shell, printed.
shell_word() {
    case $1 in
    *[!A-Za-z0-9._/,:=+@-]*) printf "'%s'" "$(printf '%s\n' "$1" | sed "s/'/'\\\\''/g")" ;;
    *) printf %s "$1" ;;
    esac
}

main() {
    case ${1-} in
    -h | --help)
        printf 'usage: sh capture-kho.sh [DIR]\n'
        printf 'Makes DIR (default: kho-HOSTNAME-DATE-TIME here) with the KHO state of this machine. Run it as root.\n'
        exit 0
        ;;
    --) shift ;;
    -*) die "unknown option; usage: sh capture-kho.sh [DIR]" ;;
    esac
    [ $# -le 1 ] || die "one directory at most; usage: sh capture-kho.sh [DIR]"
    [ $# -eq 0 ] || [ -n "$1" ] || die "the name of the directory is empty"
    for tool in awk cat date head id ls md5sum mkdir mv od rm sed tr uname wc; do
        command -v "$tool" >/dev/null 2>&1 || die "needs the command $tool, which is not here"
    done

    taken=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    hostname=$(fact /proc/sys/kernel/hostname uname -n)
    release=$(fact /proc/sys/kernel/osrelease uname -r)
    make_directory ${1+"$1"}
    kho_present=null
    kho_code=
    kho_message=
    facts=
    parameter=
    debugfs=/sys/kernel/debug
    json_string "$out"
    write_manifest false "the script did not come to its end: killed, or no room on the disk" || die "cannot write into $json: ${reason##*: }"
    trap 'interrupted INT 130' INT
    trap 'interrupted TERM 143' TERM
    trap 'interrupted HUP 129' HUP
    say "capturing into $json"
    [ "$(id -u)" = 0 ] || say "not root: much of the state cannot be read"

    look_at_machine
    # The KHO tree first, in one go: it is what changes.
    capture_debugfs
    say "debugfs: $file_count files"
    capture_proc
    capture_nodes
    capture_kexec
    capture_optional setup_data /sys/kernel/boot_params/setup_data "the boot loader passed no setup_data, or this is not x86"
    capture_optional dt-chosen /proc/device-tree/chosen "no device tree"
    capture_optional firmware-memmap /sys/firmware/memmap "this kernel does not show the firmware's memory map (CONFIG_FIRMWARE_MEMMAP)"
    capture_config
    capture_log
    say "with /proc, /sys, configuration and log: $file_count files"

    if [ "$kho_present" = false ]; then
        explain_missing_kho
        note_unreadable kho "$debugfs/kho" "$kho_message"
    fi

    write_manifest true "" || die "capture.json could not be written (${reason##*: }): this capture is incomplete"

    word=$(shell_word "$out")
    [ "$unreadable_count" -eq 0 ] || say "$unreadable_count could not be read: see capture.json"
    say "done: take it away with  tar czf $(shell_word "$out.tar.gz") $word  and look at it with  kho-tui $word"
    [ "$unreadable_count" -eq 0 ]
}

main "$@"
