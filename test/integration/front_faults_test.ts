/**
 * Promise: whatever the front of a service does, or the file that it reads, the service serves on: a reload that the front
 * does not follow fails with a reason, and the file is as before. The front is played by this process.
 */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { after, before, describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { FakeEnvoy, hostsIn } from "../support/front/fake_envoy.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { IS_FULL } from "../support/repeats.ts";
import { fixtureCommand } from "../support/servers.ts";
import { Succession } from "../support/succession.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
/** The table of documents has most of it. */
const LONG = !IS_FULL && "it takes a while: BATON_TEST_FULL=1";
const RARE: readonly string[] = [
  "is too old",
  "hangs",
  "has no such cluster",
  "has lost its directory",
];

class World implements AsyncDisposable {
  constructor(
    readonly dir: TempDir,
    readonly envoy: FakeEnvoy,
    readonly baton: Baton,
    readonly file: string,
  ) {}

  static async start(flags: readonly string[] = [], settings = ",timeout=300ms"): Promise<World> {
    const dir = tempDir("front");
    mkdirSync(dir.join("d"));
    const file = dir.join("d/eds.yaml");
    const envoy = await new FakeEnvoy(file, dir.join("admin.sock")).start();
    const env = { PORT: String(await freePort()) };
    const admin = `admin=unix:${dir.join("admin.sock")}`;
    const front = [
      `--front=eds:${file},${admin}${settings}`,
      "--drain-time=2s",
      "--quiet=100ms",
      ...flags,
    ];
    const command = fixtureCommand("node_http.js");
    const baton = await startBaton({ command, env, flags: front });
    const world = new World(dir, envoy, baton, file);
    await waitUntil(() => world.hosts.length > 0, { what: "the first generation is in the file" });
    return world;
  }

  get hosts(): string[] {
    return hostsIn(readFileSync(this.file, "utf8"));
  }

  /** @returns the addresses of those that get requests, with their weights */
  get healthy(): string[] {
    return this.hosts.filter((host) => host.includes("HEALTHY"));
  }

  /** Whether all to which a front would lead something now answer. */
  async serves(): Promise<void> {
    assert.ok(this.healthy.length > 0, "no endpoint gets anything");
    for (const host of this.healthy) {
      assert.equal(await statusOf(`http://${host.split(" ")[0]}/`), 200, host);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.baton[Symbol.asyncDispose]();
    await this.envoy.stop();
    this.dir[Symbol.dispose]();
  }
}

async function frontOf(baton: Baton) {
  const [front] = (await baton.status()).fronts;
  assert.ok(front !== undefined);
  return front;
}

function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(url, (answer) => answer.resume().on("end", () => resolve(answer.statusCode)))
      .on("error", reject);
  });
}

describe("a front that does not follow", () => {
  let world: World;
  before(async () => {
    world = await World.start();
  }, TEST);
  after(() => world[Symbol.asyncDispose]());

  const faults: [what: string, begin: (world: World) => unknown, end: string, reason: RegExp][] = [
    ["rejects the file", ({ envoy }) => envoy.manner = "rejects", "", /has rejected .*eds\.yaml/],
    [
      "does not read it",
      ({ envoy }) => envoy.manner = "reads nothing",
      "",
      /its cluster web has 127\.\S+ as HEALTHY, not DRAINING \(after 0\.3 s\)/,
    ],
    ["hangs", ({ envoy }) => envoy.manner = "hangs", "", /does not answer: .*no answer within/],
    ["is absent", ({ envoy }) => envoy.stop(), "start", /does not answer: .*(refused|ENOENT)/],
    [
      "has no such cluster",
      ({ envoy }) => Object.assign(envoy, { clusterName: "other", manner: "reads nothing" }),
      "",
      /its cluster other has 127\.\S+ as HEALTHY/,
    ],
    [
      "finds the new server sick",
      ({ envoy }) => envoy.manner = "finds new ones sick",
      "",
      /its own health check of 127\.\S+ fails/,
    ],
    [
      "is too old",
      ({ envoy }) => envoy.manner = "is old",
      "",
      /something other than clusters \(after 0\.3 s\); Envoy at unix:\S+: it is Envoy 1\.8\.0, and fronts/,
    ],
    [
      "has lost its directory",
      ({ dir }) => renameSync(dir.join("d"), dir.join("moved")),
      "rename",
      /cannot write .*eds\.yaml: .*ENOENT/,
    ],
  ];
  for (const [what, begin, end, reason] of faults) {
    test(what, { ...TEST, skip: RARE.includes(what) && LONG }, async () => {
      const { baton, envoy, dir } = world;
      const before = readFileSync(world.file, "utf8");
      await begin(world);
      const report = await baton.reload();
      if (end === "rename") renameSync(dir.join("moved"), dir.join("d"));
      assert.equal(report.result, "failed", JSON.stringify(report));
      assert.match(report.reason ?? "", reason);
      await waitUntil(() => readFileSync(world.file, "utf8") === before, { what: "as before" });
      await world.serves();
      const [front] = (await baton.status()).fronts;
      assert.match(front?.lastError?.reason ?? "", reason);
      Object.assign(envoy, { manner: "follows", clusterName: "web" });
      if (end === "start") await envoy.start();
      const { result, reason: why } = await baton.reload();
      assert.equal(result, "ok", `${why}\n${baton.stderr}`);
      await world.serves();
      await baton.settled();
    });
  }

  test(
    "status says what each Envoy makes of the file, and since when it was wrong",
    TEST,
    async () => {
      const { baton, envoy } = world;
      await waitUntil(async () => (await frontOf(baton)).endpoints.length === 1, { what: "alone" });
      const followed = await frontOf(baton);
      const admin = `unix:${envoy.socket}`;
      const [endpoint] = followed.endpoints;
      assert.deepEqual([followed.state, followed.needed], ["followed", 1]);
      assert.deepEqual(followed.envoys, [{ admin, result: "follows", detail: null }]);
      assert.deepEqual(world.hosts, [
        `${endpoint?.address} ${endpoint?.state} ${endpoint?.weight}`,
      ]);
      await envoy.stop();
      assert.equal((await baton.reload()).result, "failed");
      const failed = await frontOf(baton);
      assert.deepEqual([failed.state, failed.envoys[0]?.result], ["not followed", "absent"]);
      assert.ok(Date.parse(failed.lastError?.at ?? "") >= Date.parse(followed.askedAt ?? ""));
      const { stdout } = await baton.cli("status");
      assert.match(
        stdout,
        /^last error of \S+eds\.yaml, \d+s? ago: the front does not answer: Envoy at unix:/m,
      );
      assert.match(stdout, /FOLLOWED BY\n\S+eds\.yaml +web +not followed +0 of 1\n/);
      assert.match(stdout, /WEIGHT\n127\.\S+ +web +\d+ +HEALTHY +10000$/m);
      await envoy.start();
      await waitUntil(async () => (await frontOf(baton)).state === "followed", {
        what: "it is back",
      });
    },
  );
});

describe("the endpoint file", () => {
  test(
    "has the new generation alone when the old one has ended, and none at the end",
    TEST,
    async () => {
      await using world = await World.start();
      const [first = ""] = world.hosts;
      await world.baton.reload();
      await world.baton.settled();
      await waitUntil(() => world.hosts.length === 1, { what: "the old one is removed" });
      assert.notEqual(world.hosts[0], first);
      await world.baton.stop();
      assert.deepEqual(world.hosts, []);
    },
  );

  test("is kept by people, too", { ...TEST, skip: LONG }, async () => {
    await using world = await World.start();
    const document = JSON.parse(readFileSync(world.file, "utf8"));
    const place = { socket_address: { address: "192.0.2.1", port_value: 80 } };
    const own = {
      health_status: "DRAINING",
      load_balancing_weight: 7,
      endpoint: { address: place },
    };
    const about = { metadata: { filter_metadata: { baton: { service: "other", host: "x" } } } };
    document.resources[0].endpoints[0].lb_endpoints.unshift({ ...own, ...about });
    writeFileSync(`${world.file}.new`, JSON.stringify(document));
    renameSync(`${world.file}.new`, world.file);
    chmodSync(world.file, 0o640);
    assert.equal((await world.baton.reload()).result, "ok");
    assert.ok(world.hosts.includes("192.0.2.1:80 DRAINING 7"));
    await world.baton.stop();
    assert.deepEqual(world.hosts, ["192.0.2.1:80 DRAINING 7"]);
  });

  test("fails a reload while it cannot be written, and is as before then", TEST, async () => {
    await using world = await World.start([], ",acks=0");
    const { baton, dir, file } = world;
    const before = readFileSync(file, "utf8");
    // No file can be made in a directory that is none.
    renameSync(dir.join("d"), dir.join("moved"));
    writeFileSync(dir.join("d"), "");
    const report = await baton.reload();
    assert.match(report.reason ?? "", /cannot write .*ENOTDIR/);
    rmSync(dir.join("d"));
    renameSync(dir.join("moved"), dir.join("d"));
    await waitUntil(() => readFileSync(file, "utf8") === before, { what: "the file is as before" });
    assert.equal((await baton.reload()).result, "ok");
    await world.serves();
  });

  test("names the server again that baton's own end had taken along", TEST, async () => {
    await using world = await World.start();
    const { baton, file } = world;
    const [dead = ""] = world.hosts;
    baton.signal("SIGKILL");
    await baton.exited;
    assert.deepEqual(world.hosts, [dead]);
    const env = { PORT: String(await freePort()) };
    const flags = [`--front=eds:${file}`];
    const command = fixtureCommand("node_http.js");
    const service = { command, env, dir: baton.dir };
    {
      const unready = { ...service, flags: [...flags, "--ready=log:never"], expectFailure: true };
      await using slow = await startBaton(unready);
      await waitUntil(() => world.hosts.length === 0, { what: `no dead one\n${slow.stderr}` });
    }
    await using next = await startBaton({ ...service, flags });
    await waitUntil(() => world.hosts.length === 1 && world.hosts[0] !== dead, {
      what: `only the new server is in ${file}\n${next.stderr}`,
    });
    await world.serves();
  });
});

describe("a trial behind a front", () => {
  test("has its share as weights, and is rolled back for what Envoy counts", TEST, async () => {
    await using world = await World.start(["--rollback-on=5xx"]);
    const { baton, envoy } = world;
    for (const words of [["reload", "--canary", "20%"], ["canary", "10%"], ["status"]]) {
      assert.match((await baton.cli(...words)).stdout, /generation 1 gets [12]0 % of the requests/);
    }
    assert.deepEqual(envoy.hosts.map((host) => host.replace(/^\S+ /, "")), [
      "HEALTHY 9000",
      "HEALTHY 1000",
    ]);
    assert.equal((await baton.cli("reload", "--share", "50%")).code === 0, false);
    envoy.answers.set("0", { ok: 90, failed: 0 });
    envoy.answers.set("1", { ok: 10, failed: 0 });
    await waitUntil(async () => (await baton.status()).trial?.seen?.connections === 100, {
      what: "what Envoy counts is seen",
    });
    assert.equal((await baton.status()).trial?.seen?.percent, 10);
    envoy.answers.set("1", { ok: 10, failed: 6 });
    const last = await waitUntil(async () => {
      const { generations } = await baton.status();
      return generations.find(({ epoch, outcome }) => epoch === 1 && outcome === "rolled back") ??
        null;
    }, { what: `it is rolled back\n${baton.stderr}` });
    assert.match(last.reason ?? "", /6 of 16 requests to it have failed/);
    await waitUntil(() => world.healthy.length === 1, { what: "the old one gets all" });
    await world.serves();
  });

  test("ends, and no server is stopped that Envoy still dials", TEST, async () => {
    await using world = await World.start();
    const { baton, envoy } = world;
    assert.equal((await baton.cli("reload", "--canary", "10%")).code, 0, baton.stderr);
    envoy.manner = "reads nothing";
    assert.equal((await baton.cli("promote")).code, 0, baton.stderr);
    const states = world.hosts.map((host) => host.replace(/^\S+ /, ""));
    assert.deepEqual(states, ["DRAINING 1", "HEALTHY 10000"], "the old one stays while it lives");
    const before = envoy.asked;
    await waitUntil(() => envoy.asked > before + 10, { what: "Envoy is asked again and again" });
    const [old] = (await baton.status()).generations;
    assert.equal(old?.state, "draining", baton.stderr);
    await world.serves();
    envoy.manner = "follows";
    await baton.settled();
    await world.serves();
  });

  test("is refused where Envoy knows no weights", TEST, async () => {
    await using world = await World.start();
    world.envoy.policy = "LEAST_REQUEST";
    const { code, stderr } = await world.baton.cli("reload", "--canary", "10%");
    assert.equal(code, 70);
    assert.match(stderr, /cluster web of Envoy has lb_policy LEAST_REQUEST/);
    await world.serves();
    assert.equal((await world.baton.reload()).result, "ok");
  });
});

describe("another baton", () => {
  test("upgrade: the file is the new baton's", TEST, async () => {
    await using world = await World.start();
    const { baton } = world;
    const [first = ""] = world.hosts;
    const { code, stderr } = await baton.cli("upgrade");
    try {
      assert.equal(code, 0, `${stderr}\n${baton.stderr}`);
      await world.serves();
      await baton.settled();
      await waitUntil(() => world.hosts.length === 1, { what: "the old one is removed" });
      assert.notEqual(world.hosts[0], first);
      await world.serves();
      assert.equal((await baton.reload()).result, "ok");
      await world.serves();
    } finally {
      // It is no child of ours.
      assert.equal((await baton.cli("stop")).code, 0);
    }
    assert.deepEqual(world.hosts, []);
  });

  test("--survive: a killed baton leaves the serving one in the file", TEST, async () => {
    using dir = tempDir("front");
    const file = dir.join("eds.yaml");
    await using _ = await new FakeEnvoy(file, dir.join("admin.sock")).start();
    const command = fixtureCommand("node_http.js");
    const env = { PORT: String(await freePort()) };
    await using batons = new Succession({ command, env, dir });
    const flags = ["--survive", `--front=eds:${file}`];
    const hosts = () => hostsIn(readFileSync(file, "utf8"));
    await batons.next(flags);
    await waitUntil(() => hosts().length === 1, { what: "the first generation is in the file" });
    const [first = ""] = hosts();
    await batons.kill();
    assert.equal(await statusOf(`http://${first.split(" ")[0]}/`), 200);
    const next = await batons.next(flags);
    assert.deepEqual(hosts(), [first], batons.log);
    const { result, reason } = await next.reload();
    assert.equal(result, "ok", `${reason}\n${batons.log}`);
    await next.settled();
    await waitUntil(() => hosts().length === 1, { what: "the old one is removed" });
    assert.notEqual(hosts()[0], first);
    await next.stop();
    assert.deepEqual(hosts(), []);
  });

  test(
    "two services have one file, and one need not wait for the other's Envoy",
    TEST,
    async () => {
      await using world = await World.start();
      const { file, dir } = world;
      await using second = await new FakeEnvoy(file, dir.join("second.sock")).start();
      const admins = ["admin", "second"].map((name) => `admin=unix:${dir.join(`${name}.sock`)}`);
      const front = `--front=eds:${file},cluster=web,${admins.join(",")},timeout=300ms`;
      const env = { PORT: String(await freePort()) };
      const command = fixtureCommand("node_http.js");
      const flags = [`${front},acks=all`];
      await using other = await startBaton({ command, env, flags, name: "other" });
      await waitUntil(() => world.hosts.length === 2, { what: "both are in the file" });
      await world.serves();
      assert.equal((await other.reload()).result, "ok", other.stderr);
      second.manner = "reads nothing";
      const { result, reason } = await other.reload();
      assert.equal(result, "failed");
      assert.match(reason ?? "", /second\.sock/);
      assert.equal((await world.baton.reload()).result, "ok");
      await world.serves();
      await other.stop();
      await waitUntil(() => world.healthy.length === 1, { what: "one of them is left" });
      await world.serves();
    },
  );
});
