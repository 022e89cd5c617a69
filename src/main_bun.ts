/** Entry for Bun, and so for the shipped binary. */
import { start } from "./cli/start.ts";
import { bunRuntime } from "./platform/runtime/bun.ts";

const runtime = bunRuntime();
start(runtime).then((status) => runtime.exit(status));
