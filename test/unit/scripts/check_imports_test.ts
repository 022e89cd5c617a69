/** The import check finds each kind of breach and names it; `make check` runs it over the sources. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as esbuild from "esbuild";
import { checkSources, findTopLevelAwait } from "../../../scripts/check_imports.ts";
import { RULES } from "../../../scripts/check_imports_rules.ts";
import { blank, importsOf } from "../../../scripts/check_imports_source.ts";

/** What there is to import. */
const TARGETS = [
  "cli/run.ts",
  "config/config.ts",
  "handoff/adopt.ts",
  "drain/drain.ts",
  "log/logger.ts",
  "platform/fd.ts",
  "platform/libc/libc.ts",
  "platform/libc/constants.ts",
  "platform/runtime/bun.ts",
  "platform/runtime/deno.ts",
  "steering/kernel_array.ts",
  "steering/bpf_program.ts",
  "report/snapshot.ts",
  "lifecycle/service.ts",
];

/** The findings about one file among the targets, as "rule: message". */
function findings(file: string, source: string): string[] {
  const files = new Map(TARGETS.map((each) => [each, "// Nothing.\n"]));
  files.set(file, source);
  return checkSources(files).map(({ rule, message }) => `${rule}: ${message}`);
}

function importing(specifier: string, clause = "{ it }"): string {
  return `/** A file. */\nimport ${clause} from "${specifier}";\n`;
}

describe("checkSources()", () => {
  const breaches: readonly (readonly [string, string, string, string])[] = [
    [
      "an import upwards",
      "platform/new.ts",
      "../cli/run.ts",
      "direction: imports cli/run.ts, but platform/ may import nothing",
    ],
    [
      "drain in handoff",
      "handoff/new.ts",
      "../drain/drain.ts",
      "direction: imports drain/drain.ts, but handoff/ may import config/values/, platform/, steering/, launcher/",
    ],
    [
      "platform in lifecycle",
      "lifecycle/new.ts",
      "../platform/fd.ts",
      "direction: imports platform/fd.ts, but lifecycle/ may import nothing",
    ],
    [
      "a folder without a row",
      "novel/new.ts",
      "../platform/fd.ts",
      "direction: novel/ has no row in scripts/check_imports_rules.ts",
    ],
    [
      "a file that is not there",
      "cli/new.ts",
      "../cli/gone.ts",
      'direction: imports "../cli/gone.ts", which is not in src/',
    ],
    [
      "another runtime's part",
      "main_bun.ts",
      "./platform/runtime/deno.ts",
      "reserved: imports platform/runtime/deno.ts, which only main_deno.ts may",
    ],
    [
      "libc outside platform",
      "handoff/new.ts",
      "../platform/libc/libc.ts",
      "reserved: imports platform/libc/libc.ts, which only platform/ may",
    ],
    [
      "files in lifecycle",
      "lifecycle/new.ts",
      "node:fs",
      'module: imports "node:fs", which only platform/, launcher/, systemd/, supervisor/, admin/, cli/, config/config_file.ts, events/, health/, pod/, log/, succession/, process/, front/, generation/, output/, rehearse/, hot_restarter/envoy_memory.ts, hot_restarter/leaving.ts may',
    ],
    [
      "sockets of the runtime",
      "admin/new.ts",
      "node:net",
      'module: imports "node:net", which no file may',
    ],
    [
      "platform in the steering model",
      "steering/kernel_array.ts",
      "../platform/libc/constants.ts",
      "pure: imports platform/libc/constants.ts, but only steering/kernel_array.ts are of its kind",
    ],
    [
      "values of the supervisor in admin",
      "admin/new.ts",
      "../report/snapshot.ts",
      "direction: imports values of report/snapshot.ts, but only types may be",
    ],
  ];
  for (const [what, file, specifier, expected] of breaches) {
    test(`finds ${what}`, () => {
      assert.deepEqual(findings(file, importing(specifier)), [expected]);
    });
  }

  test("allows what the table allows", () => {
    assert.deepEqual(findings("handoff/new.ts", importing("../platform/fd.ts")), []);
    assert.deepEqual(findings("main_bun.ts", importing("./platform/runtime/bun.ts")), []);
    assert.deepEqual(
      findings("cli/service/generation_context.ts", importing("../../handoff/adopt.ts")),
      [],
    );
    const types = importing("../report/snapshot.ts", "type { Snapshot }");
    assert.deepEqual(findings("admin/new.ts", types), []);
  });

  test("finds a circle, and names its files", () => {
    const files = new Map([
      ["log/a.ts", importing("./b.ts")],
      ["log/b.ts", importing("./c.ts", "type { It }")],
      ["log/c.ts", importing("./a.ts")],
    ]);
    assert.deepEqual(checkSources(files), [{
      file: "log/c.ts",
      line: 2,
      rule: "circle",
      message: "closes a circle: log/a.ts -> log/b.ts -> log/c.ts -> log/a.ts",
    }]);
  });

  test("finds a runtime's global, but not its name in a comment or string", () => {
    const named = '/** Deno.env */\nconst text = "Bun.serve";\n';
    assert.deepEqual(findings("cli/new.ts", named), []);
    for (const [name, use] of [["Bun", "Bun.file(x)"], ["Deno", "`${Deno.pid}`"]] as const) {
      const [found = ""] = findings("cli/new.ts", `// A file.\nconst used = ${use};\n`);
      assert.match(found, new RegExp(`^global: names ${name}, which only`));
    }
    assert.deepEqual(findings("cli/new.ts", "// A file.\nserver.process.pid;\n"), []);
  });

  test("finds chance in a pure file only", () => {
    const chance = "// A file.\nexport const roll = () => Math.random();\n";
    assert.deepEqual(findings("log/new.ts", chance), []);
    assert.deepEqual(findings("lifecycle/new.ts", chance), [
      "pure: uses Math.random, but is to give the same for the same input",
    ]);
  });

  const times: [code: string, found: string | null][] = [
    ["setTimeout(f, 1)", "setTimeout"],
    ["setInterval(f, 1)", "setInterval"],
    ["() => performance.now()", "performance.now"],
    ["Date.now()", "Date.now"],
    ["new Date()", "new Date"],
    ["new Date(clock.wallMs())", null],
    ["clock.after(1, f)", null],
    ["'setTimeout'", null],
  ];
  for (const [code, found] of times) {
    test(`${found === null ? "allows" : "finds"} ${code} outside platform/`, () => {
      const source = `// A file.\nexport const it = ${code};\n`;
      const message = `clock: uses ${found}: take a Clock (platform/clock.ts)`;
      assert.deepEqual(findings("log/new.ts", source), found === null ? [] : [message]);
      assert.deepEqual(findings("platform/new.ts", source), []);
    });
  }

  test("finds a file that is too long, has no first comment, or a default export", () => {
    const long = "// A file.\n" + "x;\n".repeat(RULES.maxLines);
    assert.deepEqual(findings("log/new.ts", long), [
      `length: has ${RULES.maxLines + 1} lines, but ${RULES.maxLines} are the most: split it`,
    ]);
    assert.deepEqual(findings("log/new.ts", "export default 1;\n"), [
      "comment: does not begin with a comment that says what it guarantees",
      "default-export: has a default export: give it a name",
    ]);
  });
});

describe("findTopLevelAwait()", () => {
  test("finds it outside functions only, and not in an entry", async () => {
    try {
      const inside = "export async function f() { await g(); }";
      assert.deepEqual(await findTopLevelAwait("log/new.ts", inside), []);
      assert.deepEqual(await findTopLevelAwait("main_bun.ts", "await g();"), []);
      assert.deepEqual(await findTopLevelAwait("log/new.ts", "f();\nif (x) { await g(); }"), [{
        file: "log/new.ts",
        line: 2,
        rule: "top-level-await",
        message: "awaits while it is being loaded",
      }]);
    } finally {
      await esbuild.stop();
    }
  });
});

describe("importsOf()", () => {
  function read(source: string): string[] {
    return importsOf(source, blank(source)).map(({ specifier, typeOnly, line }) =>
      `${line} ${specifier}${typeOnly ? " types" : ""}`
    );
  }

  test("reads every form of import", () => {
    assert.deepEqual(
      read([
        'import "./a.ts";',
        'import b, * as c from "./b.ts";',
        "import {\n  d,\n  type e,\n} from './c.ts';",
        'import type { f } from "./d.ts";',
        'import { type g, type h } from "./e.ts";',
        'export * from "./f.ts"; export { i } from "./g.ts"; export type { j } from "./h.ts";',
        'const k = await import("./i.ts"); const l = await import(k);',
      ].join("\n")),
      [
        "1 ./a.ts",
        "2 ./b.ts",
        "3 ./c.ts",
        "7 ./d.ts types",
        "8 ./e.ts types",
        "9 ./f.ts",
        "9 ./g.ts",
        "9 ./h.ts types",
        "10 ./i.ts",
        "10 null",
      ],
    );
  });

  test("is not deceived by comments, strings, templates and regular expressions", () => {
    assert.deepEqual(
      read([
        '// import "./comment.ts";',
        '/* import "./comment.ts"; */',
        'const a = \'import "./string.ts"\', b = "it\'s";',
        'const c = `import "./template.ts" ${d(`}`, { e: "}" })} import "./template.ts"`;',
        "const f = /[\"'/]/.test(g) ? h / 2 : i / 3;",
        'export const j = { from: "./object.ts" };',
        'import "./real.ts";',
      ].join("\n")),
      ["7 ./real.ts"],
    );
  });
});
