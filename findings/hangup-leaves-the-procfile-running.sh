#!/bin/bash
# Runners of a Procfile start a server and its helpers, and end all of them when they are ended themselves (INT, TERM).
# Expected at HUP, which is what a closed terminal or an ended ssh session sends, and what some people send for a reload: the same, as a
# shell's jobs end; or they ignore it, as under nohup.
# Seen: honcho 2.0.0 (PyPI) and foreman 3.0.1 (npm, `nf`) die of HUP, and all that they have started runs on, below init: the port stays taken,
# and the next start fails, or serves beside the old one where the server shares its port. When a terminal is closed the kernel sends HUP
# to its foreground group, and honcho has put its servers into sessions of their own, out of reach. TERM ends honcho's servers; nf, as
# the main process of a container or a unit, leaves them at TERM as well: it passes on INT only. concurrently 9.2.1 (npm) passes on all.
# Needs npm, node, python3 with venv. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" || exit 2
{ python3 -m venv v && v/bin/pip -q install honcho==2.0.0 && npm install --silent --no-audit --no-fund foreman@3.0.1 concurrently@9.2.1; } >log 2>&1 ||
  { cat log; exit 2; }
echo 'web: exec python3 server.py' >Procfile
cat >server.py <<'P'
import os, signal
with open("pid", "w") as file:
    file.write(f"{os.getpid()}\n")
signal.pause()
P
python3 - <<'P'
import os, pty, signal, subprocess, sys, time

RUNNERS = {
    "honcho": ["v/bin/honcho", "start"],
    "nf": ["node", "node_modules/foreman/nf.js", "start"],
    "concurrently": ["node", "node_modules/concurrently/dist/bin/concurrently.js", "exec python3 server.py"],
}


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return bool(condition())


def try_one(name, how):
    """Whether (runner, server) run on after a signal (without a terminal, as a service), or after the end of their terminal."""
    if os.path.exists("pid"):
        os.unlink("pid")
    if how == "terminal closed":
        runner, terminal = pty.fork()
        if runner == 0:
            os.execvp(RUNNERS[name][0], RUNNERS[name])
    else:
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        runner = subprocess.Popen(RUNNERS[name], start_new_session=True, **quiet).pid
    if not until(lambda: os.path.exists("pid") and os.path.getsize("pid"), 30):
        sys.exit(2)
    with open("pid") as file:
        server = int(file.read())
    time.sleep(1)
    os.close(terminal) if how == "terminal closed" else os.kill(runner, getattr(signal, how))
    until(lambda: not runs(runner), 8)
    until(lambda: not runs(server), 3)
    after = (runs(runner), runs(server))
    print(f"{name}, {how}: the runner {'runs' if after[0] else 'has ended'}, its server {'runs' if after[1] else 'has ended'}")
    for pid in (server, runner):
        if runs(pid):
            os.kill(pid, signal.SIGKILL)
    os.waitpid(runner, 0)
    return after


seen = {(name, how): try_one(name, how) for name in RUNNERS for how in ("SIGTERM", "SIGHUP", "terminal closed")}
LEFT, ENDED = (False, True), (False, False)
LEAVE = {("honcho", "SIGHUP"), ("honcho", "terminal closed"), ("nf", "SIGTERM"), ("nf", "SIGHUP")}
wanted = {key: LEFT if key in LEAVE else ENDED for key in seen}
for key in seen:
    if seen[key] != wanted[key]:
        print("not as before:", *key)
sys.exit(0 if seen == wanted else 1)
P
