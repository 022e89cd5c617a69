/** Runs the poll thread (poll_thread_source.ts) in a worker of the runtime at hand. */
import { hasToken } from "../poll_messages.ts";
import { pollThreadSource } from "./poll_thread_source.ts";
import type { PollOptions, PollThread, Runtime } from "./runtime.ts";

/** @param bind see `pollThreadSource`. @param start makes a worker of the script at `url` */
export function runPollThread(
  { onEvents, ...orders }: PollOptions,
  bind: string,
  arch: Runtime["arch"],
  start: (url: string) => Worker,
): PollThread {
  const source = pollThreadSource(bind, arch);
  const url = URL.createObjectURL(new Blob([source], { type: "application/javascript" }));
  const worker = start(url);
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
