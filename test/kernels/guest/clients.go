package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// Tally of what clients saw. Nothing is retried: what is not an answer is lost.
type Tally struct {
	mu       sync.Mutex
	ok, lost int
	failures map[string]int
	servers  map[string]bool
	// How often another server than before has answered on a connection.
	moved int
}

type Clients struct {
	Tally
	stop chan struct{}
	done sync.WaitGroup
}

const answerLimit = 20 * time.Second

// A connection for each request, or one for each client.
func startClients(port, count int, keep bool, pause time.Duration) *Clients {
	clients := &Clients{stop: make(chan struct{}), Tally: Tally{failures: map[string]int{}, servers: map[string]bool{}}}
	for i := 0; i < count; i++ {
		clients.done.Add(1)
		go func() {
			defer clients.done.Done()
			clients.run(port, keep, pause)
		}()
	}
	return clients
}

func (c *Clients) run(port int, keep bool, pause time.Duration) {
	var connection net.Conn
	var reader *bufio.Reader
	last := ""
	for {
		select {
		case <-c.stop:
			if connection != nil {
				connection.Close()
			}
			return
		case <-time.After(pause):
		}
		body, err := "", error(nil)
		if connection == nil {
			last = ""
			connection, err = net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), answerLimit)
			if err == nil {
				reader = bufio.NewReader(connection)
			}
		}
		if err == nil {
			body, err = ask(connection, reader, keep)
		}
		if connection != nil && (err != nil || !keep) {
			connection.Close()
			connection = nil
		}
		c.count(body, err, last)
		last = body
	}
}

func ask(connection net.Conn, reader *bufio.Reader, keep bool) (string, error) {
	how := "close"
	if keep {
		how = "keep-alive"
	}
	connection.SetDeadline(time.Now().Add(answerLimit))
	if _, err := fmt.Fprintf(connection, "GET / HTTP/1.1\r\nHost: x\r\nConnection: %s\r\n\r\n", how); err != nil {
		return "", err
	}
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func (c *Clients) count(body string, err error, last string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.lost++
		c.failures[kindOf(err)]++
		return
	}
	c.ok++
	c.servers[body] = true
	if last != "" && last != body {
		c.moved++
	}
}

func kindOf(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE):
		return "reset"
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return "empty"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timed out"
	}
	return err.Error()
}

func (c *Clients) soFar() (answers, moved int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ok, c.moved
}

func (c *Clients) end() map[string]any {
	close(c.stop)
	c.done.Wait()
	return map[string]any{
		"ok": c.ok, "lost": c.lost, "failures": c.failures, "servers": len(c.servers), "moved": c.moved,
	}
}
