/** The test stands between a baton and the admin interface of a real Envoy: it knows the moment of each question. */
import { createServer, request, type Server } from "node:http";

export class AdminBetween implements AsyncDisposable {
  /** Called at each question, before it is passed on. */
  before: (path: string) => Promise<void> = () => Promise.resolve();
  readonly #server: Server;

  constructor(readonly socket: string, envoy: string) {
    this.#server = createServer(async ({ method = "GET", url: path = "" }, answer) => {
      await this.before(path);
      request({ socketPath: envoy, path, method }, (got) => {
        answer.writeHead(got.statusCode ?? 500, { connection: "close" });
        got.pipe(answer);
      }).on("error", () => answer.destroy()).end();
    });
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(this.socket, resolve));
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
