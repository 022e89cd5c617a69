// Answers with its version, echoes WebSocket messages of less than 126 bytes. Knows neither baton nor Envoy.
const { createHash } = require("node:crypto");
const { createServer } = require("node:http");
const { readFileSync } = require("node:fs");

const body = `version=${readFileSync(process.env.VERSION_FILE, "utf8").trim()}\n`;
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const server = createServer((_, response) => response.end(body));
server.on("upgrade", (request, socket) => {
  const key = createHash("sha1").update(request.headers["sec-websocket-key"] + GUID).digest(
    "base64",
  );
  const head = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
  socket.write([...head, `Sec-WebSocket-Accept: ${key}`, "", ""].join("\r\n"));
  let unread = Buffer.alloc(0);
  socket.on("error", () => {});
  socket.on("data", (bytes) => {
    unread = Buffer.concat([unread, bytes]);
    while (unread.length >= 6 && unread.length >= 6 + (unread[1] & 0x7f)) {
      const length = unread[1] & 0x7f;
      const frame = unread.subarray(0, 6 + length);
      unread = unread.subarray(6 + length);
      if ((frame[0] & 0xf) === 8) return socket.end();
      const echo = Buffer.alloc(2 + length);
      echo[0] = frame[0];
      echo[1] = length;
      for (let i = 0; i < length; i++) echo[2 + i] = frame[6 + i] ^ frame[2 + (i % 4)];
      socket.write(echo);
    }
  });
});
server.keepAliveTimeout = 60_000;
server.listen(Number(process.env.PORT), "127.0.0.1");
