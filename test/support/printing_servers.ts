/**
 * Servers that print numbered lines, in many languages, and the account of what has come of them.
 *
 * Generation 0 prints AMOUNT bytes before it listens, in the same breath; generation 1 as soon as it listens;
 * each later one when it is asked. So one baton and two reloads try all three.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { get } from "node:http";
import process from "node:process";
import { startBaton } from "./baton.ts";
import { freePort } from "./free_port.ts";
import { openFds } from "./proc.ts";
import { findBun, findDeno, findNode, findPython, fixture, required, which } from "./programs.ts";
import { type TempDir, tempDir } from "./temp_dir.ts";
import { waitUntil } from "./wait_until.ts";

/** With its line's end. */
const LINE_LENGTH = 100;
const PHASES = 3;
/** What a reader has read when it stops for a while. */
const LITTLE = 10_000;
const ANSWER_MS = 60_000;

export type OutputKind = "file" | "append" | "null" | "pipe" | "fifo" | "socket";
export const OUTPUT_KINDS: readonly OutputKind[] = [
  ...["file", "append", "null", "pipe", "fifo", "socket"] as const,
];

const JS_LINES = `
const { PORT, AMOUNT, BATON_EPOCH } = process.env;
const phase = Number(BATON_EPOCH);
const print = () => {
  for (let i = 0; i < AMOUNT / ${LINE_LENGTH}; i++) say((phase + " " + i + " ").padEnd(${
  LINE_LENGTH - 1
}, "x"));
};
if (phase === 0) print();`;
/** A host would be looked up first, and the event loop go round before the listen. */
const JS_SERVER = `
require("node:http").createServer((request, response) => {
  if (phase > 1) print();
  response.end("ok");
}).listen(Number(PORT), () => { if (phase === 1) print(); });`;
/** More than any pipe holds, in one write: the rest waits in the event loop, however fast the reader is. */
const JS_AT_ONCE = `let text = "";
const say = (line) => {
  text += line + "\\n";
  if (text.length < AMOUNT) return;
  process.stdout.write(text);
  text = "";
};${JS_LINES}${JS_SERVER}`;
const JS = `const say = (line) => console.log(line);${JS_LINES}${JS_SERVER}`;
const JS_STREAM =
  `const say = (line) => process.stdout.write(line + "\\n");${JS_LINES}${JS_SERVER}`;
const DENO = `const say = (line) => console.log(line);
const process = { env: Deno.env.toObject() };${JS_LINES}
Deno.serve({ port: Number(PORT), hostname: "127.0.0.1", onListen: () => { if (phase === 1) print(); } }, () => {
  if (phase > 1) print();
  return new Response("ok");
});`;

const PYTHON_LINES = `
import os
phase = int(os.environ["BATON_EPOCH"])
def lines():
    for i in range(int(os.environ["AMOUNT"]) // ${LINE_LENGTH}):
        yield f"{phase} {i} ".ljust(${LINE_LENGTH - 1}, "x") + "\\n"
PORT = int(os.environ["PORT"])
ANSWER = b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok"
`;
const PYTHON = `${PYTHON_LINES}
import socket
def say():
    for line in lines(): print(line, end="", flush=True)
if phase == 0: say()
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", PORT))
s.listen()
if phase == 1: say()
while True:
    c, _ = s.accept()
    c.recv(9999)
    if phase > 1: say()
    c.sendall(ANSWER)
    c.close()
`;
/** A transport, which the event loop waits for, where its output is one that asyncio takes. */
const ASYNCIO = `${PYTHON_LINES}
import asyncio, sys
async def main():
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.connect_write_pipe(asyncio.Protocol, sys.stdout)
        write = lambda line: transport.write(line.encode())
    except ValueError:
        write = lambda line: print(line, end="", flush=True)
    def say():
        for line in lines(): write(line)
    async def answer(reader, writer):
        await reader.readuntil(b"\\r\\n\\r\\n")
        if phase > 1: say()
        writer.write(ANSWER)
        await writer.drain()
        writer.close()
    if phase == 0: say()
    server = await asyncio.start_server(answer, "127.0.0.1", PORT)
    if phase == 1: say()
    await server.serve_forever()
asyncio.run(main())
`;
const RUBY = `require "socket"
$stdout.sync = true
PHASE = Integer(ENV["BATON_EPOCH"])
def say
  (Integer(ENV["AMOUNT"]) / ${LINE_LENGTH}).times { |i| puts "#{PHASE} #{i} ".ljust(${
  LINE_LENGTH - 1
}, "x") }
end
say if PHASE == 0
server = TCPServer.new("127.0.0.1", Integer(ENV["PORT"]))
say if PHASE == 1
loop do
  client = server.accept
  client.readpartial(9999)
  say if PHASE > 1
  client.write "HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok"
  client.close
end
`;
const GO = `package main

import ("fmt"; "net"; "net/http"; "os"; "strconv"; "strings")

func say(phase, amount int) {
	for i := 0; i < amount/${LINE_LENGTH}; i++ {
		line := fmt.Sprintf("%d %d ", phase, i)
		fmt.Println(line + strings.Repeat("x", ${LINE_LENGTH - 1}-len(line)))
	}
}

func main() {
	phase, _ := strconv.Atoi(os.Getenv("BATON_EPOCH"))
	amount, _ := strconv.Atoi(os.Getenv("AMOUNT"))
	if phase == 0 { say(phase, amount) }
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil { panic(err) }
	if phase == 1 { say(phase, amount) }
	http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if phase > 1 { say(phase, amount) }
		fmt.Fprint(w, "ok")
	}))
}
`;
const JAVA = `import java.net.*;
public class Prints {
  static void say(int phase) {
    for (int i = 0; i < Integer.parseInt(System.getenv("AMOUNT")) / ${LINE_LENGTH}; i++) {
      String line = phase + " " + i + " ";
      System.out.println(line + "x".repeat(${LINE_LENGTH - 1} - line.length()));
    }
  }
  public static void main(String[] words) throws Exception {
    int phase = Integer.parseInt(System.getenv("BATON_EPOCH"));
    if (phase == 0) say(phase);
    var server = com.sun.net.httpserver.HttpServer.create(
      new InetSocketAddress("127.0.0.1", Integer.parseInt(System.getenv("PORT"))), 0);
    server.createContext("/", exchange -> {
      if (phase > 1) say(phase);
      exchange.sendResponseHeaders(200, 2);
      exchange.getResponseBody().write("ok".getBytes());
      exchange.close();
    });
    server.start();
    if (phase == 1) say(phase);
  }
}
`;

export interface PrintingServer {
  readonly name: string;
  /** The program that it needs, or null. */
  readonly program: () => string | null;
  /** Writes what is needed into the folder. */
  readonly command: (program: string, work: TempDir) => string[];
}

const script = (name: string, text: string) => (program: string, work: TempDir) => [
  program,
  work.write(name, text),
];

export const PRINTING_SERVERS: readonly PrintingServer[] = [
  { name: "node", program: findNode, command: script("s.js", JS) },
  { name: "node, at once", program: findNode, command: script("s.js", JS_AT_ONCE) },
  {
    name: "node below a shell",
    program: findNode,
    command: (node, work) => ["sh", "-c", '"$@" & wait', "sh", node, work.write("s.js", JS)],
  },
  { name: "bun", program: findBun, command: script("s.cjs", JS) },
  { name: "bun, stream", program: findBun, command: script("s.cjs", JS_STREAM) },
  {
    name: "deno",
    program: findDeno,
    command: (deno, work) => [deno, "run", "-A", "--no-config", work.write("s.js", DENO)],
  },
  { name: "python", program: findPython, command: script("s.py", PYTHON) },
  { name: "asyncio", program: findPython, command: script("s.py", ASYNCIO) },
  { name: "ruby", program: () => which("ruby"), command: script("s.rb", RUBY) },
  {
    name: "go",
    program: () => which("go"),
    command: (go, work) => {
      const source = work.write("main.go", GO);
      const env = { ...process.env, CGO_ENABLED: "0", GO111MODULE: "off", GOTOOLCHAIN: "local" };
      execFileSync(go, ["build", "-o", work.join("prints"), source], { env });
      return [work.join("prints")];
    },
  },
  {
    name: "java",
    program: () => which("java") && which("javac"),
    command: (javac, work) => {
      execFileSync(javac, ["-d", work.path, work.write("Prints.java", JAVA)]);
      const flags = ["-Xmx64m", "-XX:+UseSerialGC"];
      return [required("java", which("java")), ...flags, "-cp", work.path, "Prints"];
    },
  },
];

export interface Cell {
  readonly command: readonly string[];
  readonly kind: OutputKind;
  /** Bytes that each of three generations prints. */
  readonly amount: number;
  /** How many generations: the first prints before it listens, the second at that moment, the third when it is asked. */
  readonly generations?: number;
  /** At its listen, the first writes to baton's own output itself. */
  readonly isDirect?: boolean;
  /** So many upgrades in place while the first prints, and its reader does not read. */
  readonly upgrades?: number;
  /** Its reader reads slowly. */
  readonly isSlow?: boolean;
  readonly flags?: readonly string[];
}

/** Runs one baton with a start and two reloads. @throws what is missing, doubled, torn or out of order */
export async function printAll(cell: Cell): Promise<void> {
  const { command, kind, amount, generations = PHASES, isSlow, upgrades = 0, flags = [] } = cell;
  using work = tempDir();
  const [out, log] = [work.join("out"), work.join("log")];
  const port = await freePort();
  const python = required("python3", findPython());
  await using baton = await startBaton({
    command: [...command],
    env: {
      PORT: String(port),
      AMOUNT: String(amount),
      ...isSlow ? { SLOW: "1" } : {},
      ...upgrades > 0 ? { PAUSE_AT: String(LITTLE) } : {},
    },
    flags: ["--log-file", log, ...flags],
    wrapper: [python, fixture("output_to.py"), kind, out],
  });
  if (cell.isDirect) {
    const pid = (await baton.status()).generations[0]?.pid ?? 0;
    assert.equal(openFds(pid).get(1), openFds(baton.pid).get(1));
  }
  for (let i = 0; i < upgrades; i++) {
    await waitUntil(() => sizeOf(out) >= LITTLE, { what: "its reader has had enough" });
    const { code, stderr } = await baton.cli("upgrade", "--in-place");
    assert.equal(code, 0, stderr);
  }
  work.write("out.go", "");
  // What a server still has in memory when it is stopped goes with it, with or without baton.
  const hasCome = async (phases: number) => {
    if (kind === "null") return;
    await waitUntil(() => sizeOf(out) >= phases * amount, {
      what: `${phases} times ${amount} bytes have come`,
      deadlineMs: ANSWER_MS,
    }).catch(() => {}); // The account says more about it.
  };
  for (let phase = 1; phase < generations; phase++) {
    await hasCome(phase);
    const { result, reason } = await baton.reload();
    assert.equal(result, "ok", reason ?? "");
    await baton.settled();
  }
  if (generations > 1) assert.equal(await answer(port), "ok");
  await hasCome(generations);
  assert.doesNotMatch(readFileSync(log, "utf8"), /crashed|internal error|SIG(ABRT|PIPE)/);
  assert.equal((await baton.stop()).code, 0);
  const isCopied = kind !== "file" && kind !== "append" && kind !== "null";
  if (isCopied) await waitUntil(() => existsSync(`${out}.whole`), { what: "the copy is whole" });
  if (kind !== "null") account(isCopied ? `${out}.whole` : out, { amount, generations });
}

export interface Together {
  readonly kind: OutputKind;
  readonly reloads: number;
  /** At least so many of each generation. */
  readonly lines: number;
  /** Between two lines of one generation, in seconds. */
  readonly pause: number;
}

/** Two generations at a time print without an end. @returns how many lines have come, all of them whole and in order */
export async function printTogether({ kind, reloads, lines, pause }: Together): Promise<number> {
  using work = tempDir();
  const [out, log] = [work.join("out"), work.join("log")];
  const python = required("python3", findPython());
  await using baton = await startBaton({
    command: [python, fixture("prints_on.py")],
    env: { PORT: String(await freePort()), PAUSE: String(pause) },
    flags: ["--log-file", log],
    wrapper: [python, fixture("output_to.py"), kind, out],
  });
  const hasPrinted = async () => {
    const enough = sizeOf(out) + lines * LINE_LENGTH;
    await waitUntil(() => sizeOf(out) >= enough, { what: `${lines} more lines come` });
  };
  for (let i = 0; i < reloads; i++) {
    await hasPrinted();
    const report = await baton.reload();
    assert.equal(report.result, "ok", JSON.stringify(report) + baton.stderr);
    await baton.settled();
  }
  await hasPrinted();
  await baton.stop();
  if (kind !== "file") await waitUntil(() => existsSync(`${out}.whole`), { what: "it is whole" });
  const { next, wrong, around } = read(kind === "file" ? out : `${out}.whole`, reloads + 1);
  assert.equal(
    wrong.length,
    0,
    `${wrong.length} lines are torn, or not where they belong:\n${around.join("\n")}\n` +
      readFileSync(log, "utf8"),
  );
  return next.reduce((sum, count) => sum + count, 0);
}

/** @throws {AssertionError} unless each generation's lines are there, whole, once and in order */
function account(
  path: string,
  { amount, generations }: { amount: number; generations: number },
): void {
  const { next, wrong, rest } = read(path, generations);
  assert.deepEqual(
    { wrong: wrong.slice(0, 5), countWrong: wrong.length, lines: next, rest },
    { wrong: [], countWrong: 0, lines: next.map(() => amount / LINE_LENGTH), rest: "" },
  );
}

/** @returns how many lines of each generation came as they should, and those that did not */
function read(path: string, generations: number) {
  const text = readFileSync(path, "latin1");
  const next = Array.from({ length: generations }, () => 0);
  const wrong = text.split("\n").slice(0, -1).filter((line) => {
    const [, phase, number] = /^(\d) (\d+) x+$/.exec(line) ?? [];
    const isNext = line.length === LINE_LENGTH - 1 && Number(number) === next[Number(phase)];
    if (isNext) next[Number(phase)]!++;
    return !isNext;
  });
  const lines = text.split("\n");
  const at = wrong.length === 0 ? 0 : lines.indexOf(wrong[0]!);
  const around = lines.map((line, index) => `line ${index}: ${line.replace(/x+$/, "")}`)
    .slice(Math.max(0, at - 5), at + 10);
  return { next, wrong, around, rest: text.slice(text.lastIndexOf("\n") + 1) };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function answer(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = get({ port, host: "127.0.0.1", agent: false, timeout: ANSWER_MS }, (response) => {
      let text = "";
      response.on("data", (bytes) => text += bytes).on("end", () => resolve(text));
    });
    sent.on("timeout", () => sent.destroy(new Error("no answer"))).on("error", reject);
  });
}
