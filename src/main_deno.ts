/** Entry for Deno: `deno run -A src/main_deno.ts`. */
import { runCommandLine } from "./cli/run.ts";
import { denoRuntime } from "./platform/runtime/deno.ts";

const runtime = denoRuntime();
runCommandLine(runtime).then((status) => runtime.exit(status));
