/** What people read about processes that had to be killed. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { describeVictims, killedText } from "../../../src/report/killed_processes.ts";

const NODE = { pid: 12, name: "node", afterMs: 10_004.2 };
const EPMD = { pid: 13, name: "epmd", afterMs: 9_996 };

describe("killedText()", () => {
  test("says after how long, how many and who", () => {
    assert.equal(killedText([NODE]), "killed after 10s: 1 process had not exited: node (pid 12)");
    const both = "killed after 10s: 2 processes had not exited: node (pid 12), epmd (pid 13)";
    assert.equal(killedText([NODE, EPMD]), both);
  });

  test("says no time when there was no stop signal", () => {
    const text = killedText([{ ...NODE, afterMs: null }]);
    assert.equal(text, "killed: 1 process had not exited: node (pid 12)");
  });

  test("names the first ones of many", () => {
    const text = killedText(Array.from({ length: 200 }, (_, pid) => ({ ...NODE, pid })));
    assert.match(text, /: 200 processes had not exited: node \(pid 0\), .*node \(pid 7\), \.\.\.$/);
  });
});

describe("describeVictims()", () => {
  test("knows the names of living processes", () => {
    const [found] = describeVictims(3, [process.pid], 5);
    assert.deepEqual({ ...found, name: "" }, { pid: process.pid, epoch: 3, afterMs: 5, name: "" });
    assert.notEqual(found?.name, "?");
  });
});
