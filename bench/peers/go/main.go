// The application on Go's net/http/fcgi: main ADDRESS.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"strings"
)

const large = 1 << 20
const streamChunk = 64 * 1024

func main() {
	network := "tcp"
	if strings.HasPrefix(os.Args[1], "/") {
		network = "unix"
	}
	listener, err := net.Listen(network, os.Args[1])
	if err != nil {
		panic(err)
	}
	fmt.Println("ready")
	panic(fcgi.Serve(listener, http.HandlerFunc(answer)))
}

var hello = []byte("Hello, world!\n")
var alphabet = bytes.Repeat([]byte("abcdefghijklmnopqrstuvwxyz"), large/26+1)[:large]

func answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	switch r.URL.Path {
	case "/drain":
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d\n", n)
	case "/text":
		read, _ := io.ReadAll(r.Body)
		text := string(read)
		if strings.Contains(text, "\x00") {
			text = ""
		}
		fmt.Fprintf(w, "%d\n", len(text))
	case "/bytes":
		w.Write(alphabet)
	case "/stream":
		for at := 0; at < large; at += streamChunk {
			w.Write(alphabet[at : at+streamChunk])
			w.(http.Flusher).Flush()
		}
	default:
		w.Write(hello)
	}
}
