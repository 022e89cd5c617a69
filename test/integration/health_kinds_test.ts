/**
 * Each kind of check against real servers of that kind, well and broken: the good version passes, a broken one never
 * does, and what baton says about it is what is wrong with it.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import type { CheckView, GenerationView } from "../../src/report/snapshot.ts";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { IS_FULL } from "../support/repeats.ts";
import { alive } from "../support/proc.ts";
import { which } from "../support/programs.ts";
import { deploy, fixtureCommand, type Runnable } from "../support/servers.ts";
import { SideBySide } from "../support/side_by_side.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const FAST = ["--check-interval", "20ms", "--ready-timeout", "60s"];

interface Place {
  readonly port: number;
  readonly work: TempDir;
}

interface Broken {
  readonly what: string;
  readonly version: (place: Place) => Runnable;
  /** The last result of its check. */
  readonly says: RegExp;
}

interface Kind {
  readonly name: string;
  readonly needs?: string;
  readonly flags: readonly string[] | ((place: Place) => readonly string[]);
  /** Missing: 150ms. */
  readonly checkTimeout?: string;
  readonly good: (place: Place) => Runnable;
  readonly broken: readonly Broken[];
}

const tcp = (what: string, mode: string, says: RegExp, answer = ""): Broken => ({
  what,
  version: ({ port }) => ({
    command: fixtureCommand("broken_tcp.py"),
    env: { PORT: String(port), MODE: mode, ANSWER: answer },
  }),
  says,
});

const LATE = /^no answer within 0\.15 s$/;

/** What is the same for every protocol. @param answer a good one */
function brokenConnections(answer: string, expected: { garbage: RegExp; halves: RegExp }) {
  return [
    tcp("resets each connection", "reset", /^it reset the connection: no answer$/),
    tcp("closes each connection", "close", /^it (closed|reset) the connection: no answer$/),
    tcp("hangs", "hang", LATE),
    tcp("never accepts (half open)", "half_open", LATE),
    tcp("is too slow", "slow", LATE, answer),
    tcp("says something else", "garbage", expected.garbage),
    tcp("says half of it", "halves", expected.halves, answer),
  ];
}

const nginx = (status: string) => ({ port, work }: Place): Runnable => {
  const dir = work.join("nginx");
  mkdirSync(dir, { recursive: true });
  const conf = work.join(`nginx-${status.slice(0, 3)}.conf`);
  writeFileSync(
    conf,
    [
      "daemon off; master_process on; worker_processes 2;",
      `pid ${dir}/pid${status.slice(0, 3)}; error_log ${dir}/error.log;`,
      "events { worker_connections 64; }",
      `http { access_log off; server { listen 127.0.0.1:${port};`,
      `location = /healthz { return ${status}; } location / { return 200 "ok\\n"; } } }`,
    ].join("\n"),
  );
  return { command: [which("nginx") ?? "nginx", "-p", dir, "-c", conf], env: {} };
};

const redis = (...more: string[]) => ({ port, work }: Place): Runnable => ({
  command: [
    which("redis-server") ?? "redis-server",
    "--port",
    String(port),
    "--bind",
    "127.0.0.1",
    "--save",
    "",
    "--appendonly",
    "no",
    "--dir",
    work.path,
    ...more,
  ],
  env: {},
});

const grpc = (mode: string) => ({ port }: Place): Runnable => ({
  command: fixtureCommand("grpc_health.js"),
  env: { PORT: String(port), MODE: mode },
});

const node = (env: Record<string, string> = {}) => ({ port }: Place): Runnable => ({
  command: fixtureCommand("health_http.js"),
  env: { PORT: String(port), ...env },
});

const shell = (script: string, then: (place: Place) => Runnable = node()) => (place: Place) => {
  const { command, env } = then(place);
  return { command: ["sh", "-c", `${script}; exec "$0" "$@"`, ...command], env };
};

const HTTP_200 = "HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok";

const KINDS: readonly Kind[] = [
  {
    name: "http, nginx",
    needs: "nginx",
    flags: ["--ready", "http:/healthz", "--check-body", "^ok"],
    good: nginx('200 "ok"'),
    broken: [
      { what: "answers 503", version: nginx('503 "ok"'), says: /^status 503$/ },
      {
        what: "has another body",
        version: nginx('200 "no"'),
        says: /^status 200, and the body does not match \/\^ok\/$/,
      },
      { what: "redirects", version: nginx("302 /elsewhere"), says: /^status 302$/ },
      ...brokenConnections(HTTP_200, {
        garbage: /^its answer is not HTTP\/1$/,
        halves: /^it (closed|reset) the connection: (status 200, and )?an unfinished/,
      }),
    ],
  },
  {
    name: "tcp, with an answer",
    flags: ["--ready", "tcp", "--check-send", "GET /healthz HTTP/1.0\\r\\n\\r\\n"].concat(
      ["--check-receive", "200 OK"],
    ),
    good: node(),
    broken: brokenConnections("HTTP/1.0  200 OK\\r\\n", {
      garbage: /^it answered "\?!\?! what do you want\\r\\n" within 0\.15 s$/,
      halves: /^it (closed|reset) the connection: it answered "HTTP\/1\.0 "$/,
    }).filter(({ what }) => !what.startsWith("closes")),
  },
  {
    name: "redis",
    needs: "redis-server",
    flags: ["--ready", "redis"],
    good: redis(),
    broken: [
      {
        what: "wants a password",
        version: redis("--requirepass", "secret"),
        says: /^NOAUTH Authentication required\.$/,
      },
      { what: "is no redis", version: node(), says: /HTTP\/1\.1 400|^it (closed|reset)/ },
      ...brokenConnections("+PONG\\r\\n", {
        garbage: /^it answered "\?!\?! what do you want\\r\\n"$/,
        halves: /^it (closed|reset) the connection: /,
      }).filter(({ what }) => !/^(closes|says)/.test(what)),
    ],
  },
  {
    name: "grpc, @grpc/grpc-js",
    needs: "node",
    flags: ["--ready", "grpc"],
    good: grpc("SERVING"),
    broken: [
      { what: "is NOT_SERVING", version: grpc("NOT_SERVING"), says: /^NOT_SERVING$/ },
      {
        what: "knows no such service",
        version: grpc("NOT_FOUND"),
        says: /^grpc-status 5 NOT_FOUND/,
      },
      {
        what: "has no health service",
        version: grpc("UNIMPLEMENTED"),
        says: /^grpc-status 12 UNIMPLEMENTED$/,
      },
      {
        what: "accepts the call and hangs",
        version: grpc("HANG"),
        says: /^HTTP\/2, and no answer to the call within 0\.15 s$/,
      },
      {
        what: "answers the call too late",
        version: grpc("SLOW"),
        says: /^HTTP\/2, and no answer to the call within 0\.15 s$/,
      },
      { what: "speaks HTTP/1", version: node(), says: /^it speaks HTTP\/1, not gRPC$/ },
      ...brokenConnections("", {
        garbage: /^(its answer is not HTTP\/2|no answer within 0\.15 s)$/,
        halves: /^it (closed|reset) the connection: no answer$/,
      }).filter(({ what }) => /^(resets|never)/.test(what)),
    ],
  },
  {
    name: "exec",
    flags: ({ work }) => ["--ready", `exec:. ${work.join("check")}`],
    // To start a command takes a busy machine longer.
    checkTimeout: "2s",
    good: ({ port, work }) => {
      writeFileSync(work.join("check"), "");
      return node()({ port, work });
    },
    broken: [
      {
        what: "fails, and says why",
        version: shelled("echo starting; echo the disk is full >&2; exit 3"),
        says: /^exit status 3: the disk is full$/,
      },
      {
        what: "hangs, with a child",
        version: shelled('sleep 300 & echo $! >>"$BATON_CHECK_PIDS"; sleep 300'),
        says: /^it still ran after 2 s$/,
      },
      { what: "ends by a signal", version: shelled("kill -9 $$"), says: /^killed by signal 9$/ },
      {
        what: "is no command",
        version: shelled("no-such-command"),
        // A forbidden directory in the PATH of the user makes it the latter.
        says: /^exit status 127: .*(not found|Permission denied)/,
      },
      {
        what: "is about this generation",
        version: shelled('test "$BATON_CHECK/$BATON_CHECK_EPOCH" = ready/0'),
        says: /^exit status 1$/,
      },
    ],
  },
  {
    name: "fd",
    flags: ["--ready", "fd:7"],
    good: node({ READY_FD: "7" }),
    broken: [
      { what: "says nothing", version: node(), says: /^no newline yet$/ },
      { what: "says no newline", version: shell("printf ready >&7"), says: /^no newline yet$/ },
      {
        what: "closes it",
        version: shell("exec 7>&-"),
        says: /^closed without a newline$/,
      },
    ],
  },
  {
    name: "log",
    flags: ["--ready", "log:/^VERSION 1 listens$/i"],
    good: node(),
    broken: [
      {
        what: "prints another line",
        version: node({ VERSION: "2" }),
        says: /^none of 1 lines matched$/,
      },
      {
        what: "prints nothing",
        version: shell("exec >/dev/null"),
        says: /^it printed no line$/,
      },
      {
        what: "prints half of it",
        version: shell("printf 'version 1 listens'; exec >/dev/null"),
        says: /^it printed no line$/,
      },
    ],
  },
];

/** The server is well; its check is this script. */
function shelled(script: string) {
  return ({ port, work }: Place): Runnable => {
    const pids = `BATON_CHECK_PIDS='${work.join("pids")}'`;
    writeFileSync(work.join("check"), `${pids}\n${script}\n`);
    return node()({ port, work });
  };
}

async function candidate(baton: Baton): Promise<GenerationView | undefined> {
  const { generations, epoch } = await baton.status();
  return generations.find((each) => each.epoch > (epoch ?? 0) && each.state !== "exited");
}

/** What is said of it: of one that is asked again and again, the second time. */
function result({ check, lastResult, failures }: CheckView): string | null {
  return failures >= 2 || /^(fd|log):/.test(check) ? lastResult : null;
}

async function refuses(baton: Baton, { what, says }: Broken): Promise<void> {
  const reload = baton.reload();
  const seen = await waitUntil(async () => {
    const found = await candidate(baton);
    const check = found?.checks.find(({ role }) => role === "ready");
    if (found?.state !== "probing" || check === undefined || found.pid === null) return null;
    const text = result(check);
    if (text === null || !says.test(text)) throw new Error(`it says ${text}: ${inspect(check)}`);
    return { text, check, pid: found.pid };
  }, { what: `the one that ${what} is found out: ${says}\n${baton.stderr.slice(-2000)}` });
  assert.equal(seen.check.healthy, false);
  assert.equal(seen.check.successes, 0);
  process.kill(seen.pid, "SIGKILL");
  const report = await reload;
  assert.equal(report.result, "failed");
}

/**
 * Each starts a generation, which takes half a second. Results have unit tests (dialogues_test.ts, grpc_dialogue_test.ts,
 * check_trouble_test.ts), so `make test` has the first two of each kind, and those that only real sockets can show.
 */
function ways(broken: readonly Broken[]): readonly Broken[] {
  if (IS_FULL) return broken;
  const needed = /half open|with a child|the call and hangs|about this generation/;
  return broken.filter(({ what }, index) => index < 2 || needed.test(what));
}

async function tell({ flags, checkTimeout = "150ms", good, broken }: Kind): Promise<void> {
  using work = tempDir("kinds");
  const place = { port: await freePort(), work };
  deploy(work.join("target"), good(place));
  await using baton = await startBaton({
    command: fixtureCommand("switch.sh"),
    env: { TARGET_FILE: work.join("target") },
    flags: [
      ...(typeof flags === "function" ? flags(place) : flags),
      ...FAST,
      "--check-timeout",
      checkTimeout,
    ],
  });
  for (const each of ways(broken)) {
    deploy(work.join("target"), each.version(place));
    await refuses(baton, each);
    assert.equal((await baton.status()).epoch, 0, `the old one serves after ${each.what}`);
  }
  deploy(work.join("target"), good(place));
  const report = await baton.reload();
  assert.equal(report.result, "ok", report.reason ?? "");
  const pids = work.join("pids");
  if (existsSync(pids)) await everyChildIsGone(pids);
}

describe("each kind of check, with servers that are well and broken", () => {
  const lacks = ({ needs }: Kind) => needs !== undefined && which(needs) === null;
  const kinds = new SideBySide(KINDS.filter((kind) => !lacks(kind)), tell);
  for (const kind of KINDS) {
    const { name, broken } = kind;
    const skip = lacks(kind) && `${kind.needs} is not installed`;
    test(
      `${name}: ${ways(broken).map(({ what }) => what).join("; ")}`,
      { ...TEST, skip },
      async () => {
        await kinds.end(name);
      },
    );
  }
});

async function everyChildIsGone(file: string): Promise<void> {
  const pids = readFileSync(file, "utf8").trim().split("\n").map(Number);
  assert.ok(pids.length >= 2);
  await waitUntil(() => pids.every((pid) => !alive(pid)), {
    what: `children of a check that was killed are gone: ${pids}`,
  });
}
