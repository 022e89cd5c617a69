/** What is read about a serving generation: Unix sockets, pid files, processes that came and went. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { changeOf } from "../../../src/inspect/changed_processes.ts";
import { numberIn, pathsInWords } from "../../../src/inspect/pid_files.ts";
import { unixSockets } from "../../../src/inspect/unix_sockets.ts";

const TABLE = `Num       RefCount Protocol Flags    Type St Inode Path
000000001f152230: 00000003 00000000 00000000 0001 03 40042407
00000000466cfa6b: 00000002 00000000 00010000 0001 01 40042467 /run/web.sock
000000003195cd4d: 00000003 00000000 00000000 0001 03 40042405 /run/web.sock
000000001c6ebc93: 00000002 00000000 00010000 0005 01 40042464 @name of one
000000001c6ebc94: 00000002 00000000 00010000 0001 01 40042465
0000000000000000: 00000002 00000000 00000000 0002 01 13008 /dev/log
`;

describe("unixSockets()", () => {
  it("has those with a path or a name, and tells which of them accept", () => {
    assert.deepEqual(unixSockets(TABLE), [
      { inode: 40042467, path: "/run/web.sock", listens: true },
      { inode: 40042405, path: "/run/web.sock", listens: false },
      { inode: 40042464, path: "@name of one", listens: true },
      { inode: 13008, path: "/dev/log", listens: false },
    ]);
  });
});

describe("pathsInWords()", () => {
  const table: [words: string[], paths: string[]][] = [
    [["gunicorn", "-p", "/run/a.pid"], ["/run/a.pid"]],
    [["puma", "--pidfile=/srv/tmp/pids/p.pid"], ["/srv/tmp/pids/p.pid"]],
    [["nginx", "-g", "daemon off; pid /run/n.pid;"], ["/run/n.pid"]],
    [["named", "-c", "/etc/named.conf"], []],
    [["x", "a.pid"], []],
  ];
  for (const [words, paths] of table) {
    it(words.join(" "), () => assert.deepEqual(pathsInWords(words), paths));
  }
});

describe("numberIn()", () => {
  const table: [text: string, number: number | null][] = [
    ["123\n", 123],
    ["  123", 123],
    // postmaster.pid has more lines, haproxy one for each process.
    ["123\n/var/lib/postgresql\n", 123],
    ["123 456", 123],
    ["", null],
    ["pid 12", null],
    ["12a", null],
    ["12345678901", null],
  ];
  for (const [text, number] of table) {
    it(JSON.stringify(text), () => assert.equal(numberIn(new TextEncoder().encode(text)), number));
  }
});

describe("changeOf()", () => {
  const before = new Map([[1, 100], [2, 100]]);
  const table: [what: string, now: [number, number][], started: number[], ended: number[]][] = [
    ["nothing", [[1, 100], [2, 100]], [], []],
    ["one more", [[1, 100], [2, 100], [3, 200]], [3], []],
    ["one less", [[1, 100]], [], [2]],
    ["a number that is used again", [[1, 100], [2, 200]], [2], [2]],
  ];
  for (const [what, now, started, ended] of table) {
    it(what, () => assert.deepEqual(changeOf(before, new Map(now)), { started, ended }));
  }
});
