/** A client of fixtures/session_server.py: a connection whose server process opens listeners. */
import { connect, type Socket } from "node:net";
import { createInterface, type Interface } from "node:readline";

export class SessionClient implements Disposable {
  readonly #lines: AsyncIterator<string>;

  private constructor(readonly socket: Socket, reader: Interface) {
    this.#lines = reader[Symbol.asyncIterator]();
  }

  static async at(port: number): Promise<SessionClient> {
    const socket = connect(port, "127.0.0.1");
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return new SessionClient(socket, createInterface({ input: socket }));
  }

  /** The next line. */
  async hear(): Promise<string> {
    return (await this.#lines.next()).value ?? "";
  }

  /** @returns "pid=12", or the name of the error */
  async say(words: string): Promise<string> {
    this.socket.write(`${words}\n`);
    return await this.hear();
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** Whether a connection to `port` is refused; one that is taken is closed at once. */
export function isRefused(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", () => resolve(true));
  });
}
