package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/mcp"
)

// newLogger logs to stderr: what is wrong, or, as JSON, the story of each Job too.
func newLogger(f flags, errs io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelWarn}
	if f.logFormat == "json" {
		o.Level = slog.LevelInfo
	}
	if f.verbose {
		o.Level = slog.LevelDebug
	}
	if f.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(errs, o))
	}
	return slog.New(slog.NewTextHandler(errs, o))
}

// say tells the operator something: a line of text, or of the log where that is JSON.
func say(f flags, errs io.Writer, level slog.Level, text string) {
	if f.logFormat == "json" {
		newLogger(f, errs).Log(context.Background(), level, "duvo-mcp: "+text)
		return
	}
	fmt.Fprintln(errs, "duvo-mcp:", text)
}

// listen serves Streamable HTTP until ctx ends, and beside it, without a token, /healthz
// and /readyz for whoever supervises the process.
func (p *program) listen(ctx context.Context, listening func(net.Addr)) error {
	token := os.Getenv(envToken)
	if token == "" {
		return errors.New(envToken + " is not set: -http needs the token that hosts must send, 16 bytes or more")
	}
	verify, err := mcp.Token(token)
	if err != nil {
		return fmt.Errorf("%s: %w", envToken, err)
	}
	handler, err := p.server.Handler(verify, nil)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", p.flags.http)
	if err != nil {
		return fmt.Errorf("%w; give another address with -http, such as 127.0.0.1:0 for any free port", err)
	}
	say(p.flags, p.errs, slog.LevelInfo, "serving http://"+l.Addr().String())
	if listening != nil {
		listening(l.Addr())
	}
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.Handle("/healthz", p.probe((*duvotool.Registry).Liveness, http.StatusOK, `{"ok":true}`))
	mux.Handle("/readyz", p.probe((*duvotool.Registry).Readiness, http.StatusServiceUnavailable, `{"ok":false,"why":["the Assignments are not known yet"]}`))
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	_ = s.Close()
	<-ended
	return nil
}

// probe answers as the registry does, or, until that has come, so.
func (p *program) probe(of func(*duvotool.Registry) http.Handler, status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if reg := p.found.Load(); reg != nil {
			of(reg).ServeHTTP(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body+"\n")
	})
}
