/** What `baton init docker` prints, and the example, is a Containerfile that starts baton as process 1. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { parseCommandLine } from "../../../src/cli/words/parse.ts";
import { containerfile } from "../../../src/init/docker.ts";

const EXAMPLE = join(
  dirname(fileURLToPath(import.meta.url)),
  "../../../examples/kubernetes/Containerfile",
);

/** Instructions, each once; those with words in the exec form, which needs no shell. @throws {Error} */
function read(text: string): Map<string, string | string[]> {
  const instructions = new Map<string, string | string[]>();
  for (const line of text.trimEnd().split("\n").filter((each) => !each.startsWith("#"))) {
    const [, name = "", value = ""] = /^(FROM|COPY|STOPSIGNAL|ENTRYPOINT|CMD) (.+)$/.exec(line) ??
      assert.fail(`no instruction: ${line}`);
    assert.ok(!instructions.has(name), `${name} comes twice`);
    const isWords = name === "ENTRYPOINT" || name === "CMD";
    instructions.set(name, isWords ? JSON.parse(value) as string[] : value);
  }
  const names = ["FROM", "COPY", "STOPSIGNAL", "ENTRYPOINT", "CMD"];
  assert.deepEqual([...instructions.keys()], names);
  assert.equal(instructions.get("STOPSIGNAL"), "SIGTERM", "whatever the image below has");
  return instructions;
}

/** The program that is copied is the one that runs, and its words mean what was asked for. */
function commandIn(text: string) {
  const instructions = read(text);
  const [program, ...words] = [...instructions.get("ENTRYPOINT")!, ...instructions.get("CMD")!];
  assert.equal(program, String(instructions.get("COPY")).split(" ").at(-1));
  const command = parseCommandLine(words, () => assert.fail());
  assert.ok(command.verb === "run");
  return command.config;
}

describe("baton init docker", () => {
  const cases: [words: string, shutdownOnly: boolean][] = [
    ["-- node server.js", true],
    ["--shutdown-only --name web -- node server.js", true],
    ["--watch /etc/conf -- node server.js", false],
    ["--listen 9000 -- node server.js", false],
    ["--survive -- node server.js", false],
    ["--takeover /run/x -- node server.js", false],
    ["--on-crash restart -- node server.js", false],
    ["--on-crash exit -- node server.js", true],
    [`--env-file="a\\b -- it's $HOME`, true],
  ];
  for (const [words, shutdownOnly] of cases) {
    it(words, () => {
      const asked = parseCommandLine(["init", "docker", ...words.split(" ")], () => assert.fail());
      assert.ok(asked.verb === "init");
      const { config, options } = asked;
      const made = commandIn(containerfile({ baton: [], config, options, directory: "/" }));
      // What follows from the mode, and from where the name comes from, is not what was asked for.
      const { name, quietMs } = made;
      assert.deepEqual(made, { ...config, name, quietMs, shutdownOnly });
    });
  }

  it("the example is one", () => {
    assert.deepEqual(commandIn(readFileSync(EXAMPLE, "utf8")).command, ["node", "server.js"]);
  });

  it("a check finds what is wrong", () => {
    const good = readFileSync(EXAMPLE, "utf8");
    for (
      const [from, to] of [["CMD", "CMMD"], ["CMD", "ENTRYPOINT"], [
        "/usr/local/bin/baton\n",
        "/x\n",
      ]]
    ) {
      assert.throws(() => commandIn(good.replace(from!, to!)), assert.AssertionError);
    }
  });
});
