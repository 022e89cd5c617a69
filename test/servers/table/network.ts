/** What speaks something else: FTP, SSH, mail, DNS, chat, files, and servers that start a program for each client. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { asks, type Exchange, greeting, http } from "../exchange.ts";
import type { Placed, ServerRow } from "../row.ts";
import { index, openFolder } from "./files.ts";

/** version.bind. TXT CH over TCP: any answer to it will do. */
const DNS: Exchange = asks(
  "\x00\x1e4V\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07version\x04bind\x00\x00\x10\x00\x03",
  /^..4V[^]/s,
);

export const LOGIN_AND_FILES: readonly ServerRow[] = [
  {
    name: "OpenSSH sshd `-D`",
    source: { debian: "openssh-server" },
    program: "sshd",
    version: ["dpkg-query", "-W", "openssh-server"],
    tried: "9.2p1",
    verdict: "works",
    pidFile: "gone",
    note: "sessions outlive it, as they do without baton",
    needsRoot: true,
    exchange: greeting(/^SSH-2\.0-OpenSSH/),
    place(at) {
      mkdirSync("/run/sshd", { recursive: true });
      const key = `${at.dir}/hostkey`;
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
      const pidFile = `${at.dir}/sshd.pid`;
      return {
        command: [
          at.program("sshd"),
          "-D",
          "-f",
          "/dev/null",
          "-h",
          key,
          "-p",
          String(at.port),
          "-o",
          "ListenAddress=127.0.0.1",
          "-o",
          `PidFile=${pidFile}`,
          "-o",
          "MaxStartups=100",
        ],
        pidFile,
      };
    },
  },
  {
    name: "Dropbear `-F -E -P FILE`",
    source: { debian: "dropbear-bin" },
    program: "dropbear",
    version: ["dropbear", "-V"],
    tried: "2022.83",
    verdict: "works",
    pidFile: "gone",
    clients: 2,
    exchange: greeting(/^SSH-2\.0-dropbear/),
    place(at) {
      const key = `${at.dir}/key`;
      execFileSync("dropbearkey", ["-t", "ed25519", "-f", key], { stdio: "ignore" });
      const pidFile = `${at.dir}/dropbear.pid`;
      return {
        command: [
          at.program("dropbear"),
          "-F",
          "-E",
          "-P",
          pidFile,
          "-r",
          key,
          "-p",
          `127.0.0.1:${at.port}`,
        ],
        pidFile,
      };
    },
  },
  {
    name: "vsftpd `background=NO`",
    source: { debian: "vsftpd" },
    program: "vsftpd",
    version: ["dpkg-query", "-W", "vsftpd"],
    tried: "3.0.3",
    verdict: "works",
    needsRoot: true,
    exchange: greeting(/^220 .*\r\n/),
    place(at) {
      mkdirSync("/var/run/vsftpd/empty", { recursive: true });
      const config = at.write(
        "vsftpd.conf",
        `listen=YES\nlisten_address=127.0.0.1\nlisten_port=${at.port}\nbackground=NO\n` +
          `anonymous_enable=YES\nlocal_enable=NO\nseccomp_sandbox=NO\n` +
          `secure_chroot_dir=/var/run/vsftpd/empty\nanon_root=${index(at)}\n`,
      );
      return { command: [at.program("vsftpd"), config] };
    },
  },
  {
    name: "ProFTPD `-n`",
    source: { debian: "proftpd-core" },
    program: "proftpd",
    version: ["dpkg-query", "-W", "proftpd-core"],
    tried: "1.3.8",
    verdict: "works",
    pidFile: "kept",
    note: "both copies share the scoreboard file",
    needsRoot: true,
    exchange: greeting(/^220 .*\r\n/),
    place(at) {
      const pidFile = `${at.dir}/proftpd.pid`;
      const config = at.write(
        "proftpd.conf",
        `ServerName x\nServerType standalone\nDefaultAddress 127.0.0.1\nSocketBindTight on\n` +
          `Port ${at.port}\nUseIPv6 off\nUser nobody\nGroup nogroup\nUseReverseDNS off\n` +
          `PidFile ${pidFile}\nScoreboardFile ${at.dir}/board\nDelayTable none\n` +
          `WtmpLog off\nTransferLog none\nSystemLog ${at.dir}/log\n`,
      );
      return { command: [at.program("proftpd"), "-n", "-c", config], pidFile };
    },
  },
  {
    name: "Pure-FTPd",
    source: { debian: "pure-ftpd" },
    program: "pure-ftpd",
    version: ["dpkg-query", "-W", "pure-ftpd"],
    tried: "1.0.50",
    verdict: "works",
    needsRoot: true,
    exchange: greeting(/^220[- ].*\r\n/),
    place: (at) => ({
      command: [at.program("pure-ftpd"), "-H", "-S", `127.0.0.1,${at.port}`, "-g", `${at.dir}/pid`],
    }),
  },
  {
    name: "rsync `--daemon --no-detach`, with `pid file`",
    source: { debian: "rsync" },
    program: "rsync",
    version: ["rsync", "--version"],
    tried: "3.5.0",
    verdict: "needs",
    refusal: /failed to lock pid file|failed to create pid file/,
    tweak: "no `pid file`, or one per generation: `--dparam=pidfile=/run/rsyncd.{epoch}.pid`",
    exchange: greeting(/^@RSYNCD: \d/),
    place(at) {
      const config = at.write(
        "rsyncd.conf",
        `use chroot = no\nreverse lookup = no\n[www]\npath = ${index(at)}\n`,
      );
      const pidFile = `${at.dir}/rsyncd${at.isTweaked ? ".{epoch}" : ""}.pid`;
      return {
        command: [
          at.program("rsync"),
          "--daemon",
          "--no-detach",
          `--config=${config}`,
          `--dparam=pidfile=${pidFile}`,
          "--address=127.0.0.1",
          `--port=${at.port}`,
        ],
      };
    },
  },
  {
    name: "git daemon `--pid-file`",
    source: { debian: "git" },
    program: "git",
    version: ["git", "--version"],
    tried: "2.39.5",
    verdict: "works",
    pidFile: "kept",
    exchange: asks("0026git-upload-pack /x\0host=localhost\0", /^[0-9a-f]{4}ERR/),
    place(at) {
      const pidFile = `${at.dir}/git.pid`;
      return {
        command: [
          at.program("git"),
          "daemon",
          "--listen=127.0.0.1",
          `--port=${at.port}`,
          "--reuseaddr",
          `--base-path=${at.dir}`,
          `--pid-file=${pidFile}`,
          "--informative-errors",
        ],
        pidFile,
      };
    },
  },
  {
    name: "Exim `-bdf`",
    source: { debian: "exim4-daemon-light" },
    program: "exim4",
    version: ["exim4", "--version"],
    tried: "4.96",
    verdict: "works",
    note: "a second one logs that its notifier socket is in use",
    needsRoot: true,
    exchange: { steps: [{ expect: /^220 .*\r\n/ }], timeoutMs: 20_000 },
    place(at) {
      const config = at.write(
        "exim.conf",
        `primary_hostname = localhost\nlocal_interfaces = 127.0.0.1\n` +
          `daemon_smtp_ports = ${at.port}\nspool_directory = ${openFolder(at, "spool")}\n` +
          `log_file_path = ${openFolder(at, "log")}/%s\nexim_user = Debian-exim\n` +
          `acl_smtp_rcpt = deny\nhost_lookup =\nrfc1413_query_timeout = 0s\n`,
      );
      return { command: [at.program("exim4"), "-C", config, "-bdf", "-q30m"] };
    },
  },
];

export const NAMES_AND_CHAT: readonly ServerRow[] = [
  {
    name: "BIND named `-g`, over TCP",
    source: { debian: "bind9" },
    program: "named",
    version: ["named", "-v"],
    tried: "9.18.49",
    verdict: "works",
    pidFile: "gone",
    note: "UDP: see below",
    exchange: DNS,
    place(at) {
      const pidFile = `${openFolder(at, "run")}/named.pid`;
      const config = at.write(
        "named.conf",
        `options { directory "${at.dir}"; pid-file "${pidFile}"; recursion no;\n` +
          `listen-on port ${at.port} { 127.0.0.1; }; listen-on-v6 { none; };\n` +
          `session-keyfile "${at.dir}/run/session.key"; };\ncontrols { };\n`,
      );
      return { command: [at.program("named"), "-g", "-c", config], pidFile };
    },
  },
  {
    name: "Unbound `-d`, over TCP",
    source: { debian: "unbound" },
    program: "unbound",
    version: ["unbound", "-V"],
    tried: "1.17.1",
    verdict: "works",
    pidFile: "gone",
    note: "UDP: see below",
    needsRoot: true,
    exchange: DNS,
    place(at) {
      const pidFile = `${openFolder(at, "run")}/unbound.pid`;
      const config = at.write(
        "unbound.conf",
        `server:\n interface: 127.0.0.1@${at.port}\n do-daemonize: no\n pidfile: "${pidFile}"\n` +
          ` chroot: ""\n directory: "${at.dir}"\n username: "unbound"\n use-syslog: no\n` +
          ` logfile: ""\n access-control: 127.0.0.0/8 allow\n` +
          `remote-control:\n control-enable: no\n`,
      );
      return { command: [at.program("unbound"), "-d", "-c", config], pidFile };
    },
  },
  {
    name: "dnsmasq `-k --bind-interfaces`, over TCP",
    source: { debian: "dnsmasq-base" },
    program: "dnsmasq",
    version: ["dnsmasq", "--version"],
    tried: "2.90",
    verdict: "works",
    pidFile: "gone",
    note: "UDP: see below",
    exchange: DNS,
    place(at) {
      const pidFile = `${openFolder(at, "run")}/dnsmasq.pid`;
      return {
        command: [
          at.program("dnsmasq"),
          "-k",
          "-C",
          "/dev/null",
          "-p",
          String(at.port),
          "--listen-address=127.0.0.1",
          "--bind-interfaces",
          "--no-resolv",
          "--no-hosts",
          "--log-facility=-",
          `--pid-file=${pidFile}`,
          "--user=nobody",
        ],
        pidFile,
      };
    },
  },
  {
    name: "NSD `-d`, over TCP",
    source: { debian: "nsd" },
    program: "nsd",
    version: ["dpkg-query", "-W", "nsd"],
    tried: "4.6.1",
    verdict: "needs",
    pidFile: "gone",
    refusal: /could not be started/,
    tweak: "`reuseport: yes`, for its UDP sockets",
    note: "UDP: see below",
    needsRoot: true,
    exchange: DNS,
    place(at) {
      const run = openFolder(at, "run");
      const pidFile = `${run}/nsd.pid`;
      const config = at.write(
        "nsd.conf",
        `server:\n ip-address: 127.0.0.1@${at.port}\n username: nsd\n pidfile: "${pidFile}"\n` +
          ` database: ""\n zonelistfile: "${run}/zones"\n xfrdfile: "${run}/xfrd"\n` +
          ` xfrdir: "${run}"\n zonesdir: "${run}"\n server-count: 2\nremote-control:\n` +
          ` control-enable: no\n` +
          (at.isTweaked ? "server:\n reuseport: yes\n" : ""),
      );
      return { command: [at.program("nsd"), "-d", "-c", config], pidFile };
    },
  },
  {
    name: "Prosody `-F`, with `pidfile`",
    source: { debian: "prosody" },
    program: "prosody",
    version: ["dpkg-query", "-W", "prosody"],
    tried: "0.12.3",
    verdict: "stop-first",
    needsRoot: true,
    exchange: asks(
      "<?xml version='1.0'?><stream:stream to='localhost' xmlns='jabber:client' " +
        "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
      /<stream:stream/,
    ),
    place(at) {
      const run = openFolder(at, "run");
      const config = at.write(
        "prosody.cfg.lua",
        `daemonize = false\npidfile = "${run}/prosody.pid"\ndata_path = "${run}"\n` +
          `interfaces = { "127.0.0.1" }\nc2s_ports = { ${at.port} }\nc2s_direct_tls_ports = {}\n` +
          `s2s_ports = {}\nallow_unencrypted_plain_auth = true\nmodules_enabled = { "saslauth" }\n` +
          `modules_disabled = { "s2s", "tls" }\nlog = { info = "*console" }\n` +
          `VirtualHost "localhost"\n`,
      );
      return {
        command: [
          "setpriv",
          "--reuid",
          "prosody",
          "--regid",
          "prosody",
          "--clear-groups",
          at.program("prosody"),
          "-F",
          "--config",
          config,
        ],
      };
    },
  },
  {
    name: "ngIRCd `-n`",
    source: { debian: "ngircd" },
    program: "ngircd",
    version: ["ngircd", "--version"],
    tried: "26.1",
    verdict: "works",
    lost: "who is in which channel: clients connect again",
    exchange: asks("NICK a\r\nUSER a 0 * :a\r\nQUIT\r\n", /(NOTICE|ERROR| 001 )/),
    place(at) {
      const config = at.write(
        "ngircd.conf",
        `[Global]\nName = irc.example.net\nInfo = x\nListen = 127.0.0.1\nPorts = ${at.port}\n` +
          `AdminInfo1 = x\nAdminEMail = a@example.net\nServerUID = nobody\nServerGID = nogroup\n` +
          `[Limits]\nMaxConnectionsIP = 0\n[Options]\nIdent = no\nDNS = no\nPAM = no\n`,
      );
      return { command: [at.program("ngircd"), "-n", "-f", config] };
    },
  },
  {
    name: "InspIRCd `--nofork`",
    source: { debian: "inspircd" },
    program: "inspircd",
    version: ["dpkg-query", "-W", "inspircd"],
    tried: "3.15.0",
    verdict: "works",
    pidFile: "kept",
    lost: "who is in which channel: clients connect again",
    needsRoot: true,
    exchange: asks("NICK a\r\nUSER a 0 * :a\r\n", /NOTICE|ERROR| 001 | 433 /),
    place(at) {
      const run = openFolder(at, "run");
      const pidFile = `${run}/pid`;
      const config = at.write(
        "inspircd.conf",
        `<server name="irc.example.net" description="x" network="x">\n` +
          `<admin name="x" nick="x" email="a@example.net">\n` +
          `<bind address="127.0.0.1" port="${at.port}" type="clients">\n` +
          `<connect allow="*" resolvehostnames="no" globalmax="100" localmax="100">\n` +
          `<pid file="${pidFile}">\n<log method="file" type="*" level="default" ` +
          `target="${run}/log">\n`,
      );
      return {
        command: [
          "setpriv",
          "--reuid",
          "irc",
          "--regid",
          "irc",
          "--clear-groups",
          at.program("inspircd"),
          "--nofork",
          "--nolog",
          `--config=${config}`,
        ],
        pidFile,
      };
    },
  },
  {
    name: "Icecast",
    source: { debian: "icecast2" },
    program: "icecast2",
    version: ["icecast2", "-v"],
    tried: "2.4.4",
    verdict: "works",
    pidFile: "gone",
    lost: "sources and listeners of a stream: they connect again",
    exchange: http(/icestats/, "/status-json.xsl"),
    place(at) {
      const run = openFolder(at, "run");
      const pidFile = `${run}/icecast.pid`;
      const config = at.write(
        "icecast.xml",
        `<icecast><hostname>localhost</hostname><limits><clients>100</clients>` +
          `<sources>2</sources></limits><authentication><source-password>x</source-password>` +
          `<admin-user>a</admin-user><admin-password>x</admin-password></authentication>` +
          `<listen-socket><port>${at.port}</port><bind-address>127.0.0.1</bind-address>` +
          `</listen-socket><paths><basedir>/usr/share/icecast2</basedir><logdir>${run}</logdir>` +
          `<webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin` +
          `</adminroot><pidfile>${pidFile}</pidfile></paths>` +
          `<security><chroot>0</chroot><changeowner><user>nobody</user><group>nogroup</group>` +
          `</changeowner></security></icecast>\n`,
      );
      return { command: [at.program("icecast2"), "-c", config], pidFile };
    },
  },
  {
    name: "coturn",
    source: { debian: "coturn" },
    program: "turnserver",
    version: ["dpkg-query", "-W", "coturn"],
    tried: "4.6.1",
    verdict: "works",
    pidFile: "kept",
    lost: "allocations: clients allocate again",
    exchange: asks(
      "\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl",
      "\x01\x01",
    ),
    place(at) {
      const run = openFolder(at, "run");
      const pidFile = `${run}/turn.pid`;
      return {
        command: [
          at.program("turnserver"),
          "-n",
          "-L",
          "127.0.0.1",
          "-p",
          String(at.port),
          "--no-udp",
          "--no-tls",
          "--no-dtls",
          "--no-cli",
          `--pidfile=${pidFile}`,
          "--log-file=stdout",
          `--userdb=${run}/turndb`,
          "-a",
          "-u",
          "a:b",
          "-r",
          "x",
        ],
        pidFile,
      };
    },
  },
];

export const OTHERS: readonly ServerRow[] = [
  {
    name: "Transmission `-f`",
    source: { debian: "transmission-daemon" },
    program: "transmission-daemon",
    version: ["transmission-daemon", "--version"],
    tried: "3.00",
    verdict: "stop-first",
    exchange: http(/transmission/i, "/transmission/web/"),
    place: (at) => ({
      command: [
        at.program("transmission-daemon"),
        "-f",
        "-g",
        openFolder(at, "config"),
        "-r",
        "127.0.0.1",
        "-p",
        String(at.port),
        "-P",
        String(at.secondPort),
        "-T",
        "-w",
        openFolder(at, "down"),
        "-a",
        "127.*.*.*",
        "--no-portmap",
        "--no-dht",
      ],
    }),
  },
  {
    name: "aria2 `--enable-rpc`",
    source: { debian: "aria2" },
    program: "aria2c",
    version: ["aria2c", "--version"],
    tried: "1.36.0",
    verdict: "works",
    lost: "its downloads in memory: use `--save-session`",
    exchange: http(/jsonrpc|HTTP/, "/jsonrpc"),
    place: (at) => ({
      command: [
        at.program("aria2c"),
        "--no-conf",
        "--enable-rpc",
        `--rpc-listen-port=${at.port}`,
        "--quiet",
        `--dir=${at.dir}`,
        "--enable-dht=false",
      ],
    }),
  },
  {
    name: "Tor, as a SOCKS port",
    source: { debian: "tor" },
    program: "tor",
    version: ["tor", "--version"],
    tried: "0.4.9.11",
    verdict: "needs",
    refusal: /same data directory|already running|lock/,
    tweak: "a data directory per generation: `--DataDirectory /var/lib/tor.{epoch}`",
    exchange: { steps: [{ send: "\x05\x01\x00", expect: "\x05\x00" }] },
    place: (at) => ({
      command: [
        at.program("tor"),
        "-f",
        at.write("torrc", ""),
        "--defaults-torrc",
        "/dev/null",
        "--SocksPort",
        `127.0.0.1:${at.port}`,
        "--DisableNetwork",
        "0",
        "--Log",
        "notice stdout",
        "--DataDirectory",
        `${at.dir}/tor${at.isTweaked ? ".{epoch}" : ""}`,
        "--DirAuthority",
        `a orport=1 no-v2 v3ident=${"A".repeat(40)} 127.0.0.1:1 ${"A".repeat(40)}`,
      ],
    }),
  },
  {
    name: "socat `TCP-LISTEN,fork`",
    source: { debian: "socat" },
    program: "socat",
    version: ["dpkg-query", "-W", "socat"],
    tried: "1.7.4.4",
    verdict: "works",
    isInGate: true,
    exchange: greeting(/^hello\n/),
    place: (at) => ({
      command: [
        at.program("socat"),
        `TCP-LISTEN:${at.port},bind=127.0.0.1,reuseaddr,fork`,
        "SYSTEM:echo hello",
      ],
    }),
  },
  {
    name: "Ncat `-lk -e`",
    source: { debian: "ncat" },
    program: "ncat",
    version: ["ncat", "--version"],
    tried: "7.93",
    verdict: "works",
    exchange: greeting(/^hello\n/),
    place: (at) => ({
      command: [at.program("ncat"), "-lk", "127.0.0.1", String(at.port), "-c", "echo hello"],
    }),
  },
  {
    name: "xinetd `-dontfork -pidfile`",
    source: { debian: "xinetd" },
    program: "xinetd",
    version: ["xinetd", "-version"],
    tried: "2.3.15.3",
    verdict: "works",
    pidFile: "gone",
    exchange: greeting(/^hello/),
    place(at) {
      const pidFile = `${at.dir}/xinetd.pid`;
      const config = at.write(
        "xinetd.conf",
        `defaults\n{\n instances = UNLIMITED\n cps = 10000 1\n}\nservice hello\n{\n` +
          ` type = UNLISTED\n port = ${at.port}\n bind = 127.0.0.1\n socket_type = stream\n` +
          ` protocol = tcp\n wait = no\n user = nobody\n server = /bin/echo\n` +
          ` server_args = hello\n}\n`,
      );
      return {
        command: [at.program("xinetd"), "-dontfork", "-f", config, "-pidfile", pidFile],
        pidFile,
      };
    },
  },
  {
    name: "tcpserver (ucspi-tcp)",
    source: { debian: "ucspi-tcp" },
    program: "tcpserver",
    version: ["dpkg-query", "-W", "ucspi-tcp"],
    tried: "0.88",
    verdict: "works",
    exchange: greeting(/^hello\n/),
    place: (at): Placed => ({
      command: [
        at.program("tcpserver"),
        "-HRl0",
        "127.0.0.1",
        String(at.port),
        "echo",
        "hello",
      ],
    }),
  },
];
