/**
 * Servers of which two copies must not run at the same time: what the second one would do to the first one's data, or why
 * it would not start. Each rule rests on the server's own documentation, and names the place. Pure.
 */
import { directives, type Look, optionValues, redisSettings } from "./server_files.ts";

interface ExclusiveRule {
  readonly names: string;
  /** The reason for people, after the program's name. */
  readonly reason: string;
  readonly source: string;
  /** Whether the rule applies; missing: always. @param words after the program */
  readonly applies?: (words: readonly string[], look: Look) => boolean;
}

function first(words: readonly string[]): string {
  return words.find((word) => !word.startsWith("-")) ?? "";
}

function text(
  words: readonly string[],
  options: string,
  look: Look,
  fallback: string | null = null,
): string {
  const path = optionValues(words, options).at(-1) ?? fallback;
  return path === null ? "" : look.read(path) ?? "";
}

/** Whether Redis writes a dump, as it does without --save "" and the like. */
function redisPersists(words: readonly string[], look: Look): boolean {
  const settings = redisSettings(words, look);
  const values = (name: string) =>
    settings.filter((each) => each.name === name).map(({ value }) => value);
  const isOn = (name: string) => values(name).at(-1) === "yes";
  const saves = values("save");
  // Later lines add to earlier ones; an empty one takes all of them back.
  const dumps = saves.length === 0 || saves.slice(saves.lastIndexOf("") + 1).length > 0;
  return dumps || isOn("appendonly") || isOn("cluster-enabled") || words.includes("--sentinel");
}

/** "jetstream {", "jetstream: enabled", "jetstream = true" */
const JETSTREAM = /^\s*"?jetstream"?\s*([:=]\s*)?(\{|"?(true|enabled?|on)\b)/im;

function natsStores(words: readonly string[], look: Look): boolean {
  return words.some((word) => /^--?(js|jetstream)(=true)?$/.test(word)) ||
    JETSTREAM.test(text(words, "-c --config -config", look));
}

function mosquittoStores(words: readonly string[], look: Look): boolean {
  return directives(text(words, "-c --config-file", look)).some(({ name, value }) =>
    name === "persistence" && /^(true|1)$/.test(value)
  );
}

function squidStores(words: readonly string[], look: Look): boolean {
  return directives(text(words, "-f", look, "/etc/squid/squid.conf")).some(({ name, value }) =>
    name === "cache_dir" && !value.startsWith("null")
  );
}

/** Whether a node of Erlang has one name at each start; `erl -sname n{epoch}` has not. */
function hasFixedNodeName(words: readonly string[]): boolean {
  const name = optionValues(words, "-sname -name --sname --name").at(-1);
  return name !== undefined && !name.includes("{");
}

// deno-fmt-ignore: one rule per entry, so that it reads as a table
export const EXCLUSIVE_RULES: readonly ExclusiveRule[] = [
  { names: "postgres postmaster", reason: "locks its data directory: a second copy does not start",
    source: "postgresql.org/docs/current/server-start.html" },
  { names: "mariadbd mariadb mysqld", reason: "locks its data directory: a second copy does not start",
    source: "mariadb.com/kb/en/running-multiple-mariadb-server-processes; dev.mysql.com/doc/refman, multiple-servers.html" },
  { names: "redis-server valkey-server keydb-server",
    reason: "keeps its data in one file: a second copy starts from an old one, and each overwrites the other's",
    source: "redis.io/docs/latest/operate/oss_and_stack/management/persistence", applies: redisPersists },
  { names: "redis-sentinel valkey-sentinel", reason: "keeps its state in its configuration file",
    source: "redis.io/docs/latest/operate/oss_and_stack/management/sentinel" },
  { names: "mongod", reason: "locks its data directory: a second copy does not start",
    source: "mongodb.com/docs/manual/reference/program/mongod, --dbpath" },
  { names: "etcd", reason: "locks its data directory: a second copy waits for it",
    source: "etcd.io/docs, op-guide: a data directory for each member",
    applies: (words) => !/^(gateway|grpc-proxy)$/.test(first(words)) },
  { names: "mosquitto", reason: "keeps retained messages in one file: each copy overwrites the other's",
    source: "mosquitto.conf(5), persistence", applies: mosquittoStores },
  { names: "nats-server", reason: "keeps its streams in one directory without a lock: two copies lose messages",
    source: "docs.nats.io/nats-concepts/jetstream; running-a-nats-service/configuration, store_dir", applies: natsStores },
  { names: "rabbitmq-server", reason: "has one node name and one data directory: a second copy does not start",
    source: "rabbitmq.com/docs/clustering#node-names" },
  { names: "erl beam.smp elixir iex", reason: "has a node name that can be taken once",
    source: "erl(1), -sname; erlang.org/doc/reference_manual/distributed.html", applies: hasFixedNodeName },
  { names: "beanstalkd", reason: "locks the directory of its log (-b): a second copy does not start",
    source: "beanstalkd(1), -b", applies: (words) => words.some((word) => /^-b/.test(word)) },
  { names: "tarantool", reason: "locks the directory of its log: a second copy does not start",
    source: "tarantool.io/en/doc, reference/configuration, wal_dir and hot_standby" },
  { names: "transmission-daemon", reason: "writes its settings and its torrents' state to one directory",
    source: "transmission-daemon(1), --config-dir; the project's wiki, Editing-Configuration-Files" },
  { names: "prosody", reason: "has one pid file, and keeps its data in plain files",
    source: "prosody.im/doc/storage; prosody.im/doc/configure#pidfile" },
  { names: "slapd", reason: "must be alone with its database", source: "slapadd(8), LIMITATIONS; slapd-mdb(5)" },
  { names: "influxd", reason: "locks its data directory: a second copy does not start",
    source: "docs.influxdata.com/influxdb/v2, bolt-path and engine-path",
    applies: (words) => !/^(inspect|upgrade|version|print-config)$/.test(first(words)) },
  { names: "clickhouse-server", reason: "locks its data directory: a second copy does not start",
    source: "clickhouse.com/docs/operations/server-configuration-parameters, path" },
  { names: "cockroach", reason: "locks its store: a second copy does not start",
    source: "cockroachlabs.com/docs/stable/cockroach-start, --store",
    applies: (words) => /^start/.test(first(words)) },
  { names: "minio", reason: "must be alone with its drives",
    source: "min.io/docs, deployment checklist: exclusive access to drives",
    applies: (words) => first(words) === "server" },
  { names: "consul", reason: "has one data directory, and one identity in its cluster",
    source: "developer.hashicorp.com/consul/docs/agent/config, data_dir and node_id",
    applies: (words) => first(words) === "agent" && !words.includes("-dev") },
  { names: "vault", reason: "must be alone with its storage",
    source: "developer.hashicorp.com/vault/docs/configuration/storage: raft, filesystem",
    applies: (words, look) => /^\s*storage\s+"(raft|file)"/m.test(text(words, "-config --config", look)) },
  { names: "prometheus", reason: "locks its data directory: a second copy does not start",
    source: "prometheus.io/docs/prometheus/latest/command-line/prometheus, --storage.tsdb.no-lockfile" },
  { names: "elasticsearch opensearch", reason: "locks its data path: a second copy does not start",
    source: "elastic.co/guide, path.data: not shared by several nodes" },
  { names: "kafka-server-start.sh kafka-server-start zkServer.sh", reason: "has one data directory, and one identity in its cluster",
    source: "kafka.apache.org/documentation, log.dirs and node.id; zookeeper.apache.org, Administrator's Guide: dataDir and myid" },
  { names: "squid", reason: "must be alone with its cache_dir",
    source: "squid-cache.org/Doc/config/cache_dir; wiki.squid-cache.org/MultipleInstances", applies: squidStores },
  { names: "varnishd", reason: "locks its working directory (-n): a second copy does not start",
    source: "varnishd(1), -n", applies: (words) => optionValues(words, "-n").at(-1)?.includes("{") !== true },
  { names: "traffic_server traffic_manager", reason: "locks its runtime directory: a second copy does not start",
    source: "docs.trafficserver.apache.org, traffic_server, --run-root",
    applies: (words) => optionValues(words, "--run-root").at(-1)?.includes("{") !== true },
  { names: "postfix", reason: "locks its queue: a second copy does not start", source: "master(8)",
    applies: (words) => words.includes("start-fg") },
  { names: "dovecot", reason: "has one base_dir: a second copy does not start", source: "doc.dovecot.org, base_dir" },
];
