/** Servers that must not run twice are known by their commands and configurations; others are not taken for such. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { exclusiveUse } from "../../../src/config/exclusive.ts";
import { EXCLUSIVE_RULES } from "../../../src/config/servers/exclusive_rules.ts";

const FILES: Readonly<Record<string, string>> = {
  "/etc/redis/dump.conf": "dir /var/lib/redis\nsave 900 1\nsave 300 10\nappendonly no\n",
  "/etc/redis/plain.conf": "port 6379\n",
  "/etc/redis/cache.conf": '# save 900 1\nsave ""\nappendonly no\n',
  "/etc/redis/aof.conf": 'save ""\nappendonly yes\n',
  "/etc/redis/late.conf": 'save ""\nsave 60 1\n',
  "/etc/redis/gone.conf": 'save 60 1\nsave ""\n',
  "/etc/redis/loop.conf": 'include loop.conf\nsave ""\n',
  "/srv/cache.conf": "save ''\n",
  "/etc/mosquitto/keep.conf": "listener 1883\npersistence true\n",
  "/etc/mosquitto/drop.conf": "# persistence true\nlistener 1883\n",
  "/etc/nats/js.conf": "port: 4222\njetstream {\n  store_dir: /data\n}\n",
  "/etc/nats/on.conf": "jetstream: enabled\n",
  "/etc/nats/off.conf": "# jetstream {\njetstream: disabled\n",
  "/etc/squid/squid.conf": "http_port 3128\n# cache_dir ufs /var/spool/squid 100 16 256\n",
  "/etc/squid/disk.conf": "cache_dir ufs /var/spool/squid 100 16 256\n",
  "/etc/vault/raft.hcl": 'storage "raft" {\n  path = "/data"\n}\n',
  "/etc/vault/consul.hcl": 'storage "consul" {}\n',
};

/** "+" for exclusive; "_" stands for an empty word. */
const COMMANDS: [exclusive: "+" | "-", line: string][] = [
  ["+", "/usr/lib/postgresql/15/bin/postgres -D /data"],
  ["+", "setpriv --reuid postgres postgres -D /data"],
  ["+", "docker-entrypoint.sh postgres"],
  ["+", "sh -c exec~postgres~-D~/data"],
  ["+", "mariadbd --user=mysql"],
  ["+", "mysqld"],
  ["+", "redis-server"],
  ["+", "redis-server --port 6380"],
  ["+", "redis-server /etc/redis/dump.conf"],
  ["+", "redis-server /etc/redis/plain.conf --port 1"],
  ["-", "redis-server /etc/redis/cache.conf"],
  ["-", "redis-server cache.conf"],
  ["-", "valkey-server --save _ --appendonly no"],
  ["-", "redis-server --save _"],
  ["+", "redis-server --save _ --appendonly yes"],
  ["+", "redis-server /etc/redis/cache.conf --save 60 1"],
  ["-", "redis-server /etc/redis/dump.conf --save _"],
  ["+", "redis-server /etc/redis/aof.conf"],
  ["-", "redis-server /etc/redis/aof.conf --appendonly no"],
  ["+", "redis-server /etc/redis/late.conf"],
  ["-", "redis-server /etc/redis/gone.conf"],
  ["-", "redis-server /etc/redis/loop.conf"],
  ["+", "redis-server --save _ --cluster-enabled yes"],
  ["+", "redis-server /nowhere.conf"],
  ["+", "redis-sentinel /etc/redis/sentinel.conf"],
  ["-", "redis-cli"],
  ["+", "mosquitto -c /etc/mosquitto/keep.conf"],
  ["-", "mosquitto -c /etc/mosquitto/drop.conf"],
  ["-", "mosquitto -p 1883"],
  ["+", "nats-server -js -sd /data"],
  ["+", "nats-server --jetstream"],
  ["+", "nats-server -c /etc/nats/js.conf"],
  ["+", "nats-server --config=/etc/nats/on.conf"],
  ["-", "nats-server -c /etc/nats/off.conf"],
  ["-", "nats-server -m 8222"],
  ["+", "etcd --data-dir /data"],
  ["+", "tarantool app.lua"],
  ["-", "etcd gateway start"],
  ["+", "beanstalkd -l 127.0.0.1 -b /data"],
  ["-", "beanstalkd -l 127.0.0.1"],
  ["+", "squid -N -f /etc/squid/disk.conf"],
  ["-", "squid -N"],
  ["+", "varnishd -F -a :80"],
  ["-", "varnishd -F -n /run/varnish.{epoch} -a :80"],
  ["+", "traffic_server"],
  ["+", "env TS_ROOT=/srv traffic_manager --run-root=/srv/runroot.yaml"],
  ["-", "traffic_server --run-root=/srv/run.{epoch}.yaml"],
  ["+", "erl -sname n1 -s app"],
  ["-", "erl -sname n{epoch} -s app"],
  ["-", "erl -s inets"],
  ["+", "rabbitmq-server"],
  ["+", "prosody -F"],
  ["+", "transmission-daemon -f"],
  ["+", "vault server -config=/etc/vault/raft.hcl"],
  ["-", "vault server -config=/etc/vault/consul.hcl"],
  ["-", "vault server -dev"],
  ["+", "minio server /data"],
  ["+", "consul agent -data-dir=/data"],
  ["-", "consul agent -dev"],
  ["+", "cockroach start-single-node"],
  ["-", "cockroach sql"],
  ["+", "sh /opt/kafka/bin/kafka-server-start.sh config/server.properties"],
  ["+", "postfix start-fg"],
  ["-", "node server.js"],
  ["-", "nginx -g daemon_off;"],
  ["-", "memcached -u nobody"],
  ["-", "constructor"],
  ["-", ""],
];

describe("exclusiveUse()", () => {
  for (const [expected, line] of COMMANDS) {
    it(`${expected === "+" ? "knows that one copy must be alone" : "knows nothing"} of "${line}"`, () => {
      const words = line.split(" ").map((word) => word === "_" ? "" : word.replaceAll("~", " "));
      const include = (path: string) => path.replace("/srv/loop.conf", "/etc/redis/loop.conf");
      const reason = exclusiveUse(words, "/srv", (path) => FILES[include(path)] ?? null);
      assert.equal(reason === null ? "-" : "+", expected, reason ?? "no reason");
    });
  }

  it("says who, and what would happen", () => {
    const reason = exclusiveUse(["/usr/bin/redis-server"], "/", () => null);
    assert.match(
      reason ?? "",
      /^redis-server keeps its data in one file: a second copy .* overwrites/,
    );
  });
});

describe("EXCLUSIVE_RULES", () => {
  it("name the place in the server's documentation, each program once", () => {
    const names = EXCLUSIVE_RULES.flatMap((rule) => rule.names.split(" "));
    assert.equal(new Set(names).size, names.length);
    for (const { source, reason, names } of EXCLUSIVE_RULES) {
      assert.match(source, /^\S.{5,140}$/, names);
      assert.match(reason, /^(has|keeps|locks|must|writes) /, names);
    }
  });
});
