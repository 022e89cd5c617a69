#!/bin/bash
# Go's http.Server.Shutdown "gracefully shuts down the server without interrupting any active connections". Behind a proxy that speaks HTTP/2
# without TLS (h2c: gRPC, Cloud Run, Envoy) servers use golang.org/x/net/http2/h2c for it, as Echo's StartH2CServer and Gin's UseH2C do.
# Expected of Echo's Shutdown(ctx), and of the engine's http.Server with Gin: a request in flight is answered, as on HTTP/1.1.
# Seen: echo 4.16.4 and gin 1.11.0 with x/net 0.62.0: Shutdown returns at once and without an error, with a request of a second in flight. The
# process ends as its main function says it should after Shutdown, and the request is cut. h2c takes each connection from the server
# by Hijack, and "Shutdown does not attempt to close nor wait for hijacked connections", so all of HTTP/2 is outside of it; no GOAWAY is sent.
# net/http's own (Go 1.24, Protocols.SetUnencryptedHTTP2) waits. Echo's StartServer with an http.Server that has those Protocols does, too.
# Needs go 1.24 or later. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'chmod -R u+w "$T"; rm -rf "$T"' EXIT
cd "$T" || exit 2
cat >main.go <<'G'
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v4"
	"golang.org/x/net/http2"
)

func slow() string { time.Sleep(time.Second); return "ok" }

// Starts a server on a port of its own; returns its address and its Shutdown.
func start(kind string) (string, func(context.Context) error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	address := listener.Addr().String()
	both := new(http.Protocols)
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	e := echo.New()
	e.HideBanner, e.HidePort, e.Listener = true, true, listener
	e.GET("/", func(c echo.Context) error { return c.String(200, slow()) })
	switch kind {
	case "echo StartH2CServer":
		go e.StartH2CServer(address, &http2.Server{})
		return address, e.Shutdown
	case "echo StartServer with Protocols":
		server := &http.Server{Protocols: both}
		go e.StartServer(server)
		return address, server.Shutdown
	case "gin UseH2C":
		gin.SetMode(gin.ReleaseMode)
		g := gin.New()
		g.UseH2C = true
		g.GET("/", func(c *gin.Context) { c.String(200, slow()) })
		server := &http.Server{Handler: g.Handler()}
		go server.Serve(listener)
		return address, server.Shutdown
	}
	server := &http.Server{Protocols: both, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, slow()) })}
	go server.Serve(listener)
	return address, server.Shutdown
}

func try(kind, version string) bool {
	address, shutdown := start(kind)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(version == "HTTP/1.1")
	protocols.SetUnencryptedHTTP2(version == "HTTP/2.0")
	client := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	answered := make(chan string, 1)
	go func() {
		answer, err := client.Get("http://" + address + "/")
		if err != nil {
			answered <- err.Error()
			return
		}
		body, _ := io.ReadAll(answer.Body)
		answered <- answer.Proto + " " + string(body)
	}()
	time.Sleep(400 * time.Millisecond)
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := shutdown(ctx)
	took := time.Since(began)
	waited := false
	select {
	case got := <-answered:
		waited = strings.HasSuffix(got, "ok")
	case <-time.After(100 * time.Millisecond):
	}
	fmt.Printf("%s, %s: Shutdown returns %v after %d ms, the request in flight has its answer: %v\n", kind, version, err, took.Milliseconds(), waited)
	return waited && err == nil
}

func main() {
	right := try("echo StartH2CServer", "HTTP/1.1") && try("net/http with Protocols", "HTTP/2.0") && try("echo StartServer with Protocols", "HTTP/2.0")
	if try("echo StartH2CServer", "HTTP/2.0") || try("gin UseH2C", "HTTP/2.0") || !right {
		os.Exit(1)
	}
}
G
{ go mod init x && go get github.com/labstack/echo/v4@v4.16.4 github.com/gin-gonic/gin@v1.11.0 golang.org/x/net@v0.62.0 && go mod tidy && go build -o h2c .; } \
  >log 2>&1 || { tail -5 log; exit 2; }
timeout 60 ./h2c
