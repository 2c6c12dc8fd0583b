// The application of README.md on net/http/fcgi of the standard library. application ADDRESS (host:port or /path)
// Beyond the others: /drip?pieces=N&delay=MS, and /counts, which says how many requests run now, and how many are over
// because their web server left or aborted them: {"running": 1, "failed": 0}. /counts does not count itself.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

var running, failed int64

// counted runs a handler that returns the error with which reading or writing ended, if it did.
func counted(handler func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		atomic.AddInt64(&running, 1)
		defer atomic.AddInt64(&running, -1)
		if handler(w, r) != nil {
			atomic.AddInt64(&failed, 1)
		}
	}
}

func hello(w http.ResponseWriter, r *http.Request) error {
	_, err := fmt.Fprintf(w, "hello from Go\n")
	return err
}

func params(w http.ResponseWriter, r *http.Request) error {
	// fcgi keeps back what it has made parts of the request of.
	env := fcgi.ProcessEnv(r)
	env["REQUEST_METHOD"] = r.Method
	env["REQUEST_URI"] = r.URL.RequestURI()
	env["QUERY_STRING"] = r.URL.RawQuery
	env["CONTENT_TYPE"] = r.Header.Get("Content-Type")
	env["HTTP_HOST"] = r.Host
	for name, values := range r.Header {
		env["HTTP_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = strings.Join(values, ", ")
	}
	for name, value := range env {
		fmt.Fprintf(w, "%s=%s\x00", name, value)
	}
	return nil
}

func echo(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "application/octet-stream")
	piece := make([]byte, 64*1024)
	for {
		n, err := r.Body.Read(piece)
		if n > 0 {
			if _, err := w.Write(piece[:n]); err != nil {
				return err
			}
			w.(http.Flusher).Flush()
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func collect(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "application/octet-stream")
	body, err := io.ReadAll(r.Body)
	if err == nil {
		_, err = w.Write(body)
	}
	return err
}

func endless(w http.ResponseWriter, r *http.Request) error {
	piece := make([]byte, 64*1024)
	for {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
}

func drip(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	pieces, err := strconv.Atoi(query.Get("pieces"))
	if err != nil {
		pieces = -1
	}
	delay, err := strconv.Atoi(query.Get("delay"))
	if err != nil {
		delay = 20
	}
	w.Header().Set("Content-Type", "text/plain")
	for i := 0; i != pieces; i++ {
		// What cannot be flushed is told by the write after it.
		if _, err := fmt.Fprintf(w, "piece %d\n", i); err != nil {
			return err
		}
		w.(http.Flusher).Flush()
		time.Sleep(time.Duration(delay) * time.Millisecond)
	}
	return nil
}

func status(w http.ResponseWriter, r *http.Request) error {
	code, _ := strconv.Atoi(r.URL.RawQuery)
	w.WriteHeader(code)
	_, err := fmt.Fprintf(w, "status %d\n", code)
	return err
}

func redirect(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, "http://elsewhere.test/?x=1", http.StatusFound)
	return nil
}

func die(w http.ResponseWriter, r *http.Request) error {
	fmt.Fprint(w, "partial\n")
	w.(http.Flusher).Flush()
	for {
		if _, err := os.Stat(r.URL.RawQuery); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

func counts(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]int64{
		"running": atomic.LoadInt64(&running),
		"failed":  atomic.LoadInt64(&failed),
	})
}

func main() {
	address, network := os.Args[1], "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", counted(hello))
	mux.HandleFunc("/params", counted(params))
	mux.HandleFunc("/echo", counted(echo))
	mux.HandleFunc("/collect", counted(collect))
	mux.HandleFunc("/endless", counted(endless))
	mux.HandleFunc("/drip", counted(drip))
	mux.HandleFunc("/status", counted(status))
	mux.HandleFunc("/redirect", counted(redirect))
	mux.HandleFunc("/die", counted(die))
	mux.HandleFunc("/counts", counts)
	panic(fcgi.Serve(listener, mux))
}
