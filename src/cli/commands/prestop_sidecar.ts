/**
 * `baton prestop --serve ADDRESS`: the preStop hook as a sidecar container. The kubelet requests GET /prestop from it and
 * waits for the response before it sends TERM to the server; so the server's image and file system need no baton.
 *
 * Guarantees: one wait at a time, which concurrent requests share, bounded as the hook is. Another wait can follow,
 * because a container that fails its liveness probe has its hook called, too, and is started again. Ready while the
 * server listens. Started at once and always live: the kubelet starts the server only after that, and must not restart
 * this container because of the server.
 *
 * The kubelet has no secret, so anyone who can reach the address may send the request. Therefore a wait does not change
 * readiness, which a deleted pod has lost anyway: it only closes idle connections.
 */
import type { FetchHandler } from "../../admin/http_connection.ts";
import { HttpPort } from "../../admin/http_port.ts";
import { plainText, probeHandler } from "../../admin/probe_server.ts";
import type { InetListenSpec } from "../../config/values/listen_spec.ts";
import type { Platform } from "../../platform/platform.ts";
import { EXIT_DRAIN_TIMED_OUT, EXIT_OK } from "../console/exit_status.ts";
import type { PrestopCommand } from "../words/parse_pod.ts";
import { inetAddress, openPort } from "../service/pod_setup.ts";
import { type OwnPort, type PrestopOutcome, waitForQuiet, watchPorts } from "./prestop_wait.ts";
import type { Printer } from "../console/printer.ts";

const HOOK_PATH = "/prestop";
const HTTP_NOT_ALLOWED = 405;
const HTTP_UNAVAILABLE = 503;
/** HTTP statuses by the exit status of the wait; any other is HTTP_UNAVAILABLE. */
const HTTP_STATUS = new Map([[EXIT_OK, 200], [EXIT_DRAIN_TIMED_OUT, 504]]);

/** Serves until TERM, INT or QUIT. */
export async function servePrestop(
  platform: Platform,
  command: PrestopCommand,
  address: InetListenSpec,
  print: Printer,
): Promise<number> {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"]) platform.runtime.onSignal(signal, resolve);
  const own: OwnPort = { port: address.port, accepted: () => server.accepted };
  const handler = prestopHandler(platform, command, own, print);
  const place = inetAddress(address);
  const open = () => new HttpPort(platform, place, handler, false);
  const server = openPort("--serve", place, open);
  print.out(`baton prestop: serving GET ${HOOK_PATH} at ${server.text}`);
  await asked;
  server.close();
  return EXIT_OK;
}

function prestopHandler(
  platform: Platform,
  command: PrestopCommand,
  own: OwnPort,
  print: Printer,
): FetchHandler {
  const traffic = watchPorts(platform, command, own);
  const answerProbe = probeHandler(() => {
    const ready = traffic.isListening() === true;
    return { started: true, ready, live: true, why: ready ? "" : "the server does not listen" };
  });
  let wait: Promise<PrestopOutcome> | null = null;
  const waitOnce = async () => {
    const outcome = await waitForQuiet(platform, command, own);
    const [status, text] = outcome;
    const say = status === EXIT_OK ? print.out : print.error;
    say(`baton prestop: ${text}`);
    return outcome;
  };
  return async (request, client) => {
    if (new URL(request.url).pathname !== HOOK_PATH) return answerProbe(request, client);
    if (request.method !== "GET") return plainText(HTTP_NOT_ALLOWED, "use GET");
    wait ??= waitOnce().finally(() => void (wait = null));
    const [status, text] = await wait;
    return plainText(HTTP_STATUS.get(status) ?? HTTP_UNAVAILABLE, text);
  };
}
