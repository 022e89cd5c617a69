/** Web servers, proxies and TLS ends. */
import { http } from "../exchange.ts";
import type { Place, Placed, ServerRow } from "../row.ts";
import { certificate, index, openFolder } from "./files.ts";

export const WEB: readonly ServerRow[] = [
  {
    name: "lighttpd, with `server.pid-file`",
    source: { debian: "lighttpd" },
    program: "lighttpd",
    version: ["lighttpd", "-v"],
    tried: "1.4.69",
    verdict: "works",
    pidFile: "gone",
    isInGate: true,
    exchange: http(/hello/),
    place(at) {
      const pidFile = `${at.dir}/lighttpd.pid`;
      const config = at.write(
        "lighttpd.conf",
        `server.bind = "127.0.0.1"\nserver.port = ${at.port}\n` +
          `server.document-root = "${index(at)}"\nserver.pid-file = "${pidFile}"\n` +
          `index-file.names = ("index.html")\n`,
      );
      return { command: [at.program("lighttpd"), "-D", "-f", config], pidFile };
    },
  },
  {
    name: "Apache httpd `-DFOREGROUND`",
    source: { debian: "apache2" },
    program: "apache2",
    version: ["apache2", "-v"],
    tried: "2.4.71",
    verdict: "needs",
    refusal: /already running/,
    tweak: "`PidFile /run/apache2/apache2.${RESTART_EPOCH}.pid`: Apache expands variables",
    exchange: http(/hello/),
    place(at) {
      const name = at.isTweaked ? "apache2.${RESTART_EPOCH}.pid" : "apache2.pid";
      const modules = ["mpm_event", "authz_core", "dir", "mime"].map((module) =>
        `LoadModule ${module}_module /usr/lib/apache2/modules/mod_${module}.so\n`
      );
      const config = at.write(
        "apache2.conf",
        `ServerRoot ${at.dir}\nServerName localhost\nListen 127.0.0.1:${at.port}\n` +
          `PidFile ${at.dir}/${name}\nErrorLog ${at.dir}/error.log\n${modules.join("")}` +
          `TypesConfig /etc/mime.types\nUser www-data\nGroup www-data\n` +
          `DocumentRoot ${index(at)}\n<Directory />\nRequire all granted\n</Directory>\n`,
      );
      return { command: [at.program("apache2"), "-DFOREGROUND", "-f", config] };
    },
  },
  {
    name: "nginx, with `pid`",
    source: { debian: "nginx-light" },
    program: "nginx",
    version: ["nginx", "-v"],
    tried: "1.22.1",
    verdict: "works",
    pidFile: "gone",
    exchange: http(/hello/),
    place: (at) => nginx(at, `listen 127.0.0.1:${at.port};`),
  },
  {
    name: "nginx, `listen ... reuseport`, two addresses",
    source: { debian: "nginx-light" },
    program: "nginx",
    version: ["nginx", "-v"],
    tried: "1.22.1",
    verdict: "works",
    pidFile: "gone",
    exchange: http(/hello/),
    place: (at) =>
      nginx(
        at,
        `listen 127.0.0.1:${at.port} reuseport; listen 127.0.0.1:${at.secondPort} reuseport;`,
      ),
  },
  {
    name: "Caddy `run`, with its admin port",
    source: { debian: "caddy" },
    program: "caddy",
    version: ["caddy", "version"],
    tried: "2.6.2",
    verdict: "works",
    note: "the admin port is handed over, too",
    exchange: http(/hello/),
    place(at) {
      const config = at.write(
        "Caddyfile",
        `{\n  admin 127.0.0.1:${at.secondPort}\n  auto_https off\n}\n` +
          `http://127.0.0.1:${at.port} {\n  respond "hello"\n}\n` +
          `http://localhost:${at.port} {\n  bind 127.0.0.1\n  respond "hello"\n}\n`,
      );
      const env = { HOME: at.dir, XDG_DATA_HOME: at.dir, XDG_CONFIG_HOME: at.dir };
      return { command: [at.program("caddy"), "run", "--config", config], env };
    },
  },
  {
    name: "webfs `-F`",
    source: { debian: "webfs" },
    program: "webfsd",
    version: ["dpkg-query", "-W", "webfs"],
    tried: "1.21",
    verdict: "works",
    exchange: http(/hello/),
    place: (at) => ({
      command: [
        at.program("webfsd"),
        "-F",
        "-i",
        "127.0.0.1",
        "-p",
        String(at.port),
        "-r",
        index(at),
        "-f",
        "index.html",
      ],
    }),
  },
  {
    name: "mini-httpd `-D`",
    source: { debian: "mini-httpd" },
    program: "mini_httpd",
    version: ["mini_httpd", "-V"],
    tried: "1.30",
    verdict: "works",
    note: "`--clean-exit 1`: it ends with 1 at `TERM`",
    exchange: http(/hello/),
    place: (at) => ({
      flags: ["--clean-exit", "1"],
      command: [
        at.program("mini_httpd"),
        "-D",
        "-h",
        "127.0.0.1",
        "-p",
        String(at.port),
        "-d",
        index(at),
        "-u",
        "nobody",
      ],
    }),
  },
  {
    name: "BusyBox `httpd -f`",
    source: { debian: "busybox" },
    program: "busybox",
    version: ["busybox"],
    tried: "1.35.0",
    verdict: "works",
    exchange: http(/hello/),
    place: (at) => ({
      command: [
        at.program("busybox"),
        "httpd",
        "-f",
        "-p",
        `127.0.0.1:${at.port}`,
        "-h",
        index(at),
      ],
    }),
  },
  {
    name: "h2o",
    source: { debian: "h2o" },
    program: "h2o",
    version: ["h2o", "-v"],
    tried: "2.2.5",
    verdict: "works",
    pidFile: "gone",
    exchange: http(/hello/),
    place(at) {
      const pidFile = `${openFolder(at, "run")}/h2o.pid`;
      const config = at.write(
        "h2o.conf",
        `listen:\n  host: 127.0.0.1\n  port: ${at.port}\nuser: nobody\npid-file: ${pidFile}\n` +
          `hosts:\n  default:\n    paths:\n      /:\n        file.dir: ${index(at)}\n`,
      );
      return { command: [at.program("h2o"), "-c", config], pidFile };
    },
  },
];

function nginx(at: Place, listen: string): Placed {
  const pidFile = `${at.dir}/nginx.pid`;
  const config = at.write(
    "nginx.conf",
    `daemon off;\npid ${pidFile};\nerror_log stderr;\nevents {}\nhttp {\n  access_log off;\n` +
      `  server { ${listen} location / { return 200 "hello"; } }\n}\n`,
  );
  return { command: [at.program("nginx"), "-e", "stderr", "-c", config], pidFile };
}

export const PROXIES: readonly ServerRow[] = [
  {
    name: "HAProxy `-db`, with a stats socket",
    source: { debian: "haproxy" },
    program: "haproxy",
    version: ["haproxy", "-v"],
    tried: "2.6.12",
    verdict: "works",
    isInGate: true,
    exchange: http(/hello/),
    place: (at) => ({ command: [at.program("haproxy"), "-db", "-f", haproxyConfig(at)] }),
  },
  {
    name: "HAProxy `-Ws -p FILE`",
    source: { debian: "haproxy" },
    program: "haproxy",
    version: ["haproxy", "-v"],
    tried: "2.6.12",
    verdict: "works",
    pidFile: "kept",
    exchange: http(/hello/),
    place(at) {
      const pidFile = `${at.dir}/haproxy.pid`;
      return {
        command: [at.program("haproxy"), "-Ws", "-f", haproxyConfig(at), "-p", pidFile],
        pidFile,
      };
    },
  },
  {
    name: "Squid `-N`",
    source: { debian: "squid" },
    program: "squid",
    version: ["squid", "-v"],
    tried: "5.7",
    verdict: "needs",
    refusal: /Squid is already running/,
    tweak: "`pid_filename none`",
    exchange: http(/X-Squid-Error|squid/i, "http://127.0.0.1:1/"),
    needsRoot: true,
    place(at) {
      const pid = at.isTweaked ? "pid_filename none\n" : `pid_filename ${at.dir}/squid.pid\n`;
      const config = at.write(
        "squid.conf",
        `http_port 127.0.0.1:${at.port}\n${pid}http_access allow all\ncache_log ${at.dir}/cache.log\n` +
          `access_log none\ncoredump_dir ${at.dir}\nshutdown_lifetime 2 seconds\n`,
      );
      return { command: [at.program("squid"), "-N", "-f", config] };
    },
  },
  {
    name: "stunnel, with `pid`",
    source: { debian: "stunnel4 openssl" },
    program: "stunnel4",
    version: ["stunnel4", "-version"],
    tried: "5.68",
    verdict: "works",
    pidFile: "gone",
    exchange: { ...http(/hello/), isTls: true },
    place(at) {
      const pidFile = `${at.dir}/stunnel.pid`;
      const config = at.write(
        "stunnel.conf",
        `foreground = yes\npid = ${pidFile}\ncert = ${certificate(at)}\n` +
          `[s]\naccept = 127.0.0.1:${at.port}\nconnect = 127.0.0.1:${at.secondPort}\n`,
      );
      return { command: [at.program("stunnel4"), config], pidFile, hasBackend: true };
    },
  },
  {
    name: "Varnish `-F`, with `-n`",
    source: { debian: "varnish" },
    program: "varnishd",
    version: ["varnishd", "-V"],
    tried: "7.1.1",
    verdict: "stop-first",
    tweak: "a working directory per generation: `-n /run/varnish.{epoch}`",
    lost: "the cache",
    exchange: http(/hello/),
    needsRoot: true,
    place(at) {
      const config = at.write(
        "v.vcl",
        `vcl 4.1;\nbackend default none;\nsub vcl_recv { return (synth(200, "hello")); }\n`,
      );
      const instance = at.isTweaked ? `${at.dir}/work.{epoch}` : `${at.dir}/work`;
      return {
        command: [
          at.program("varnishd"),
          "-F",
          "-a",
          `127.0.0.1:${at.port}`,
          "-f",
          config,
          "-n",
          instance,
          "-s",
          "malloc,16m",
          "-j",
          "none",
        ],
      };
    },
  },
  {
    name: "hitch",
    source: { debian: "hitch openssl" },
    program: "hitch",
    version: ["hitch", "--version"],
    tried: "1.7.2",
    verdict: "works",
    exchange: { ...http(/hello/), isTls: true },
    place: (at) => ({
      hasBackend: true,
      command: [
        at.program("hitch"),
        `--frontend=[127.0.0.1]:${at.port}`,
        "--user=nobody",
        `--backend=[127.0.0.1]:${at.secondPort}`,
        certificate(at),
      ],
    }),
  },
  {
    name: "tinyproxy `-d`, with `PidFile`",
    source: { debian: "tinyproxy-bin" },
    program: "tinyproxy",
    version: ["tinyproxy", "-v"],
    tried: "1.11.1",
    verdict: "works",
    pidFile: "gone",
    exchange: http(/tinyproxy/, "http://127.0.0.1:1/"),
    place(at) {
      const pidFile = `${at.dir}/tinyproxy.pid`;
      const config = at.write(
        "tinyproxy.conf",
        `Port ${at.port}\nListen 127.0.0.1\nPidFile "${pidFile}"\nMaxClients 50\n` +
          `Allow 127.0.0.0/8\n`,
      );
      return { command: [at.program("tinyproxy"), "-d", "-c", config], pidFile };
    },
  },
  {
    name: "Privoxy `--no-daemon --pidfile`",
    source: { debian: "privoxy" },
    program: "privoxy",
    version: ["privoxy", "--version"],
    tried: "3.0.34",
    verdict: "works",
    pidFile: "gone",
    exchange: http(/Privoxy/i, "http://127.0.0.1:1/"),
    place(at) {
      const pidFile = `${at.dir}/privoxy.pid`;
      const config = at.write(
        "config",
        `confdir /etc/privoxy\nlogdir ${at.dir}\nlisten-address 127.0.0.1:${at.port}\n`,
      );
      return {
        command: [at.program("privoxy"), "--no-daemon", "--pidfile", pidFile, config],
        pidFile,
      };
    },
  },
  {
    name: "sslh `-f`",
    source: { debian: "sslh" },
    program: "sslh",
    version: ["sslh", "-V"],
    tried: "1.20",
    verdict: "works",
    exchange: { ...http(/hello/), timeoutMs: 20_000 },
    place: (at) => ({
      hasBackend: true,
      command: [
        at.program("sslh"),
        "-f",
        "-n",
        "--user",
        "nobody",
        "-P",
        `${at.dir}/sslh.pid`,
        "-p",
        `127.0.0.1:${at.port}`,
        "--http",
        `127.0.0.1:${at.secondPort}`,
      ],
    }),
  },
  {
    name: "microsocks",
    source: { debian: "microsocks" },
    program: "microsocks",
    version: ["dpkg-query", "-W", "microsocks"],
    tried: "1.0.3",
    verdict: "works",
    exchange: { steps: [{ send: "\x05\x01\x00", expect: "\x05\x00" }] },
    place: (at) => ({
      command: [at.program("microsocks"), "-i", "127.0.0.1", "-p", String(at.port)],
    }),
  },
];

function haproxyConfig(at: Place): string {
  return at.write(
    "haproxy.cfg",
    `global\n  stats socket ${at.dir}/admin.sock mode 660 level admin\n` +
      `defaults\n  mode http\n  timeout client 5s\n  timeout server 5s\n  timeout connect 5s\n` +
      `frontend f\n  bind 127.0.0.1:${at.port}\n` +
      `  http-request return status 200 content-type text/plain string hello\n`,
  );
}
