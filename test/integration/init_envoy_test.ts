/**
 * Promise: `baton init envoy` writes a front that Envoy accepts, says so, and otherwise writes nothing and passes Envoy's
 * reason on. What counts for a whole Envoy (limits, clusters in a file) has its effect.
 */
import assert from "node:assert/strict";
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { batonCommand, type CommandResult, runCommand } from "../support/baton.ts";
import { ENVOY_VERSIONS, envoyProgram } from "../support/envoy.ts";
import { http3Python, http3Status } from "../support/front/http3.ts";
import { certificateLines } from "../support/front/trial_certificate.ts";
import { allLines } from "../support/front/all_lines.ts";
import { ask, Kept, requestText } from "../support/front/front_client.ts";
import { FrontTrial, without } from "../support/front/front_trial.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { IS_FULL } from "../support/repeats.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const { path: ENVOY, skip } = envoyProgram();
const OPTIONS = { skip, timeout: TEST_TIMEOUT_MS };

/** @param lines of [front] @param envoy the program */
function init(dir: TempDir, lines: string, envoy = ENVOY): Promise<CommandResult> {
  const front = lines.replace(
    "[front]",
    `[front]\neds = "${dir.join("f/eds.yaml")}"\nenvoy = "${envoy}"`,
  );
  const file = dir.write("baton.toml", `name = "app"\ncommand = ["node", "server.js"]\n${front}\n`);
  return runCommand([...batonCommand(), "init", "envoy", "--config", file]);
}

/** Plays one, as https://github.com/envoyproxy/envoy/issues/23310 shows it: none before 1.36 is on PyPI. */
function oldEnvoy(dir: TempDir, accepts: boolean): string {
  const message = "Protobuf message (type envoy.config.bootstrap.v3.Bootstrap reason " +
    "INVALID_ARGUMENT:(dynamic_resources.cds_config) path_config_source: Cannot find field.) has unknown fields";
  const file = dir.write(
    "old_envoy",
    `#!/bin/sh
[ "$1" = --version ] && echo "$0  version: ${
      "0f".repeat(20)
    }/1.18.3/Clean/RELEASE/BoringSSL" && exit
${
      accepts
        ? "exit 0"
        : `echo '[1][critical][main] [server.cc:117] error initializing: ${message}' >&2; exit 1`
    }
`,
  );
  chmodSync(file, 0o755);
  return file;
}

function files(dir: TempDir): Record<string, string> {
  const names = readdirSync(dir.join("f")).sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(dir.join("f", name), "utf8")]));
}

describe("baton init envoy", OPTIONS, () => {
  test(
    "writes a front with every line, which Envoy accepts, and keeps it as it is",
    OPTIONS,
    async () => {
      using dir = tempDir();
      // Its own value of `envoy` is the one of the test, and of `listen` the default.
      const lines = allLines(["envoy", "listen"]);
      const first = await init(dir, lines);
      assert.equal(first.code, 0, first.stderr);
      assert.match(first.stdout, new RegExp(`validated by ${ENVOY}`));
      assert.match(first.stdout, /run --config \S+\/f\/baton.toml/);
      const before = files(dir);
      assert.deepEqual(Object.keys(before), [
        "api.yaml",
        "baton.toml",
        "bootstrap.yaml",
        "cds.yaml",
        "eds.yaml",
      ]);
      const again = await init(dir, lines);
      assert.match(
        again.stdout,
        /unchanged \S+\/cds.yaml\nunchanged \S+\/bootstrap.yaml\nkept {6}\S+\/baton.toml/,
      );
      assert.deepEqual(files(dir), before);
    },
  );

  test("writes nothing when Envoy refuses it, and says why", OPTIONS, async () => {
    using dir = tempDir();
    const missing = dir.join("missing.pem");
    const wrong = `[front]\ncertificate = "${missing}"\nprivate_key = "${missing}"\n`;
    assert.equal((await init(dir, wrong)).code, 64);
    assert.deepEqual(files(dir), {}, "nothing where nothing was");
    await init(dir, "[front]");
    const before = files(dir);
    const refused = await init(dir, wrong);
    assert.equal(refused.code, 64);
    assert.match(refused.stderr, /refuses it: .*(?:missing\.pem|certificate)/);
    assert.match(refused.stderr, /Nothing was changed/);
    assert.deepEqual(files(dir), before);
  });

  test("writes over no file of a person's, and not over the endpoints", OPTIONS, async () => {
    using dir = tempDir();
    await init(dir, "[front]");
    writeFileSync(dir.join("f/eds.yaml"), "endpoints of now");
    const changed = await init(dir, '[front]\nload_balancing = "maglev"\n');
    assert.match(changed.stdout, /wrote {5}\S+\/cds.yaml\nunchanged \S+\/bootstrap.yaml/);
    assert.equal(files(dir)["eds.yaml"], "endpoints of now");
    writeFileSync(dir.join("f/cds.yaml"), "my own");
    const refused = await init(dir, "[front]");
    assert.equal(refused.code, 64);
    assert.match(
      refused.stderr,
      /Cannot write \S+\/cds.yaml: 'baton init envoy' has not written the file there/,
    );
    assert.equal(files(dir)["cds.yaml"], "my own");
  });

  test("is not for an Envoy, nor for its start script", { timeout: TEST_TIMEOUT_MS }, async () => {
    using dir = tempDir();
    const script = dir.write("start.sh", "#!/bin/sh\nexec envoy --restart-epoch $RESTART_EPOCH\n");
    for (
      const [words, message] of [
        [
          ["envoy", "--", "envoy", "-c", "e.yaml"],
          /Cannot put a front before envoy: .*\n.*envoy\.md/,
        ],
        [
          ["envoy", "--", script],
          /Run the script as it is: baton hot-restarter --safe \S+start\.sh/,
        ],
        [["systemd", "--", script], /with run and init --preset envoy --restart-epoch 0/],
      ] as const
    ) {
      const { code, stderr } = await runCommand([...batonCommand(), "init", ...words], {
        cwd: dir.path,
      });
      assert.equal(code, 64);
      assert.match(stderr, message);
    }
    assert.deepEqual(readdirSync(dir.path), ["start.sh"]);
  });

  for (const isAccepted of [false, true]) {
    const what = isAccepted ? "accepts it all the same" : "refuses a key that it does not know";
    test(`says so of an Envoy that is too old and ${what}`, OPTIONS, async () => {
      using dir = tempDir();
      const made = await init(dir, "[front]", oldEnvoy(dir, isAccepted));
      const age = "it is Envoy 1.18.3, and fronts are tried with 1.36 and later";
      if (isAccepted) {
        assert.match(
          made.stdout,
          new RegExp(`validated by \\S+old_envoy \\(Envoy 1.18.3\\): ${age}`),
        );
        return;
      }
      assert.equal(made.code, 64, made.stdout);
      assert.match(made.stderr, /\(Envoy 1\.18\.3\) refuses it: .*Cannot find field/);
      assert.match(made.stderr, new RegExp(`Nothing was changed. As ${age}: install a newer one`));
    });
  }

  test("says that nothing was validated where there is no Envoy", OPTIONS, async () => {
    using dir = tempDir();
    const made = await init(dir, "[front]", dir.join("no-envoy"));
    assert.equal(made.code, 0, made.stderr);
    assert.match(made.stdout, /not validated: .*no-envoy/);
    assert.ok(existsSync(dir.join("f/bootstrap.yaml")));
  });

  for (const version of ENVOY_VERSIONS.slice(1)) {
    const program = IS_FULL ? envoyProgram(version) : { path: null, skip: "in make test-all" };
    test(
      `Envoy ${version} accepts every line, too`,
      { ...OPTIONS, skip: program.skip },
      async () => {
        using dir = tempDir();
        const made = await init(dir, allLines(["envoy", "listen"]), program.path);
        assert.match(made.stdout, /validated by/, made.stderr);
      },
    );
  }
});

/** Starts what was written, with a port that the kernel chooses. @param removed a key that is taken out of it */
async function started(dir: TempDir, lines: string, removed?: string): Promise<FrontTrial> {
  const made = await init(dir, `[front]\nlisten = "127.0.0.1:1"\n${lines}`);
  assert.equal(made.code, 0, made.stderr);
  const { parse } = await import("yaml");
  const bootstrap = without(parse(readFileSync(dir.join("f/bootstrap.yaml"), "utf8")), removed);
  const text = JSON.stringify(bootstrap).replaceAll('"port_value":1,', '"port_value":0,')
    .replaceAll('"port_value":1}', '"port_value":0}')
    .replace(dir.join("f/admin.sock"), dir.join("admin.sock"));
  const trial = new FrontTrial(dir, ENVOY ?? "");
  await trial.run(JSON.parse(text));
  return trial;
}

describe("a line of [front] for the whole Envoy", OPTIONS, () => {
  for (const [line, isClosed] of [["max_connections = 2", true], ["", false]] as const) {
    test(
      `${line || "without max_connections"}: a third connection is ${
        isClosed ? "closed" : "served"
      }`,
      OPTIONS,
      async () => {
        using dir = tempDir();
        await using trial = await started(dir, line);
        const port = await trial.portOf("clients");
        const all = [1, 2, 3].map(() => new Kept(port, requestText("/")));
        // Without endpoints Envoy answers 503 itself.
        const answered = () =>
          all.filter(({ received }) => received.startsWith("HTTP/1.1 503")).length;
        await waitUntil(() => answered() + all.filter((each) => each.isClosed).length === 3, {
          what: "all have an end",
        });
        assert.equal(answered(), isClosed ? 2 : 3);
        all.forEach((each) => each.close());
      },
    );
  }

  for (
    const [line, body] of [['max_heap = "1M"', "envoy overloaded"], [
      "",
      "no healthy upstream",
    ]] as const
  ) {
    test(`${line || "without max_heap"}: a request gets "${body}"`, OPTIONS, async () => {
      using dir = tempDir();
      await using trial = await started(dir, line);
      const port = await trial.portOf("clients");
      await waitUntil(async () => (await ask(port)).body === body, { what: body });
      // The step before, at 95 %, is not seen by requests: Envoy gives memory back, every 10 s.
      const shrinks = line === "" ? [] : ["active: 1", ...IS_FULL ? ["shrink_count: [1-9]"] : []];
      for (const shrink of shrinks) {
        const stat = new RegExp(
          `^overload\\.envoy\\.overload_actions\\.shrink_heap\\.${shrink}`,
          "m",
        );
        await waitUntil(async () => stat.test(await trial.admin("/stats?filter=shrink_heap")), {
          what: stat.source,
        });
      }
    });
  }

  test("without validate_clusters (always written) Envoy does not start", OPTIONS, async () => {
    using dir = tempDir();
    await assert.rejects(started(dir, "", "validate_clusters"), /unknown cluster 'app'/);
  });

  for (const isOn of [true, false]) {
    const options = { ...OPTIONS, skip: skip || (IS_FULL ? false : "in make test-all") };
    test(
      `http3 = ${isOn}: a client of HTTP/3 ${isOn ? "is answered" : "is not"}`,
      options,
      async () => {
        using dir = tempDir();
        const python = http3Python();
        await using trial = await started(dir, `${certificateLines()}\nhttp3 = ${isOn}`);
        // The kernel has chosen one for TCP, and another one for UDP.
        const port = await trial.portOf(isOn ? "clients-http3" : "clients");
        // Without endpoints Envoy answers itself.
        assert.equal(await http3Status(python, port), isOn ? "503" : "none");
      },
    );
  }
});
