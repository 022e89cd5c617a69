/** Command lines -> commands; and a message worth reading for everything else. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Command, parseCommandLine } from "../../../../src/cli/words/parse.ts";
import type { Config } from "../../../../src/config/config.ts";
import { UserError } from "../../../../src/config/values/errors.ts";
import { parseConfigText } from "../../../../src/config/config_file.ts";
import type { FileValues } from "../../../../src/config/file_values.ts";

function noFile(path: string): FileValues {
  assert.fail(`no file should be read: ${path}`);
}

function parse(...argv: string[]): Command {
  return parseCommandLine(argv, noFile);
}

function run(...argv: string[]): Config {
  const command = parse("run", ...argv);
  assert.equal(command.verb, "run");
  return command.verb === "run" ? command.config : assert.fail();
}

describe("parseCommandLine() on commands other than run", () => {
  /** The fields that every command to a service has. */
  const none = { name: null, runtimeDir: null, timeoutMs: null, json: false };
  const cases: [string, Command][] = [
    ["", { verb: "help", topic: null }],
    ["--help", { verb: "help", topic: null }],
    ["-h", { verb: "help", topic: null }],
    ["help", { verb: "help", topic: null }],
    ["help run", { verb: "help", topic: "run" }],
    ["run --help", { verb: "help", topic: "run" }],
    ["run -h", { verb: "help", topic: "run" }],
    ["run --bogus --help", { verb: "help", topic: "run" }],
    ["reload --json -h", { verb: "help", topic: "reload" }],
    ["help --help", { verb: "help", topic: "help" }],
    ["--version", { verb: "version" }],
    ["-V", { verb: "version" }],
    ["version", { verb: "version" }],
    ["doctor", { verb: "doctor", json: false }],
    ["doctor --json", { verb: "doctor", json: true }],
    ["reload", { verb: "reload", ...none, how: {} }],
    ["reload --name web", { verb: "reload", ...none, name: "web", how: {} }],
    ["reload web", { verb: "reload", ...none, name: "web", how: {} }],
    ["reload web --name web", { verb: "reload", ...none, name: "web", how: {} }],
    ["reload --runtime-dir=/run/x --timeout 1m --json a", {
      verb: "reload",
      name: "a",
      runtimeDir: "/run/x",
      timeoutMs: 60_000,
      json: true,
      how: {},
    }],
    ["reload --canary 10% --ramp 1m --bake 30s", {
      verb: "reload",
      ...none,
      how: { canary: 10, rampMs: 60_000, bakeMs: 30_000 },
    }],
    ["reload --hold", { verb: "reload", ...none, how: { hold: true } }],
    ["promote", { verb: "promote", ...none, percent: null }],
    ["rollback web --json", { verb: "rollback", ...none, name: "web", json: true, percent: null }],
    ["canary 25% web", { verb: "canary", ...none, name: "web", percent: 25 }],
    ["reload --rolling", { verb: "reload", ...none, how: { rolling: true } }],
    ["scale 4", { verb: "scale", ...none, change: { workers: 4, relative: false } }],
    ["scale +2 web", {
      verb: "scale",
      ...none,
      name: "web",
      change: { workers: 2, relative: true },
    }],
    ["scale web -1 --json", {
      verb: "scale",
      ...none,
      name: "web",
      json: true,
      change: { workers: -1, relative: true },
    }],
    ["scale -- -1", { verb: "scale", ...none, change: { workers: -1, relative: true } }],
    ["upgrade", { verb: "upgrade", ...none, exec: null, inPlace: false }],
    ["upgrade --in-place --exec ./b web", {
      verb: "upgrade",
      ...none,
      name: "web",
      exec: "./b",
      inPlace: true,
    }],
    ["status", { verb: "status", ...none }],
    ["status --json web", { verb: "status", ...none, name: "web", json: true }],
    ["status -- web", { verb: "status", ...none, name: "web" }],
    ["stop --timeout 5", { verb: "stop", ...none, timeoutMs: 5_000 }],
    ["stop web", { verb: "stop", ...none, name: "web" }],
    ["ready web", { verb: "ready", ...none, name: "web" }],
  ];
  for (const [line, command] of cases) {
    it(`reads "baton ${line}"`, () => {
      assert.deepEqual(parse(...line.split(" ").filter((word) => word !== "")), command);
    });
  }
});

describe("parseCommandLine() on run", () => {
  /** words behind run, the server's command, some fields */
  const cases: [string, string[], Partial<Config>][] = [
    ["-- node server.js", ["node", "server.js"], { name: "server" }],
    ["node server.js", ["node", "server.js"], {}],
    ["node --help", ["node", "--help"], {}],
    ["node -- x", ["node", "--", "x"], {}],
    ["-- -- x", ["--", "x"], {}],
    ["-- --odd", ["--odd"], {}],
    ["--name web node --name inner", ["node", "--name", "inner"], { name: "web" }],
    ["--name=web -- node -h", ["node", "-h"], { name: "web" }],
    ["--drain-time 5s node --drain-time 6s", ["node", "--drain-time", "6s"], {
      drainTimeMs: 5_000,
    }],
    ["--stop-signal QUIT s", ["s"], { stopSignal: "SIGQUIT" }],
    ["--cwd=-x s", ["s"], { cwd: "-x" }],
    ["--cwd=- s", ["s"], { cwd: "-" }],
    ["--hold true", ["true"], { hold: true }],
    ["--listen 80 false -- x", ["false", "--", "x"], {}],
    ["--name 12 5 6", ["5", "6"], { name: "12" }],
    ["s --unknown -x", ["s", "--unknown", "-x"], {}],
  ];
  for (const [line, command, fields] of cases) {
    it(`reads "baton run ${line}"`, () => {
      const config = run(...line.split(" "));
      assert.deepEqual(config.command, command);
      for (const [field, value] of Object.entries(fields)) {
        assert.deepEqual(config[field as keyof Config], value, field);
      }
    });
  }

  it("collects every --listen in order", () => {
    const { listen } = run("--listen", "web=80", "--listen=[::1]:81", "s");
    assert.deepEqual(listen.map(({ name, text }) => [name, text]), [
      ["web", "0.0.0.0:80"],
      ["listen1", "[::1]:81"],
    ]);
  });

  it("reads the file of --config, and lets flags and the command win", () => {
    const paths: string[] = [];
    const readConfig = (path: string) => {
      paths.push(path);
      return parseConfigText('name = "file"\nquiet = "1s"\ncommand = ["a", "b"]', path);
    };
    const one = parseCommandLine(["run", "--config", "b.toml"], readConfig);
    assert.ok(one.verb === "run");
    assert.deepEqual([one.config.name, one.config.command], ["file", ["a", "b"]]);
    const argv = ["run", "--config=c.toml", "--name", "flag", "--", "s"];
    const two = parseCommandLine(argv, readConfig);
    assert.ok(two.verb === "run");
    const { name, quietMs, command } = two.config;
    assert.deepEqual([name, quietMs, command], ["flag", 1_000, ["s"]]);
    assert.deepEqual(paths, ["b.toml", "c.toml"]);
  });

  it("passes on the errors of the file", () => {
    const readConfig = (path: string) => parseConfigText("nmae = 1", path);
    assert.throws(() => parseCommandLine(["run", "--config", "b.toml", "s"], readConfig), {
      name: "UserError",
      message: 'Unknown key "nmae" in b.toml: did you mean "name"?',
    });
  });
});

describe("parseCommandLine() refuses with a UserError", () => {
  /** words, message, remedy */
  const cases: [string, RegExp, RegExp][] = [
    [
      "run --redy-timeout 5s s",
      /^Unknown option --redy-timeout for run: did you mean --ready-timeout\?$/,
      /'baton run --help'/,
    ],
    ["run --redy-timeout=5s s", /^Unknown option --redy-timeout for run: did you mean/, /help/],
    ["run --wibble s", /^Unknown option --wibble for run$/, /baton run -- PROGRAM/],
    ["run -x s", /^Unknown option -x for run$/, /baton run -- PROGRAM/],
    ["run -name web s", /^Unknown option -name for run: did you mean --name\?$/, /help/],
    ["canary", /^Cannot change the percentage: it is missing$/, /baton canary 25%/],
    ["canary web 10%", /^Cannot use "web": it must be a percentage/, /first: baton canary 10% web/],
    ["scale web +1", /^Cannot use "web": it must be a number/, /first: baton scale \+1 web/],
    ["canary web", /^In the percentage: cannot use "web": it must be a percentage/, /10% or/],
    ["canary 5 web x", /^Unexpected word "x" for canary$/, /canary --help/],
    ["abort", /^Unknown command "abort": did you mean rollback\?$/, /baton --help/],
    ["reload --canary 200", /^In --canary: cannot use "200": it must be a percentage/, /10%/],
    ["reload --hold --bake 5s", /^Cannot use --bake with --hold/, /Remove one/],
    ["run --hold --bake 5s -- x", /^Cannot use --bake with --hold/, /Remove one/],
    ["run --shutdown-only --bake 5s -- x", /^Cannot use --bake with --shutdown-only/, /Remove one/],
    ["run --probe-listen 0 -- x", /^In --probe-listen: .* "0": port 0/, /--probe-listen 127/],
    [
      "run --probe-listen unix:/x -- x",
      /^In --probe-listen: .* it is a Unix socket$/,
      /--probe-listen 127/,
    ],
    ["prestop --serve 0", /^In --serve: .* "0": port 0/, /--serve 127\.0\.0\.1:9901/],
    ["run -what x", /^Unknown option -what for run$/, /baton run -- PROGRAM/],
    ["status -- --help", /^In the name of the service: cannot use "--help"/, /^$/],
    ["status --timeout 1s", /^Unknown option --timeout for status$/, /'baton status --help'/],
    ["reload --jsno", /^Unknown option --jsno for reload: did you mean --json\?$/, /help/],
    ["version --json", /^Unknown option --json for version$/, /help/],
    ["run --name", /^Option --name needs a value: NAME$/, /--name=NAME/],
    ["run --cwd - s", /^Option --cwd needs a value: DIR$/, /--cwd=DIR/],
    ["run --listen 80 --listen", /^Option --listen needs a value: /, /--listen=/],
    ["run --wibble server --help", /^Unknown option --wibble for run$/, /baton run -- PROGRAM/],
    ["run --no-hold s", /^Unknown option --no-hold for run/, /help/],
    ["run --no-name=x s", /^Unknown option --no-name for run/, /help/],
    ["run --__proto__.x s", /^Unknown option --__proto__.x for run$/, /PROGRAM/],
    ["run --name --listen 80 s", /^Option --name needs a value: NAME$/, /--name NAME/],
    ["run --drain -- s", /^Option --drain needs a value: auto\|quiesce\|signal$/, /--drain/],
    ["reload --json=yes", /^Option --json takes no value, but got "yes"$/, /--json alone/],
    ["run --name a --name b s", /^Option --name is given more than once for run$/, /Give it once/],
    ["run --config a --config b", /^Option --config is given more than once for run$/, /once/],
    ["reload --json --json", /^Option --json is given more than once for reload$/, /once/],
    ["run", /^Cannot run: the command of the server is missing$/, /baton run -- PROGRAM/],
    ["run --", /^Cannot run: the command of the server is missing$/, /baton run -- PROGRAM/],
    ["run --name web", /^Cannot run: the command of the server is missing$/, /-- PROGRAM/],
    ["run --quiet 5x s", /^In --quiet: cannot read duration "5x"/, /500ms/],
    ["run --name= s", /^In --name: cannot use "": it must be text/, /^$/],
    ["relaod", /^Unknown command "relaod": did you mean reload\?$/, /'baton --help'/],
    ["restart", /^Unknown command "restart": did you mean reload\?$/, /'baton --help'/],
    ["start x", /^Unknown command "start": did you mean run\?$/, /'baton --help'/],
    ["nginx", /^Unknown command "nginx"$/, /baton run -- nginx/],
    ["constructor", /^Unknown command "constructor"$/, /baton run -- constructor/],
    ["help relaod", /^Unknown command "relaod": did you mean reload\?$/, /'baton --help'/],
    ["--name web run", /^Unknown option --name before the command$/, /baton run/],
    ["stop a b", /^Unexpected word "b" for stop$/, /'baton stop --help'/],
    ["doctor x", /^Unexpected word "x" for doctor$/, /'baton doctor --help'/],
    ["help run stop", /^Unexpected word "stop" for help$/, /help/],
    ["reload a --name b", /^Cannot address two services at once: "b" and "a"$/, /one name/],
    ["reload a/b", /^In the name of the service: cannot use "a\/b"/, /^$/],
    ["status --name ../x", /^In --name: cannot use "..\/x"/, /^$/],
    ["stop --timeout soon", /^In --timeout: cannot read duration "soon"/, /500ms/],
    ["reload --timeout 0", /^In --timeout: cannot use "0": it must be at least 1ms$/, /^$/],
    ["status --runtime-dir=", /^In --runtime-dir: cannot use ""/, /^$/],
  ];
  for (const [line, message, remedy] of cases) {
    it(`"baton ${line}"`, () => {
      assert.throws(() => parse(...line.split(" ")), (error: unknown) => {
        assert.ok(error instanceof UserError, String(error));
        assert.match(error.message, message);
        assert.match(error.remedy ?? "", remedy);
        return true;
      });
    });
  }

  it("an empty word as the program", () => {
    assert.throws(() => parse("run", ""), /name of its program is empty/);
  });
});

describe("parseCommandLine() on prestop", () => {
  it("takes the address of a sidecar", () => {
    const command = parse("prestop", "--port", "8080", "--serve", "*:9901");
    assert.ok(command.verb === "prestop");
    assert.equal(command.serve?.port, 9901);
    assert.deepEqual(command.ports, [8080]);
  });

  for (const words of ["--serve", "--serve 0", "--serve x:1", "--serve 9901 --runtime-dir /run"]) {
    it(`refuses ${words}`, () => {
      assert.throws(() => parse("prestop", ...words.split(" ")), UserError);
    });
  }
});

describe("parseCommandLine() on init", () => {
  function init(...argv: string[]) {
    const command = parse("init", ...argv);
    return command.verb === "init" ? command : assert.fail();
  }

  it("takes a template, the options of run, and the command of the server", () => {
    const { template, config, options } = init(
      ...["systemd", "--name", "web", "--quiet", "2s", "--listen=a=80", "--listen", "b=81"],
      ...["--", "node", "server.js", "--port", "1"],
    );
    assert.equal(template, "systemd");
    assert.equal(config.name, "web");
    assert.deepEqual(config.command, ["node", "server.js", "--port", "1"]);
    assert.deepEqual(options, ["--quiet=2s", "--listen=a=80", "--listen=b=81"]);
  });

  const wrong: [words: string, message: RegExp][] = [
    ["init", /Name a template: known are .*systemd/],
    ["init sytemd -- x", /Unknown template "sytemd"/],
    ["init systemd", /no command|command/i],
    ["init systemd --bogus -- x", /Unknown option --bogus for init/],
    ["init systemd --quiet x -- y", /--quiet/],
  ];
  for (const [words, message] of wrong) {
    it(`refuses "${words}"`, () => {
      assert.throws(() => parse(...words.split(" ")), (error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, message);
        return true;
      });
    });
  }
});

describe("parseCommandLine() with variables", () => {
  const env = { BATON_NAME: "web", BATON_RUNTIME_DIR: "/run/web" };
  const target = (words: string, variables: Record<string, string> = env) => {
    const command = parseCommandLine(words.split(" "), noFile, { env: variables });
    assert.ok("runtimeDir" in command);
    return [command.name, command.runtimeDir];
  };
  const cases: [words: string, name: string, directory: string][] = [
    ["status", "web", "/run/web"],
    ["reload api", "api", "/run/web"],
    ["scale 3", "web", "/run/web"],
    ["canary 5% --runtime-dir /run/x", "web", "/run/x"],
    ["stop --name api", "api", "/run/web"],
  ];
  for (const [words, name, directory] of cases) {
    it(`baton ${words} means ${name}`, () => assert.deepEqual(target(words), [name, directory]));
  }

  it("means the service whose hook it runs in", () => {
    assert.deepEqual(target("status", { BATON_NAME: "web", BATON_REASON: "reload" }), [
      "web",
      null,
    ]);
  });
});
