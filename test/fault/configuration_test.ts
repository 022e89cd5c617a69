/**
 * The promise: whatever happens to the file of the configuration, what serves keeps serving with what it has, and the next
 * reload with a good file has that.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, batonCommand, runCommand, startBaton, UNDER_TEST } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { perlServer } from "../support/perl_server.ts";
import { alive } from "../support/proc.ts";
import { repeats } from "../support/repeats.ts";
import { servingPid } from "../support/serving_pid.ts";
import { Succession } from "../support/succession.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const EXIT_USAGE = 64;
const EXIT_FAILED = 70;
const AS_ROOT = process.getuid?.() === 0;
const NOBODY = 65534;
/** baton itself runs as another user: one that may not reach the Deno in root's home. */
const asNobody = {
  ...TEST,
  skip: AS_ROOT && UNDER_TEST === "bun" ? false : "needs root, and a baton that all may execute",
};
const needsRoot = { ...TEST, skip: AS_ROOT ? false : "needs two users" };

function release(port: number, word: string, more = ""): string {
  const command = JSON.stringify([...perlServer(port), word]);
  return `command = ${command}\n${more}\n[env]\nRELEASE = "${word}"\n`;
}

async function answer(port: number): Promise<string> {
  return await (await fetch(`http://127.0.0.1:${port}/`)).text();
}

function uidOf(pid: number): string {
  return /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";
}

function start(dir: TempDir, command: string[] = []): Promise<Baton> {
  return startBaton({ command, env: { PWD: dir.path }, cwd: dir.path });
}

describe("a file of the configuration", () => {
  test("that is something else for a while fails the reload, and nothing more", TEST, async () => {
    using dir = tempDir();
    const [port, file] = [await freePort(), dir.join("baton.toml")];
    writeFileSync(file, release(port, "one"));
    await using baton = await start(dir, [...perlServer(port), "flag"]);
    const pid = servingPid(await baton.settled());
    const cases: [what: string, make: () => void, message: RegExp][] = [
      [
        "empty, as between truncate and write",
        () => writeFileSync(file, ""),
        /it is empty, and was/,
      ],
      ["cut off", () => truncateSync(write(file, release(port, "two")), 40), /Cannot parse .*line/],
      ["a FIFO", () => execFileSync("mkfifo", [file]), /it is not a file/],
      ["endless", () => symlinkSync("/dev/zero", file), /it is not a file/],
      ["a directory", () => mkdirSync(file), /it is a directory/],
      ["a link to itself", () => symlinkSync(file, file), /its link leads nowhere/],
      ["with a user that there is not", () => {
        writeFileSync(file, release(port, "two", 'user = "no-such-user"'));
      }, /there is no such name in \/etc\/passwd/],
    ];
    for (const [what, make, message] of cases) {
      rmSync(file, { recursive: true, force: true });
      make();
      const { code, stderr } = await baton.cli("reload");
      assert.equal(code, EXIT_FAILED, `${what}: ${stderr}`);
      assert.match(stderr, message, what);
      assert.equal(servingPid(await baton.settled()), pid, what);
    }
    rmSync(file, { recursive: true, force: true });
    writeFileSync(file, release(port, "two"));
    assert.equal((await baton.cli("reload")).code, 0);
    assert.equal(await answer(port), "two flag");
  });

  test("that a link leads to, and is not there, is missed", TEST, async () => {
    using dir = tempDir();
    symlinkSync("gone.toml", dir.join("baton.toml"));
    const check = () => runCommand([...batonCommand(), "check", "--", "true"], { cwd: dir.path });
    const { code, stderr } = await check();
    assert.equal(code, EXIT_USAGE);
    assert.match(
      stderr,
      /^baton: Cannot read .*baton.toml, .*: its link leads nowhere\n .*--no-config\n$/,
    );
    dir.write("gone.toml", 'name = "found"\n');
    assert.match((await check()).stdout, /"?found"?/);
  });

  test("that is written while reloads come is old, new, or refused", TEST, async () => {
    using dir = tempDir();
    const [port, file] = [await freePort(), dir.join("baton.toml")];
    writeFileSync(file, release(port, "0"));
    await using baton = await start(dir);
    const count = repeats({ full: 20, quick: 3 });
    for (let i = 1; i <= count; i++) {
      const reloads = [baton.reload(), baton.reload()];
      if (i % 2 === 0) {
        writeFileSync(`${file}.new`, release(port, `${i}`));
        renameSync(`${file}.new`, file);
      } else {
        truncateSync(file);
        baton.signal("SIGHUP");
        writeFileSync(file, release(port, `${i}`));
      }
      reloads.push(baton.reload());
      await Promise.all(reloads);
      const [word, same] = (await answer(port)).split(" ");
      assert.equal(word, same, "command and environment are of one release");
    }
    assert.equal((await baton.reload()).result, "ok");
    assert.equal(await answer(port), `${count} ${count}`);
  });

  test("is found again below a directory that baton may not enter", asNobody, async () => {
    using dir = tempDir();
    const [port, below] = [await freePort(), dir.join("app")];
    mkdirSync(below);
    chownSync(below, NOBODY, NOBODY);
    const deploy = (word: string) => {
      writeFileSync(`${below}/baton.toml`, release(port, word));
      chmodSync(`${below}/baton.toml`, 0o644);
    };
    deploy("one");
    chmodSync(dir.path, 0o700);
    await using baton = await startBaton({
      command: [],
      env: { PWD: below },
      cwd: below,
      uid: NOBODY,
    });
    deploy("two");
    const { code, stderr } = await baton.cli("reload");
    assert.equal(code, 0, stderr);
    assert.equal(await answer(port), "two two");
  });

  test("is not trusted behind another user's link", needsRoot, async () => {
    using dir = tempDir();
    dir.write("other.toml", release(1, "one"));
    symlinkSync("other.toml", dir.join("baton.toml"));
    const check = () => runCommand([...batonCommand(), "check"], { cwd: dir.path });
    assert.equal((await check()).code, 0);
    lchownSync(dir.join("baton.toml"), NOBODY, NOBODY);
    const { code, stderr } = await check();
    assert.equal(code, EXIT_USAGE);
    assert.match(stderr, /Cannot trust baton.toml, .*: the link belongs to user 65534/);
  });
});

describe("what is read again", () => {
  test(
    "makes the next generation another user's, and the one after root's",
    needsRoot,
    async () => {
      using dir = tempDir();
      const [port, file] = [await freePort(), dir.join("baton.toml")];
      writeFileSync(file, release(port, "one"));
      await using baton = await start(dir);
      assert.equal(uidOf(servingPid(await baton.settled())), "0");
      for (const [more, uid] of [['user = "nobody"', `${NOBODY}`], ["", "0"]] as const) {
        writeFileSync(file, release(port, "two", more));
        assert.equal((await baton.cli("reload")).code, 0, baton.stderr);
        assert.equal(uidOf(servingPid(await baton.settled())), uid);
      }
    },
  );

  test("keeps a server that must not run twice from that at an upgrade, too", TEST, async () => {
    using dir = tempDir();
    const [port, file] = [await freePort(), dir.join("baton.toml")];
    const [program = "", ...words] = perlServer(port);
    writeFileSync(file, release(port, "one"));
    await using baton = await start(dir);
    // By its name it is one of those.
    symlinkSync(program, dir.join("prometheus"));
    writeFileSync(file, `command = ${JSON.stringify([dir.join("prometheus"), ...words, "two"])}\n`);
    assert.equal((await baton.reload()).result, "ok");
    const pid = servingPid(await baton.settled());
    const scaled = await baton.cli("scale", "2");
    assert.match(scaled.stderr, /must not run twice/);
    const { code, stderr } = await baton.cli("upgrade");
    assert.equal(code, 0, stderr);
    assert.match(baton.stderr, /upgrade: in place, because the server must not run twice/);
    assert.equal(servingPid(await baton.settled()), pid);
  });

  test(
    "counts for a baton that continues after a kill, from its next reload on",
    TEST,
    async () => {
      using dir = tempDir();
      using runtime = tempDir("baton");
      const [port, file] = [await freePort(), dir.join("baton.toml")];
      writeFileSync(file, release(port, "one", 'umask = "027"'));
      await using batons = new Succession({
        command: [],
        env: { PWD: dir.path },
        cwd: dir.path,
        dir: runtime,
      });
      const first = await batons.next();
      const pid = servingPid(await first.settled());
      writeFileSync(file, release(port, "two", 'umask = "077"\nbacklog = 7'));
      await batons.kill();
      const second = await batons.next();
      assert.equal(servingPid(await second.settled()), pid, "the server is the same");
      assert.equal(await answer(port), "one one");
      assert.equal((await second.reload()).result, "ok");
      assert.equal(await answer(port), "two two");
      writeFileSync(file, release(port, "three", "backlgo = 7"));
      const refused = await second.cli("upgrade");
      assert.equal(refused.code, EXIT_FAILED, refused.stderr);
      assert.match(refused.stderr + second.stderr, /Unknown key "backlgo"/);
      assert.equal(await answer(port), "two two");
    },
  );

  test("stops an upgrade in place when it has changed since it was tried", TEST, async () => {
    using dir = tempDir();
    const [port, file] = [await freePort(), dir.join("baton.toml")];
    const [held, free] = [dir.join("held"), dir.join("free")];
    const hook = `post-stop=touch ${held}; until test -e ${free}; do sleep 0.05; done`;
    const more = `hook = [${JSON.stringify(hook)}]\nhook_timeout = "60s"`;
    writeFileSync(file, release(port, "one", more));
    await using baton = await start(dir);
    assert.equal((await baton.reload()).result, "ok");
    await waitUntil(() => readable(held), { what: "the hook of the old generation runs" });
    const upgrade = baton.cli("upgrade", "--in-place");
    await waitUntil(() => /upgrade in place: tries/.test(baton.stderr), { what: "it is tried" });
    // The new program has read the file when it has ended, and the exec waits for the hook.
    const [, tried = ""] = /upgrade in place: tries .*pid (\d+)/.exec(baton.stderr) ?? [];
    await waitUntil(() => !alive(Number(tried)), { what: "the new program is tried" });
    writeFileSync(file, "backlgo = 7\n");
    writeFileSync(free, "");
    const { code, stderr } = await upgrade;
    assert.equal(code, EXIT_FAILED, stderr);
    assert.match(stderr, /Unknown key "backlgo"|has changed while the new program was tried/);
    assert.equal(await answer(port), "one one");
  });
});

test("options of a service are none of a baton in its server or its hook", TEST, async () => {
  using dir = tempDir();
  const port = await freePort();
  const check = (name: string) =>
    `${batonCommand().join(" ")} check --json --no-config -- true > ${dir.join(name)}`;
  await using baton = await startBaton({
    command: ["sh", "-c", `${check("server")}; exec "$@"`, "sh", ...perlServer(port), "x"],
    flags: ["--hook", `ready=${check("hook")}`],
    env: { BATON_DRAIN_TIME: "7s", BATON_WORKERS: "1", BATON_ENV: "INNER=1" },
  });
  assert.equal((await baton.status()).epoch, 0);
  for (const place of ["server", "hook"]) {
    const { options } = JSON.parse(readFileSync(dir.join(place), "utf8"));
    const found = Object.values<{ from: string }>(options).map(({ from }) => from);
    assert.deepEqual(
      [...new Set(found)].filter((from) => !from.startsWith("default")),
      [
        "command line",
        "--no-config",
      ].filter((from) => found.includes(from)),
      place,
    );
    assert.equal(options.drain_time.value, "1m", place);
    assert.equal(options.name.value, "true", place);
  }
});

test("--user that baton already is needs no rights", asNobody, async () => {
  const port = await freePort();
  await using baton = await startBaton({
    command: [...perlServer(port), "x"],
    env: {},
    flags: ["--user", "nobody"],
    uid: NOBODY,
  });
  assert.equal(uidOf(servingPid(await baton.settled())), `${NOBODY}`);
});

function write(file: string, text: string): string {
  writeFileSync(file, text);
  return file;
}

function readable(path: string): boolean {
  try {
    return readFileSync(path) !== null;
  } catch {
    return false;
  }
}
