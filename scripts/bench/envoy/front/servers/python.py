"""Answers with its version, echoes WebSocket messages of less than 126 bytes. Knows neither baton nor Envoy."""
import asyncio
import base64
import hashlib
import os

with open(os.environ["VERSION_FILE"]) as file:
    body = f"version={file.read().strip()}\n".encode()
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def echo(reader, writer):
    while True:
        head = await reader.readexactly(2)
        length = head[1] & 0x7F
        mask = await reader.readexactly(4)
        masked = await reader.readexactly(length)
        if head[0] & 0xF == 8:
            return
        writer.write(bytes([head[0], length]) + bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked)))


async def serve(reader, writer):
    try:
        while True:
            text = (await reader.readuntil(b"\r\n\r\n")).decode("latin1")
            fields = {k.lower(): v for k, _, v in (line.partition(": ") for line in text.split("\r\n")[1:])}
            if fields.get("upgrade", "").lower() == "websocket":
                key = hashlib.sha1((fields["sec-websocket-key"] + GUID).encode()).digest()
                writer.write(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Accept: " + base64.b64encode(key) + b"\r\n\r\n"
                )
                return await echo(reader, writer)
            writer.write(ANSWER)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]))
    await server.serve_forever()


asyncio.run(main())
