/** What the start of a service loads: each module costs it time, and memory for as long as it runs. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { describe, test } from "node:test";

const SRC = resolve(import.meta.dirname!, "../../../src");
const IMPORT = /^(?:import|export)(?! type\b)([^;"]*?)\s*(?:from\s+)?"([^"]+)";/gm;

/** @returns what a file loads, without `import()` and types */
function loadedBy(file: string): string[] {
  return [...readFileSync(file, "utf8").matchAll(IMPORT)].flatMap(
    ([, clause = "", specifier = ""]) => {
      const names = /\{([^}]*)\}/.exec(clause)?.[1]?.split(",").map((name) => name.trim());
      const isTypes = names?.every((name) => name === "" || name.startsWith("type ")) ?? false;
      if (isTypes && clause.trim().startsWith("{")) return [];
      return specifier.startsWith(".") ? [resolve(dirname(file), specifier)] : [specifier];
    },
  );
}

/** @returns each module that is loaded with `entries`, and which one loads it */
function closure(entries: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const open: [path: string, by: string][] = entries.map((entry) => [resolve(SRC, entry), ""]);
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    const [path, by] = next;
    const name = path.replace(`${SRC}/`, "");
    if (found.has(name)) continue;
    found.set(name, by);
    if (path.endsWith(".ts")) {
      open.push(...loadedBy(path).map((each): [string, string] => [each, name]));
    }
  }
  return found;
}

const RUN = ["main_bun.ts", "cli/run.ts", "cli/words/parse.ts", "cli/service/run.ts"];
const SHUTDOWN_ONLY = ["cli/words/parse.ts", "cli/service/run_shutdown.ts"];

describe("the start of baton run", () => {
  const cases: [entries: readonly string[], without: string][] = [
    [
      RUN,
      "smol-toml yaml envoy/admin_client.ts generation/goodbye/make_call.ts envoy/admin_address.ts node:util node:crypto hono prom-client config/config_file.ts config/schema.ts " +
      "cli/words/help.ts admin/app.ts admin/http_port.ts cli/service/endpoints/own_ports.ts " +
      "front/front.ts cli/service/parts/front.ts generation/checks/begin_check.ts health/http_dialogue.ts events/receivers/delivery.ts " +
      "succession/takeover/takeover_client.ts succession/takeover_offers.ts",
    ],
    [
      SHUTDOWN_ONLY,
      "smol-toml valibot admin/http_port.ts supervisor/supervisor.ts cli/service/start_mode.ts " +
      "succession/state/resume_state.ts steering/group.ts handoff/capabilities.ts",
    ],
  ];
  for (const [entries, without] of cases) {
    const loaded = closure(entries);
    for (const module of without.split(" ")) {
      test(`${entries.at(-1)} does not load ${module}`, () => {
        const path: string[] = [];
        for (let at = module; loaded.has(at) && at !== ""; at = loaded.get(at)!) path.unshift(at);
        assert.deepEqual(path, [], `import() it where it is needed: ${path.join(" -> ")}`);
      });
    }
  }

  test("the look at the imports sees what is loaded", () => {
    const loaded = closure(RUN);
    for (
      const module of ["supervisor/supervisor.ts", "platform/reactor.ts", "valibot", "node:fs"]
    ) {
      assert.ok(loaded.has(module), module);
    }
    assert.ok(closure(["cli/console/config_reader.ts"]).has("smol-toml"));
  });
});
