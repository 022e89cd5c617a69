#!/bin/bash
# A wrapper in front of a server (it sets variables, or reads .env) ends as its command has ended: with its status, and where a signal has
# killed it, by the same signal or with 128 + its number, as env-cmd 11.0.0 (npm), honcho 2.0.0 (`honcho run`, PyPI) and timeout(1) do.
# Expected of dotenv-cli: the same. Its code has it: process.kill(process.pid, signal) when the command was killed.
# Seen: dotenv-cli 11.0.0 ends with 0 when its command is killed by TERM, INT, HUP or USR2: it has handlers for them, to pass them on,
# which swallow the signal that it sends to itself, and then nothing is left to do. KILL and ABRT come through. So a server that
# somebody ends by its own pid (an operator, earlyoom, which sends TERM first) is a success: Restart=on-failure, docker's on-failure and
# supervisord's autorestart=unexpected leave it down, and a test that was killed has passed. cross-env 10.1.0 gives 1 for TERM and 0 for INT.
# Needs npm, node, python3 with venv. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" && { npm install --silent --no-audit --no-fund dotenv-cli@11.0.0 env-cmd@11.0.0 cross-env@10.1.0 && python3 -m venv v &&
  v/bin/pip -q install honcho==2.0.0; } >log 2>&1 || { tail -5 log; exit 2; }
echo A=1 >.env
python3 - <<'P'
import signal, subprocess, sys

right = True
for name, words, wanted in (
        ("dotenv", ["node_modules/.bin/dotenv", "--"], [0, 0, 0, 0, -9, -6, 3]),
        ("env-cmd", ["node_modules/.bin/env-cmd", "-f", ".env", "--"], [-15, -2, -1, -12, -9, -6, 3]),
        ("honcho run", ["v/bin/honcho", "run"], [143, 130, 129, 140, 137, 134, 3]),
        ("timeout", ["timeout", "60"], [-15, -2, -1, -12, -9, -6, 3]),
        ("cross-env", ["node_modules/.bin/cross-env", "B=1"], [1, 0, 1, 1, 1, 1, 3])):
    ends = ["TERM", "INT", "HUP", "USR2", "KILL", "ABRT"]
    got = [subprocess.run([*words, "sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
           for command in (*(f"kill -{end} $$" for end in ends), "exit 3")]
    print(f"{name}:", ", ".join(f"{end} {status}" for end, status in zip((*ends, "exit 3"), got)), "(below 0: killed by that signal)")
    right &= got == wanted
sys.exit(0 if right else 1)
P
