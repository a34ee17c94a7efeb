package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"net/textproto"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/notify"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/stretchr/testify/require"
)

// postOffice is a small SMTP server. It puts off the first mails, and hands over the
// others.
func postOffice(t *testing.T, putOff int) (addr string, mails <-chan *mail.Message) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	out := make(chan *mail.Message, 10)
	ended := make(chan struct{})
	t.Cleanup(func() { listener.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			putOff--
			serve(conn, putOff >= 0, out)
		}
	}()
	return listener.Addr().String(), out
}

func serve(conn net.Conn, putOff bool, out chan<- *mail.Message) {
	defer conn.Close()
	c := textproto.NewConn(conn)
	say := func(format string, args ...any) { _ = c.PrintfLine(format, args...) }
	say("220 ready")
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(strings.ToUpper(line), " "); {
		case verb == "RCPT" && putOff:
			say("451 later")
		case verb == "DATA":
			say("354 go on")
			text, err := io.ReadAll(c.DotReader())
			if err != nil {
				return
			}
			m, err := mail.ReadMessage(strings.NewReader(string(text)))
			if err != nil {
				say("554 %v", err)
				return
			}
			out <- m
			say("250 taken")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 fine")
		}
	}
}

func get(t *testing.T, url, password string) (status int, page string) {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	if password != "" {
		r.SetBasicAuth("kim@example.com", password)
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(raw)
}

// A mail comes though the server puts it off at first; its link shows the request to who
// signs in, and decides nothing however often it is followed.
func TestMail(t *testing.T) {
	addr, mails := postOffice(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, mailer{addr: addr, from: "duvo@example.com", to: "kim@example.com"}, "the password")
	}()
	defer func() {
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		http.DefaultClient.CloseIdleConnections()
	}()
	var m *mail.Message
	select {
	case m = <-mails:
	case <-time.After(time.Minute):
		require.Fail(t, "there is no mail")
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	require.NoError(t, err)
	require.Equal(t, "Waits for a decision (approval): Refund 120.00 EUR – order 4711", subject)
	text, err := io.ReadAll(quotedprintable.NewReader(bufio.NewReader(m.Body)))
	require.NoError(t, err)
	link := regexp.MustCompile(`http://\S+`).FindString(string(text))
	status, _ := get(t, link, "")
	require.Equal(t, http.StatusUnauthorized, status)
	for range 2 {
		status, page := get(t, link, "the password")
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, page, "Refund 120.00 EUR")
		require.Contains(t, page, `value="approve"`, "it still waits")
	}
	for _, verdict := range []string{"approve", "deny"} {
		_, _ = get(t, link+"?verdict="+verdict, "the password")
	}
	_, page := get(t, link, "the password")
	require.Contains(t, page, `value="approve"`, "it still waits")
}

// What a Job has written makes no header, nor a second receiver.
func TestHostileSubject(t *testing.T) {
	r := duvotooltest.Approval("Refund\r\nBcc: all@example.com\r\n\r\nhello\r\n.\r\nMAIL FROM:<x>")
	raw := mailer{from: "duvo@example.com", to: "kim@example.com"}.message(notify.Notice{Request: r, Link: "https://desk.example/1"})
	m, err := mail.ReadMessage(strings.NewReader(string(raw)))
	require.NoError(t, err)
	require.Empty(t, m.Header.Get("Bcc"))
	require.Len(t, m.Header, 9)
	require.Equal(t, fmt.Sprintf("<%s@duvotool>", r.Digest()), m.Header.Get("Message-ID"))
}

// A server that says nothing is given up with the context.
func TestServerThatHangs(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.Error(t, mailer{addr: listener.Addr().String(), from: "a@example.com", to: "b@example.com"}.send(ctx, notify.Notice{}))
	require.ErrorContains(t, run(t.Context(), mailer{}, ""), "SMTP_ADDR")
}
