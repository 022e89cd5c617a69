#!/bin/bash
# psutil.net_connections(): "pid: the PID of the process which opened the socket, if retrievable, else None"; gopsutil has it from there.
# Expected of a listening socket that a parent and its three workers have (every prefork server, and each server whose port was handed over):
# the one that opened it, or one line for each of the four, as ss -p and lsof have it.
# Seen: psutil 7.1.3 names the process with the highest pid, a worker, and gopsutil 4.25.9 the one with the lowest, the parent here. Each gives
# one line. So a script that ends "the process that listens at 8080" by psutil ends one worker, and the port stays taken; one that
# compares the pid with that of the service calls it a stranger; and the two libraries do not agree.
# psutil.Process(pid).net_connections() of each process is right: all four have it.
# Needs python3 with venv, go. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" && python3 -m venv v && v/bin/pip -q install psutil==7.1.3 || exit 2
cat >main.go <<'G'
package main

import (
	"fmt"
	"os"

	"github.com/shirou/gopsutil/v4/net"
)

func main() {
	all, err := net.Connections("tcp")
	if err != nil {
		panic(err)
	}
	for _, c := range all {
		if fmt.Sprint(c.Laddr.Port) == os.Args[1] {
			fmt.Println(c.Pid)
		}
	}
}
G
{ go mod init x && go get github.com/shirou/gopsutil/v4@v4.25.9 && go build -o ports .; } >log 2>&1 || { tail -3 log; exit 2; }
v/bin/python - <<'P'
import os, psutil, signal, socket, subprocess, sys

listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
processes = [os.getpid()]
for _ in range(3):
    if (pid := os.fork()) == 0:
        signal.pause()
    processes.append(pid)
try:
    named = [c.pid for c in psutil.net_connections("tcp") if c.laddr.port == port]
    go = [int(pid) for pid in subprocess.check_output(["./ports", str(port)], text=True).split()]
    own = [pid for pid in processes if any(c.laddr.port == port for c in psutil.Process(pid).net_connections())]
finally:
    for pid in processes[1:]:
        os.kill(pid, signal.SIGKILL)
name = {pid: "the parent" if pid == processes[0] else f"worker {i}" for i, pid in enumerate(processes)}
for who, pids in {"psutil.net_connections()": named, "gopsutil net.Connections": go, "psutil.Process().net_connections()": own}.items():
    print(f"{who}: {', '.join(name[pid] for pid in pids)}")
sys.exit(0 if named == [max(processes)] and go == [min(processes)] and own == processes else 1)
P
