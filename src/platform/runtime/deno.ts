/** `Runtime` on Deno: `Deno.dlopen`, `Deno.addSignalListener`, a Worker from a blob URL. */
import inspector from "node:inspector";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { unhide } from "../process/hidden_environment.ts";
import { hasToken } from "../poll_messages.ts";
import { givenArguments, givenEnvironment } from "./given.ts";
import { pollThreadSource } from "./poll_thread_source.ts";
import type {
  FfiArgument,
  FfiResult,
  Library,
  PollOptions,
  PollThread,
  PrototypeTable,
  Runtime,
} from "./runtime.ts";

const MOST_LOOKS_FOR_INSPECTOR = 50;
const INSPECTOR_LOOK_MS = 10;
/**
 * All that the program `deno run` may look at but where its files and certificates are, and how it asks.
 * Of Node's, those that it was seen to heed.
 */
const HEEDED = new RegExp(
  "^(DENO_(?!(DIR|CERT|TLS_CA_STORE|AUTH_TOKENS|NO_PROMPT|NO_UPDATE_CHECK|INSTALL_ROOT|JOBS|VERSION)$)" +
    "|OTEL_DENO|NODE_(OPTIONS|V8_COVERAGE|CHANNEL_FD|DEBUG)$)",
);
const ARGUMENT = { i32: "i32", u32: "u32", i64: "i64", buffer: "buffer" } as const satisfies Record<
  FfiArgument,
  Deno.NativeType
>;
const RESULT = {
  i32: "i32",
  i64: "i64",
  address: "pointer",
  void: "void",
} as const satisfies Record<
  FfiResult,
  Deno.NativeResultType
>;

const BIND_POLLING = `const open = (name) => Deno.dlopen(name, {
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  ioctl: { parameters: ["i32", "i64", "buffer"], result: "i32" },
});
let library;
try { library = open("libc.so.6"); } catch { library = open("libc.so"); }
const { epoll_wait: epollWait, epoll_ctl: epollCtl, ioctl } = library.symbols;`;

function openLibrary<T extends PrototypeTable>(names: readonly string[], table: T): Library<T> {
  const declarations: Record<string, Deno.ForeignFunction> = {};
  for (const [name, prototype] of Object.entries(table)) {
    declarations[name] = {
      parameters: prototype.parameters.map((type) => ARGUMENT[type]),
      result: RESULT[prototype.result],
    };
  }
  let failure: unknown;
  for (const name of names) {
    try {
      const { symbols } = Deno.dlopen(name, declarations);
      return narrowed(symbols as Record<string, (...values: unknown[]) => unknown>, table);
    } catch (error) {
      failure = error;
    }
  }
  throw new Error(`Cannot load any of ${names.join(", ")}`, { cause: failure });
}

/** 64-bit results are BigInt and pointers are opaque objects on Deno: make both plain numbers. */
function narrowed<T extends PrototypeTable>(
  symbols: Record<string, (...values: unknown[]) => unknown>,
  table: T,
): Library<T> {
  const library: Record<string, unknown> = {};
  for (const [name, prototype] of Object.entries(table)) {
    const call = symbols[name]!;
    if (prototype.result === "i64") {
      library[name] = (...values: unknown[]) => Number(call(...values));
    } else if (prototype.result === "address") {
      library[name] = (...values: unknown[]) =>
        Number(Deno.UnsafePointer.value(call(...values) as Deno.PointerValue));
    } else {
      library[name] = call;
    }
  }
  return library as Library<T>;
}

function startPollThread({ onEvents, ...orders }: PollOptions): PollThread {
  const arch = Deno.build.arch === "aarch64" ? "arm64" : "x64";
  const source = pollThreadSource(BIND_POLLING, arch);
  const url = URL.createObjectURL(new Blob([source], { type: "application/javascript" }));
  const worker = new Worker(url, { type: "module" });
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  worker.onmessage = ({ data }) => {
    if (data === "ready") {
      URL.revokeObjectURL(url);
      worker.postMessage(orders);
      return;
    }
    onEvents(data);
    if (hasToken(data, orders.stopToken)) {
      worker.terminate();
      resolve();
    }
  };
  return { ended };
}

/**
 * Since 2.9.2 Deno opens its inspector at SIGUSR1, whether or not somebody listens to the signal: any
 * user of this machine could debug baton. There is no option against it, so it is closed again; it
 * comes a moment after the listener was called.
 */
function closeInspector(looksLeft = MOST_LOOKS_FOR_INSPECTOR): void {
  if (inspector.url() !== undefined) inspector.close();
  else if (looksLeft > 0) setTimeout(() => closeInspector(looksLeft - 1), INSPECTOR_LOOK_MS);
}

function viewOf(address: number, length: number): Uint8Array {
  const pointer = Deno.UnsafePointer.create(BigInt(address))!;
  return new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, length));
}

/** @returns baton's view of Deno */
export function denoRuntime(): Runtime {
  const environment = givenEnvironment(viewOf);
  return {
    name: "deno",
    version: Deno.version.deno,
    arch: Deno.build.arch === "aarch64" ? "arm64" : "x64",
    pid: Deno.pid,
    argv: givenArguments(Deno.args),
    selfCommand: [Deno.execPath(), "run", "-A", "--no-config", fileURLToPath(Deno.mainModule)],
    environ: () => ({ ...environment }),
    env: () => unhide(environment),
    heeds: HEEDED,
    exit: (status) => process.exit(status) as never,
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
