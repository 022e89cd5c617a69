/**
 * Fault: the server binds while baton replaces itself in place. A call that this baton has taken is lost at its exec. With
 * --survive the fd-store process loses its baton's socket then, although baton lives on.
 *
 * Allowed outcome: each call gets its answer.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { findPython, required } from "../support/programs.ts";

/** Time-out for an answer that never comes without the code that is tested here. */
const ANSWER_MS = 20_000;
/** Each request makes a listener, and closes it. */
const BINDER = `
import http.server, os, socket
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        socket.create_server(("127.0.0.1", 0)).close()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"bound")
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
`;

for (const flags of [[], ["--survive"]]) {
  test(`a server that binds during an upgrade in place gets its answers ${flags}`, {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    await using baton = await startBaton({
      command: [required("python3", findPython()), "-c", BINDER],
      env: { PORT: String(port) },
      flags,
    });
    let isOver = false;
    const upgraded = baton.cli("upgrade", "--in-place").finally(() => isOver = true);
    let count = 0;
    while (!isOver) {
      const signal = AbortSignal.timeout(ANSWER_MS);
      const answer = await fetch(`http://127.0.0.1:${port}/`, { signal });
      assert.equal(await answer.text(), "bound", `request ${count++}`);
    }
    const { code, stderr } = await upgraded;
    assert.equal(code, 0, stderr);
    assert.ok(count > 0);
    assert.deepEqual(await baton.stop(), { code: 0, signal: null });
  });
}
