#!/bin/sh
# Puts Dialtone on this machine, or into an image; again: upgrades it. Says each thing it does.
set -eu

usage() {
  cat <<'END'
usage: install.sh [--root DIR] [--wheels DIR] [--inside IF[,IF] --outside IF[,IF] [--ssh IF[,IF]]]
                  [--dry-run] [--no-start] [--uninstall]

  --root DIR     into the image at DIR (through chroot), and start nothing
  --wheels DIR   install from this folder of wheels alone, without a network
  --inside IF    the interfaces on the 911 LAN, --outside those towards the NOC: writes and starts the box's own
                 firewall (default deny, nothing forwarded). Without --ssh nobody logs in by the network afterwards.
  --dry-run      say everything, do nothing
  --no-start     put everything in place and start nothing
  --uninstall    take away all but the journal (/var/lib/dialtone) and /etc/dialtone
END
}

here=$(cd "$(dirname "$0")" && pwd)
root="" wheels="" dry="" start=yes uninstall="" inside="" outside="" ssh=""
while [ $# -gt 0 ]; do
  case "$1" in
    --root) root=${2:?"--root needs a directory"}; start=""; shift ;;
    --wheels) wheels=${2:?"--wheels needs a directory"}; shift ;;
    --inside) inside=${2:?"--inside needs an interface"}; shift ;;
    --outside) outside=${2:?"--outside needs an interface"}; shift ;;
    --ssh) ssh=${2:?"--ssh needs an interface"}; shift ;;
    --dry-run) dry=yes ;;
    --no-start) start="" ;;
    --uninstall) uninstall=yes ;;
    --upgrade) ;; # what it does anyway, where something is installed
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

say() { printf 'dialtone: %s\n' "$*"; }
fail() { printf 'dialtone: %s\n' "$*" >&2; exit 1; }
# Do one thing, or only say it.
act() { if [ -n "$dry" ]; then printf '  would: %s\n' "$*"; else "$@"; fi; }
# In the system that is installed into.
inside_root() { if [ -n "$root" ]; then act chroot "$root" "$@"; else act "$@"; fi; }
running() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

[ -n "$dry" ] || [ "$(id -u)" = 0 ] || fail "this needs root: sudo $0 (or --dry-run, to read what it would do)"
if [ -n "$root" ]; then root=$(cd "$root" && pwd); fi
if [ -n "$wheels" ]; then wheels=$(cd "$wheels" && pwd); fi
venv=/opt/dialtone
units="dialtone.service dialtone-failsafe.service dialtone-screen.service dialtone-reflector.service
  dialtone-admission.service dialtone-syslog-udp.socket dialtone-syslog-tcp.socket dialtone-traps.socket"

# Where each file of etc/ goes.
configuration() {
  cat <<'END'
sysusers.conf usr/lib/sysusers.d/dialtone.conf
tmpfiles.conf usr/lib/tmpfiles.d/dialtone.conf
udev.rules usr/lib/udev/rules.d/60-dialtone.rules
sysctl.conf usr/lib/sysctl.d/60-dialtone.conf
journald.conf usr/lib/systemd/journald.conf.d/60-dialtone.conf
watchdog.conf usr/lib/systemd/system.conf.d/60-dialtone.conf
END
}

put() { # put FILE PLACE MODE: only where it differs
  if [ -f "$root/$2" ] && cmp -s "$1" "$root/$2"; then return 0; fi
  say "writes /$2"
  act install -D -m "$3" "$1" "$root/$2"
}

take_away() {
  if [ -e "$root/$1" ] || [ -L "$root/$1" ]; then
    say "removes /$1"
    act rm -rf "$root/$1"
  fi
}

uninstall() {
  if running; then
    say "stops and disables its units"
    # shellcheck disable=SC2086  # one word a unit
    act systemctl disable --now --quiet $units 2>/dev/null || true
    if command -v nft >/dev/null; then act nft delete table inet dialtone 2>/dev/null || true; fi
  elif [ -n "$root" ]; then
    # shellcheck disable=SC2086
    inside_root systemctl disable --quiet $units 2>/dev/null || true
  fi
  for unit in $units; do take_away "etc/systemd/system/$unit"; done
  take_away etc/systemd/system/dialtone.service.d
  configuration | while read -r _ place; do take_away "$place"; done
  take_away usr/local/bin/dialtone
  take_away opt/dialtone
  take_away opt/dialtone.d
  if running; then act systemctl daemon-reload; fi
  if grep -q "^dialtone:" "$root/etc/passwd"; then
    say "removes the user dialtone (its files stay: /var/lib/dialtone, /etc/dialtone)"
    inside_root userdel dialtone 2>/dev/null || true
    if grep -q "^dialtone:" "$root/etc/group"; then inside_root groupdel dialtone 2>/dev/null || true; fi
  fi
  # Empty folders that only this made.
  for folder in usr/lib/systemd/system.conf.d usr/lib/systemd/journald.conf.d; do
    [ -n "$dry" ] || rmdir "$root/$folder" 2>/dev/null || true
  done
  say "is gone. What it saw is kept: /var/lib/dialtone (the journal) and /etc/dialtone (the site file, secrets)."
}

# A venv knows its own place, so each version has a folder of its own and /opt/dialtone is a link to the one that counts:
# it is turned over only when the new one imports and speaks. The agent that runs goes on with its own until it restarts.
environment() {
  release=/opt/dialtone.d/$(date -u +%Y%m%dT%H%M%SZ)
  say "makes $release, a Python environment of its own"
  act mkdir -p "$root/opt/dialtone.d"
  if ! build; then
    act rm -rf "$root$release"
    [ -L "$root$venv" ] && fail "the new version could not be put in; the old one is as it was"
    fail "it could not be put in"
  fi
  if [ -d "$root$venv" ] && [ ! -L "$root$venv" ]; then act rm -rf "$root$venv"; fi
  previous=$(readlink "$root$venv" || true)
  turn_over "$release"
}

turn_over() {
  say "turns /opt/dialtone over to $1"
  act ln -sfn "$1" "$root$venv.link"
  act mv -T "$root$venv.link" "$root$venv"
}

# A version that imports may still not come up at this site: then the one before it goes on.
start() {
  say "starts"
  act systemctl reset-failed dialtone.service 2>/dev/null || true
  if ! act systemctl restart dialtone.service; then
    say "the new version did not come up: journalctl -u dialtone"
    if [ -n "$previous" ] && [ -d "$previous" ]; then
      turn_over "$previous"
      systemctl reset-failed dialtone.service || true
      systemctl restart dialtone.service || true
      act rm -rf "$release"
    fi
    exit 1
  fi
  act systemctl try-restart dialtone-screen.service dialtone-reflector.service
}

# Once nothing runs from them any more.
older() {
  for folder in "$root"/opt/dialtone.d/*; do
    case "$folder" in
      "$root$release" | *'*') ;;
      *) say "removes ${folder#"$root"}"; act rm -rf "$folder" ;;
    esac
  done
}

build() {
  inside_root python3 -m venv "$release" || return 1
  if [ -n "$wheels" ]; then
    copy=$wheels
    if [ -n "$root" ]; then
      copy=$release/wheels
      act cp -r "$wheels" "$root$copy" || return 1
    fi
    say "installs the wheels of $wheels, without a network"
    inside_root "$release/bin/python" -m pip install -q --isolated --no-index --no-compile --disable-pip-version-check \
      --find-links "$copy" "dialtone[pi]" || return 1
    if [ -n "$root" ]; then act rm -rf "$root$copy"; fi
  else
    say "installs it from $(dirname "$here"), what it needs from the package index"
    [ -f "$here/../setup.cfg" ] || { say "no source beside $here: give --wheels DIR"; return 1; }
    inside_root "$release/bin/python" -m pip install -q --no-compile --disable-pip-version-check \
      "$(cd "$here/.." && pwd)[pi]" || return 1
  fi
  say "compiles it once, since it may not write there later"
  inside_root "$release/bin/python" -m compileall -q -j 0 "$release/lib" >/dev/null || true
  inside_root "$release/bin/dialtone" --version || return 1
  inside_root "$release/bin/python" -c 'import agent.app, hw.failsafe' || return 1
}

site_file() {
  if [ -e "$root/etc/dialtone/site.toml" ]; then
    say "leaves /etc/dialtone/site.toml as it is"
  else
    say "writes /etc/dialtone/site.toml.example; copy it to site.toml and make it yours"
  fi
  if [ -n "$dry" ]; then return 0; fi
  if [ -n "$root" ]; then
    chroot "$root" "$venv/bin/dialtone" check --example >"$root/etc/dialtone/site.toml.example"
  else
    "$venv/bin/dialtone" check --example >/etc/dialtone/site.toml.example
  fi
  chmod 0644 "$root/etc/dialtone/site.toml.example"
}

# The sandbox forbids the agent to ask the kernel whether the clock is set. systemd-timesyncd leaves a mark that it may
# read; chrony and others do not, and then the question is allowed (setting the clock takes a capability that it lacks).
clock() {
  place=etc/systemd/system/dialtone.service.d/clock.conf
  if [ -x "$root/usr/lib/systemd/systemd-timesyncd" ] || [ -x "$root/lib/systemd/systemd-timesyncd" ]; then
    if [ -e "$root/$place" ]; then take_away "${place%/*}"; fi
    return 0
  fi
  say "no systemd-timesyncd here: lets the agent ask the kernel whether the clock is set, by /$place"
  [ -n "$dry" ] && return 0
  mkdir -p "$root/${place%/*}"
  printf '[Service]\nProtectClock=no\nSystemCallFilter=adjtimex clock_adjtime\n' >"$root/$place"
}

admission() {
  [ -n "$inside$outside" ] || return 0
  say "keeps $inside and $outside apart: writes /etc/dialtone/admission.conf; nothing listens but what the site file opens"
  [ -n "$ssh" ] || say "NOBODY LOGS IN BY THE NETWORK any more (no --ssh); connections that stand go on"
  if [ -z "$dry" ]; then
    printf 'INSIDE=%s\nOUTSIDE=%s\nSSH=%s\n' "$inside" "$outside" "$ssh" >"$root/etc/dialtone/admission.conf"
    chmod 0640 "$root/etc/dialtone/admission.conf"
    if [ -z "$root" ] && ! command -v nft >/dev/null; then fail "admission needs nft: apt install nftables"; fi
  fi
  inside_root systemctl enable --quiet dialtone-admission.service
  if [ -n "$start" ] && running; then act systemctl restart dialtone-admission.service; fi
}

install_all() {
  if [ -z "$dry" ] && [ -z "$root" ] && ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
    fail "python3 lacks venv: apt install python3-venv"
  fi
  if [ -e "$root$venv" ] || [ -L "$root$venv" ]; then say "upgrades what is in /opt/dialtone"; else say "installs into ${root:-this machine}"; fi
  environment
  configuration | while read -r file place; do put "$here/etc/$file" "$place" 0644; done
  for unit in $units; do put "$here/$unit" "etc/systemd/system/$unit" 0644; done
  clock
  say "makes the user dialtone and the folders /etc/dialtone, /var/lib/dialtone"
  inside_root systemd-sysusers /usr/lib/sysusers.d/dialtone.conf
  inside_root install -d -m 0750 -o root -g dialtone /etc/dialtone
  inside_root install -d -m 0700 -o root -g root /etc/dialtone/secrets
  inside_root install -d -m 0700 -o dialtone -g dialtone /var/lib/dialtone
  act mkdir -p "$root/usr/local/bin"
  act ln -sfn "$venv/bin/dialtone" "$root/usr/local/bin/dialtone"
  site_file
  if running; then
    act systemctl daemon-reload
    act udevadm control --reload 2>/dev/null || true
    act udevadm trigger --subsystem-match=gpio --subsystem-match=tty 2>/dev/null || true
    act sysctl -q -p /usr/lib/sysctl.d/60-dialtone.conf || say "some kernel settings could not be set here"
    act systemctl try-restart systemd-journald.service || true
  fi
  inside_root systemctl enable --quiet dialtone.service
  admission
  if [ -z "$start" ] || ! running; then
    say "is in place; it starts at the next boot"
  elif [ ! -e /etc/dialtone/site.toml ] && [ -z "$dry" ]; then
    say "is in place and waits for /etc/dialtone/site.toml; then: systemctl restart dialtone"
  else
    start
  fi
  # Where it was not started, the old version may still run, and needs its files.
  if [ -n "$start" ] || [ -n "$root" ]; then older; fi
}

if [ -n "$uninstall" ]; then uninstall; else install_all; fi
