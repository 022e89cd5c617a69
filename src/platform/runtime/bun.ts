/** `Runtime` on Bun: `bun:ffi`, `process` signals, a Worker from a blob URL. */
import { dlopen, type Pointer, ptr, toArrayBuffer } from "bun:ffi";
import process from "node:process";
import { unhide } from "../process/hidden_environment.ts";
import { openLazily } from "./ffi_library.ts";
import { givenArguments, givenEnvironment } from "./exec_strings.ts";
import { runPollThread } from "./poll_thread.ts";
import type { Library, OnResult, PollOptions, PrototypeTable, Runtime } from "./runtime.ts";

const ARCH = process.arch === "arm64" ? "arm64" : "x64";

/** Variables that `bun FILE` heeds. BUN_INSTALL is in every profile, and heeded by `bun install` only. */
const HEEDED =
  /^(BUN_(?!INSTALL)|NODE_(OPTIONS|CHANNEL_FD|DEBUG)$|MIMALLOC_|SIMDUTF_|JavaScriptCoreUseJIT$)/;

const BIND_POLLING = `import { dlopen } from "bun:ffi";
const open = (name) => dlopen(name, {
  epoll_wait: { args: ["i32", "ptr", "i32", "i32"], returns: "i32" },
  epoll_ctl: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
  ioctl: { args: ["i32", "i64", "ptr"], returns: "i32" },
});`;

const NEVER_NOTIFIED = new Int32Array(new SharedArrayBuffer(4));

function openLibrary<T extends PrototypeTable>(
  names: readonly string[],
  table: T,
  onResult?: OnResult,
): Library<T> {
  return openLazily(
    names,
    table,
    (library, call, { parameters, result }) => {
      const args = parameters.map((type) => type === "buffer" ? "ptr" : type);
      const returns = result === "address" ? "ptr" : result;
      return dlopen(library, { [call]: { args, returns } }).symbols[call]!;
    },
    { i64: Number, address: Number },
    onResult,
  );
}

/** Whether this is the binary made by `bun build --compile`, where argv[1] is a path inside the binary. */
function isCompiled(): boolean {
  return (process.argv[1] ?? "").startsWith("/$bunfs/");
}

function startPollThread(options: PollOptions): Promise<void> {
  return runPollThread(options, BIND_POLLING, ARCH, (url) => {
    const worker = new Worker(url, { smol: true } as WorkerOptions);
    worker.addEventListener("error", (event) => {
      throw new Error(`Cannot run the poll thread: ${event.message}`);
    });
    return worker;
  });
}

function viewOf(address: number, length: number): Uint8Array {
  return new Uint8Array(toArrayBuffer(address as Pointer, 0, length));
}

export function bunRuntime(): Runtime {
  const environment = givenEnvironment(viewOf);
  return {
    name: "bun",
    version: process.versions.bun ?? "unknown",
    arch: ARCH,
    pid: process.pid,
    argv: givenArguments(process.argv.slice(2)),
    // In a child before its exec, /proc/self/exe is this very binary, even when its file has been
    // replaced by a newer one since: baton and its launcher are always the same version.
    selfCommand: isCompiled() ? ["/proc/self/exe"] : [process.execPath, process.argv[1] ?? ""],
    environ: () => ({ ...environment }),
    env: () => unhide(environment),
    heeds: isCompiled() ? null : HEEDED,
    exit: (status) => process.exit(status),
    giveBackMemory: (what) => what === "all" ? Bun.shrink() : void Bun.gc(false),
    // Bun loses no errno: not in 60 million failed calls, with garbage to collect and signals.
    rawCalls: null,
    shortPause: async (delayMs) => await Atomics.waitAsync(NEVER_NOTIFIED, 0, 0, delayMs).value,
    openLibrary,
    addressOf: (view) => Number(ptr(view)),
    viewOf,
    onUncaught: (handler) => {
      process.on("uncaughtException", handler);
      process.on("unhandledRejection", handler);
    },
    onSignal: (signal, handler) => {
      const listener = () => handler();
      process.on(signal, listener);
      return () => process.off(signal, listener);
    },
    startPollThread,
  };
}
