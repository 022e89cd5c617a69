/** The calls that are known of a program, at the place where it was found. Pure. */
import { shellWord } from "../../config/servers/shell_words.ts";
import type { CallPlace, DrainCall } from "../../config/values/drain_call_spec.ts";
import { drainCallFor } from "../../config/values/drain_call_spec.ts";
import type { KnownProgram } from "./control_lookup.ts";

/** Stands for the control address in a command. */
const CONTROL = "{control}";

/** @returns null: it has none */
export function callIn(
  { goodbye, place }: Pick<KnownProgram, "goodbye" | "place">,
  which: "call" | "undo",
): DrainCall | null {
  const text = goodbye[which];
  if (text === undefined) return null;
  const call = drainCallFor(text, 0, 0);
  if (place === null) return call;
  if (call.kind === "exec") {
    const command = call.command.replaceAll(CONTROL, shellWord(placeText(place)));
    return { ...call, text: `exec:${command}`, command };
  }
  if (call.kind !== "http") return call;
  return { ...call, place, text: textOf(call.method, place, call.path) };
}

/** The call in the words of --drain-call. */
function textOf(method: string, place: CallPlace, path: string): string {
  if ("unix" in place) return `unix:${place.unix}:${method}:${path}`;
  return `${method}:http://${placeText(place)}${path}`;
}

/** "127.0.0.1:9901", "/run/x.sock" */
function placeText(place: CallPlace): string {
  if ("unix" in place) return place.unix;
  const host = place.host ?? "127.0.0.1";
  return `${host.includes(":") ? `[${host}]` : host}:${place.port}`;
}
