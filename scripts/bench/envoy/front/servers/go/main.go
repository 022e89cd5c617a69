// Answers with its version, echoes WebSocket messages of less than 126 bytes. Knows neither baton nor Envoy.
package main

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

func main() {
	version, err := os.ReadFile(os.Getenv("VERSION_FILE"))
	if err != nil {
		panic(err)
	}
	body := fmt.Sprintf("version=%s\n", strings.TrimSpace(string(version)))
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			io.WriteString(w, body)
			return
		}
		connection, stream, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer connection.Close()
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + guid))
		fmt.Fprintf(connection, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"+
			"Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
		for {
			head := make([]byte, 6)
			if _, err := io.ReadFull(stream, head); err != nil || head[0]&0xf == 8 {
				return
			}
			message := make([]byte, head[1]&0x7f)
			if _, err := io.ReadFull(stream, message); err != nil {
				return
			}
			for i := range message {
				message[i] ^= head[2+i%4]
			}
			connection.Write(append([]byte{head[0], byte(len(message))}, message...))
		}
	})
	panic(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
