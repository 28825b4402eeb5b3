# Sourced by scripts/test. Brings in what the tests need from the system's packages, where this user may install them.

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# install_package PACKAGE: asks nothing, for there is nobody to answer, and starts no service: only the program is wanted.
install_package() {
    local policy=/usr/sbin/policy-rc.d
    as_root sh -c "
        [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && trap 'rm -f $policy' EXIT; }
        timeout 120 apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $1
    " >/dev/null 2>&1 </dev/null
}

# try_system_package CHECK PACKAGE: installs PACKAGE where the command CHECK fails and this user may install.
try_system_package() {
    local check=$1 package=$2
    eval "$check" >/dev/null 2>&1 && return
    if command -v apt-get >/dev/null 2>&1 && as_root true 2>/dev/null; then
        printf 'Installing %s from the system packages ...\n' "$package"
        install_package "$package" || true
    fi
}

# ensure_system_package CHECK PACKAGE WHAT: says loudly which tests will not run where the command CHECK fails all the same.
ensure_system_package() {
    local check=$1 package=$2 what=$3
    try_system_package "$check" "$package"
    eval "$check" >/dev/null 2>&1 || printf '*** %s is missing: %s will not run ***\n' "$package" "$what" >&2
}
