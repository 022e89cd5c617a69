/** The promise of --udp switch, with DNS servers as Debian has them: no question is lost, over UDP or TCP. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { DnsLoad } from "../support/dns_load.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { reload } from "../support/listening.ts";
import { which } from "../support/programs.ts";
import { IS_FULL } from "../support/repeats.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";

const RELOADS = 10;
const CLIENTS = 8;

type Make = (dir: TempDir, port: number) => string[];

const SERVERS: Record<string, Make> = {
  unbound: (dir, port) => [
    "-d",
    "-c",
    dir.write(
      "unbound.conf",
      `server:\n interface: 127.0.0.1@${port}\n do-daemonize: no\n pidfile: ""\n chroot: ""\n` +
        ` directory: "${dir.path}"\n username: ""\n use-syslog: no\n logfile: ""\n` +
        ` num-threads: 2\n local-zone: "test." static\n local-data: "a.test. A 192.0.2.1"\n` +
        ` access-control: 127.0.0.0/8 allow\nremote-control:\n control-enable: no\n`,
    ),
  ],
  dnsmasq: (_dir, port) =>
    (`-k -C /dev/null -p ${port} --listen-address=127.0.0.1 --bind-interfaces --no-resolv --no-hosts` +
      ` --log-facility=- --pid-file= --user=root --address=/a.test/192.0.2.1`).split(" "),
  // Without `reuseport` a second copy cannot bind. By default it answers 200 questions a second of one client.
  nsd: (dir, port) => {
    for (const name of ["run", "zones"]) mkdirSync(dir.join(name));
    return [
      "-d",
      "-c",
      dir.write(
        "nsd.conf",
        `server:\n ip-address: 127.0.0.1@${port}\n username: root\n pidfile: ""\n` +
          ` database: ""\n zonelistfile: "${dir.path}/zones.list"\n` +
          ` xfrdfile: "${dir.path}/xfrd"\n xfrdir: "${dir.path}"\n zonesdir: "${dir.path}"\n` +
          ` server-count: 2\n rrl-ratelimit: 0\nremote-control:\n control-enable: no\n`,
      ),
    ];
  },
};

describe("DNS servers with --udp switch", () => {
  for (const [name, make] of Object.entries(SERVERS)) {
    const skip = !IS_FULL
      ? "takes too long: make test-all"
      : which(name) === null
      ? `needs ${name}`
      : process.getuid?.() !== 0 && "needs root";
    test(
      `${name}: ${RELOADS} reloads lose nothing`,
      { skip, timeout: TEST_TIMEOUT_MS },
      async () => {
        using dir = tempDir();
        chmodSync(dir.path, 0o777);
        const port = await freePort();
        await using baton = await startBaton({
          command: [which(name)!, ...make(dir, port)],
          env: {},
          flags: ["--udp", "switch"],
        });
        await using load = new DnsLoad(port, CLIENTS);
        for (let i = 0; i < RELOADS; i++) {
          await load.more();
          await reload(baton);
        }
        await load.more();
        await load.stop();
        process.stderr.write(`  ${name}, ${RELOADS} reloads: ${load.text}\n`);
        assert.deepEqual(load.answered, load.sent, `${load.text}\n${baton.stderr}`);
        assert.ok(load.sent.tcp > 0 && load.sent.udp > 0);
      },
    );
  }
});
