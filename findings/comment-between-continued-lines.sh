#!/bin/bash
# systemd.syntax(7): "Lines ending in a backslash are concatenated with the following non-comment line while reading", and its example has
# "# this line is ignored" and "; this line is ignored too" in the middle of a value. So one may comment out an option of an ExecStart=.
# Expected of libraries that read unit files (to convert units, to look for ExecReload=, to add settings): they read what systemd reads.
# Seen: go-systemd/v22 22.6.0 (unit.Deserialize) makes the comment a part of the command, and fails at the next line with "unexpected newline
# encountered while parsing option name", without a line number. systemdunitparser 0.4 and systemd-unit-edit 0.1.0 (PyPI) refuse the file
# as well. systemd 252 reads the whole command, as does Python's configparser, which knows nothing of units (and keeps the backslashes).
# Without the comments all read it. A unit that runs for years breaks a tool that way on the day when somebody comments an option out.
# Needs go, python3 with venv, systemd-analyze. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" && mkdir plain commented || exit 2
printf '[Service]\nExecStart=/bin/echo \\\n# the port of staging is 8081\n  --port 8080 \\\n; and the queue\n  --backlog 100\nExecReload=/bin/true\n' >commented/a.service
grep -v '^[#;]' commented/a.service >plain/a.service
cat >main.go <<'G'
package main

import (
	"fmt"
	"os"

	"github.com/coreos/go-systemd/v22/unit"
)

func main() {
	options, err := unit.Deserialize(os.Stdin)
	if err != nil {
		fmt.Println("refused:", err)
		return
	}
	fmt.Println("read,", len(options), "options")
}
G
{ go mod init x && go get github.com/coreos/go-systemd/v22@v22.6.0 && go build -o units . &&
  python3 -m venv v && v/bin/pip -q install systemdunitparser==0.4 systemd-unit-edit==0.1.0; } >log 2>&1 || { tail -3 log; exit 2; }
cat >units.py <<'P'
import configparser, sys
name, path = sys.argv[1:]
try:
    if name == "systemd-unit-edit":
        import systemd_unit_edit
        start = systemd_unit_edit.SystemdUnit.from_file(path).get_section("Service").get("ExecStart")
    else:
        if name == "systemdunitparser":
            from SystemdUnitParser import SystemdUnitParser as Parser
        else:
            Parser = lambda: configparser.RawConfigParser(strict=False)
        units = Parser()
        units.read(path)
        start = units["Service"]["ExecStart"]
    print("read," if "backlog" in str(start) else "lost a part:", repr(start))
except (configparser.Error, ValueError) as error:
    print("refused:", str(error).split("\n")[0])
P
bad=0
# check NAME WANTED-PLAIN WANTED-COMMENTED COMMAND...: the unit file is appended
check() {
  local name=$1 f got; local -A wanted=([plain]=$2 [commented]=$3); shift 3
  for f in plain commented; do
    got=$("$@" $f/a.service 2>&1); echo "$name, $f: $got"
    [[ $got == "${wanted[$f]}"* ]] || bad=1
  done
}
go_systemd() { ./units <"$1"; }
# systemd says nothing of a unit that it can read.
systemd() { systemd-analyze verify "$PWD/$1" 2>&1 | grep -q 'a.service' && echo refused || echo read; }
check systemd read read systemd
check go-systemd 'read, 2 options' 'refused: unexpected newline' go_systemd
check configparser 'read,' 'read,' v/bin/python units.py configparser
check systemdunitparser 'read,' refused: v/bin/python units.py systemdunitparser
check systemd-unit-edit 'read,' refused: v/bin/python units.py systemd-unit-edit
exit $bad
