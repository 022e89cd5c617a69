/** What `baton init envoy` writes: every key of [front] has an effect on it, and every reader of YAML reads it alike. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfigText } from "../../../../src/config/config_file.ts";
import { FRONT_KEYS, readFront } from "../../../../src/config/front/settings.ts";
import { loadConfig } from "../../../../src/config/load.ts";
import { UserError } from "../../../../src/config/values/errors.ts";
import { frontOf } from "../../../../src/init/envoy/front.ts";
import { frontDocuments, validatedText } from "../../../../src/init/envoy/front_documents.ts";
import { nextSteps, serviceFile } from "../../../../src/init/envoy/service_file.ts";
import { allLines, OTHER_VALUES } from "../../../support/front/all_lines.ts";
import { parseYaml } from "../../../support/yaml.ts";

const SERVICE = {
  baton: ["/opt/my baton"],
  envoy: "/opt/envoy",
  config: "/srv/it's/baton.toml",
  line: [],
  isFronted: true,
};

function made(table: string, name = "app") {
  const file = parseConfigText(table, "baton.toml");
  const { config } = loadConfig({
    fileValues: file,
    flagValues: new Map([["name", [name]]]),
    command: ["node"],
  });
  const front = frontOf(config, readFront(file), (path) => `/srv/${path}`);
  const texts = frontDocuments(front, SERVICE);
  return { front, texts, all: texts.map(({ path, text }) => `${path}\n${text}`).join("\n") };
}

const CERTIFICATE = 'certificate = "/c.pem"\nprivate_key = "/k.pem"\n';
/** Keys that another one needs. */
const WITH: Readonly<Record<string, string>> = {
  http3: CERTIFICATE,
  health_mode: 'health_path = "/h"\n',
  health_cache: 'health_path = "/h"\nhealth_mode = "cached"\n',
  health_minimum: 'health_path = "/h"\nhealth_mode = "cluster"\n',
  sticky: 'load_balancing = "ring-hash"\n',
  retries: 'retry_on = "5xx"\n',
  check_interval: 'check = "tcp"\n',
  check_timeout: 'check = "tcp"\n',
  unhealthy_after: 'check = "tcp"\n',
  healthy_after: 'check = "tcp"\n',
  check_identity: 'check = "http:/"\n',
  eject_percent: "eject_after = 3\n",
  eject_time: "eject_after = 3\n",
};

describe("baton init envoy: what it writes", () => {
  for (const { key } of FRONT_KEYS) {
    // Envoy's program is in baton.toml, by its path.
    if (["certificate", "private_key", "envoy"].includes(key)) continue;
    it(`${key} changes it`, () => {
      const others = `[front]\n${WITH[key] ?? ""}`;
      assert.notEqual(made(`${others}${key} = ${OTHER_VALUES[key]}\n`).all, made(others).all);
    });
  }

  for (
    const name of ["true", "No", "on", "n", "y", "12", "1e3", "0x1F", "1_000", "a.b_C-", "null"]
  ) {
    it(`every reader of YAML reads a service "${name}" alike`, () => {
      const { texts, front } = made(allLines(), name);
      for (const { path, text } of texts) {
        if (!path.endsWith(".yaml")) continue;
        assert.doesNotThrow(() => parseYaml(text), text);
      }
      const endpoints = parseYaml(texts[0]?.text ?? "") as {
        resources: { cluster_name: unknown }[];
      };
      assert.equal(endpoints.resources[0]?.cluster_name, name);
      const validated = JSON.parse(validatedText(front)) as {
        static_resources: { clusters: { name: unknown }[] };
      };
      assert.equal(validated.static_resources.clusters[0]?.name, name);
    });
  }

  it("has no retries, and no check of its own, by default", () => {
    const { all } = made("[front]\n");
    assert.doesNotMatch(all, /retry_policy|health_checks|outlier_detection|transport_socket/);
  });

  it("is the same each time", () => {
    assert.equal(made(allLines()).all, made(allLines()).all);
  });

  it("is the files beside the endpoint file, whose cluster is the service's", () => {
    const { texts, all } = made('[front]\neds = "run/ends.yaml,cluster=web"\n');
    assert.deepEqual(texts.map(({ path }) => path), [
      "/srv/run/ends.yaml",
      "/srv/run/cds.yaml",
      "/srv/run/bootstrap.yaml",
      "/srv/run/baton.toml",
    ]);
    assert.match(all, /"cluster_name": "web"/);
    assert.match(all, /path: "\/srv\/run\/admin.sock"/);
  });

  it("has a cluster for each address of the service, and for each route", () => {
    const table =
      '[front]\neds = ["f/eds.yaml", "f/two.yaml,port=3001"]\nroutes = ["/two/=app-1", "/api/=api"]\n';
    const { front, all } = made(table);
    assert.deepEqual(front.clusters, [
      { name: "app", inFile: "app", endpoints: "/srv/f/eds.yaml" },
      { name: "app-1", inFile: "app", endpoints: "/srv/f/two.yaml" },
      { name: "api", inFile: "api", endpoints: "/srv/f/api.yaml" },
    ]);
    assert.match(all, /service_name: app\n/);
  });

  it("has the longest prefix first: Envoy takes the first one that fits", () => {
    const { texts } = made('[front]\nroutes = ["/a/=one", "/a/b/=two"]\n');
    const bootstrap = texts.find(({ path }) => path.endsWith("bootstrap.yaml"))?.text ?? "";
    const prefixes = [...bootstrap.matchAll(/prefix: "([^"]*)"/g)].map(([, prefix]) => prefix);
    assert.deepEqual(prefixes, ["/a/b/", "/a/", "/"]);
  });

  it("is a service of baton, whose reload writes it again", () => {
    const service = made("[front]\n").texts.at(-1)?.text ?? "";
    const file = parseConfigText(service, "baton.toml");
    const { config } = loadConfig({ fileValues: file, flagValues: new Map(), command: [] });
    assert.equal(config.name, "app-front");
    assert.equal(
      config.preFlight,
      "'/opt/my baton' init envoy --config '/srv/it'\\''s/baton.toml'",
    );
    assert.equal(config.command.at(2), "/srv/front/bootstrap.yaml");
  });

  it("says what to run next, with the option that is missing", () => {
    const { front } = made("[front]\n");
    const line = ["--name=app", "--", "node", "server.js"];
    const lines = nextSteps(front, { ...SERVICE, line, config: null, isFronted: false });
    assert.ok(
      lines.includes(
        "  '/opt/my baton' run --front=eds:/srv/front/eds.yaml --name=app -- node server.js",
      ),
      lines.join("\n"),
    );
    // What was given is part of what is said, and of what the front's reload does.
    const given = { ...SERVICE, line: ["--front=eds:/srv/front/eds.yaml", "--", "node", "x.js"] };
    assert.match(
      nextSteps(front, given).join("\n"),
      / run --config \S+ --front=eds:\/srv\/front\/eds.yaml -- node x.js\n/,
    );
    assert.match(serviceFile(front, given), /pre_flight = .* --front=eds:\S+ -- node x.js"\n/);
    assert.ok(
      nextSteps(front, SERVICE).includes(
        "  '/opt/my baton' run --config '/srv/it'\\''s/baton.toml'",
      ),
    );
  });
});

describe("[front]: what is refused", () => {
  const cases: readonly (readonly [lines: string, message: RegExp])[] = [
    ["chek = 1", /Unknown key "chek" in \[front\] of baton.toml: did you mean "check"\?/],
    ['certificate = "/c"', /Cannot use certificate of \[front\] without private_key/],
    ["http3 = true", /Cannot use http3 of \[front\] without certificate/],
    ['health_mode = "cached"', /without health_path/],
    ["retries = 3", /Cannot use retries of \[front\] without retry_on/],
    ["eject_percent = 10", /without eject_after/],
    ['check_identity = "a"', /without check/],
    ['check = "grpc"', /Cannot use a grpc check with upstream = "http1"/],
    ['check = "tcp"\ncheck_identity = "a"', /Cannot use check_identity with a tcp check/],
    ['check = "icmp"', /Cannot check|cannot check by "icmp"/],
    ['sticky = "header:x"', /Cannot keep clients at one endpoint by round-robin/],
    ['load_balancing = "maglev"\nsticky = "header:"', /cannot keep clients by "header:"/],
    ['rate_limit = "100"', /cannot limit requests to "100"/],
    ['rate_limit = "100/10ms"', /the time is at least|cannot limit/],
    ['rate_limit = "0/s"', /cannot limit/],
    ['max_heap = "10%"', /it must be a size in bytes/],
    ['routes = ["/=api"]', /Cannot route \/ to api: it has a route/],
    ['routes = ["/a=b", "/a=c"]', /Cannot route \/a to c/],
    ['routes = ["api"]', /cannot route by "api"/],
    ['health_path = "front"', /a path that begins with \//],
    ['retry_on = "5xx, reset"', /words with commas between them/],
    ['listen = "unix:/a"', /it is a Unix socket/],
    ['panic_percent = "101%"', /a percentage from 0% to 100%/],
  ];
  for (const [lines, message] of cases) {
    it(lines.replaceAll("\n", ", "), () => {
      const file = parseConfigText(`[front]\n${lines}\n`, "baton.toml");
      assert.throws(() => readFront(file), (error: unknown) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message + " " + error.remedy, message);
        return true;
      });
    });
  }

  it("is no check of gRPC, nor of one service, and no sticky address", () => {
    const read = (lines: string) => readFront(parseConfigText(`[front]\n${lines}\n`, "baton.toml"));
    assert.deepEqual(read('check = "grpc"\nupstream = "http2"').check, {
      kind: "grpc",
      service: "",
    });
    assert.deepEqual(read('check = "grpc:pets.Pets"\nupstream = "http2"').check, {
      kind: "grpc",
      service: "pets.Pets",
    });
    const { sticky } = read('load_balancing = "maglev"\nsticky = "address"');
    assert.deepEqual(sticky, { kind: "address" });
  });

  it("is nothing that 'baton check' prints of the defaults", () => {
    const lines = FRONT_KEYS.filter(({ value }) =>
      typeof value.default === "number" && value.placeholder === "N"
    );
    const table = lines.map(({ key, value }) => `${key} = ${value.default}`).join("\n");
    assert.doesNotThrow(() => readFront(parseConfigText(`[front]\n${table}\n`, "baton.toml")));
  });
});
