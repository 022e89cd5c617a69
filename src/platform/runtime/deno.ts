/** `Runtime` on Deno: `Deno.dlopen`, `Deno.addSignalListener`, a Worker from a blob URL. */
import inspector from "node:inspector";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { loadRaw } from "../libc/load_raw.ts";
import { unhide } from "../process/hidden_environment.ts";
import { openLazily } from "./ffi_library.ts";
import { givenArguments, givenEnvironment } from "./exec_strings.ts";
import { runPollThread } from "./poll_thread.ts";
import type { Library, OnResult, PollOptions, PrototypeTable, Runtime } from "./runtime.ts";

const ARCH = Deno.build.arch === "aarch64" ? "arm64" : "x64";
const MOST_LOOKS_FOR_INSPECTOR = 50;
const INSPECTOR_LOOK_MS = 10;
/**
 * Variables that `deno run` heeds: all that it may look at but where its files and certificates are, and how it asks.
 * Of Node's, those that it was seen to heed.
 */
const HEEDED = new RegExp(
  "^(DENO_(?!(DIR|CERT|TLS_CA_STORE|AUTH_TOKENS|NO_PROMPT|NO_UPDATE_CHECK|INSTALL_ROOT|JOBS|VERSION)$)" +
    "|OTEL_DENO|NODE_(OPTIONS|V8_COVERAGE|CHANNEL_FD|DEBUG)$)",
);

const BIND_POLLING = `const open = (name) => Deno.dlopen(name, {
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  ioctl: { parameters: ["i32", "i64", "buffer"], result: "i32" },
});`;

function openLibrary<T extends PrototypeTable>(
  names: readonly string[],
  table: T,
  onResult?: OnResult,
): Library<T> {
  return openLazily(names, table, (library, call, { parameters, result }) => {
    const declaration = { parameters, result: result === "address" ? "pointer" : result } as const;
    return Deno.dlopen(library, { [call]: declaration }).symbols[call]!;
  }, {
    i64: Number, // From BigInt.
    address: (value) => Number(Deno.UnsafePointer.value(value as Deno.PointerValue)),
  }, onResult);
}

function startPollThread(options: PollOptions): Promise<void> {
  return runPollThread(options, BIND_POLLING, ARCH, (url) => new Worker(url, { type: "module" }));
}

/**
 * Since 2.9.2 Deno opens its inspector at SIGUSR1, whether or not baton listens to the signal: any
 * user of this machine could debug baton. There is no option against it, so it is closed again; it
 * opens a moment after the listener was called.
 */
function closeInspector(looksLeft = MOST_LOOKS_FOR_INSPECTOR): void {
  if (inspector.url() !== undefined) inspector.close();
  else if (looksLeft > 0) setTimeout(() => closeInspector(looksLeft - 1), INSPECTOR_LOOK_MS);
}

/** The bundle needs no configuration, and must not find the server's; the source has its imports from its own. */
function configOf(mainModule: string): readonly string[] {
  if (!mainModule.endsWith(".ts")) return ["--no-config"];
  return ["--config", fileURLToPath(new URL("../deno.json", mainModule).href)];
}

function viewOf(address: number, length: number): Uint8Array {
  const pointer = Deno.UnsafePointer.create(BigInt(address))!;
  return new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, length));
}

export function denoRuntime(): Runtime {
  const environment = givenEnvironment(viewOf);
  const { mainModule } = Deno;
  return {
    name: "deno",
    version: Deno.version.deno,
    arch: ARCH,
    pid: Deno.pid,
    argv: givenArguments(Deno.args),
    selfCommand: [Deno.execPath(), "run", "-A", ...configOf(mainModule), fileURLToPath(mainModule)],
    environ: () => ({ ...environment }),
    env: () => unhide(environment),
    heeds: HEEDED,
    exit: (status) => process.exit(status) as never,
    // V8 collects when a process becomes idle.
    giveBackMemory: () => {},
    // Deno's Atomics.waitAsync takes a millisecond, too.
    shortPause: null,
    // Seen with Deno: another error than that of the call, in about one of a hundred million.
    rawCalls: (c, keep) => loadRaw({ arch: ARCH, openLibrary }, c, keep),
    openLibrary,
    addressOf: (view) =>
      Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(view as Uint8Array<ArrayBuffer>))),
    viewOf,
    onUncaught: (handler) => {
      globalThis.addEventListener("error", (event) => {
        event.preventDefault();
        handler((event as ErrorEvent).error);
      });
      globalThis.addEventListener("unhandledrejection", (event) => {
        event.preventDefault();
        handler((event as PromiseRejectionEvent).reason);
      });
    },
    onSignal: (signal, handler) => {
      const listener = () => {
        handler();
        if (signal === "SIGUSR1") closeInspector();
      };
      Deno.addSignalListener(signal as Deno.Signal, listener);
      return () => Deno.removeSignalListener(signal as Deno.Signal, listener);
    },
    startPollThread,
  };
}
