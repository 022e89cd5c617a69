/** The unit of `baton init systemd`: words that systemd reads as they were meant, time-outs, and what is hardened. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseCommandLine } from "../../../src/cli/parse.ts";
import { commandLine, systemdUnit } from "../../../src/init/systemd.ts";

describe("commandLine()", () => {
  const cases: [readonly string[], string][] = [
    [["/usr/bin/baton", "reload", "web"], "/usr/bin/baton reload web"],
    [["a b", ""], '"a b" ""'],
    [["100%", "$HOME", "${HOME}"], '"100%%" "$$HOME" "$${HOME}"'],
    [['say "hi"', "back\\slash", "it's"], '"say \\"hi\\"" "back\\\\slash" "it\'s"'],
    [["two\nlines", "a\ttab"], '"two\\nlines" "a\\ttab"'],
    [[";", "--listen=web=*:80", "{fd:web}"], '";" "--listen=web=*:80" "{fd:web}"'],
  ];
  for (const [words, line] of cases) {
    it(`writes ${JSON.stringify(words)}`, () => assert.equal(commandLine(words), line));
  }
});

function unitOf(words: string, directory = "/srv/web", baton = "/usr/bin/baton"): string[] {
  const command = parseCommandLine(["init", "systemd", ...words.split(" ")], () => assert.fail());
  assert.equal(command.verb, "init");
  if (command.verb !== "init") return [];
  const { config, options } = command;
  return systemdUnit({ baton: [baton], config, options, directory }).split("\n");
}

describe("systemdUnit()", () => {
  it("reloads synchronously, and starts what was asked for", () => {
    const unit = unitOf("--name web --drain-time 30s --listen=a=80 --listen b=81 -- node x.js --y");
    const lines = [
      "Type=notify",
      "WorkingDirectory=/srv/web",
      "ExecStart=/usr/bin/baton run --name web --drain-time=30s --listen=a=80 --listen=b=81 -- " +
      "node x.js --y",
      "ExecReload=/usr/bin/baton reload web",
      "KillMode=mixed",
      "RuntimeDirectory=baton/web",
    ];
    for (const line of lines) assert.ok(unit.includes(line), `${line} in\n${unit.join("\n")}`);
  });

  const times: [words: string, line: string][] = [
    ["-- x", "TimeoutStartSec=70"],
    ["--ready-timeout 5m -- x", "TimeoutStartSec=310"],
    ["-- x", "TimeoutStopSec=80"],
    ["--drain-time 1.5s --stop-time 200ms -- x", "TimeoutStopSec=12"],
  ];
  for (const [words, line] of times) {
    it(`gives baton the time it needs: ${words}: ${line}`, () => {
      assert.ok(unitOf(words).includes(line), unitOf(words).join("\n"));
    });
  }

  const hidden: [title: string, directory: string, words: string, home: boolean, tmp: boolean][] = [
    ["nothing is used", "/srv/web", "-- node server.js", true, true],
    ["the server is in a home directory", "/home/me/web", "-- node server.js", false, true],
    ["the server is root's", "/srv", "-- /root/server", false, true],
    ["the server is in /tmp", "/srv", "-- /tmp/server", true, false],
    ["a path only looks like it", "/srv", "-- /homes/server /tmpfile", true, true],
  ];
  for (const [title, directory, words, home, tmp] of hidden) {
    it(`hides what is not used: ${title}`, () => {
      const unit = unitOf(words, directory);
      assert.equal(unit.includes("ProtectHome=yes"), home);
      assert.equal(unit.includes("PrivateTmp=yes"), tmp);
    });
  }
});
