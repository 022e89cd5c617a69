/** The promise: `make install` installs a baton that works, with its manual, its completions and its unit. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { unitTemplate } from "../../scripts/dist/unit.ts";
import { accepts } from "../support/bare_server.ts";
import { batonCommand, UNDER_TEST } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { findNode, fixture, REPOSITORY, required, which } from "../support/programs.ts";
import { noSystemd, RealSystemd } from "../support/real_systemd.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const EXECUTABLE = 0o755;
const READABLE = 0o644;
const TEST = {
  timeout: TEST_TIMEOUT_MS,
  skip: UNDER_TEST === "deno" ? "it is the same program" : whyNotMake(),
};

/** Another user's Deno, which make has linked to, may be in a folder that is closed to this one. */
function whyNotMake(): string | false {
  const cache = join(REPOSITORY, ".cache");
  const links = readdirSync(cache).filter((name) => /^deno-\d/.test(name));
  if (which("make") === null) return "no make";
  return !links.some((name) => existsSync(join(cache, name))) && "make has no Deno for this user";
}

function run(program: string, ...args: string[]): string {
  const env = { ...process.env, SOURCE_DATE_EPOCH: "1750000000", MAKEFLAGS: "" };
  const options = { cwd: REPOSITORY, encoding: "utf8", env } as const;
  const { status, stdout, stderr } = spawnSync(program, args, options);
  assert.equal(status, 0, `${program} ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout + stderr;
}

test(
  "make install installs the program, its manual, completions and unit below PREFIX",
  TEST,
  () => {
    using dir = tempDir("install");
    // What is there is tested, also when a source is newer.
    const old = ["dist/baton", "node_modules/.installed"].flatMap((file) => ["-o", file]);
    const said = run("make", ...old, "install", "PREFIX=/opt/b", `DESTDIR=${dir.path}`);
    assert.match(said, /^installed .*\/opt\/b\/bin\/baton, with 8 files beside it$/m);
    const place = (path: string) => dir.join("opt/b", path);
    const files = readdirSync(dir.path, { recursive: true, encoding: "utf8" })
      .filter((path) => statSync(dir.join(path)).isFile()).sort();
    assert.deepEqual(files.map((path) => path.replace(/^opt\/b\//, "")), [
      "bin/baton",
      "lib/systemd/system/baton@.service",
      "share/bash-completion/completions/baton",
      "share/doc/baton/LICENSE",
      "share/doc/baton/LICENSE.third-party",
      "share/fish/vendor_completions.d/baton.fish",
      "share/man/man1/baton.1",
      "share/man/man5/baton.toml.5",
      "share/zsh/site-functions/_baton",
    ]);
    for (const file of files) {
      const wanted = file.endsWith("bin/baton") ? EXECUTABLE : READABLE;
      assert.equal(statSync(dir.join(file)).mode & 0o777, wanted, file);
    }
    assert.match(run(place("bin/baton"), "--version"), /^baton \d/);
    const licenses = readFileSync(place("share/doc/baton/LICENSE.third-party"), "utf8");
    for (const word of ["hono@", "JavaScriptCore", "Permission is hereby granted"]) {
      assert.ok(licenses.includes(word), word);
    }
    for (
      const [page, word] of [["man1/baton.1", "baton reload"], ["man5/baton.toml.5", "drain_time"]]
    ) {
      checkPage(place(`share/man/${page}`), word!);
    }
    checkUnit(place("lib/systemd/system/baton@.service"), place("bin/baton"), dir.path);
  },
);

test("baton@.service runs, reloads and stops the service of a file", {
  timeout: TEST_TIMEOUT_MS,
  skip: UNDER_TEST === "deno" ? "it is the same unit" : noSystemd(),
}, async () => {
  await using systemd = await RealSystemd.start();
  const { dir } = systemd;
  const port = await freePort();
  const command = [required("node", findNode()), fixture("node_http.js")];
  const text = [`command = ${JSON.stringify(command)}`, `env_file = "${dir.join("env")}"`, ""];
  dir.write("web.toml", text.join("\n"));
  dir.write("env", `PORT=${port}\n`);
  const unit = unitTemplate(batonCommand()[0]!).replaceAll("/etc/baton/", `${dir.path}/`)
    // Those would start the machine's own units.
    .replaceAll(/^(?:Wants|After|StartLimit\w+)=.*\n/gm, "");
  const dropIn = "[Unit]\nDefaultDependencies=no\n";
  await systemd.addUnits({ "baton@.service": unit, "baton@.service.d/test.conf": dropIn });
  for (const verb of ["start", "reload"]) {
    const { code, stderr } = await systemd.ctl(verb, "baton@web");
    assert.equal(code, 0, `${verb}: ${stderr}${await systemd.journal("baton@web.service")}`);
    assert.ok(await accepts(port), verb);
  }
  await waitUntil(async () => {
    const { StatusText } = await systemd.show("baton@web.service", "StatusText");
    return StatusText === "generation 1 serves";
  }, { what: "generation 1 serves, and the first one has ended" });
  const { code, stdout } = await systemd.run([...batonCommand(), "ready", "web"]);
  assert.deepEqual([code, stdout], [0, "ready\n"]);
  await systemd.ctl("stop", "baton@web");
  assert.equal(await accepts(port), false);
});

/** Where there is a program that reads manual pages. */
function checkPage(path: string, word: string): void {
  if (which("mandoc") !== null) {
    assert.equal(run("mandoc", "-T", "lint", "-W", "style", path), "");
    assert.ok(run("mandoc", "-T", "ascii", path).replaceAll(/.[\b]/g, "").includes(word));
  }
  if (which("groff") !== null) {
    assert.equal(run("groff", "-man", "-Tutf8", "-ww", "-z", path), "");
  }
}

function checkUnit(path: string, program: string, folder: string): void {
  if (which("systemd-analyze") === null) return;
  const unit = join(folder, "baton@web.service");
  writeFileSync(unit, readFileSync(path, "utf8").replaceAll("/opt/b/bin/baton", program));
  const said = run("systemd-analyze", "verify", "--recursive-errors=no", unit);
  const own = said.split("\n").filter((line) => line.includes("baton"));
  assert.deepEqual(own, []);
}
