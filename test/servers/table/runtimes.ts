/** Application servers of Node.js, Bun, Deno, Go and Java. */
import { http } from "../exchange.ts";
import type { Place, Placed, ServerRow } from "../row.ts";
import { REPOSITORY } from "../../support/programs.ts";
import { place, server, type ServerId } from "../../support/servers.ts";

/** The servers that the promises are tested with; the answer says which version and process it is from. */
function promised(id: ServerId, at: Place): Placed {
  return place(server(id), { port: at.port, workDir: at.dir });
}

/** Those that this repository brings anyway. */
const BUN = `${REPOSITORY}/node_modules/.bin/bun`;
const DENO = `${REPOSITORY}/.cache/deno-2.9.6`;
const ANSWER = http(/version=1/);

export const RUNTIMES: readonly ServerRow[] = [
  {
    name: "Node.js `http`",
    source: { debian: "nodejs" },
    program: "node",
    version: ["node", "--version"],
    tried: "20.20.2",
    verdict: "works",
    exchange: ANSWER,
    place: (at) => promised("node", at),
  },
  {
    name: "Node.js `cluster`, round robin",
    source: { debian: "nodejs" },
    program: "node",
    version: ["node", "--version"],
    tried: "20.20.2",
    verdict: "works",
    exchange: http(/hello/),
    place: (at) => cluster(at, "SCHED_RR"),
  },
  {
    name: "Node.js `cluster`, `SCHED_NONE`",
    source: { debian: "nodejs" },
    program: "node",
    version: ["node", "--version"],
    tried: "20.20.2",
    verdict: "works",
    exchange: http(/hello/),
    place: (at) => cluster(at, "SCHED_NONE"),
  },
  {
    name: "pm2-runtime, cluster mode",
    source: { npm: ["pm2@7.0.4"] },
    program: "pm2-runtime",
    version: ["pm2-runtime", "--version"],
    tried: "7.0.4",
    verdict: "works",
    exchange: http(/hello/),
    place(at) {
      const app = at.write(
        "app.js",
        `require("http").createServer((q, r) => r.end("hello")).listen(${at.port}, "127.0.0.1");\n`,
      );
      const command = [at.program("pm2-runtime"), "start", app, "-i", "2"];
      return { command: ["env", `PM2_HOME=${at.dir}/pm2`, ...command] };
    },
  },
  {
    name: "Bun `Bun.serve`",
    source: { npm: ["bun@1.4.5"] },
    program: BUN,
    version: [BUN, "--version"],
    tried: "1.4.5",
    verdict: "works",
    exchange: ANSWER,
    place: (at) => promised("bun", at),
  },
  {
    name: "Deno `Deno.serve`",
    source: { npm: ["deno@2.9.6"] },
    program: DENO,
    version: [DENO, "--version"],
    tried: "2.9.6",
    verdict: "works",
    exchange: ANSWER,
    place: (at) => promised("deno", at),
  },
  {
    name: "Go `net/http`, static",
    source: { debian: "golang-go" },
    program: "go",
    version: ["go", "version"],
    tried: "1.26.8",
    verdict: "works",
    exchange: ANSWER,
    place: (at) => promised("go", at),
  },
  {
    name: "Java `com.sun.net.httpserver`",
    source: { debian: "default-jdk-headless" },
    program: "javac",
    version: ["java", "-version"],
    tried: "17.0.15",
    verdict: "works",
    exchange: ANSWER,
    place: (at) => promised("java", at),
  },
  {
    name: "Erlang/OTP `gen_tcp`, no node name",
    source: { debian: "erlang-base" },
    program: "erl",
    version: ["dpkg-query", "-W", "erlang-base"],
    tried: "25.2.3",
    verdict: "works",
    exchange: { steps: [{ expect: /^hi$/ }] },
    place: (at) => ({ command: ["erl", "-noinput", "-eval", echo(at)] }),
  },
  {
    name: "Erlang/OTP with `-sname`, as RabbitMQ and Phoenix",
    source: { debian: "erlang-base" },
    program: "erl",
    version: ["dpkg-query", "-W", "erlang-base"],
    tried: "25.2.3",
    verdict: "stop-first",
    tweak: "a name per generation: `-sname app{epoch}`",
    exchange: { steps: [{ expect: /^hi$/ }] },
    place: (at) => {
      const name = at.isTweaked ? `n${at.port}e{epoch}` : `n${at.port}`;
      return { command: ["erl", "-sname", `${name}@localhost`, "-noinput", "-eval", echo(at)] };
    },
  },
];

function cluster(at: Place, policy: string): Placed {
  const app = at.write(
    "cluster.js",
    `const cluster = require("cluster"); cluster.schedulingPolicy = cluster.${policy};\n` +
      `if (cluster.isPrimary) for (let i = 0; i < 2; i++) cluster.fork();\n` +
      `else require("http").createServer((q, r) => r.end("hello")).listen(${at.port}, "127.0.0.1");\n`,
  );
  return { command: [at.program("node"), app] };
}

function echo(at: Place): string {
  return `{ok,L}=gen_tcp:listen(${at.port},[{ip,{127,0,0,1}},{reuseaddr,true},{active,false}]), ` +
    `F=fun G()->{ok,S}=gen_tcp:accept(L),gen_tcp:send(S,<<"hi">>),gen_tcp:close(S),G() end, F().`;
}
