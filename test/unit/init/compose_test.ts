/** What `baton init compose` prints is a compose file whose releases take over from each other. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { parseCommandLine } from "../../../src/cli/words/parse.ts";
import type { Config } from "../../../src/config/config.ts";
import { UserError } from "../../../src/config/values/errors.ts";
import { composeFile } from "../../../src/init/compose.ts";
import { releaseIn } from "../../support/containers/compose_file.ts";

const EXAMPLE = join(
  dirname(fileURLToPath(import.meta.url)),
  "../../../examples/compose/compose.yaml",
);

function ask(words: string): { readonly config: Config; readonly text: string } {
  const asked = parseCommandLine(["init", "compose", ...words.split(" ")], () => assert.fail());
  assert.ok(asked.verb === "init");
  const { config, options } = asked;
  return { config, text: composeFile({ baton: [], config, options, directory: "/" }) };
}

describe("baton init compose", () => {
  for (
    const words of [
      "-- node server.js",
      "--name shop --listen 9000 -- node server.js",
      "--drain-time 10s --stop-time 5s -- server --port=$PORT ${X} $$",
      `--env-file=/etc/with"quotes\\and:colons,#{x} -- it's`,
      "--takeover /run/a/b --handoff-socket /run/a/b -- server",
      "--name true -- server",
    ]
  ) {
    it(words, () => {
      const { config, text } = ask(words);
      const release = releaseIn(text);
      const socket = config.takeover ?? `/run/handoff/${release.name}`;
      const [program, ...argv] = release.words;
      assert.equal(program, "/usr/local/bin/baton");
      const made = parseCommandLine(argv, () => assert.fail());
      assert.ok(made.verb === "run");
      assert.equal(made.config.name, release.name);
      const { name } = release;
      assert.deepEqual(made.config, { ...config, name, takeover: socket, handoffSocket: socket });
      assert.ok(socket.startsWith(`${release.folder}/`), "the socket is in the volume");
      const { drainTimeMs, stopTimeMs } = config;
      assert.ok(release.graceMs > drainTimeMs + stopTimeMs, "the engine waits longer than baton");
      assert.equal(release.port, words.includes("--listen 9000") ? 9000 : 8080);
    });
  }

  it("the example is what it prints", () => {
    assert.equal(readFileSync(EXAMPLE, "utf8"), ask("--name web -- node server.js").text);
  });

  for (const option of ["--shutdown-only", "--order stop-first"]) {
    it(`refuses ${option}`, () => {
      assert.throws(() => ask(`${option} -- server`), UserError);
    });
  }
});
