/**
 * The promise: bytes are bytes. Arguments, variables and directories that are not UTF-8 reach the server, hooks and
 * checks as baton got them, over reloads, upgrades and a takeover; what cannot be used is refused by name.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import {
  batonCommand,
  type BatonOptions,
  runCommand,
  startBaton,
  UNDER_TEST,
} from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { fixture, fixtureCommand } from "../support/servers.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const timeout = TEST_TIMEOUT_MS;
const BIG = "%e9".repeat(20_000);
/** As exec_bytes.py has them: %XX is a byte. */
const ARGUMENTS = [
  ..."na%efve;%ff%fe;%c3;%ed%b3%a9;%f0%9f%98;%f0%9f%98%80;caf%c3%a9;line%0abreak; ".split(";"),
  "",
  "%7bport:none%7d%e9",
  "--flag=%e9",
  "%ef%bf%bd",
  BIG,
];
const VARIABLES = [
  "NAME8=caf%e9",
  "n%e4me=x",
  "UTF8=caf%c3%a9%f0%9f%98%80",
  "BROKEN=%e2%82",
  "EMPTY=",
  `BIG=${BIG}`,
  "BASH_FUNC_x%25%25=()%20%7b%20%e9;%0a%7d",
  "__proto__=%e9",
  "=no%20name",
  "no%20equals%e9",
  "TWICE=1",
  "TWICE=2%e9",
];

/** What prints_bytes.py answers, and what is expected of it. */
interface Given {
  readonly pid: number;
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
}

function bytesOf(word: string): Buffer {
  const text = word.replace(/%(..)/g, (_, pair) => String.fromCharCode(parseInt(pair, 16)));
  return Buffer.from(text, "latin1");
}
const hexOf = (word: string) => bytesOf(word).toString("hex");

/** A folder with Latin-1 names in it: a directory, a program in a directory, and files. */
class Place implements Disposable {
  readonly dir: TempDir = tempDir();
  readonly work = `${this.dir.path}/d%e9p%f4t`;
  readonly bin = `${this.dir.path}/b%efn`;

  constructor(readonly port: number) {
    for (const path of [this.work, this.bin]) mkdirSync(bytesOf(path));
    const [python = ""] = fixtureCommand("prints_bytes.py");
    symlinkSync(python, bytesOf(`${this.bin}/l%e4uft`));
    symlinkSync(batonCommand()[0] ?? "", bytesOf(`${this.bin}/b%e4ton`));
  }

  write(path: string, content: string): string {
    writeFileSync(bytesOf(path), bytesOf(content));
    return path;
  }

  options(more: Partial<BatonOptions> = {}): BatonOptions {
    const [python = "", script = ""] = fixtureCommand("exec_bytes.py");
    return {
      wrapper: [python, script],
      command: ["l%e4uft", fixture("prints_bytes.py"), ...ARGUMENTS],
      env: {
        PORT: String(this.port),
        EXTRA_ENVIRON: [...VARIABLES, `PATH=${this.bin}:/usr/bin:/bin`].join(" "),
        WORK_DIR: this.work,
        // An upgrade finds its program again by the name that it was called with.
        ...UNDER_TEST === "bun" ? { CALLED: `${this.bin}/b%e4ton` } : {},
      },
      ...more,
    };
  }

  /** What the server that answers was given. It is compared with what baton was, but for `changed`. */
  async check(before: number | null, changed: readonly string[] = []): Promise<number> {
    const given = await waitUntil(async () => {
      const found = await fetch(`http://127.0.0.1:${this.port}/given`).then((r) =>
        r.json()
      ) as Given;
      return found.pid === before ? null : found;
    }, { what: `another server than ${before} answers` });
    assert.deepEqual(given.argv.slice(2), ARGUMENTS.map(hexOf));
    assert.equal(given.argv[0], hexOf("l%e4uft"));
    assertVariables(given.env, withChanged(changed));
    assert.equal(given.cwd, hexOf(this.work));
    return given.pid;
  }

  [Symbol.dispose](): void {
    rmSync(this.dir.path, { recursive: true, force: true });
  }
}

function withChanged(changed: readonly string[]): string[] {
  const names = changed.map((entry) => entry.split("=")[0]);
  return [...VARIABLES.filter((entry) => !names.includes(entry.split("=")[0])), ...changed];
}

/** Each of `wanted`, as often and in the order that it is there. */
function assertVariables(found: readonly string[], wanted: readonly string[]): void {
  const names = wanted.map((entry) => hexOf(entry.split("=")[0] ?? ""));
  const nameOf = (entry: string) =>
    Buffer.from(entry, "hex").toString("latin1").split("=")[0] ?? "";
  const ours = found.filter((entry) =>
    names.includes(Buffer.from(nameOf(entry), "latin1").toString("hex"))
  );
  assert.deepEqual(ours.sort(), wanted.map(hexOf).sort());
  const twice = (entries: readonly string[]) =>
    entries.filter((e) => e.startsWith(hexOf("TWICE=")));
  assert.deepEqual(twice(found), twice(wanted.map(hexOf)), "in their order");
}

/** What a shell command that copied its own /proc/PID/environ was given. */
function copied(path: string): string[] {
  return readFileSync(path).toString("latin1").split("\0").slice(0, -1)
    .map((entry) => Buffer.from(entry, "latin1").toString("hex"));
}

describe("what is not UTF-8 reaches the server unchanged", () => {
  test("at the start, over reloads, both upgrades and a takeover", { timeout }, async () => {
    using place = new Place(await freePort());
    const handoff = place.dir.join("handoff");
    const flags = ["--handoff-socket", handoff, "--log-file", "l%f6g"];
    let pid: number;
    {
      await using baton = await startBaton(place.options({ flags }));
      pid = await place.check(null);
      assert.equal((await baton.reload()).result, "ok");
      pid = await place.check(pid);
      const inPlace = await baton.cli("upgrade", "--in-place");
      assert.equal(inPlace.code, 0, inPlace.stderr);
      assert.equal((await baton.reload()).result, "ok");
      pid = await place.check(pid);
      const upgraded = await baton.cli("upgrade");
      assert.equal(upgraded.code, 0, upgraded.stderr);
      pid = await place.check(pid);
      // The one that took over is the child of the first, and ends with `using`.
      await using next = await startBaton(
        place.options({ flags: [...flags, "--takeover", handoff] }),
      );
      pid = await place.check(pid);
      const shown = await next.cli("status", "--json");
      assert.equal(JSON.parse(shown.stdout).command[2], "na\\xefve");
      assert.equal((await next.stop()).code, 0);
    }
    const log = readFileSync(bytesOf(`${place.work}/l%f6g`), "utf8");
    assert.match(log, /runs l\\xe4uft .* na\\xefve \\xff\\xfe /);
  });

  test("to hooks, checks and from files, and a variable that is set anew is there once", {
    timeout,
  }, async () => {
    using place = new Place(await freePort());
    const out = (name: string) => place.dir.join(name);
    // By rename: a check runs again while this is read.
    const copy = (name: string) =>
      `cat /proc/$$/environ > ${out(name)}.new && mv ${out(name)}.new ${out(name)}`;
    const env = place.write(
      `${place.work}/%e9nv`,
      "NAME8=fr%e9sh%a0\nTWICE='%ff'\n__proto__=%85\n",
    );
    const flags = [
      "--config",
      place.write(`${place.dir.path}/b%e4ton.json`, '{"crash_limit": 3}'),
      "--cwd",
      place.work,
      "--env-file",
      env,
      "--pre-flight",
      `${copy("flight")}; printf %25s '%e9%ff' > ${out("bytes")}`,
      "--hook",
      `ready=${copy("hook")}`,
      "--ready",
      `exec:${copy("check")} # %e9`,
      "--ready",
      "auto",
    ];
    const { env: variables } = place.options();
    // Somewhere else: the directory is an option this time.
    const options = place.options({ flags, env: { ...variables, WORK_DIR: place.dir.path } });
    await using _ = await startBaton(options);
    const set = ["NAME8=fr%e9sh%a0", "TWICE=%ff", "__proto__=%85"];
    await place.check(null, set);
    const wanted = withChanged(set);
    assertVariables(copied(out("flight")), wanted);
    assertVariables(copied(out("hook")), wanted);
    assertVariables(copied(out("check")), VARIABLES);
    assert.equal(readFileSync(out("bytes")).toString("hex"), "e9ff");
  });

  test("to --watch, which sees a change of a file with such a name", { timeout }, async () => {
    using place = new Place(await freePort());
    const key = place.write(`${place.work}/k%e9y`, "one");
    await using baton = await startBaton(place.options({ flags: ["--watch", "."] }));
    const pid = await place.check(null);
    writeFileSync(bytesOf(key), "another");
    await place.check(pid);
    await baton.settled();
  });

  test("with --shutdown-only", { timeout }, async () => {
    using place = new Place(await freePort());
    await using _ = await startBaton(
      place.options({ flags: ["--shutdown-only"], expectFailure: true }),
    );
    await place.check(null);
  });
});

describe("what cannot be used is refused with 64 and its name", () => {
  const cases: readonly [words: string[], message: RegExp][] = [
    [["run", "--config", "DIR/bad.toml"], /file "\/.*\/bad\.toml": line 2 is not UTF-8/],
    [
      ["run", "--pidfile", "p.pid", "--", "x"],
      /d\\xe9p\\xf4t\/p\.pid for --pidfile: the path is not/,
    ],
    [
      ["run", "--runtime-dir", "r%e9", "--", "x"],
      /In --runtime-dir: cannot use "r\\xe9": it must be UTF-8/,
    ],
    [["status", "w%e9b"], /Cannot use "w\\xe9b" with status: it must be UTF-8/],
    [
      ["upgrade", "--exec", "./baton"],
      /--exec \.\/baton: the path \/.*d\\xe9p\\xf4t\/baton is not UTF-8/,
    ],
  ];
  for (const [words, message] of cases) {
    test(words.join(" "), { timeout }, async () => {
      using place = new Place(1);
      place.write(`${place.dir.path}/bad.toml`, 'quiet = "1s"\nname = "caf%e9"\n');
      const [python = "", script = ""] = fixtureCommand("exec_bytes.py");
      const given = words.map((word) => word.replace("DIR", place.dir.path));
      const result = await runCommand([python, script, ...batonCommand(), ...given], {
        env: { WORK_DIR: place.work },
      });
      assert.match(result.stderr, message);
      assert.equal(result.code, 64);
    });
  }
});
