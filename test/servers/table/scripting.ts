/** Application servers of Python, Ruby, Perl and PHP. */
import { asks, http } from "../exchange.ts";
import type { Place, Placed, ServerRow } from "../row.ts";
import { index, openFolder } from "./files.ts";

const WSGI = `def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]
`;
const ASGI = `async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})
`;
const RACK = `run ->(env) { [200, {"Content-Type" => "text/plain"}, ["hello"]] }\n`;
const PSGI = `sub { [200, ["Content-Type" => "text/plain"], ["hello"]] };\n`;

const HELLO = http(/hello/);

/** A server of PyPI that works as it is. */
function pypi(
  name: string,
  requirement: string,
  program: string,
  command: (at: Place) => readonly string[],
): ServerRow {
  const [project = "", version = ""] = requirement.split("==");
  return {
    name,
    source: { pypi: [requirement] },
    program,
    version: ["pip", "show", project],
    tried: version,
    verdict: "works",
    exchange: HELLO,
    place(at) {
      at.write("wsgi.py", WSGI);
      at.write("asgi.py", ASGI);
      const env = { PYTHONPATH: at.dir, PYTHONDONTWRITEBYTECODE: "1" };
      return { command: [at.program(program), ...command(at)], env };
    },
  };
}

export const PYTHON: readonly ServerRow[] = [
  {
    name: "gunicorn, with `--pid`",
    source: { debian: "gunicorn" },
    program: "gunicorn",
    version: ["gunicorn", "--version"],
    tried: "20.1.0",
    verdict: "needs",
    isInGate: true,
    refusal: /Already running on PID/,
    tweak: "no `--pid`, or one per generation: `--pid /run/gunicorn.{epoch}.pid`",
    exchange: HELLO,
    place(at) {
      at.write("wsgi.py", WSGI);
      const pid = at.isTweaked ? "gunicorn.{epoch}.pid" : "gunicorn.pid";
      return {
        command: [
          at.program("gunicorn"),
          "--workers",
          "2",
          "--chdir",
          at.dir,
          "--bind",
          `127.0.0.1:${at.port}`,
          "--pid",
          `${at.dir}/${pid}`,
          "wsgi:app",
        ],
      };
    },
  },
  pypi("uvicorn", "uvicorn==0.54.0", "uvicorn", (at) => [
    "--host",
    "127.0.0.1",
    "--port",
    String(at.port),
    "--no-access-log",
    "asgi:app",
  ]),
  pypi("hypercorn, 2 workers", "hypercorn==0.18.0", "hypercorn", (at) => [
    "--bind",
    `127.0.0.1:${at.port}`,
    "--workers",
    "2",
    "asgi:app",
  ]),
  pypi("granian, 2 workers", "granian==2.8.9", "granian", (at) => [
    "--interface",
    "asgi",
    "--host",
    "127.0.0.1",
    "--port",
    String(at.port),
    "--workers",
    "2",
    "--no-ws",
    "asgi:app",
  ]),
  pypi("daphne (Twisted)", "daphne==4.2.3", "daphne", (at) => [
    "-b",
    "127.0.0.1",
    "-p",
    String(at.port),
    "asgi:app",
  ]),
  pypi("waitress", "waitress==3.0.2", "waitress-serve", (at) => [
    "--listen",
    `127.0.0.1:${at.port}`,
    "wsgi:app",
  ]),
  pypi("cheroot (CherryPy)", "cheroot==11.1.2", "cheroot", (at) => [
    "--bind",
    `127.0.0.1:${at.port}`,
    "wsgi:app",
  ]),
  pypi("Twisted `twist web`", "twisted==26.10.0", "twist", (at) => [
    "web",
    "--listen",
    `tcp:${at.port}:interface=127.0.0.1`,
    "--wsgi",
    "wsgi.app",
  ]),
  {
    name: "uWSGI `--http-socket --master`",
    source: { debian: "uwsgi-core uwsgi-plugin-python3" },
    program: "uwsgi",
    version: ["uwsgi", "--version"],
    tried: "2.0.21",
    verdict: "works",
    exchange: HELLO,
    place: (at) => uwsgi(at, ["--http-socket", `127.0.0.1:${at.port}`]),
  },
  {
    name: "uWSGI `--http` (a router process)",
    source: { debian: "uwsgi-core uwsgi-plugin-python3" },
    program: "uwsgi",
    version: ["uwsgi", "--version"],
    tried: "2.0.21",
    verdict: "works",
    exchange: HELLO,
    place: (at) => uwsgi(at, ["--plugin", "http", "--http", `127.0.0.1:${at.port}`]),
  },
];

function uwsgi(at: Place, socket: readonly string[]): Placed {
  const app = at.write("wsgi.py", WSGI);
  return {
    command: [
      at.program("uwsgi"),
      "--plugin",
      "python3",
      "--master",
      "--workers",
      "2",
      ...socket,
      "--wsgi-file",
      app,
      "--callable",
      "app",
      "--uid",
      "nobody",
      "--disable-logging",
    ],
  };
}

/** A Rack server of Debian that works as it is. */
function rack(
  name: string,
  debian: string,
  tried: string,
  command: (at: Place, config: string) => readonly string[],
): ServerRow {
  return {
    name,
    source: { debian },
    program: "ruby",
    version: ["dpkg-query", "-W", debian],
    tried,
    verdict: "works",
    exchange: HELLO,
    place: (at) => ({ command: command(at, at.write("config.ru", RACK)) }),
  };
}

export const RUBY: readonly ServerRow[] = [
  {
    ...rack("puma, cluster, with `--pidfile`", "puma", "5.6.5", () => []),
    pidFile: "gone",
    place(at) {
      const config = at.write("config.ru", RACK);
      const pidFile = `${at.dir}/puma.pid`;
      const bind = ["-b", `tcp://127.0.0.1:${at.port}`, "--pidfile", pidFile];
      return { command: [at.program("puma"), "-w", "2", ...bind, config], pidFile };
    },
  },
  {
    ...rack("puma, with `--control-url unix://`", "puma", "5.6.5", () => []),
    verdict: "works",
    place(at) {
      const config = at.write("config.ru", RACK);
      const control = `unix://${at.dir}/ctl`;
      return {
        command: [
          at.program("puma"),
          "-b",
          `tcp://127.0.0.1:${at.port}`,
          "--control-url",
          control,
          "--control-token",
          "x",
          config,
        ],
      };
    },
  },
  {
    ...rack("unicorn, with `pid`", "unicorn", "6.0.0", () => []),
    program: "unicorn",
    verdict: "needs",
    refusal: /Already running on PID/,
    tweak: "`pid \"/run/unicorn.#{ENV['RESTART_EPOCH']}.pid\"`: its configuration is Ruby",
    place(at) {
      const rackup = at.write("config.ru", RACK);
      const epoch = at.isTweaked ? ".#{ENV['RESTART_EPOCH']}" : "";
      const config = at.write(
        "unicorn.rb",
        `listen "127.0.0.1:${at.port}"\nworker_processes 2\npid "${at.dir}/unicorn${epoch}.pid"\n`,
      );
      return { command: [at.program("unicorn"), "-c", config, rackup] };
    },
  },
  rack("thin", "thin", "1.8.1", (at, config) => [
    at.program("thin"),
    "-a",
    "127.0.0.1",
    "-p",
    String(at.port),
    "-R",
    config,
    "start",
  ]),
  {
    ...rack("WEBrick", "ruby-webrick", "1.8.1", () => []),
    place: (at) => ({
      command: [
        at.program("ruby"),
        "-rwebrick",
        "-e",
        `s = WEBrick::HTTPServer.new(BindAddress: "127.0.0.1", Port: ${at.port}, ` +
        `DocumentRoot: "${index(at)}", AccessLog: []); trap("TERM") { s.shutdown }; s.start`,
      ],
    }),
  },
];

/** A Plack or Mojolicious server of Debian. */
function perl(
  name: string,
  debian: string,
  tried: string,
  program: string,
  command: (at: Place, app: string) => readonly string[],
): ServerRow {
  return {
    name,
    source: { debian },
    program,
    version: ["dpkg-query", "-W", ...debian.split(" ")],
    tried,
    verdict: "works",
    exchange: HELLO,
    place: (at) => ({ command: command(at, at.write("app.psgi", PSGI)) }),
  };
}

function mojo(at: Place, pidFile: string): string {
  return at.write(
    "app.pl",
    `use Mojolicious::Lite; get "/" => {text => "hello"};\n` +
      `app->config(hypnotoad => {listen => ["http://127.0.0.1:${at.port}"], workers => 2, ` +
      `pid_file => "${pidFile}"}); app->start;\n`,
  );
}

export const PERL_AND_PHP: readonly ServerRow[] = [
  {
    ...perl("starman, with `--pid`", "starman", "0.4016", "starman", () => []),
    verdict: "needs",
    refusal: /Pid_file already exists for running process/,
    tweak: "no `--pid`, or one per generation: `--pid /run/starman.{epoch}.pid`",
    place(at) {
      const pid = `${at.dir}/starman${at.isTweaked ? ".{epoch}" : ""}.pid`;
      const app = at.write("app.psgi", PSGI);
      const listen = ["--listen", `127.0.0.1:${at.port}`];
      return { command: [at.program("starman"), ...listen, "--workers", "2", "--pid", pid, app] };
    },
  },
  perl("twiggy", "twiggy", "0.1026", "twiggy", (at, app) => [
    at.program("twiggy"),
    "--listen",
    `127.0.0.1:${at.port}`,
    app,
  ]),
  perl("Mojolicious `daemon`", "libmojolicious-perl", "9.31", "hypnotoad", (at) => [
    "perl",
    mojo(at, `${at.dir}/x.pid`),
    "daemon",
    "-m",
    "production",
    "-l",
    `http://127.0.0.1:${at.port}`,
  ]),
  {
    ...perl("hypnotoad `-f`", "libmojolicious-perl", "9.31", "hypnotoad", () => []),
    verdict: "needs",
    refusal: /hot deployment|replace|exit status 0/,
    tweak: '`pid_file => "/run/hypnotoad.$ENV{RESTART_EPOCH}.pid"`: its configuration is Perl',
    place(at) {
      const epoch = at.isTweaked ? ".$ENV{RESTART_EPOCH}" : "";
      return { command: [at.program("hypnotoad"), "-f", mojo(at, `${at.dir}/h${epoch}.pid`)] };
    },
  },
  {
    name: "PHP `php -S`",
    source: { debian: "php8.2-cli" },
    program: "php",
    version: ["php", "--version"],
    tried: "8.2.36",
    verdict: "works",
    exchange: HELLO,
    place: (at) => ({
      command: [at.program("php"), "-S", `127.0.0.1:${at.port}`, "-t", index(at)],
    }),
  },
  {
    name: "php-fpm `-F`, on TCP",
    source: { debian: "php8.2-fpm" },
    program: "php-fpm8.2",
    version: ["php-fpm8.2", "--version"],
    tried: "8.2.36",
    verdict: "works",
    pidFile: "gone",
    exchange: asks(fastcgi(), /pong/),
    place(at) {
      const pidFile = `${at.dir}/fpm.pid`;
      const config = at.write(
        "fpm.conf",
        `[global]\npid = ${pidFile}\nerror_log = ${at.dir}/error.log\n[www]\nuser = nobody\n` +
          `listen = 127.0.0.1:${at.port}\npm = static\npm.max_children = 2\nping.path = /ping\n`,
      );
      return { command: [at.program("php-fpm8.2"), "-F", "-y", config], pidFile };
    },
  },
  {
    name: "fcgiwrap",
    source: { debian: "fcgiwrap" },
    program: "fcgiwrap",
    version: ["dpkg-query", "-W", "fcgiwrap"],
    tried: "1.1.0",
    verdict: "works",
    exchange: asks(fastcgi(), /Status: \d/),
    place(at) {
      openFolder(at, "x");
      return { command: [at.program("fcgiwrap"), "-s", `tcp:127.0.0.1:${at.port}`] };
    },
  },
];

/** A FastCGI request for /ping: begin, parameters, their end, an empty input. */
function fastcgi(): string {
  const record = (type: number, content: string) =>
    `\x01${String.fromCharCode(type)}\x00\x01` +
    String.fromCharCode(content.length >> 8, content.length & 255) + `\x00\x00${content}`;
  const parameters = {
    REQUEST_METHOD: "GET",
    SCRIPT_NAME: "/ping",
    SCRIPT_FILENAME: "/ping",
    REQUEST_URI: "/ping",
  };
  const encoded = Object.entries(parameters)
    .map(([name, value]) => String.fromCharCode(name.length, value.length) + name + value)
    .join("");
  return record(1, "\x00\x01\x00\x00\x00\x00\x00\x00") + record(4, encoded) + record(4, "") +
    record(5, "");
}
