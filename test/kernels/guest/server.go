package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
)

// An ordinary net/http server, without a signal handler. /late makes it listen at one more port.
func serve() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "pid=%d", os.Getpid())
	})
	http.HandleFunc("/late", func(w http.ResponseWriter, r *http.Request) {
		listener, err := net.Listen("tcp4", "127.0.0.1:"+r.FormValue("port"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		go http.Serve(listener, nil)
		fmt.Fprint(w, "listens")
	})
	fmt.Println(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
	os.Exit(1)
}
