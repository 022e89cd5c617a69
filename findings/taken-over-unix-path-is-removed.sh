#!/bin/bash
# gracenet.Net.Listen(nett, laddr): "announces on the local network address laddr. The network net must be a stream-oriented network: "tcp",
# "tcp4", "tcp6", "unix" or "unixpacket". It returns an inherited net.Listener for the matching network and address, or creates a new one";
# StartProcess: "starts a new process passing it the active listeners".
# Expected: a restart on a Unix socket works like that on a port: the new process serves, the old one closes its listener and ends.
# Seen (github.com/facebookgo/grace 75cf193, Go 1.26): the first process has made the path by net.Listen, and its Close() removes the path,
# which now is the new process's: that one runs, has the listening socket, and can never be reached again. A port works.
# Go documents the cure for the one that closes: SetUnlinkOnClose(false), as cloudflare/tableflip does. nginx at USR2 and QUIT leaves the
# path, too. Nothing is amiss in the process list, in ss -lx, or in the logs: only a client sees it.
# Needs go, curl. Exit 0: it is as described.
set -u
T=$(mktemp -d); PIDS=
trap 'kill -KILL $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T" || exit 2
cat >main.go <<'G'
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/facebookgo/grace/gracenet"
)

func main() {
	var n gracenet.Net
	l, err := n.Listen(os.Args[1], os.Args[2])
	if err != nil {
		panic(err)
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getpid()) }))
	fmt.Println(os.Getpid())
	if os.Getenv("LISTEN_FDS") != "" {
		syscall.Kill(os.Getppid(), syscall.SIGTERM)
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR2, syscall.SIGTERM)
	for s := range c {
		if s == syscall.SIGTERM {
			l.Close()
			return
		}
		n.StartProcess()
	}
}
G
{ go mod init x && go get github.com/facebookgo/grace@v0.0.0-20180706040059-75cf19382434 && go build -o server .; } >log 2>&1 || { tail -3 log; exit 2; }
# ask: the pid that answers
ask() { if [ "$1" = unix ]; then curl -s -m 5 --unix-socket "$2" http://x/; else curl -s -m 5 "http://$2/"; fi; }
# try NETWORK ADDRESS: one restart; "before" and "after" are the pids that answer, "new" is the new process
try() {
  ./server "$1" "$2" >pids & PIDS="$PIDS $!"
  for _ in $(seq 100); do before=$(ask "$1" "$2") && [ -n "$before" ] && break; sleep 0.1; done
  kill -USR2 "$before"; wait $! 2>/dev/null
  for _ in $(seq 100); do [ "$(wc -l <pids)" = 2 ] && break; sleep 0.1; done
  new=$(tail -1 pids); PIDS="$PIDS $new"; after=$(ask "$1" "$2")
  echo "$1: answered before: $([ "$before" = "$(head -1 pids)" ] && echo the first), after: $([ "$after" = "$new" ] && echo the new one || echo "${after:-none}"); the new one $(kill -0 "$new" && echo runs)"
}
try tcp "127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
[ "$after" = "$new" ] || exit 1
try unix "$T/s"
[ -n "$before" ] && [ -z "$after" ] && kill -0 "$new" && [ ! -e "$T/s" ] && [ -n "$(ss -lx | grep "$T/s")" ]
