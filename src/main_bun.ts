/** Entry for Bun, and so for the shipped binary. */
import { runCommandLine } from "./cli/run.ts";
import { bunRuntime } from "./platform/runtime/bun.ts";

const runtime = bunRuntime();
runCommandLine(runtime).then((status) => runtime.exit(status));
