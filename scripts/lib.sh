# shellcheck shell=bash
# What the scripts share: messages, failure in one line, retries, root. Sourced, never run.

say() { printf '%s\n' "$*" >&2; }

# die MESSAGE...: one line on stderr, exit 1. It starts with the name of the script.
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# retry TRIES COMMAND...: runs COMMAND until it succeeds, at most TRIES times, with growing waits.
retry() {
  local tries=$1 try
  shift
  for ((try = 1; try <= tries; try++)); do
    "$@" && return 0
    ((try < tries)) || return 1
    say "  try $try of $tries failed; again in $((try * 5)) s"
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
  line=$(grep -m1 -E '^(E:|Err:|npm ERR! (code|[0-9]{3})|npm error)' "$1" || tail -n 1 "$1")
  printf '%s' "${line:-no message}"
}
