/** `baton init docker`: a Containerfile with baton as the main process. Pure. */
import { handoffOption } from "../config/validate.ts";
import { type InitRequest, wordList } from "./template.ts";

export function containerfile({ config, options }: InitRequest): string {
  const own = config.shutdownOnly || handoffOption(config) !== null
    ? options
    : ["--shutdown-only", ...options];
  return [
    "# baton is process 1: it reaps, forwards signals, and stops the server when its requests are done.",
    "# docker stop sends KILL after 10 s: use docker stop -t 30, or stop_grace_period in a compose file.",
    "FROM IMAGE:TAG",
    "COPY baton /usr/local/bin/baton",
    "# The base image may set another signal (haproxy USR1, httpd WINCH, systemd RTMIN+3); baton stops on TERM.",
    "STOPSIGNAL SIGTERM",
    `ENTRYPOINT ${wordList(["/usr/local/bin/baton", "run", ...own, "--"])}`,
    `CMD ${wordList(config.command)}`,
    "",
  ].join("\n");
}
