#!/bin/sh
# Captures the Kexec HandOver (KHO) state of this machine for kho-tui.
#
#   sh capture-kho.sh [DIR]                     as root; DIR is new or empty, default ./kho-HOSTNAME-YYYYmmdd-HHMMSS
#   sh capture-kho.sh -o FILE.tar.gz            one file instead (or .tar); it is made in the directory FILE, which then goes
#   sh capture-kho.sh --memory none [...]       without pages of memory
#
# It reads debugfs, /proc, /sys, /boot and the kernel log, and through /proc/kcore those pages of memory that hold KHO's own structures,
# never the contents of preserved pages. It writes nothing but the capture, which only its owner can read: it holds kernel addresses, the
# kernel command line and log. It mounts nothing and never opens /dev/liveupdate (the first open after a kexec changes the state).
# Needs coreutils and awk, or busybox. Exit status: 0 all copied, 1 something could not be read (capture.json says what and why),
# 2 no usable capture.
#
# Until it is done capture.json says "complete": false: so does a capture that was interrupted, or whose disk was full. Given the same name
# again during the same boot, it is taken up again: the KHO tree and memory anew, which belong together; other files are kept.
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
memory=metadata
longest_blob=1048576  # bytes of one blob of metadata
memory_pages=262144  # of memory, at most: 1 GiB of 4 KiB pages
memory_seconds=900   # to read them in
most_devices=4096
most_absent=4096     # pages that memory.elf lacks, in capture.json

files=        # JSON members, joined by commas
unreadable=
absent=
write_only=
changed=
left_out=
reused=       # files that are not copied, a line each
file_count=0
unread_names=
resumed=
archive=
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
    case " $unread_names " in
    *" $quoted "*) ;;
    *) unread_names="$unread_names${unread_names:+ }$quoted" ;;
    esac
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

# BLOB: sets $kept to what the format of a struct declares, where it is one that is known; nobody knows what lies behind it.
declared_size() {
    case $(od -An -v -tx1 -N6 "$1" | tr -d ' ') in
    d00dfeed*) return ;;
    6c756f2d76??) kept=32 ;;
    *)
        case $1 in
        */sub_fdts/kexec-metadata) kept=73 ;;
        *) return ;;
        esac
        ;;
    esac
    has_no_more=": its format has no more"
}

# FILE PATH [twice]: copies one file by reading it to its end: stat says size 0 for all of debugfs.
# "twice": kernel memory that may change meanwhile is read again, and a difference noted.
copy_file() {
    case "$reused" in *"
$2
"*) return 0 ;; esac
    if [ -n "$resumed" ] && [ -f "$out/$2" ]; then
        note_file "$2" "${1#"$root"}"
        return 0
    fi
    if [ -n "$root" ] && [ -L "$1" ]; then
        note_unreadable "$2" "${1#"$root"}" "a symbolic link, not followed"
        return 1
    fi
    # First under another name: a part under the name of the whole would lie.
    if reason=$({ cat -- "$1" >"$out/$partial" && mv -f -- "$out/$partial" "$out/$2"; } 2>&1); then
        had=0
        [ "${3-}" != twice ] || had=$(wc -c <"$out/$2")
        kept=$longest_blob
        has_no_more=
        if [ "$had" -gt 4096 ] && [ "$had" -gt "$(page_size)" ] 2>/dev/null; then
            declared_size "$out/$2"
        fi
        if [ "$had" -gt "$kept" ]; then
            head -c "$kept" <"$out/$2" >"$out/$partial" && mv -f -- "$out/$partial" "$out/$2"
            note_unreadable "$2" "${1#"$root"}" "only the first $kept of $had bytes are kept$has_no_more"
        fi
        note_file "$2" "${1#"$root"}"
        if [ "${3-}" = twice ] && [ "$had" -le "$kept" ] && [ "$(md5sum 2>/dev/null <"$1")" != "$(md5sum <"$out/$2")" ]; then
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

# PATH: a directory of the capture; one of a capture that is taken up again may be there.
new_folder() {
    [ -n "$resumed" ] && [ -d "$out/$1" ] || mkdir -- "$out/$1"
}

# DIRECTORY PATH DEPTH [twice]: copies everything below it. The state of the recursion is in the positional parameters: sh has no other
# variables that are local to a call.
copy_tree() {
    if ! reason=$({ ls -a -- "$1" >/dev/null; } 2>&1) || ! reason=$(new_folder "$2" 2>&1); then
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

# NAME FILE: adds to $facts what a file says that holds 0 or 1.
fact_of_switch() {
    case $(cat -- "$root$2" 2>/dev/null) in
    0) facts="$facts $1=no" ;;
    1) facts="$facts $1=yes" ;;
    *) facts="$facts $1=unknown" ;;
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
    *)
        # Where securityfs is mounted and has no such file, the kernel has no lockdown.
        if [ ! -e "$root/sys/kernel/security/lockdown" ] && [ -n "$(ls "$root/sys/kernel/security" 2>/dev/null)" ]; then
            facts="$facts lockdown=none"
        else
            facts="$facts lockdown=unknown"
        fi
        ;;
    esac
    fact_of_switch image-loaded /sys/kernel/kexec_loaded
    fact_of_switch load-disabled /proc/sys/kernel/kexec_load_disabled
    # It is looked for and never opened.
    if [ -e "$root/dev/liveupdate" ]; then
        facts="$facts liveupdate-device=yes"
    elif [ -r "$root/dev" ] && [ -x "$root/dev" ]; then
        facts="$facts liveupdate-device=no"
    else
        facts="$facts liveupdate-device=unknown"
    fi
    if [ "$memory" = none ]; then
        facts="$facts kcore=not-asked"
    elif [ ! -e "$root/proc/kcore" ]; then
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
    machine_facts=$facts
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

# The files of the incoming side go on pointing at memory that the kernel has freed. LUO's struct (kho-v4) is freed at boot: what does not
# begin as LUO's, an FDT or the struct, is somebody else's memory by now. Of a subsystem that is not known, nothing tells.
leave_out_reused() {
    luo_is_kept=/ # no name
    tr '\000' '\n' 2>/dev/null <"$root$debugfs/kho/in/fdt" | awk '/kho-v[123]$/ { f = 1 } END { exit !f }' && luo_is_kept=LUO
    for file in "$root$debugfs/kho/in/sub_fdts"/* "$root$debugfs/kho/in/sub_fdts"/.[!.]*; do
        [ -f "$file" ] || continue
        name=kho/in/sub_fdts/${file##*/}
        case ${file##*/}-$(od -An -v -tx1 -N4 "$file" 2>/dev/null | tr -d ' ') in
        memblock-* | kexec-metadata-* | kho_test-* | "$luo_is_kept"-* | *-d00dfeed | LUO-6c756f2d | *-) continue ;;
        LUO-*)
            say "left out: $name, freed memory that somebody else uses by now"
            note_absent "$name" "$debugfs/$name" "freed memory that somebody else uses by now"
            ;;
        *)
            note_unreadable "$name" "$debugfs/$name" \
                "no format of this name is known here, so nothing tells its bytes from those of somebody else who uses freed memory: left out"
            ;;
        esac
        reused="$reused
$name
"
    done
}

capture_debugfs() {
    kho_present=false
    if [ -d "$root$debugfs/kho" ]; then
        kho_present=true
        leave_out_reused
        copy_tree "$root$debugfs/kho" kho 1 twice
    fi
}

# What a capture holds: name in it|path on the machine|what it means where that is not there (empty: another line tells).
rows() {
    cat <<'END'
@rows@
END
}

# Everything but the KHO tree and memory, which are taken before.
capture_rows() {
    # Only what keeps anybody out of debugfs itself: the rest of the table of obstacles speaks of KHO.
    message=
    case $facts in
    *debugfs=mounted*) ;;
    *) obstacle tree ;;
    esac
    debugfs_closed=$message
    while IFS='|' read -r name path absence; do
        closed=
        case $path in
        sys/kernel/debug/*)
            path=$debugfs/${path#sys/kernel/debug/}
            closed=$debugfs_closed
            ;;
        *) path=/$path ;;
        esac
        case $name in
        kho/ | config.gz) ;;
        config) capture_config ;;
        node/) capture_nodes ;;
        pci/) capture_pci ;;
        */) capture_folder "${name%/}" ;;
        *) capture_text ;;
        esac
    done <<END
$(rows)
END
    # Without CAP_SYS_ADMIN the kernel prints 0 for every address.
    if [ -f "$out/iomem" ] && ! awk '/^ *0*[1-9a-f]|^ *0+-0*[1-9a-f]/ { f = 1; exit } END { exit !f }' "$out/iomem"; then
        note_unreadable iomem /proc/iomem "every address in it is zero: the kernel hides them from all but root"
    fi
}

# FOLDER: that of $path, where this machine has one.
capture_folder() {
    if [ -d "$root$path" ]; then
        copy_tree "$root$path" "$1" 1
    elif [ -n "$closed" ]; then
        note_unreadable "$1" "$path" "$closed"
    elif [ -n "$absence" ]; then
        note_absent "$1" "$path" "$absence"
    fi
}

# The file $path as $name, where this machine has one.
capture_text() {
    if [ -e "$root$path" ] || [ -L "$root$path" ]; then
        case $name in
        */*) [ -d "$out/${name%/*}" ] || new_folder "${name%/*}" || return ;;
        esac
        copy_file "$root$path" "$name"
    elif [ -n "$absence" ]; then
        note_absent "$name" "$path" "$absence"
    fi
}

# From the command, else the journal, else the file that the boot scripts left.
capture_log() {
    if [ -n "$resumed" ] && [ -s "$out/dmesg" ]; then
        note_file dmesg "the first run of this capture"
        return
    fi
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
    for source in @configs@; do
        if [ -e "$root$source" ]; then
            copy_file "$root$source" config && return
        fi
    done
    [ -e "$root/proc/config.gz" ] || note_absent config /proc/config.gz "$absence"
}

capture_nodes() {
    found=
    for node in "$root"/sys/devices/system/node/node[0-9]*/meminfo; do
        [ -e "$node" ] || continue
        [ -n "$found" ] || new_folder node || return
        found=yes
        name=${node%/meminfo}
        copy_file "$node" "node/${name##*/}.meminfo"
    done
    [ -n "$found" ] || note_absent node /sys/devices/system/node "$absence"
}

# What tells one device from another: five numbers each. Read by the shell itself: there may be thousands.
capture_pci() {
    devices=0
    pci_files=
    for device in "$root"/sys/bus/pci/devices/*; do
        [ -r "$device/vendor" ] || continue
        name=pci/${device##*/}
        case $name in
        *[!A-Za-z0-9/:._-]*) continue ;;
        esac
        devices=$((devices + 1))
        if [ "$devices" -gt "$most_devices" ]; then
            note_unreadable pci /sys/bus/pci/devices "more than $most_devices devices"
            break
        fi
        [ "$devices" -gt 1 ] || new_folder pci || return
        new_folder "$name" || return
        for part in vendor device class subsystem_vendor subsystem_device; do
            { read -r word <"$device/$part"; } 2>/dev/null || continue
            case $word in
            '' | *[!0-9a-fx]*) continue ;;
            esac
            printf '%s\n' "$word" >"$out/$name/$part" || return
            pci_files="$pci_files,
    {\"path\": \"$name/$part\", \"source\": \"/sys/bus/pci/devices/${device##*/}/$part\", \"bytes\": $((${#word} + 1))}"
            file_count=$((file_count + 1))
        done
    done
    [ "$devices" -gt 0 ] || note_absent pci /sys/bus/pci/devices "$absence"
    [ -n "$files" ] || pci_files=${pci_files#,}
    files=$files$pci_files
}

# ---------------------------------------------------------------- pages of the running kernel's memory

# What is done is told in tables of decimal numbers, one line each, in $work:
#   segments  ADDRESS SIZE OFFSET-LOW OFFSET-HIGH VIRTUAL-LOW VIRTUAL-HIGH   of /proc/kcore, those with a physical address
#   todo      KIND ADDRESS SIZE A B    structures to fetch; follow_awk says what A and B are. "= ADDRESS WORD": a word that is known
#   want      GROUP ADDRESS SIZE       pages: 0 to be followed, 1 only kept, 2 pieces of pages
#   index     ADDRESS SIZE POSITION    what is in the file "pages"
#   refused   ADDRESS REASON           what is not
# A u64 is two u32 to awk, whose numbers are exact to 2^53: physical addresses are below that.

# shellcheck disable=SC2016 # awk's variables
numbers_awk='
function power_of_2(n,    v) { for (v = 1; n > 0; n--) v *= 2; return v }  # ^ is not in every busybox
function hexadecimal(v,    s, d) {
    s = ""
    do { d = v % 16; s = substr("0123456789abcdef", d + 1, 1) s; v = (v - d) / 16 } while (v > 0)
    return s
}
function from_hexadecimal(s,    i, v) {
    v = 0
    for (i = 1; i <= length(s); i++) v = v * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
    return v
}
function segment_of(address, size,    i) {
    for (i = 1; i <= segments; i++) if (address >= start[i] && address + size <= start[i] + length_[i]) return i
    return 0
}
function keep_segment() {
    segments++
    start[segments] = $1 + 0; length_[segments] = $2 + 0; low[segments] = $3 + 0; high[segments] = $4 + 0
    virtual_low[segments] = $5 + 0; virtual_high[segments] = $6 + 0
}
BEGIN { CONVFMT = OFMT = "%.17g"; G4 = 4294967296 }
'

# The header of an ELF core in u32 words: prints machine, offset and number of the program headers; nothing where it is none that is read.
# shellcheck disable=SC2016
elf_header_awk='
{ for (i = 1; i <= NF; i++) w[n++] = $i + 0 }
END {
    if (n < 16 || w[0] != 1179403647 || w[1] % 65536 != 258 || w[4] % 65536 != 4 || int(w[13] / 65536) != 56) exit
    if (w[9] || w[8] % 8 || w[14] % 65536 == 65535) exit
    print int(w[4] / 65536), w[8], w[14] % 65536
}'

# Its program headers in u32 words, to segments.
# shellcheck disable=SC2016
segments_awk='
{
    for (i = 1; i <= NF; i++) {
        w[n++] = $i + 0
        if (n < 14) continue
        n = 0
        if (w[0] == 1 && w[7] < 2097152 && w[9] < 2097152 && w[2] % 8 == 0)
            print w[6] + w[7] * G4, w[8] + w[9] * G4, w[2], w[3], w[4], w[5]
    }
}'

# segments, then the u32 words of a variable: prints the page-aligned physical addresses that its u64 words point at.
# shellcheck disable=SC2016
pointers_awk='
FILENAME == table { keep_segment(); next }
{
    for (i = 1; i <= NF; i++) {
        w[n++] = $i + 0
        if (n < 2) continue
        n = 0
        for (s = 1; s <= segments; s++) {
            inside = (w[1] - virtual_high[s]) * G4 + w[0] - virtual_low[s]
            if (inside < 0 || inside >= length_[s]) continue
            address = start[s] + inside
            if (address % P == 0 && !(address in told)) { told[address]; print address }
            break
        }
    }
}'

# Pages -> runs of 512 words of /proc/kpageflags: FIRST COUNT. A few blocks that nobody asks for cost less than another dd.
# shellcheck disable=SC2016
blocks_awk='
function sort_numbers(a, n,    gap, i, j, v) {
    for (gap = int(n / 2); gap > 0; gap = int(gap / 2)) for (i = gap + 1; i <= n; i++) {
        v = a[i]
        for (j = i; j > gap && a[j - gap] > v; j -= gap) a[j] = a[j - gap]
        a[j] = v
    }
}
function note_block(address,    b) {
    b = int(address / P / 512)
    if (!(b in noted)) { noted[b]; block_list[++block_count] = b }
}
function print_blocks(file,    i, first, last) {
    printf "" >file
    sort_numbers(block_list, block_count)
    for (i = 1; i <= block_count; i++) {
        if (i > 1 && (block_list[i] > last + 8 || block_list[i] >= first + 64)) print first, last - first + 1 >file
        if (i == 1 || block_list[i] > last + 8 || block_list[i] >= first + 64) first = block_list[i]
        last = block_list[i]
    }
    if (block_count) print first, last - first + 1 >file
}'

# segments, seen, todo -> want: the pages of what is to be fetched, each once; at most "left". What is too much is counted in "over".
# shellcheck disable=SC2016
plan_awk='
FILENAME == table { keep_segment(); next }
FILENAME == seen_file { seen[$1]; next }
$1 == "=" { next }
{
    group = $1 == "bitmap" && $3 < P ? 2 : $1 == "kept" || $1 == "bitmap" ? 1 : 0
    size = group == 2 ? $3 + 0 : P
    from = group == 2 ? $2 + 0 : $2 - $2 % P
    for (a = from; a < $2 + $3; a += size) {
        if (a in seen) continue
        if (!segment_of(a, size)) {
            print a, "no System RAM in /proc/kcore" >>refused
            print a >>seen_file
            seen[a]
        } else if (!(a in wanted) || group < wanted[a]) {
            wanted[a] = group; sizes[a] = size
        }
    }
}
END {
    for (group = 0; group < 3; group++) {
        n = 0
        for (a in wanted) if (wanted[a] == group) list[++n] = a + 0
        sort_numbers(list, n)
        for (i = 1; i <= n; i++) {
            if (++total > left) continue
            print group, list[i], sizes[list[i]]
            print list[i] >>seen_file
            note_block(list[i])
        }
    }
    print_blocks(blocks)
    if (total > left) print total - left, total >over
}'

# "@ BLOCK" and u32 words -> the flags of each page in pages[], and why a page may not be read by them.
# The bits: include/uapi/linux/kernel-page-flags.h. For the first three /proc/kcore gives zeros.
# shellcheck disable=SC2016
flags_awk='
BEGIN {
    split("19 20 23", lacking); split("hardware-poisoned|without a page behind it|offline or ballooned", why_lacking, "|")
    split("5 11 12 13 14 17 18 21 26", user)
    split("LRU|mapped|anonymous|swap cache|swap-backed|hugetlb|unevictable|KSM|page table", why_user, "|")
    split("10 24", nobodys); split("free|the page of zeros that all share", why_nobodys, "|")
    for (i = 1; i <= 2; i++) nobodys[i] = power_of_2(nobodys[i])
    for (i = 1; i <= 3; i++) lacking[i] = power_of_2(lacking[i])
    for (i = 1; i <= 9; i++) user[i] = power_of_2(user[i])
}
function is_set(word, power) { return int(word / power) % 2 }
function refusal(address,    i, word) {
    if (!((address - address % P) in low_flags)) return ""
    word = low_flags[address - address % P]
    if (!word) return ""
    for (i = 1; i <= 3; i++) if (is_set(word, lacking[i])) return "the page is " why_lacking[i] ": /proc/kcore gives zeros for it"
    for (i = 1; i <= 2; i++) if (is_set(word, nobodys[i])) return "the page is " why_nobodys[i] " now: what pointed here is outdated"
    for (i = 1; i <= 9; i++) if (is_set(word, user[i]))
        return "the page is user memory now (" why_user[i] "): what pointed here is outdated"
    return ""
}
function want_page(address) { page_at[(address - address % P) / P] = address - address % P }
function take_flags(    i) {
    if ($1 == "@") { at = $2 * 512; n = 0; return }
    for (i = 1; i <= NF; i++) {
        if (!(n++ % 2)) { word_before = $i + 0; continue }
        if (at in page_at) { low_flags[page_at[at]] = word_before; high_flags[page_at[at]] = $i + 0 }
        at++
    }
}'

# segments, want, flags from "-" -> "allowed", what of it may be read: GROUP ADDRESS SIZE POSITION FLAGS-KNOWN; and "runs", what dd reads
# in one go: UNIT SKIP SIZE COUNT SEEK ADDRESS, COUNT blocks of SIZE bytes from SKIP units of the file. Prints how many bytes from the
# beginning are to be looked at, how many bytes, pages and runs there are.
# shellcheck disable=SC2016
allow_awk='
function flush() {
    if (!count || !s) return
    # In units of 8 bytes an offset is below 2^53.
    eighths = high[s] * 536870912 + (low[s] + (first - start[s]) % 8) / 8 + (first - start[s] - (first - start[s]) % 8) / 8
    unit = eighths % (block / 8) ? 8 : block
    print unit, eighths * 8 / unit, block, count, (base + position) / block, first >runs
    run_count++
}
function add(address, size, where) {
    if (count && address == first + count * block && size == block && segment_of(first, (count + 1) * block) == s && count < most) {
        count++
        return
    }
    flush()
    first = address; block = size; position = where; count = 1
    s = segment_of(first, block)
}
FILENAME == table { keep_segment(); next }
FILENAME == want { rows++; groups[rows] = $1; addresses[rows] = $2 + 0; sizes[rows] = $3 + 0; want_page($2); next }
{ take_flags() }
END {
    printf "" >runs
    printf "" >allowed
    for (r = 1; r <= rows; r++) {
        a = addresses[r]
        if ((why = refusal(a)) != "") { print a, why >>refused; continue }
        known = (a - a % P) in low_flags
        print groups[r], a, sizes[r], end + 0, known >allowed
        if (known) print a - a % P, high_flags[a - a % P], low_flags[a - a % P] >>all_flags
        add(a, sizes[r], end + 0)
        end += sizes[r]
        pages++
        if (groups[r] == 0 || !known) looked_at = end
    }
    flush()
    print looked_at + 0, end + 0, pages + 0, run_count + 0
}'

# index, flags from "-" -> index without pages that are somebody else's by now; what is to be wiped: POSITION SIZE.
# shellcheck disable=SC2016
look_again_awk='
FILENAME == indexed { rows++; line[rows] = $0; addresses[rows] = $1 + 0; place[rows] = $3 " " $2; want_page($1); next }
{ take_flags() }
END {
    for (r = 1; r <= rows; r++) {
        if ((why = refusal(addresses[r])) == "") { print line[r]; continue }
        print addresses[r], why >>refused
        print place[r] >wipe
    }
}'

# allowed, todo, and the bytes from "-" as od -Ad -tu4 prints them -> todo of the next round; accepted pages go to the index.
#   root SIDE            an FDT of one page: tracker and subtrees
#   blob SIDE NAME       a subtree; of its contents LUO and kho_test are followed, on the outgoing side
#   radix LEVEL          an inner node
#   chunk                of the list of 6.16 to 7.0, and its bitmaps
#   sessions, files      serialization blocks of LUO (7.2 on): C entries in a page, and the next
#   session_array, more_sessions COUNT, file_array COUNT    the same in 6.19 to 7.1
#   flbs                 the page of LUO's FLBs
#   memfd OFFSET         a page of the handler memfd: the descriptor of its list of folios lies at OFFSET
#   vmalloc LEFT ORDER   a chunk of a preserved vmalloc area: LEFT pages are still to come
#   kept, bitmap         pages and pieces that are not followed
# shellcheck disable=SC2016
follow_awk='
BEGIN {
    power[0] = 1; power[1] = 256; power[2] = 65536; power[3] = 16777216
    for (shift = 0; power_of_2(shift) < P; shift++);
}
function u32(a) { return a in M ? M[a] : 0 }
function u64(a,    h) { h = u32(a + 4); return h < 2097152 ? u32(a) + h * G4 : -1 }
function byte(a) { return int(u32(a - a % 4) / power[a % 4]) % 256 }
function be32(a) { return byte(a) * 16777216 + byte(a + 1) * 65536 + byte(a + 2) * 256 + byte(a + 3) }
function text(a, most,    s, c) {
    s = ""
    while (most-- > 0 && (c = byte(a++)) > 0) s = s (c > 32 && c < 127 ? sprintf("%c", c) : "?")
    return s
}
function emit(kind, address, size, a, b) { if (address > 0 && size > 0) print kind, address, size, a == "" ? "-" : a, b == "" ? "-" : b }
function page(kind, address, a, b) { if (address % P == 0) emit(kind, address, P, a, b) }
# An area of "total" pages; the descriptor of it lies at a.
function area(a,    total, order) {
    total = u32(a + 8)
    order = int(u32(a + 12) / 65536)
    if (order <= 20) page("vmalloc", u64(a), total, order)
}
function pointer(name, here, size) {
    if (side == "in" && name != "memblock" && name != "kexec-metadata" && name != "kho_test" && (name != "LUO" || version == "kho-v4")) return
    if (size < 1 || size > 16777216) size = 0
    # What its format declares, where it does; of others no more than serves.
    if (size > P && name == "LUO") size = 0
    if (size > P && name == "kexec-metadata") size = 73
    if (size > longest_blob) size = longest_blob
    # Without a size that can be right, what its first page says.
    emit(size && name != "LUO" && name != "kho_test" ? "kept" : "blob", here, size ? size : P - here % P, side, name (size ? "" : "*"))
}
function end_of_subtree() {
    if (here == "" && unnamed) {
        here = value[unnamed]
        if (unnamed > 1) size = value[1]
    }
    if (here != "") pointer(subtree, here, size)
    here = ""; size = 0; unnamed = 0
}
function property(name, a, bytes) {
    if (kind == "root" && depth == 1) {
        if (bytes < 16 && text(a, 5) == "kho-v") version = text(a, bytes)
        else if (bytes == 8 && (name == "preserved-memory-map" || name == "")) map = u64(a)
    } else if (kind == "root" && depth == 2 && bytes == 8) {
        if (name == "fdt" || name == "preserved-data") here = u64(a)
        else if (name == "blob-size") size = u64(a)
        else if (name == "") value[++unnamed] = u64(a)
    } else if (subtree_name == "LUO" && bytes == 8) {
        if (name == "luo-session-header") page("session_array", u64(a))
        else if (name == "luo-flb-header") page("flbs", u64(a))
    } else if (subtree_name == "kho_test") {
        if (name == "nr_folios") folios = u32(a)
        else if (name == "folios_info" && bytes == 16) descriptor = a
    }
}
function fdt(base, end,    at, strings, tag, n, name, steps) {
    at = base + be32(base + 8)
    strings = base + be32(base + 12)
    depth = 0; version = ""; map = 0; here = ""; size = 0; unnamed = 0; descriptor = 0; folios = 0
    while (at + 4 <= end && steps++ < 20000) {
        tag = be32(at)
        at += 4
        if (tag == 1) {
            name = text(at, 64)
            if (++depth == 2) subtree = name
            while (at < end && byte(at)) at++
            at += 4 - (at - base) % 4
        } else if (tag == 2) {
            if (depth == 2 && kind == "root") end_of_subtree()
            if (--depth < 1) break
        } else if (tag == 3) {
            n = be32(at); name = strings + be32(at + 4)
            if (at + 8 + n > end) break
            property(name < end ? text(name, 32) : "", at + 8, n)
            at += 8 + n + (4 - n % 4) % 4
        } else if (tag != 4) break
    }
    if (depth == 2 && kind == "root") end_of_subtree()
}
function tracker(    bits) {
    if (side == "in" || map <= 0) return
    if (version == "kho-v1") page("chunk", map)
    else if (version == "kho-v2" || version == "kho-v3" || version == "kho-v4") {
        bits = 64 - shift - (shift + 3) + (version != "kho-v2")
        page("radix", map, int((bits + shift - 4) / (shift - 3)))
    }
}
function luo_file(a, handler) {
    handler = text(a, 48)
    if (handler == "memfd-v1") page("memfd", u64(a + 48), 24)
    else if (handler == "memfd-v2") page("memfd", u64(a + 48), 32)
    else if (handler != "") others++
}
function session(a) { if (u32(a + 72)) emit("file_array", u64(a + 64), 64 * (u32(a + 72) < 65536 ? u32(a + 72) : 65536), u32(a + 72)) }
function follow(a, size,    i, n, small, v, left, order) {
    if (kind == "root") {
        fdt(a, a + (size < P ? size : P))
        tracker()
    } else if (kind == "blob") {
        subtree_name = B
        sub(/\*$/, "", subtree_name)
        if (B ~ /\*$/ && be32(a) == 3490578157 && be32(a + 4) > size && be32(a + 4) <= 16777216)
            emit("kept", a + size, (be32(a + 4) < longest_blob ? be32(a + 4) : longest_blob) - size)
        if (A == "in") return
        if (be32(a) == 3490578157) {
            if (subtree_name == "LUO" || subtree_name == "kho_test") fdt(a, a + size)
            if (descriptor && (folios != 2 || (u32(descriptor + 12) % 65536 - 1 < 3 && u32(descriptor + 12) < 720896 &&
                u32(descriptor + 8) == power_of_2(int(u32(descriptor + 12) / 65536))))) area(descriptor)
        } else if (subtree_name == "LUO" && text(a, 8) == "luo-v5") {
            page("sessions", u64(a + 16))
            page("flbs", u64(a + 24))
        }
        subtree_name = ""; descriptor = 0
    } else if (kind == "radix") {
        for (i = 0; i < P; i += 8) if ((a + i) in M || (a + i + 4) in M) {
            if (A + 0 > 1) page("radix", u64(a + i), A - 1)
            else page("kept", u64(a + i))
        }
    } else if (kind == "chunk") {
        page("chunk", u64(a))
        n = u32(a + 12)
        if (n > (P - 16) / 16) n = (P - 16) / 16
        small = bitmaps
        for (i = 0; i < n; i++) if (u32(a + 24 + 16 * i) % P) small = 512
        for (i = 0; i < n; i++) if ((v = u64(a + 24 + 16 * i)) % 512 == 0) emit("bitmap", v, small)
    } else if (kind == "sessions") {
        page("sessions", u64(a))
        n = u32(a + 8)
        for (i = 0; i < n && 96 + 80 * i <= P; i++) page("files", u64(a + 80 + 80 * i))
    } else if (kind == "files") {
        page("files", u64(a))
        n = u32(a + 8)
        for (i = 0; i < n && 80 + 64 * i <= P; i++) luo_file(a + 16 + 64 * i)
    } else if (kind == "session_array") {
        n = u32(a) < 1 + 16 * P / 80 ? u32(a) : 16 * P / 80
        for (i = 0; i < n && 88 + 80 * i <= P; i++) session(a + 8 + 80 * i)
        if (i < n) {
            for (v = a + P - 80; v < a + P; v += 4) if (v in M) print "=", v, M[v]
            emit("more_sessions", a + P, 8 + 80 * n - P, n)
        }
    } else if (kind == "more_sessions") {
        for (i = 0; i < A + 0; i++) if (88 + 80 * i > P) session(a - P + 8 + 80 * i)
    } else if (kind == "file_array") {
        for (i = 0; i < A + 0 && 64 * i < size; i++) luo_file(a + 64 * i)
    } else if (kind == "flbs") {
        for (i = 0; i < u32(a + 8) && 80 + 64 * i <= P; i++) if (text(a + 16 + 64 * i, 48) !~ /^liveupdate-test-flb-/) other_flbs++
    } else if (kind == "memfd") {
        area(a + A)
    } else if (kind == "vmalloc") {
        left = A + 0; order = B + 0
        for (i = 8; i < P && left > 0 && (v = u64(a + i)) > 0; i += 8) {
            emit("kept", v, P * power_of_2(order))
            left -= power_of_2(order)
        }
        if (left >= 0) page("vmalloc", u64(a), left ? left : -1, order)
    }
}
function row() {
    # The row of the table that holds the byte at this position.
    while (at_row < rows && position >= where[at_row + 1] + sizes[at_row + 1]) at_row++
    return at_row + 1
}
function take(words,    r, a, i) {
    r = row()
    if (r > rows || position < where[r]) return
    a = addresses[r] + position - where[r]
    for (i = 1; i <= 4; i++) if (W[i]) { M[a + 4 * i - 4] = W[i]; used[r] = 1 }
}
FILENAME == allowed {
    if ($2 in failed) next
    rows++
    groups[rows] = $1; addresses[rows] = $2 + 0; sizes[rows] = $3 + 0; where[rows] = $4 + 0; flagged[rows] = $5
    next
}
FILENAME == failures { failed[$1]; next }
FILENAME == todo {
    if ($1 == "=") M[$2 + 0] = $3 + 0
    else { items++; kinds[items] = $1; from[items] = $2 + 0; bytes[items] = $3 + 0; first[items] = $4; second[items] = $5 }
    next
}
$1 == "*" { repeated = 1; next }
{
    # busybox takes a number with leading zeros for octal.
    sub(/^0+/, "", $1)
    offset = $1 - base
    if (repeated && (W[1] || W[2] || W[3] || W[4]))
        for (position += 16; position < offset; position += 16) take()
    repeated = 0
    position = offset
    for (i = 1; i <= 4; i++) W[i] = i < NF ? $(i + 1) + 0 : 0
    if (NF > 1) take()
}
END {
    for (r = 1; r <= rows; r++) {
        if (!flagged[r] && !used[r]) {
            print addresses[r], "/proc/kcore gives zeros, and without /proc/kpageflags they may stand for a page that it cannot read" >>refused
            continue
        }
        there[addresses[r] - addresses[r] % P]
        if (place != "") printf "%.0f %.0f %.0f\n", addresses[r], sizes[r], base + where[r] >>place
    }
    if (place == "") there[nowhere]
    for (n_ = 1; n_ <= items; n_++) {
        kind = kinds[n_]; A = first[n_]; B = second[n_]; side = A
        if (kind == "kept" || kind == "bitmap" || !((from[n_] - from[n_] % P) in there)) continue
        follow(from[n_], bytes[n_])
    }
    if (others) print "what files of other handlers than memfd point at" >>handlers
    if (other_flbs) print "what FLBs other than those of the kernel\47s own test point at" >>handlers
}'

# index, sorted -> the lines of printf %b that make up header and table of an ELF core.
# shellcheck disable=SC2016
core_awk='
function number(v, bytes,    s, d) {
    s = ""
    while (bytes-- > 0) { d = v % 256; s = s sprintf("\\0%03o", d); v = (v - d) / 256 }
    return s
}
{
    if (n && $1 == start[n] + size[n] && $3 == position[n] + size[n]) { size[n] += $2; next }
    n++
    start[n] = $1 + 0; size[n] = $2 + 0; position[n] = $3 + 0
}
END {
    # So many segments that their number has no room in the header stands in a section header.
    many = n >= 65535
    table = many ? 128 : 64
    data = table + 56 * n
    data += (P - data % P) % P
    print data / P
    print number(1179403647, 4) number(65794, 4) number(0, 8) number(4, 2) number(machine, 2) number(1, 4) number(0, 8) number(table, 8) \
        number(many ? 64 : 0, 8) number(0, 4) number(64, 2) number(56, 2) number(many ? 65535 : n, 2) number(64, 2) number(many, 2) number(0, 2)
    if (many) print number(0, 40) number(0, 4) number(n, 4) number(0, 16)
    for (i = 1; i <= n; i++) {
        print number(1, 4) number(4, 4) number(data + position[i], 8) number(0, 8) number(start[i], 8) number(size[i], 8) number(size[i], 8) \
            number(P, 8)
    }
}'

# TEXT: one thing that is not in memory.elf, for the manifest.
leave_out() {
    json_string "$1"
    left_out="$left_out${left_out:+, }$json"
    say "memory: left out: $1"
}

# TEXT: the same of what this script would have taken, but for its limits.
leave_out_unread() {
    leave_out "$1"
    note_unreadable memory.elf /proc/kcore "left out: $1"
}

# CODE MESSAGE: there is no memory in the capture, and why.
no_memory() {
    memory_state=none
    memory_code=$1
    memory_message=$2
}

# FIRST COUNT lines -> "@ FIRST" and the words of so many pages of /proc/kpageflags.
read_flags() {
    while read -r first count; do
        printf '@ %s\n' "$first"
        dd if="$root/proc/kpageflags" bs=4096 skip="$first" count="$count" 2>/dev/null | od -An -v -tu4
    done
}

# UNIT SKIP SIZE COUNT SEEK: part of /proc/kcore to its place in the file $into. False where not all of it could be read.
read_kcore() {
    if [ "$1" = "$3" ]; then
        said=$(dd if="$root/proc/kcore" of="$into" bs="$3" skip="$2" count="$4" seek="$5" conv=notrunc 2>&1)
    else
        # Here the file does not begin its pages where pages begin: one dd goes there, another one reads on.
        said=$({ dd bs="$1" skip="$2" count=0 of="$work/nothing" 2>/dev/null && dd of="$into" bs="$3" count="$4" seek="$5" conv=notrunc 2>&1; } \
            <"$root/proc/kcore")
    fi
    case $said in
    "$4+0 records in"*) return 0 ;;
    esac
    return 1
}

# Reads what "runs" says; pages that cannot be read go to "failed", those that there is no time for too, and late=yes.
read_runs() {
    counted=0
    while read -r unit skip size count seek first; do
        counted=$((counted + 1))
        if [ $((counted % 256)) = 0 ]; then
            now=$(date +%s)
            [ $((now - told_at)) -lt 5 ] || {
                told_at=$now
                say "memory: $counted of $runs reads in this round, $taken_pages pages before it"
            }
            [ $((now - memory_began)) -lt "$memory_seconds" ] || late=yes
        fi
        if [ -n "$late" ]; then
            while [ "$count" -gt 0 ]; do
                printf '%s %s\n' "$first" late
                first=$((first + size))
                count=$((count - 1))
            done
        elif read_kcore "$unit" "$skip" "$size" "$count" "$seek"; then
            :
        else
            # One by one: which of them is it?
            while [ "$count" -gt 0 ]; do
                read_kcore "$unit" "$skip" "$size" 1 "$seek" || printf '%s %s\n' "$first" error
                skip=$((skip + size / unit))
                seek=$((seek + 1))
                first=$((first + size))
                count=$((count - 1))
            done
        fi
    done <"$work/runs" >"$work/failed"
}

# One round: fetches what "todo" says, and replaces it by what that leads to.
fetch() {
    : >"$work/blocks"
    awk -v P="$page" -v table="$work/segments" -v seen_file="$work/seen" -v refused="$work/refused" -v blocks="$work/blocks" \
        -v over="$work/over" -v left="$((memory_pages - taken_pages))" "$numbers_awk$blocks_awk$plan_awk" \
        "$work/segments" "$work/seen" "$work/todo" >"$work/want"
    if [ -f "$work/over" ]; then
        read -r too_many wanted <"$work/over"
        leave_out_unread "$too_many of $wanted pages of one round: no more than $memory_pages pages are taken"
        rm -f "$work/over"
    fi
    [ -n "$flags_known" ] || : >"$work/blocks"
    sums=$(read_flags <"$work/blocks" | awk -v P="$page" -v table="$work/segments" -v want="$work/want" -v refused="$work/refused" \
        -v all_flags="$work/all_flags" -v allowed="$work/allowed" -v runs="$work/runs" -v base="$base" -v most=4096 \
        "$numbers_awk$flags_awk$allow_awk" "$work/segments" "$work/want" -)
    # shellcheck disable=SC2086 # words on purpose
    set -- $sums
    runs=$4
    cat "$work/runs" >>"$work/all_runs"
    read_runs
    [ ! -s "$work/failed" ] ||
        awk -v refused="$work/refused" '$2 == "error" { print $1, "/proc/kcore gives an error for it" >>refused }' "$work/failed"
    # Pages that are only kept are not looked at, unless it matters whether they are zeros.
    { [ "$1" = 0 ] || od -Ad -tu4 -j "$base" -N "$1" "$work/pages"; } |
        awk -v P="$page" -v base="$base" -v allowed="$work/allowed" -v failures="$work/failed" -v todo="$work/todo" -v place="$work/index" \
            -v refused="$work/refused" -v longest_blob="$longest_blob" -v handlers="$work/handlers" -v bitmaps="$bitmap_bytes" "$numbers_awk$follow_awk" \
            "$work/failed" "$work/allowed" "$work/todo" - >"$work/next"
    mv -f "$work/next" "$work/todo"
    base=$((base + ($2 + page - 1) / page * page))
    taken_pages=$((taken_pages + $3))
}

# All once more: what has other bytes by then is of two moments, and left out.
read_again() {
    mv -f "$work/all_runs" "$work/runs"
    runs=$(wc -l <"$work/runs" | tr -d ' ')
    into=$work/again
    : >"$into"
    [ -n "$late" ] || read_runs
    into=$work/pages
    if [ -n "$late" ]; then
        leave_out_unread "a second reading, which tells what changed meanwhile, within $memory_seconds seconds"
        return
    fi
    # shellcheck disable=SC2016
    (cd "$work" && od -An -v -tu4 pages | awk -v again="od -An -v -tu4 again" '
        {
            if ((again | getline there) <= 0) there = ""
            if ($0 == there) next
            split(there, words)
            for (i = 1; i <= NF; i++) if ($i != words[i]) printf "%.0f\n", (NR - 1) * 16 + (i - 1) * 4
        }') >"$work/differing"
    [ -s "$work/differing" ] || return 0
    awk -v indexed="$work/index" -v refused="$work/refused" -v wipe="$work/wipe" '
        FILENAME == indexed { rows++; line[rows] = $0; address[rows] = $1; size[rows] = $2; place[rows] = $3; next }
        { differs[int($1 / 4096)] = differs[int($1 / 4096)] " " $1 }
        END {
            for (r = 1; r <= rows; r++) {
                moving = 0
                for (p = int(place[r] / 4096); p <= int((place[r] + size[r] - 1) / 4096); p++) {
                    n = split(differs[p], at, " ")
                    for (i = 1; i <= n; i++) if (at[i] >= place[r] && at[i] < place[r] + size[r]) moving = 1
                }
                if (!moving) { print line[r]; continue }
                print address[r], "it changed between two readings" >>refused
                print place[r], size[r] >wipe
            }
        }' "$work/index" "$work/differing" >"$work/next"
    take_away
}

# Once more: a page that is somebody else's by now may have been read too late.
look_again() {
    # shellcheck disable=SC2016
    awk -v P="$page" -v blocks="$work/blocks" "$numbers_awk$blocks_awk"'{ note_block($1) } END { print_blocks(blocks) }' "$work/index"
    read_flags <"$work/blocks" | awk -v P="$page" -v indexed="$work/index" -v refused="$work/refused" -v wipe="$work/wipe" \
        "$numbers_awk$flags_awk$look_again_awk" "$work/index" - >"$work/next"
    take_away
}

# The index becomes "next", and the bytes of what is in it no more, in "wipe", become zeros.
take_away() {
    mv -f "$work/next" "$work/index"
    while read -r position size; do
        # In one piece where dd can go there in pieces of that size.
        unit=$size
        [ $((position % size)) = 0 ] || unit=1
        dd if=/dev/zero of="$work/pages" bs="$unit" seek="$((position / unit))" count="$((size / unit))" conv=notrunc 2>/dev/null
    done <"$work/wipe"
    : >"$work/wipe"
}

# Prints the pages that kho_out, the kernel's variable of the outgoing side, points at: one of them is the root FDT.
pages_of_kho_out() {
    # Its address and that of the next symbol, as 16 hexadecimal digits.
    symbol=$(awk '
        $3 == "kho_out" && a == "" { a = $1 }
        { if (NR > FNR && $1 "" > a "" && (b == "" || $1 "" < b "")) b = $1 }
        END { print a, b }' "$root/proc/kallsyms" "$root/proc/kallsyms" 2>/dev/null)
    case $symbol in
    ????????????????' '????????????????) ;;
    *) return ;;
    esac
    # shellcheck disable=SC2016
    place=$(printf '%s\n' "$symbol" | awk -v table="$work/segments" "$numbers_awk"'
        FILENAME == table { keep_segment(); next }
        {
            h = from_hexadecimal(substr($1, 1, 8)); l = from_hexadecimal(substr($1, 9))
            size = (from_hexadecimal(substr($2, 1, 8)) - h) * G4 + from_hexadecimal(substr($2, 9)) - l
            if (size > 1024) size = 1024
            for (s = 1; s <= segments; s++) {
                inside = (h - virtual_high[s]) * G4 + l - virtual_low[s]
                if (inside < 0 || inside >= length_[s] || l % 8) continue
                print high[s] * 536870912 + (low[s] + inside) / 8, int(size / 8)
                exit
            }
        }' "$work/segments" -)
    [ -n "$place" ] || return
    dd if="$root/proc/kcore" bs=8 skip="${place% *}" count="${place#* }" 2>/dev/null | od -An -v -tu4 |
        awk -v P="$page" -v table="$work/segments" "$numbers_awk$pointers_awk" "$work/segments" -
}

# ADDRESS: whether the page there begins like an FDT, done or half built, and names a version of KHO.
is_root_fdt() {
    printf '0 %s %s\n' "$1" "$page" >"$work/want"
    awk -v P="$page" -v table="$work/segments" -v want="$work/want" -v refused=/dev/null -v all_flags=/dev/null -v allowed=/dev/null \
        -v runs="$work/runs" -v base=0 -v most=1 "$numbers_awk$flags_awk$allow_awk" "$work/segments" "$work/want" >/dev/null
    [ -s "$work/runs" ] && read -r unit skip size count seek first <"$work/runs" && read_kcore "$unit" "$skip" "$size" "$count" "$seek" || return 1
    case $(od -An -v -tx1 -N 4 "$work/pages" | tr -d ' ') in
    d00dfeed | 2ff20112) ;;
    *) return 1 ;;
    esac
    tr '\000' '\n' <"$work/pages" | awk '/kho-v/ { f = 1 } END { exit !f }'
}

# Prints address and size of the incoming root FDT, then of the scratch table, as the kernel before told this one; nothing without a handover.
boot_record() {
    for node in "$root"/sys/kernel/boot_params/setup_data/*/; do
        [ -r "${node}type" ] || continue
        read -r type <"${node}type"
        case $type in
        10 | 0xa | 0x0a) od -An -v -tu4 "${node}data" 2>/dev/null ;;
        esac | awk '{ for (i = 1; i <= NF; i++) w[n++] = $i } END {
            for (i = 0; i < 8 && n >= 8; i += 2) if (w[i + 1] < 2097152) printf "%.0f ", w[i] + w[i + 1] * 4294967296; else printf "0 " }'
    done
    for cells in linux,kho-fdt linux,kho-scratch; do
        od -An -v -tu1 "$root/proc/device-tree/chosen/$cells" 2>/dev/null | awk '{ for (i = 1; i <= NF; i++) b[n++] = $i } END {
            if (n != 16) print "0 0"
            for (i = 0; i < 16 && n == 16; i += 8) { v = 0; for (j = 0; j < 8; j++) v = v * 256 + b[i + j]; printf "%.0f ", v } }'
    done
}

# Which pages the state begins with, to "todo": sets $roots to how many root FDTs there are.
find_roots() {
    : >"$work/todo"
    roots=0
    told=$(boot_record)
    # shellcheck disable=SC2086 # words on purpose
    set -- $told
    incoming=${1-0}
    if [ "$incoming" -gt 0 ] && is_root_fdt "$incoming"; then
        printf 'root %s %s in -\n' "$incoming" "$page" >>"$work/todo"
        roots=1
        [ "${4-0}" -eq 0 ] || [ "$4" -gt 16416 ] || printf 'kept %s %s - -\n' "$3" "$4" >>"$work/todo"
    fi
    outgoing=
    case $facts in
    *symbols=yes*)
        for address in $(pages_of_kho_out); do
            [ "$address" != "$incoming" ] || continue
            is_root_fdt "$address" || continue
            printf 'root %s %s out -\n' "$address" "$page" >>"$work/todo"
            outgoing=yes
        done
        : >"$work/pages"
        ;;
    esac
    if [ -n "$outgoing" ]; then
        roots=$((roots + 1))
        return
    fi
    obstacle outgoing
    memory_code=${code:-no-root}
    memory_message=${message:-no page that kho_out points at is a root FDT}
    say "memory: $memory_message"
    if root_is_lost; then
        note_unreadable memory.elf /proc/kcore "$memory_message"
    fi
    # Then debugfs tells what it leads to, if not where it is.
    follow_file root fdt
    for name in LUO kho_test; do
        follow_file blob sub_fdts/$name $name
    done
}

# Whether there is an outgoing root FDT that debugfs does not show. Up to 6.18 it does wherever there is one; later not after a handover.
root_is_lost() {
    case $release in
    6.16* | 6.17* | 6.18*) return 1 ;;
    esac
    [ -d "$out/kho/out" ] && [ ! -s "$out/kho/out/fdt" ]
}

# No memory, which loses nothing but where it alone has the outgoing root FDT.
note_no_memory() {
    if root_is_lost; then
        note_unreadable memory.elf /proc/kcore "$1"
    else
        note_absent memory.elf /proc/kcore "$1"
    fi
}

# KIND PATH [NAME]: what a file of the outgoing side of debugfs leads to, to "todo": as if it lay at address 0.
follow_file() {
    [ -s "$out/kho/out/$2" ] || return 0
    roots=$((roots + 1))
    printf '%s 0 %s out %s\n' "$1" "$(wc -c <"$out/kho/out/$2")" "${3--}" >"$work/file"
    printf '0 0 %s 0 1\n' "$page" >"$work/one"
    od -Ad -tu4 "$out/kho/out/$2" | awk -v P="$page" -v base=0 -v allowed="$work/one" -v failures=/none -v todo="$work/file" -v place= \
        -v nowhere=0 -v longest_blob="$longest_blob" -v handlers="$work/handlers" "$numbers_awk$follow_awk" "$work/one" "$work/file" - >>"$work/todo"
}

capture_memory() {
    memory_code=
    memory_message=
    if [ "$memory" = none ]; then
        memory_state=off
        note_absent memory.elf /proc/kcore "not asked for (--memory none)"
        return
    fi
    case $facts in
    *kcore=readable*) ;;
    *)
        obstacle memory
        no_memory "$code" "$message"
        case $facts in
        *kcore=absent*) note_no_memory "$message" ;;
        *) note_unreadable memory.elf /proc/kcore "$message" ;;
        esac
        return
        ;;
    esac
    page=$(page_size)
    case $page-$(byte_order) in
    4096-little | 16384-little | 65536-little) ;;
    *)
        no_memory not-read "this script reads memory only of little-endian machines with pages of 4, 16 or 64 KiB"
        note_no_memory "$memory_message"
        return
        ;;
    esac
    for tool in dd sort; do
        command -v "$tool" >/dev/null 2>&1 || {
            no_memory not-read "needs the command $tool, which is not here"
            note_unreadable memory.elf /proc/kcore "$memory_message"
            return
        }
    done
    work=$out/.memory
    mkdir -- "$work" || return
    take_memory
    rm -rf -- "$work"
}

take_memory() {
    memory_began=$(date +%s)
    told_at=$memory_began
    into=$work/pages
    late=
    head=$(dd if="$root/proc/kcore" bs=64 count=1 2>/dev/null | od -An -v -tu4 | awk "$elf_header_awk")
    # shellcheck disable=SC2086 # words on purpose
    set -- $head
    case ${1-} in
    62 | 183) ;;
    *)
        no_memory not-read "/proc/kcore does not begin as an ELF core of x86_64 or arm64"
        note_unreadable memory.elf /proc/kcore "$memory_message"
        return
        ;;
    esac
    machine=$1
    dd if="$root/proc/kcore" bs=8 skip="$(($2 / 8))" count="$((7 * $3))" 2>/dev/null | od -An -v -tu4 |
        awk "$numbers_awk$segments_awk" >"$work/segments"
    for name in seen refused all_flags all_runs wipe index pages handlers failed; do
        : >"$work/$name"
    done
    flags_known=
    dd if="$root/proc/kpageflags" bs=8 count=1 2>&1 >/dev/null | awk '/^1\+0 records in/ { f = 1 } END { exit !f }' && flags_known=yes
    case $release in
    6.16* | 6.17*) bitmap_bytes=512 ;;
    *) bitmap_bytes=$page ;;
    esac
    base=0
    taken_pages=0
    find_roots
    if [ "$roots" = 0 ]; then
        memory_state=none
        case " $unread_names " in
        *' "memory.elf" '*) ;;
        *) note_absent memory.elf /proc/kcore "${memory_message:-nothing tells where a root FDT lies}" ;;
        esac
        return
    fi
    memory_state=taken
    rounds=0
    while [ -s "$work/todo" ] && [ -z "$late" ] && [ "$taken_pages" -lt "$memory_pages" ]; do
        fetch
        rounds=$((rounds + 1))
        now=$(date +%s)
        [ $((now - memory_began)) -lt "$memory_seconds" ] || late=yes
        [ $((rounds % 50)) != 0 ] || say "memory: $taken_pages pages"
    done
    [ -z "$late" ] || leave_out_unread "what could not be read within $memory_seconds seconds"
    [ ! -s "$work/todo" ] || leave_out_unread "what $(awk '$1 != "="' "$work/todo" | wc -l | tr -d ' ') more structures lead to"
    while read -r line; do
        case $left_out in
        *"$line"*) ;;
        *) leave_out "$line" ;;
        esac
    done <"$work/handlers"
    [ ! -s "$work/index" ] || read_again
    [ -z "$flags_known" ] || look_again
    note_refused
    # shellcheck disable=SC2016
    memory_absent=$(head -n "$most_absent" "$work/refused" | awk "$numbers_awk"'{
        address = $1
        sub(/^[^ ]* /, "")
        printf "%s{\"address\": \"0x%s\", \"reason\": \"%s\", \"moving\": %s}", (NR > 1 ? ", " : ""), hexadecimal(address), $0, ($0 ~ /^it changed/ ? "true" : "false")
    }')
    if [ -s "$work/index" ]; then
        memory_used=$(awk -v P="$page" '{ b += $2; p = $1 - $1 % P; if (!seen[p]++) n++ } END { printf "%d %.0f", n, b }' "$work/index")
        write_core
    else
        memory_state=none
    fi
    if [ -z "$flags_known" ]; then
        say "memory: /proc/kpageflags cannot be read: pages of zeros are left out"
        if [ -e "$root/proc/kpageflags" ]; then
            note_unreadable kpageflags /proc/kpageflags "/proc/kpageflags cannot be read"
        else
            note_absent kpageflags /proc/kpageflags "this kernel does not show it"
        fi
    fi
    [ "$memory_state" = none ] || [ -z "$left_out$memory_code" ] && [ ! -s "$work/refused" ] || memory_state=partial
    say "memory: $taken_pages pages in $(($(date +%s) - memory_began)) s"
}

# What of the metadata could not be read: by address.
note_refused() {
    noted=0
    refused_count=$(wc -l <"$work/refused")
    while read -r address why_not; do
        noted=$((noted + 1))
        if [ "$noted" -gt 50 ]; then
            note_unreadable memory.elf /proc/kcore "$((refused_count - 50)) more pages"
            break
        fi
        note_unreadable memory.elf /proc/kcore "$(printf '0x%x' "$address"): $why_not"
    done <"$work/refused"
}

# memory.elf, and kpageflags of its pages.
write_core() {
    sort -n "$work/index" >"$work/sorted"
    awk -v P="$page" -v machine="$machine" "$numbers_awk$core_awk" "$work/sorted" >"$work/core"
    {
        read -r blocks
        while read -r line; do
            printf %b "$line"
        done >"$out/$partial"
    } <"$work/core"
    if reason=$(dd if="$work/pages" of="$out/$partial" bs="$page" seek="$blocks" conv=notrunc 2>&1 && mv -f -- "$out/$partial" "$out/memory.elf"); then
        note_file memory.elf /proc/kcore
    else
        rm -f -- "$out/$partial"
        no_memory failed "memory.elf could not be written"
        note_unreadable memory.elf /proc/kcore "memory.elf could not be written: ${reason##*: }"
        return
    fi
    [ -n "$flags_known" ] || return 0
    # shellcheck disable=SC2016
    sort -n "$work/all_flags" | awk "$numbers_awk"'$1 != before {
        before = $1
        text = hexadecimal($3)
        if ($2) { while (length(text) < 8) text = "0" text; text = hexadecimal($2) text }
        print "0x" hexadecimal($1), "0x" text
    }' >"$out/$partial" && mv -f -- "$out/$partial" "$out/kpageflags" && note_file kpageflags /proc/kpageflags
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
    printf '  "facts": %s,\n' "$(json_or_null "$machine_facts")"
    printf '  "kho": {"present": %s, "reason": %s, "message": %s},\n' "$kho_present" \
        "$(json_or_null "$kho_code")" "$(json_or_null "$kho_message")"
    printf '  "memory": {"state": %s, "reason": %s, "message": %s, "pages": %s, "bytes": %s, "left_out": [%s], "absent": [%s]},\n' \
        "$(json_or_null "$memory_state")" "$(json_or_null "$memory_code")" "$(json_or_null "$memory_message")" \
        "${memory_used% *}" "${memory_used#* }" "$left_out" "$memory_absent"
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
    say "interrupted: the capture is incomplete; the same command takes it up again"
    rm -rf -- "$out/.memory"
    [ -z "$archive" ] || rm -f -- "$archive.partial" "$archive.partial.gz"
    write_manifest false "interrupted by SIG$1"
    exit "$2"
}

# Whether $out holds a capture of this boot that did not come to its end.
is_unfinished() {
    boot_id=$(fact /proc/sys/kernel/random/boot_id true)
    [ -n "$boot_id" ] && [ -f "$out/capture.json" ] && [ ! -L "$out/capture.json" ] && awk -v boot_id="\"boot_id\": \"$boot_id\"," '
        $0 == "  \"schema\": \"kho-tui.capture/1\"," { s = 1 }
        $0 == "  \"complete\": false," { c = 1 }
        $0 == "  " boot_id { b = 1 }
        END { exit !(s && c && b) }' "$out/capture.json"
}

# Sets $out to a directory that is new, or empty, or to be taken up again.
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
        # A name that begins with - would be an option to tar, NAME=... an assignment to awk, which takes backslashes for escapes.
        case $out in
        /*) ;;
        -* | *=*) out=./$out ;;
        esac
        json_string "$out"
        case $out in
        *\\*) die "$json has a backslash: name another place" ;;
        esac
        if [ -d "$out" ] && [ -z "$(ls -A -- "$out" 2>&1)" ]; then
            # Its own name, for the last line: "." is none that can be taken away.
            case /$out/ in
            */./ | */../) out=$(cd -- "$out" && pwd -P) || die "cannot tell where $json is" ;;
            esac
            return
        fi
        if [ -d "$out" ] && [ ! -L "$out" ] && is_unfinished; then
            resumed=yes
            rm -rf -- "$out/kho" "$out/memory.elf" "$out/kpageflags" "$out/.memory" "$out/.partial" || die "cannot write into $json"
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

usage='usage: sh capture-kho.sh [--memory none] [DIR | -o FILE.tar.gz]'

# Puts $out into the one file $archive, and takes $out away.
make_archive() {
    parent=.
    case $out in
    */*) parent=${out%/*} ;;
    esac
    json_string "$archive"
    quoted=$json
    reason=$({ tar -cf "$archive.partial" -C "${parent:-/}" -- "${out##*/}"; } 2>&1) || archive_failed
    case $archive in
    *.tar) whole=$archive.partial ;;
    *)
        whole=$archive.partial.gz
        reason=$({ gzip -c <"$archive.partial" >"$whole"; } 2>&1) || archive_failed
        rm -f -- "$archive.partial"
        ;;
    esac
    [ ! -e "$archive" ] && [ ! -L "$archive" ] || archive_failed "it exists by now"
    reason=$({ mv -- "$whole" "$archive"; } 2>&1) || archive_failed
    # Where a directory of this name has come in between, mv has put it in there.
    if [ -d "$archive" ]; then
        rm -f -- "$archive/${whole##*/}"
        archive_failed "it exists by now"
    fi
    rm -rf -- "$out"
}

# [REASON]
archive_failed() {
    rm -f -- "$archive.partial" "$archive.partial.gz"
    json_string "$out"
    die "cannot make $quoted (${1-${reason##*: }}): the capture is whole in the directory $json"
}

# Sets $archive, and prepares what is to be put there: its name without what tells the kind is the directory.
name_archive() {
    archive=$1
    case $archive in
    -*) archive=./$archive ;;
    esac
    case $archive in
    */.tar | */.tar.gz | */.tgz | .tar | .tar.gz | .tgz) die "-o needs a name before .tar.gz" ;;
    *.tar.gz | *.tgz) wanted_tool=gzip ;;
    *.tar) wanted_tool=tar ;;
    *) die "-o makes a file whose name ends in .tar.gz or .tar" ;;
    esac
    for tool in tar "$wanted_tool"; do
        command -v "$tool" >/dev/null 2>&1 || die "-o needs the command $tool, which is not here"
    done
    json_string "$archive"
    [ ! -e "$archive" ] && [ ! -L "$archive" ] || die "$json exists already: nothing done"
}

main() {
    wanted_file=
    while :; do
        case ${1-} in
        -h | --help)
            printf '%s\n' "$usage"
            printf 'Makes DIR (default: kho-HOSTNAME-DATE-TIME here), or one file, with the KHO state of this machine. Run it as root.\n'
            printf -- '--memory none leaves out the pages of KHO'\''s own structures, which are read through /proc/kcore.\n'
            exit 0
            ;;
        --memory=*) memory=${1#--memory=} && shift ;;
        --memory) { [ $# -ge 2 ] && memory=$2 && shift 2; } || die "--memory needs a word; $usage" ;;
        -o) { [ $# -ge 2 ] && [ -n "$2" ] && wanted_file=$2 && shift 2; } || die "-o needs the name of a file; $usage" ;;
        --)
            shift
            break
            ;;
        -*) die "unknown option; $usage" ;;
        *) break ;;
        esac
    done
    case $memory in
    none | metadata) ;;
    *) die "--memory is none or metadata; $usage" ;;
    esac
    [ $# -le 1 ] || die "one directory at most; $usage"
    [ $# -eq 0 ] || [ -n "$1" ] || die "the name of the directory is empty"
    [ $# -eq 0 ] || [ -z "$wanted_file" ] || die "a directory or a file, not both; $usage"
    for tool in awk cat date head id ls md5sum mkdir mv od rm sed tr uname wc; do
        command -v "$tool" >/dev/null 2>&1 || die "needs the command $tool, which is not here"
    done

    taken=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    hostname=$(fact /proc/sys/kernel/hostname uname -n)
    release=$(fact /proc/sys/kernel/osrelease uname -r)
    if [ -n "$wanted_file" ]; then
        name_archive "$wanted_file"
        folder=${archive%.tar}
        folder=${folder%.tar.gz}
        make_directory "${folder%.tgz}"
    else
        make_directory ${1+"$1"}
    fi
    kho_present=null
    kho_code=
    kho_message=
    memory_state=
    memory_code=
    memory_message=
    memory_used="0 0"
    memory_absent=
    facts=
    machine_facts=
    parameter=
    debugfs=/sys/kernel/debug
    json_string "$out"
    write_manifest false "the script did not come to its end: killed, or no room on the disk" || die "cannot write into $json: ${reason##*: }"
    trap 'interrupted INT 130' INT
    trap 'interrupted TERM 143' TERM
    trap 'interrupted HUP 129' HUP
    say "sensitive: a capture holds kernel addresses, the kernel command line, the kernel log and names of live update sessions;"
    say "KHO's own structures of memory are in it, contents of preserved pages are not"
    say "${resumed:+again }capturing into $json"
    [ "$(id -u)" = 0 ] || say "not root: much of the state cannot be read"

    look_at_machine
    # The KHO tree and memory first, in one go: they are what changes.
    capture_debugfs
    say "debugfs: $file_count files"
    capture_memory
    capture_rows
    capture_log
    say "with /proc, /sys, configuration and log: $file_count files"

    if [ "$kho_present" = false ]; then
        explain_missing_kho
        note_unreadable kho "$debugfs/kho" "$kho_message"
    fi

    write_manifest true "" || die "capture.json could not be written (${reason##*: }): this capture is incomplete"
    [ -z "$archive" ] || make_archive

    [ "$unreadable_count" -eq 0 ] || say "$unreadable_count could not be read: see capture.json; among them $unread_names"
    if [ -n "$archive" ]; then
        say "done: look at it with  kho-tui $(shell_word "$archive")"
    else
        word=$(shell_word "$out")
        say "done: take it away with  tar czf $(shell_word "$out.tar.gz") $word  and look at it with  kho-tui $word"
    fi
    [ "$unreadable_count" -eq 0 ]
}

main "$@"
