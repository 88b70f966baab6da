# shellcheck shell=bash
# Sourced by deploy/demo and Tests/run: finds Swift, installs what is missing, and tells what takes time.

swift_wanted=6.2

say() { printf '%s\n' "$*" >&2; }

# stop TEXT...: one line a text, then the end.
stop() {
    printf '%s\n' "$@" >&2
    exit 1
}

# step NAME COMMAND...: runs the command and tells how long it took. Its output stays visible; its failure ends the script.
step() {
    local name=$1 begin=$SECONDS status=0
    shift
    printf '\n== %s\n' "$name" >&2
    "$@" || status=$?
    if [ "$status" -ne 0 ]; then
        printf '== %s: failed with status %s after %s s\n' "$name" "$status" "$((SECONDS - begin))" >&2
        exit "$status"
    fi
    printf '== %s: done in %s s\n' "$name" "$((SECONDS - begin))" >&2
}

# Without Swift nothing can be built, and no distribution's package would be recent enough: say so and stop.
need_swift() {
    [ "$(uname -s)" = Linux ] || stop "agent runs on Linux; this is $(uname -s)."
    if ! command -v swift >/dev/null 2>&1; then
        stop "Swift is not installed, or not on PATH." \
            "Install Swift $swift_wanted or later (6.3 is what the tests run with) from https://www.swift.org/install/linux/ and start this again."
    fi
    local told version oldest
    told=$(swift --version 2>&1) || stop "$(command -v swift) does not start; it says:" "    $told" \
        "Install what Swift itself needs (see https://www.swift.org/install/linux/) and start this again."
    version=$(sed -nE 's/.*Swift version ([0-9]+(\.[0-9]+)+).*/\1/p' <<<"$told" | head -n 1)
    [ -n "$version" ] || stop "'swift --version' tells no version: $told"
    oldest=$(printf '%s\n%s\n' "$swift_wanted" "$version" | sort -V | head -n 1)
    [ "$oldest" = "$swift_wanted" ] || stop "Swift $version is too old; $swift_wanted or later is needed (https://www.swift.org/install/linux/)."
}

# need_packages NAME...: Debian packages; installs those that are missing and nothing else.
need_packages() {
    local name missing=()
    if ! command -v dpkg-query >/dev/null 2>&1; then
        need_capabilities "$@"
        return
    fi
    for name in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            stop "Missing Debian packages, and neither root nor sudo to install them. Ask for this once:" \
                "    apt-get install --no-install-recommends ${missing[*]}"
        fi
        apt=(sudo "${apt[@]}")
    fi
    say "Installing ${missing[*]}"
    "${apt[@]}" update >/dev/null || say "apt-get update failed; trying with the lists that are here."
    "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >&2 </dev/null ||
        stop "apt-get could not install: ${missing[*]}"
}

# Elsewhere than on Debian: looks for what the packages would bring, and stops with the names of what is not there.
need_capabilities() {
    local name missing=()
    for name in "$@"; do
        case "$name" in
        libpq-dev) pkg-config --exists libpq ;;
        libmariadb-dev) pkg-config --exists libmariadb ;;
        libcurl4-openssl-dev) pkg-config --exists libcurl ;;
        libc-ares-dev) pkg-config --exists libcares ;;
        libssl-dev) pkg-config --exists openssl ;;
        libsqlite3-dev) pkg-config --exists sqlite3 ;;
        zlib1g-dev) pkg-config --exists zlib ;;
        libc6-dev) [ -e /usr/include/stdio.h ] ;;
        postgresql) compgen -G '/usr/lib/postgresql/*/bin/initdb' || compgen -G '/usr/pgsql-*/bin/initdb' || command -v initdb ;;
        mariadb-server) (PATH=$PATH:/usr/sbin:/usr/libexec && command -v mariadbd) ;;
        python3-pymysql) python3 -c 'import pymysql' ;;
        prometheus) command -v prometheus && command -v promtool ;;
        python3-prometheus-client) python3 -c 'import prometheus_client.openmetrics.parser' ;;
        python3-jsonschema) python3 -c 'import jsonschema' ;;
        libpam-wrapper) compgen -G '/usr/lib*/libpam_wrapper.so' || compgen -G '/usr/lib/*/libpam_wrapper.so' ;;
        libltdl7) ldconfig -p | grep -F 'libltdl.so.7 ' ;;
        libkrb5-3) ldconfig -p | grep -F 'libkrb5.so.3 ' ;;
        libgssapi-krb5-2) ldconfig -p | grep -F 'libgssapi_krb5.so.2 ' ;;
        python3-venv) python3 -c 'import venv, ensurepip' ;;
        binutils) command -v readelf ;;
        systemd) command -v systemd-analyze ;;
        ca-certificates) [ -d /etc/ssl/certs ] ;;
        *) command -v "$name" ;;
        esac >/dev/null 2>&1 || missing+=("$name")
    done
    [ ${#missing[@]} -eq 0 ] ||
        stop "This is not Debian, so nothing is installed for you. Missing, by Debian's names: ${missing[*]}"
}

# What a build needs, and what the lab needs to run a real PostgreSQL and MariaDB that ask it about tokens.
# shellcheck disable=SC2034  # read by the scripts that source this
build_packages=(git ca-certificates pkg-config gcc g++ libc6-dev libcurl4-openssl-dev libpq-dev libmariadb-dev libc-ares-dev libssl-dev libsqlite3-dev zlib1g-dev)
# shellcheck disable=SC2034
lab_packages=(postgresql mariadb-server)
# shellcheck disable=SC2034
test_packages=(prometheus python3-prometheus-client python3-jsonschema python3-pymysql python3-venv libpam-wrapper libltdl7 libkrb5-3 libgssapi-krb5-2 curl openssl chromium)
