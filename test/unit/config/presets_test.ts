/** What is known about servers, and that they are recognised behind paths, versions, interpreters. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  commandTarget,
  parsePresetName,
  presetFor,
  presetForCommand,
  PRESETS,
} from "../../../src/config/presets.ts";
import { signalNumber } from "../../../src/config/values/signals.ts";

describe("PRESETS", () => {
  it("names each program once, with a signal that exists and a note of one line", () => {
    assert.equal(new Set(PRESETS.map(({ program }) => program)).size, PRESETS.length);
    for (const { program, stopSignal, note, source } of PRESETS) {
      assert.ok(signalNumber(stopSignal) > 0);
      assert.match(note, /^.{10,100}$/, program);
      assert.match(source ?? "", /^.{5,100}$/, program);
    }
  });

  it("never sends SIGUSR1 on where it is the stop signal", () => {
    const stoppedByUsr1 = PRESETS.filter(({ stopSignal }) => stopSignal === "SIGUSR1");
    assert.deepEqual(stoppedByUsr1.map(({ program, usr1 }) => [program, usr1]), [
      ["haproxy", "ignore"],
    ]);
  });
});

describe("presetFor()", () => {
  /** program asked for, program found, stop signal, graceful, SIGUSR1 */
  const cases: [string, string, string, boolean, string][] = [
    ["nginx", "nginx", "SIGQUIT", true, "reopen"],
    ["/usr/sbin/nginx", "nginx", "SIGQUIT", true, "reopen"],
    ["openresty", "nginx", "SIGQUIT", true, "reopen"],
    ["apache2", "apache", "SIGWINCH", true, "ignore"],
    ["/usr/sbin/httpd", "apache", "SIGWINCH", true, "ignore"],
    ["haproxy", "haproxy", "SIGUSR1", true, "ignore"],
    ["lighttpd", "lighttpd", "SIGINT", true, "ignore"],
    ["caddy", "caddy", "SIGTERM", true, "ignore"],
    ["traefik", "traefik", "SIGTERM", true, "reopen"],
    ["envoy", "envoy", "SIGTERM", false, "reopen"],
    ["h2o", "h2o", "SIGTERM", true, "ignore"],
    ["gunicorn", "gunicorn", "SIGTERM", true, "reopen"],
    ["gunicorn3", "gunicorn", "SIGTERM", true, "reopen"],
    ["uvicorn", "uvicorn", "SIGTERM", true, "ignore"],
    ["hypercorn", "hypercorn", "SIGTERM", false, "ignore"],
    ["puma", "puma", "SIGTERM", true, "ignore"],
    ["unicorn", "unicorn", "SIGQUIT", true, "reopen"],
    ["unicorn_rails", "unicorn", "SIGQUIT", true, "reopen"],
    ["starman", "starman", "SIGQUIT", true, "ignore"],
    ["php-fpm", "php-fpm", "SIGQUIT", false, "reopen"],
    ["php-fpm8.2", "php-fpm", "SIGQUIT", false, "reopen"],
    ["node", "node", "SIGTERM", false, "ignore"],
    ["node20", "node", "SIGTERM", false, "ignore"],
    ["nodejs", "node", "SIGTERM", false, "ignore"],
    ["bun", "bun", "SIGTERM", false, "ignore"],
    ["deno", "deno", "SIGTERM", false, "ignore"],
    ["python3.11", "python", "SIGTERM", false, "ignore"],
    ["ruby3.1", "ruby", "SIGTERM", false, "ignore"],
    ["java", "java", "SIGTERM", false, "ignore"],
    ["/usr/lib/postgresql/15/bin/postgres", "postgres", "SIGINT", false, "ignore"],
    ["postmaster", "postgres", "SIGINT", false, "ignore"],
    ["squid", "squid", "SIGINT", false, "reopen"],
    ["hypnotoad", "hypnotoad", "SIGQUIT", true, "ignore"],
    ["nghttpx", "nghttpx", "SIGQUIT", true, "reopen"],
    ["pgbouncer", "pgbouncer", "SIGINT", false, "ignore"],
    ["./my-go-server", "my-go-server", "SIGTERM", false, "ignore"],
    ["nginx-wrapper", "nginx-wrapper", "SIGTERM", false, "ignore"],
    ["constructor", "constructor", "SIGTERM", false, "ignore"],
  ];
  for (const [program, found, stopSignal, graceful, usr1] of cases) {
    const how = graceful ? "gracefully " : "";
    it(`stops ${program} ${how}with ${stopSignal}, SIGUSR1: ${usr1}`, () => {
      const preset = presetFor(program);
      const facts = [preset.program, preset.stopSignal, preset.graceful, preset.usr1];
      assert.deepEqual(facts, [found, stopSignal, graceful, usr1]);
    });
  }
});

describe("presetForCommand()", () => {
  const cases: [string, string][] = [
    ["nginx -g daemon\\ off;", "nginx"],
    ["python3 -m gunicorn app:app", "gunicorn"],
    ["python3 -m gunicorn.app.wsgiapp app:app", "gunicorn"],
    ["python3.11 -u -X dev -m uvicorn app:app", "uvicorn"],
    ["python3 /usr/bin/gunicorn app:app", "gunicorn"],
    ["/venv/bin/python /venv/bin/uvicorn app:app", "uvicorn"],
    ["python3 gunicorn.py", "python"],
    ["python3 -m waitress app:app", "waitress"],
    ["waitress-serve --port 80 app:app", "waitress"],
    ["python3 -m http.server", "python"],
    ["python3 -c import\\ gunicorn", "python"],
    ["python3 app.py gunicorn", "python"],
    ["python3 nginx", "python"],
    ["ruby /usr/bin/puma -C x.rb", "puma"],
    ["ruby -I lib -S unicorn", "unicorn"],
    ["ruby gunicorn", "ruby"],
    ["perl /usr/bin/starman app.psgi", "starman"],
    ["bundle exec puma", "puma"],
    ["bundle install", "bundle"],
    ["env -i PATH=/bin -u HOME nginx", "nginx"],
    ["env A=1 python3 -m gunicorn", "gunicorn"],
    ["nice -n 5 nohup nginx", "nginx"],
    ["setpriv --reuid postgres --regid=postgres --clear-groups /bin/postgres -D d", "postgres"],
    ["env", "env"],
    ["sh -c nginx", "nginx"],
    ["sh -c exec\\ nginx\\ -g\\ 'daemon\\ off;'", "nginx"],
    ["perl /usr/bin/hypnotoad -f app", "hypnotoad"],
    ["node /usr/bin/gunicorn", "node"],
    ["java -cp app org.springframework.boot.loader.launch.JarLauncher", "spring-boot"],
    ["java --add-opens java.base/java.lang=ALL-UNNAMED -cp a com.example.Main", "java"],
  ];
  for (const [line, program] of cases) {
    it(`finds ${program} in "${line}"`, () => {
      const words = line.split(/(?<!\\) /).map((word) => word.replace(/\\ /g, " "));
      assert.equal(presetForCommand(words).program, program);
    });
  }
});

describe("presetForCommand(), behind what stays in front", () => {
  const cases: [string, string, string, string][] = [
    ["tini -- nginx", "nginx", "SIGQUIT", "reopen"],
    ["dumb-init -r 15:3 nginx", "nginx", "SIGQUIT", "reopen"],
    ["timeout -k 5 60 nginx", "nginx", "SIGQUIT", "ignore"],
    ["timeout 60 apache2", "apache", "SIGTERM", "ignore"],
    ["sudo -u www A=1 nginx", "nginx", "SIGQUIT", "reopen"],
    ["sudo apache2", "apache", "SIGTERM", "ignore"],
    ["runuser -u www -- nginx", "nginx", "SIGTERM", "ignore"],
    ["flock /run/lock nginx", "nginx", "SIGTERM", "ignore"],
    ["flock -F /run/lock nginx", "nginx", "SIGQUIT", "reopen"],
    // It depends on the shell whether nginx gets USR1, or the shell dies of it.
    ["sh -c nginx", "nginx", "SIGQUIT", "ignore"],
    ["sh -c exec\\ nginx", "nginx", "SIGQUIT", "reopen"],
  ];
  for (const [line, program, stopSignal, usr1] of cases) {
    it(`stops ${program} in "${line}" with ${stopSignal}, SIGUSR1: ${usr1}`, () => {
      const preset = presetForCommand(
        line.split(/(?<!\\) /).map((word) => word.replace(/\\ /g, " ")),
      );
      assert.deepEqual([preset.program, preset.stopSignal, preset.usr1], [
        program,
        stopSignal,
        usr1,
      ]);
    });
  }
});

describe("what presets know of an end", () => {
  const cases: [string, number | null, number[]][] = [
    ["postgres", 300_000, []],
    ["mysqld", 300_000, []],
    ["redis-server", 300_000, []],
    ["dropbear", null, [1]],
    ["pgbouncer", null, [1]],
    ["inspircd", null, [10]],
    ["privoxy", null, [15]],
    ["nginx", null, []],
  ];
  for (const [program, stopTimeMs, cleanExit] of cases) {
    it(`${program}: KILL after ${stopTimeMs ?? "the default"}, clean exits ${cleanExit}`, () => {
      const preset = presetFor(program);
      assert.deepEqual([preset.stopTimeMs, preset.cleanExit], [stopTimeMs, cleanExit]);
    });
  }
});

describe("commandTarget()", () => {
  const cases: [string, string, string | null][] = [
    ["./server --port 80", "./server", null],
    ["node /srv/app/server.js", "node", "/srv/app/server.js"],
    ["node --require x.js --inspect=0 a.js", "node", "a.js"],
    ["node -e code", "node", null],
    ["node -- a.js", "node", "a.js"],
    ["deno run -A main.ts", "deno", "main.ts"],
    ["deno serve --port=80 main.ts", "deno", "main.ts"],
    ["bun run run", "bun", "run"],
    ["bun server.ts", "bun", "server.ts"],
    ["java -Xmx1g -cp a.jar:b.jar -jar /opt/app.jar", "java", "/opt/app.jar"],
    ["java -cp a.jar com.example.Main", "java", "com.example.Main"],
    ["php -S 0.0.0.0:80 router.php", "php", "router.php"],
    ["node", "node", null],
    ["env -C /srv node a.js", "node", "a.js"],
  ];
  for (const [line, program, script] of cases) {
    it(`sees ${script ?? "no script"} run by ${program} in "${line}"`, () => {
      assert.deepEqual(commandTarget(line.split(" ")), { program, script });
    });
  }

  it("gives an empty program for an empty command", () => {
    assert.deepEqual(commandTarget([]), { program: "", script: null });
  });
});

describe("--preset", () => {
  it("names what a start script becomes", () => {
    const { program, usr1, line } = presetForCommand(["./start.sh"], parsePresetName("envoy"));
    assert.deepEqual([program, usr1, line.argv], ["envoy", "reopen", ["./start.sh"]]);
    assert.equal(parsePresetName("apache2"), "apache");
  });

  it("refuses what is not in the table", () => {
    assert.throws(() => parsePresetName("envoi"), /knows no such program/);
  });
});
