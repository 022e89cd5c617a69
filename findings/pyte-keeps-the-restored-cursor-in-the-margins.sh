#!/bin/bash
# Expected of a terminal emulator, as in xterm: with origin mode off, DECRC (ESC 8) puts the cursor where DECSC (ESC 7) has saved it, also
# in a row outside of the scrolling region, and DECSTBM (CSI r), with or without parameters, moves the cursor to the first row.
# Seen: pyte 0.8.2 (PyPI), the emulator behind many tests of terminal programs, keeps the restored cursor inside the region: saved in row
# 6, region 1 to 5, restored in row 5. CSI r without parameters leaves the cursor where it is. xterm.js (@xterm/headless 5.5.0) does both
# as expected, and so does tmux 3.3a.
# A status line in the last row (apt's way: save, set the region, restore, one row up) is right on the terminal and one row off in such
# a test: the next line overwrites the one before. Moving up first, and saving then, is right in all of them.
# Needs python3 with venv, node and npm, and their registries. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" || exit 2
python3 -m venv v && v/bin/pip -q install pyte==0.8.2 >log 2>&1 || { cat log; exit 2; }
npm --silent init -y >/dev/null && npm --silent install @xterm/headless@5.5.0 >log 2>&1 || { cat log; exit 2; }
cat >p.py <<'P'
import sys, pyte
screen = pyte.Screen(20, 6)
pyte.Stream(screen).feed(sys.argv[1])
print([row + 1 for row, line in enumerate(screen.display) if "X" in line][0])
P
cat >x.js <<'P'
const { Terminal } = require("@xterm/headless");
const terminal = new Terminal({ cols: 20, rows: 6, allowProposedApi: true });
terminal.write(process.argv[2], () => {
  for (let row = 0; row < 6; row++) {
    if (terminal.buffer.active.getLine(row).translateToString().includes("X")) console.log(row + 1);
  }
});
P
bad=0
# what, sequence, row in pyte, row in xterm.js
check() {
  local p x
  p=$(v/bin/python p.py "$2") && x=$(node x.js "$2") || exit 2
  echo "$1: X is in row $p in pyte, $x in xterm.js"
  [ "$p $x" = "$3 $4" ] || bad=1
}
check 'save in row 6, region 1 to 5, restore' $'\e[6;1H\e7\e[1;5r\e8X' 5 6
check 'CSI r in row 4' $'\e[1;5r\e[4;1H\e[rX' 4 1
check 'to row 6 by CUP, region 1 to 5' $'\e[1;5r\e[6;1HX' 6 6
check 'up first, then save, region, restore' $'\e[6;1H\e[1A\e7\e[1;5r\e8X' 5 5
exit $bad
