/** The unit of `baton init systemd`: words that systemd reads as they were meant, time-outs, and what is hardened. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseCommandLine } from "../../../src/cli/words/parse.ts";
import type { FileValues } from "../../../src/config/file_values.ts";
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

const BATON = "/usr/bin/baton";

function unitOf(
  words: string,
  directory = "/srv/web",
  file: FileValues | null = null,
  programFolder: string | null = null,
): string[] {
  const command = parseCommandLine(
    ["init", "systemd", ...words.split(" ")],
    () => file ?? assert.fail(),
  );
  assert.equal(command.verb, "init");
  if (command.verb !== "init") return [];
  const { config, options } = command;
  const request = { baton: [BATON], config, options, directory, programFolder };
  return systemdUnit(request).split("\n");
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
    ["--shutdown-only --max-drain 1.5s -- x", "TimeoutStopSec=12"],
    ["--shutdown-only --min-drain 3s --max-drain 20s -- x", "TimeoutStopSec=33"],
  ];
  for (const [words, line] of times) {
    it(`gives baton the time it needs: ${words}: ${line}`, () => {
      assert.ok(unitOf(words).includes(line), unitOf(words).join("\n"));
    });
  }

  const places: [folder: string | null, words: string, path: string | null, home: boolean][] = [
    [
      "/root/.nvm/versions/node/v20/bin",
      "-- node x.js",
      "PATH=/root/.nvm/versions/node/v20/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
      false,
    ],
    ["/opt/my node/bin", "-- node", '"PATH=/opt/my node/bin:', true],
    ["/usr/local/bin", "-- node x.js", null, true],
    ["/bin", "-- node x.js", null, true],
    ["/root/bin", "--env PATH=/srv/bin -- node x.js", null, true],
    [null, "-- node x.js", null, true],
  ];
  for (const [folder, words, path, home] of places) {
    it(`has a PATH with ${folder} where systemd's has not: ${path !== null}`, () => {
      const unit = unitOf(words, "/srv/web", null, folder);
      const line = unit.find((text) => /^Environment="?PATH=/.test(text));
      if (path === null) assert.equal(line, undefined);
      else assert.ok(line?.startsWith(`Environment=${path}`), String(line));
      assert.equal(unit.includes("ProtectHome=yes"), home);
    });
  }

  const hidden: [title: string, directory: string, words: string, home: boolean, tmp: boolean][] = [
    ["nothing is used", "/srv/web", "-- node server.js", true, true],
    ["the server is in a home directory", "/home/me/web", "-- node server.js", false, true],
    ["the server is root's", "/srv", "-- /root/server", false, true],
    ["the server is in /tmp", "/srv", "-- /tmp/server", true, false],
    ["a path only looks like it", "/srv", "-- /homes/x /srv//home/y /tmpfile /home-x", true, true],
    ["an option names a file", "/srv", "--cwd /home/me/web -- node server.js", false, true],
    ["an option's file is in /var/tmp", "/srv", "--pidfile=/var/tmp/p -- node x.js", true, false],
    ["an argument ends with it", "/srv", "-- node --dir=/root server.js", false, true],
    ["an address has it", "/srv", "-- node file:///home/me/x.js", false, true],
    ["a path list has it", "/srv", "-- node --path=/srv:/home/me:/x", false, true],
  ];
  for (const [title, directory, words, home, tmp] of hidden) {
    it(`hides what is not used: ${title}`, () => {
      const unit = unitOf(words, directory);
      assert.equal(unit.includes("ProtectHome=yes"), home);
      assert.equal(unit.includes("PrivateTmp=yes"), tmp);
    });
  }

  const inFile: [title: string, values: Record<string, unknown>, home: boolean, tmp: boolean][] = [
    ["nothing", { name: "web", cwd: "/srv" }, true, true],
    ["cwd", { cwd: "/home/me" }, false, true],
    ["the command", { command: ["/root/server"] }, false, true],
    ["a hook", { hook: ["ready=touch /tmp/ready"] }, true, false],
    ["a watched file", { watch: ["/home/me/conf", "/var/tmp/x"] }, false, false],
  ];
  for (const [title, values, home, tmp] of inFile) {
    it(`hides what is not used in a file of --config: ${title}`, () => {
      const command = ["node", "server.js"];
      const entries = Object.entries({ command, ...values });
      const file = { path: "/srv/web.toml", values: new Map(entries) };
      const unit = unitOf("--config /srv/web.toml", "/srv", file);
      assert.equal(unit.includes("ProtectHome=yes"), home);
      assert.equal(unit.includes("PrivateTmp=yes"), tmp);
    });
  }

  const writes: [title: string, directory: string, words: string, written: string[]][] = [
    ["no front", "/etc/web", "-- node /etc/web/server.js", []],
    ["an endpoint file in /etc", "/srv", "--front eds:/etc/web-front/eds.yaml -- node x.js", [
      "ReadWritePaths=-/etc/web-front",
    ]],
    ["one beside the working directory", "/etc/web", "--front eds:f/eds.yaml -- node x.js", [
      "ReadWritePaths=-/etc/web/f",
    ]],
    ["one elsewhere", "/srv", "--front eds:/srv/f/eds.yaml -- node x.js", []],
    ["the front itself", "/srv", "-- /opt/envoy --config-path /etc/f/bootstrap.yaml", [
      "ReadWritePaths=-/etc/f",
    ]],
  ];
  for (const [title, directory, words, written] of writes) {
    it(`what a front writes stays writable: ${title}`, () => {
      const lines = unitOf(words, directory).filter((line) => line.startsWith("ReadWritePaths"));
      assert.deepEqual(lines, written);
    });
  }

  it("reload and stop look where the control socket is", () => {
    const unit = unitOf("--name web --runtime-dir /srv/run -- node x.js");
    for (const line of ["ExecReload=", "ExecStop=-"]) {
      const verb = line.startsWith("ExecReload") ? "reload" : "stop";
      const words = `${line}${BATON} ${verb} --runtime-dir=/srv/run web`;
      assert.ok(unit.includes(words), `${words} in\n${unit.join("\n")}`);
    }
  });

  it("expects of --shutdown-only what it does: nothing is told, stored or reloaded", () => {
    const unit = unitOf("--shutdown-only --name web -- node x.js");
    const lines = [
      "Type=exec",
      `ExecStart=${BATON} run --name web --shutdown-only -- node x.js`,
      "KillMode=mixed",
      "Restart=always",
    ];
    for (const line of lines) assert.ok(unit.includes(line), `${line} in\n${unit.join("\n")}`);
    const others =
      /^(Type=notify|NotifyAccess|Watchdog|FileDescriptorStore|Environment|ExecReload)/;
    assert.deepEqual(unit.filter((line) => others.test(line)), []);
  });
});
