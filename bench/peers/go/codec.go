// The decoder of net/http/fcgi alone. It is not exported, so it is given a connection of memory: conversations of begin, params
// and abort, which it decodes and never hands to a handler. What it takes for begin and abort, with the answer to that, is
// measured as well and taken off: what is left is the params alone.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type memory struct {
	conversation []byte
	at           int
	count        int
	end          time.Time
	closed       chan struct{}
}

func (m *memory) Read(p []byte) (int, error) {
	if m.at == len(m.conversation) {
		m.at = 0
		m.count++
		if m.count%64 == 0 && time.Now().After(m.end) {
			return 0, io.EOF
		}
	}
	n := copy(p, m.conversation[m.at:])
	m.at += n
	return n, nil
}
func (m *memory) Write(p []byte) (int, error)      { return len(p), nil }
func (m *memory) Close() error                     { close(m.closed); return nil }
func (m *memory) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (m *memory) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (m *memory) SetDeadline(time.Time) error      { return nil }
func (m *memory) SetReadDeadline(time.Time) error  { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }

// A listener that gives one connection and then waits for its end.
type one struct {
	conn  *memory
	given bool
}

func (o *one) Accept() (net.Conn, error) {
	if !o.given {
		o.given = true
		return o.conn, nil
	}
	<-o.conn.closed
	return nil, errors.New("done")
}
func (o *one) Close() error   { return nil }
func (o *one) Addr() net.Addr { return &net.UnixAddr{} }

// codec: the conversation is read from the file that the arguments name; rounds as in ready.mjs.
func codec() {
	conversation, err := os.ReadFile(os.Args[2])
	if err != nil {
		panic(err)
	}
	fmt.Println("ready")
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		seconds, _ := strconv.ParseFloat(strings.TrimSpace(input.Text()), 64)
		start := time.Now()
		count, all := decode(conversation, seconds/2)
		others, rest := decode(append(conversation[:16:16], conversation[len(conversation)-8:]...), seconds/2)
		params := all - rest*float64(count)/float64(others)
		line, _ := json.Marshal(map[string]any{"count": count, "errors": 0, "seconds": time.Since(start).Seconds() / 2, "cpu": params})
		fmt.Println(string(line))
	}
}

// decode takes a conversation again and again: how often it did, and the microseconds of CPU time that took.
func decode(conversation []byte, seconds float64) (int, float64) {
	before := cpu()
	m := &memory{conversation: conversation, end: time.Now().Add(time.Duration(seconds * 1e9)), closed: make(chan struct{})}
	fcgi.Serve(&one{conn: m}, http.NotFoundHandler())
	return m.count, float64(cpu() - before)
}

func cpu() int64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return (usage.Utime.Nano() + usage.Stime.Nano()) / 1000
}
