/** Entry for Deno: `deno run -A src/main_deno.ts`. */
import { start } from "./cli/start.ts";
import { denoRuntime } from "./platform/runtime/deno.ts";

const runtime = denoRuntime();
start(runtime).then((status) => runtime.exit(status));
