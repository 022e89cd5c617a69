/**
 * What `baton init kubernetes*` prints is a manifest: every form, with options that change it, and the files under
 * examples/. And the check itself finds what is wrong with one.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { parseCommandLine } from "../../../src/cli/words/parse.ts";
import { parseConfigText } from "../../../src/config/config_file.ts";
import { UserError } from "../../../src/config/values/errors.ts";
import { TEMPLATE_NAMES } from "../../../src/init/names.ts";
import { TEMPLATES } from "../../../src/init/templates.ts";
import { manifestFaults } from "../../support/kube_manifest.ts";
import { parseYaml } from "../../support/yaml.ts";

const EXAMPLES = join(dirname(fileURLToPath(import.meta.url)), "../../../examples/kubernetes");
const FORMS = TEMPLATE_NAMES.filter((name) => name.startsWith("kubernetes"));

function make(words: string, file?: string): string {
  const read = (path: string) => file === undefined ? assert.fail() : parseConfigText(file, path);
  const command = parseCommandLine(["init", ...words.split(" ")], read);
  assert.ok(command.verb === "init" && command.template !== "envoy");
  const { template, config, options } = command;
  return TEMPLATES[template]({ baton: ["/baton"], config, options, directory: "/" });
}

describe("baton init kubernetes*", () => {
  const options = [
    "-- node server.js",
    "--name web --listen 9000 -- node server.js",
    "--min-drain 15s --max-drain 1m30s -- server",
    "--min-drain 0 --max-drain 1500ms --quiet 1s -- server",
    "--grace 2m -- server",
    "--name baton -- baton",
    `--name ${"n".repeat(63)} -- server`,
    ...["true", "No", "on", "12", "1e3", "0x1F", "1_000", "_", "A.b_C-"].map((name) =>
      `--name ${name} -- server`
    ),
  ];
  for (const form of FORMS) {
    for (const words of options) {
      it(`${form} ${words}`, () => {
        assert.deepEqual(manifestFaults(make(`${form} ${words}`)), [], make(`${form} ${words}`));
      });
    }

    it(`${form}: refuses a grace period that the waits do not fit into`, () => {
      assert.throws(() => make(`${form} --grace 27s -- server`), UserError);
    });
  }

  for (
    const words of [
      "--watch /etc/conf -- server",
      "--watch /etc/conf --drain-time 5s --stop-time 2s -- server",
      "--shutdown-only --probe-listen *:9000 --cwd /srv -- server",
      `--env-file=/etc/with"quotes\\and:colons,#{x} -- server it's`,
    ]
  ) {
    it(`kubernetes ${words}`, () => {
      assert.deepEqual(manifestFaults(make(`kubernetes ${words}`)), []);
    });
  }

  for (
    const [words, graceS] of [
      ["--watch /etc/conf -- server", 78],
      ["--watch /etc/conf --drain-time 10s --stop-time 5s -- server", 23],
      ["--hook pre-drain=a --drain-time 10s --stop-time 5s --hook-timeout 20s -- server", 43],
    ] as const
  ) {
    it(`the longest stop of the full mode is in the grace period: ${graceS} s for ${words}`, () => {
      const text = make(`kubernetes ${words}`);
      assert.match(text, new RegExp(`GracePeriodSeconds: ${graceS}\\n`));
      assert.deepEqual(manifestFaults(text), []);
    });
  }

  describe("what --config says is as good as a flag", () => {
    const table: [form: string, file: string, has: readonly RegExp[], hasNot: RegExp][] = [
      [
        "kubernetes",
        'probe_listen = "*:9955"',
        [/containerPort: 9955/, /# --config names a file in the image/],
        /--probe-listen/,
      ],
      [
        "kubernetes",
        'min_drain = "9s"\nmax_drain = "8s"',
        [/PeriodSeconds: 20/],
        /--m(in|ax)-drain/,
      ],
      ["kubernetes", 'grace = "45500ms"', [/PeriodSeconds: 46/], /--grace/],
      ["kubernetes", 'drain_time = "5s"\nwatch = ["/etc/conf"]', [/PeriodSeconds: 23/], /shutdown/],
      ["kubernetes-prestop", 'quiet = "3s"', [/"--quiet", "3s"/], /--config/],
      ["kubernetes-sidecar", 'quiet = "3s"\nmin_drain = "9s"', [/"--min", "9s".*"3s"/], /--config/],
      ["kubernetes-prestop", "shutdown_only = true", [/PeriodSeconds: 28/], /--quiet/],
    ];
    for (const [form, file, has, hasNot] of table) {
      it(`${form}: ${file.replace("\n", ", ")}`, () => {
        const text = make(`${form} --config web.toml -- server`, file);
        assert.deepEqual(manifestFaults(text, (path) => parseConfigText(file, path)), [], text);
        for (const pattern of has) assert.match(text, pattern);
        assert.doesNotMatch(text.replace(/ +#.*/g, ""), hasNot);
      });
    }
  });

  it("the examples are manifests", () => {
    const files = readdirSync(EXAMPLES).filter((name) => name.endsWith(".yaml"));
    assert.equal(files.length, FORMS.length);
    for (const file of files) {
      assert.deepEqual(manifestFaults(readFileSync(join(EXAMPLES, file), "utf8")), [], file);
    }
  });
});

describe("manifestFaults() finds", () => {
  const table: [form: string, what: string, from: string, to: string, fault: RegExp][] = [
    [
      "",
      "an unknown key",
      "  replicas:",
      "  replica:",
      /^spec\.replica: DeploymentSpec has no such/,
    ],
    ["", "one in braces", "maxSurge", "maxsurge", /rollingUpdate\.maxsurge: .*no such field/],
    [
      "",
      "a text that is to be a number",
      "replicas: 3",
      'replicas: "3"',
      /replicas: is no integer/,
    ],
    [
      "",
      "a number that is to be a text",
      "{name: server}",
      "{name: 12}",
      /metadata\.name: is no name/,
    ],
    [
      "",
      "a list that is to be a text",
      `args: ["node", "server.js"]`,
      "args: node",
      /args: is no list/,
    ],
    ["", "a key that is missing", "  selector:", "  # selector:", /spec\.selector: is missing/],
    [
      "",
      "a duplicate key",
      "  replicas: 3",
      "  replicas: 3\n  replicas: 3",
      /Map keys must be unique/,
    ],
    ["", "one in braces", "{name: service,", "{name: service, name: x,", /Map keys must be unique/],
    [
      "",
      "labels of others",
      "matchLabels: {app: server}",
      "matchLabels: {app: x}",
      /no such label app/,
    ],
    [
      "",
      "a short grace period",
      "Seconds: 28",
      "Seconds: 27",
      /too short: 5 s \+ 20 s \+ 3 s = 28 s of 27 s/,
    ],
    ["", "a --grace that is longer", "--grace=28s", "--grace=40s", /--grace is 40000 ms of 28 s/],
    ["", "a name without a port", "{name: baton,", "{name: other,", /no port named baton/],
    [
      "",
      "a probe of another port",
      "containerPort: 9901",
      "containerPort: 9902",
      /no baton answers at 9902/,
    ],
    ["", "a probe of another path", "path: /readyz", "path: /ready", /asks \/ready, not \/readyz/],
    [
      "",
      "no handler in a probe",
      "httpGet: {path: /livez, port: baton}, ",
      "",
      /not exactly one of exec/,
    ],
    ["", "a port that is none", "containerPort: 8080", "containerPort: 80800", /is no portNumber/],
    ["-prestop", "a short grace period", "Seconds: 28", "Seconds: 20", /too short/],
    [
      "-prestop",
      "a mount without a volume",
      "- {name: baton, emptyDir",
      "- {name: x, emptyDir",
      /no volume baton/,
    ],
    ["-prestop", "a hook without baton", `"/opt/baton/baton"`, `"sleep"`, /0 batons wait/],
    ["-sidecar", "a short grace period", `"5s"`, `"6s"`, /too short/],
    [
      "-sidecar",
      "a hook of another port",
      "path: /prestop, port: 9901",
      "path: /prestop, port: 9902",
      /at 9902/,
    ],
    [
      "-sidecar",
      "a hook by name",
      "path: /prestop, port: 9901",
      "path: /prestop, port: baton",
      /no port named baton/,
    ],
    [
      "-sidecar",
      "a restart policy",
      "restartPolicy: Always",
      "restartPolicy: Never",
      /is not Always/,
    ],
    [
      "-sidecar",
      "two of one name",
      "- name: server",
      "- name: baton",
      /two containers are named baton/,
    ],
  ];
  for (const [form, what, from, to, fault] of table) {
    it(`${what}: ${to.trim() || from} (kubernetes${form})`, () => {
      const text = make(`kubernetes${form} -- node server.js`);
      assert.ok(text.includes(from), `${from} in\n${text}`);
      assert.match(manifestFaults(text.replace(from, to)).join("\n"), fault);
    });
  }
});

describe("parseYaml()", () => {
  for (const text of ["a: yes", "a: 010", "a: b: c", "a: {b", "a: 1\na: 2", "a: b\n  c: d"]) {
    it(`refuses ${JSON.stringify(text)}, which readers do not read alike`, () => {
      assert.throws(() => parseYaml(text));
    });
  }

  it("reads a name that needs quotes, and has them, as text", () => {
    assert.deepEqual(parseYaml('a: ["yes", "12"]'), { a: ["yes", "12"] });
  });
});
