# Sourced by the other scripts, from the root of the checkout: makes the virtual environment if it is
# not there, brings it up to date if the project's requirements changed, and leaves its folder in
# $venv. BIONCL_VENV names another folder than .venv. An interrupted run is picked up by the next.

venv=${BIONCL_VENV:-.venv}

find_python() {
    local candidate
    for candidate in python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "bioncl needs Python 3.11 or newer with venv and ensurepip; none was found on the PATH." >&2
    return 1
}

make_venv() {
    local python
    python=$(find_python)
    if [ -e "$venv" ] && [ ! -e "$venv/pyvenv.cfg" ] && [ -n "$(ls -A "$venv")" ]; then
        echo "$venv is not empty and not a virtual environment; name another with BIONCL_VENV." >&2
        return 1
    fi
    echo "Making a virtual environment in $venv with $python" >&2
    "$python" -m venv --clear "$venv"
}

# What the environment was made from: any change means that it has to be brought up to date.
fingerprint() {
    { pwd; "$venv/bin/python" --version; cat setup.cfg pyproject.toml constraints.txt; } | cksum
}

prepare_venv() {
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || make_venv
    local stamp=$venv/bioncl.stamp
    if [ ! -e "$stamp" ] || [ "$(cat "$stamp")" != "$(fingerprint)" ]; then
        echo "Installing bioncl and its requirements into $venv" >&2
        rm -f "$stamp"
        "$venv/bin/python" -m pip install --quiet --constraint constraints.txt --editable '.[test,lint]'
        fingerprint >"$stamp"
    fi
}

prepare_venv
