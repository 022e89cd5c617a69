#!/bin/bash
# Small programs that read a .env file, or set variables, and then run a server, stand in many package.json and container images.
# Expected of one that passes TERM on: it does so at once, and ends when its server has, as tini, timeout(1), dumb-init, cross-env 10.1.0 and
# dotenv-cli 11.0.0 (npm) do. Else what waits for it (a container, a supervisor) takes the server for ended.
# Seen: env-cmd 11.0.0 ends at TERM in the same moment as it passes it on, while its server finishes requests for two seconds more: as
# process 1 of a container it takes the server along, unfinished. @dotenvx/dotenvx 2.38.2 keeps INT and TERM back for one second, in which
# the server knows nothing of its end and takes new requests, and of the time until KILL it has a second less; HUP it passes on at once.
# Needs npm, node, python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" && npm install --silent --no-audit --no-fund env-cmd@11.0.0 @dotenvx/dotenvx@2.38.2 cross-env@10.1.0 dotenv-cli@11.0.0 >log 2>&1 || { cat log; exit 2; }
echo A=1 >.env
cat >server.js <<'J'
const fs = require("node:fs");
const say = (word) => fs.appendFileSync(process.env.OUT, `${word} ${process.pid} ${Date.now()}\n`);
for (const name of ["SIGTERM", "SIGHUP"]) process.on(name, () => { say(name); setTimeout(() => { say("finished"); process.exit(0); }, 2000); });
setTimeout(() => process.exit(3), 30000);
say("ready");
J
python3 - <<'P'
import os, signal, subprocess, sys, time


def lines(path):
    return [line.split() for line in open(path).read().splitlines()] if os.path.exists(path) else []


def until(done, seconds):
    end = time.monotonic() + seconds
    while not (found := done()) and time.monotonic() < end:
        time.sleep(0.01)
    return found


def run(name, number, *words):
    """How long after the signal the server heard of it, and the wrapper and the server ended; None for what never was."""
    out = os.path.abspath(f"out.{name}.{number}")
    wrapper = subprocess.Popen(["node_modules/.bin/" + name, *words], env=os.environ | {"OUT": out}, start_new_session=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert until(lambda: lines(out), 20), "did not start"
    server = int(lines(out)[0][1])
    began = time.time()
    wrapper.send_signal(number)
    until(lambda: wrapper.poll() is not None, 20)
    ended = time.time() - began
    until(lambda: len(lines(out)) > 2, 4)
    heard, finished = ([(int(at) / 1000 - began) for word, _, at in lines(out) if word in words] or [None]
                       for words in (("SIGTERM", "SIGHUP"), ("finished",)))
    try:
        os.kill(server, signal.SIGKILL)
    except ProcessLookupError:
        pass
    wrapper.wait()
    show = lambda at: "never" if at is None else f"after {at:.1f} s"
    print(f"{name}, {signal.Signals(number).name}: the server hears {show(heard[0])}, {name} ends {show(ended)}, the server {show(finished[0])}")
    return heard[0], ended, finished[0]


node = ["node", "server.js"]
right = True
for name, words in ("cross-env", ["B=1", *node]), ("dotenv", ["--", *node]):
    heard, ended, finished = run(name, signal.SIGTERM, *words)
    right &= heard is not None and finished is not None and heard < ended and ended > finished - 0.1
heard, ended, finished = run("env-cmd", signal.SIGTERM, "-f", ".env", "--", *node)
right &= heard is not None and finished is not None and ended < finished - 1
heard, ended, finished = run("dotenvx", signal.SIGTERM, "run", "--quiet", "--", *node)
right &= heard is not None and heard >= 0.95
hup, _, _ = run("dotenvx", signal.SIGHUP, "run", "--quiet", "--", *node)
right &= hup is not None and hup < heard
sys.exit(0 if right else 1)
P
