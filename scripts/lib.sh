# shellcheck shell=bash
# What the scripts share: messages, failure in one line, retries, root. Sourced, never run.

say() { printf '%s\n' "$*" >&2; }

# die MESSAGE...: one line on stderr, exit 1. It starts with the name of the script.
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# retry LOG COMMAND...: runs COMMAND, its output in LOG, until it succeeds: three tries with growing
# waits. Says why a try failed; the caller says why the last one did.
retry() {
  local log=$1 try
  shift
  for try in 1 2 3; do
    "$@" >"$log" 2>&1 </dev/null && return 0
    ((try < 3)) || return 1
    say "  try $try of 3 failed ($(reason "$log")); again in $((try * 5)) s"
    sleep $((try * 5))
  done
}

# as_root COMMAND...: runs COMMAND as root, through sudo when needed.
as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "installing packages needs root: run as root, or install sudo"
  fi
}

# reason LOG: the line of a package tool's log that tells why it failed.
reason() {
  local line
  line=$(grep -m1 -E '^(E:|Err:|ERROR|npm (ERR!|error) request)' "$1" ||
    grep -m1 -E '^npm (ERR!|error)' "$1" || tail -n 1 "$1")
  printf '%s' "${line:-no message}"
}

# python_venv VENV REQUIREMENTS: a virtual environment with exactly what the file pins by version
# and SHA-256. There already, from the same file: done at once, and 1 is returned.
python_venv() {
  local venv=$1 requirements=$2 python=/usr/bin/python3 log=$1/install.log
  local stamp=$venv/installed.sha256
  if [[ -f $stamp ]] && sha256sum --check --status "$stamp" && "$venv/bin/python" -c ''; then
    return 1
  fi
  "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null ||
    die "$python is not Python 3.11, for which packages are pinned: run scripts/setup test"
  rm -rf "$venv"
  "$python" -m venv "$venv" >/dev/null ||
    die "cannot make $venv: is python3-venv installed? Run scripts/setup test"
  say "${0##*/}: installing what $requirements pins into $venv"
  retry "$log" "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --require-hashes --only-binary :all: --requirement "$requirements" ||
    die "cannot install into $venv: $(reason "$log") (log: $log)"
  sha256sum "$requirements" >"$stamp"
}
