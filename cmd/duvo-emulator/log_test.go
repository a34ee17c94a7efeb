package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// told writes requests, a word each: R1 reads Job 1, W writes.
func told(all bool, requests string) []string {
	var out bytes.Buffer
	log := slog.New(newRequestLog(&out, all))
	for r := range strings.FieldsSeq(requests) {
		op, method, status := "getRun", "GET", 200
		if r == "W" {
			op, method, status = "respondToHumanRequest", "POST", 201
		}
		log.Info("request", "operation", op, "method", method, "path", "/"+r, "status", status, "fault", "")
	}
	return strings.Split(strings.TrimSpace(regexp.MustCompile(`(?m)^(\d\d:\d\d:\d\d| {8}) `).ReplaceAllString(out.String(), "")), "\n")
}

// Who waits for a Job reads it often. What happens besides must not drown in that.
func TestReadsThatRepeatAreCounted(t *testing.T) {
	const write = "respondToHumanRequest 201 /W"
	requests := "R1 R1 R2 R1 R2 W R1 R1 W W"
	require.Equal(t, []string{"getRun 200 /R1", "(… read again: 1)", "getRun 200 /R2", "(… read again: 2)", write,
		"getRun 200 /R1", "(… read again: 1)", write, write}, told(false, requests))
	require.Len(t, told(true, requests), 10)
}

// A path is a stranger's, and a fault and other records are told as well.
func TestLogIsSafeToPrint(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(newRequestLog(&out, false))
	log.Info("request", "operation", "", "method", "GET", "path", "/\x1b[31m\n", "status", 404, "fault", "reset")
	require.Regexp(t, `^\d\d:\d\d:\d\d GET 404 /[^\x1b\n]* fault=reset\n$`, out.String())
	out.Reset()
	log.Warn("http: broken")
	require.Contains(t, out.String(), `level=WARN msg="http: broken"`)
}

// Rules name Assignments by ID: it is there to be copied, and can be pasted with the rest.
func TestPrintsTheIDs(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"-addr", "127.0.0.1:0"}, in, io.Discard) }()
	var printed []string
	for lines := bufio.NewScanner(out); len(printed) < 9 && lines.Scan(); {
		printed = append(printed, lines.Text())
	}
	require.Contains(t, printed, "#   af5aaf3a-efbd-4d92-97cd-50fbc46ccb6c  Complaint handler")
	for _, l := range printed {
		require.Regexp(t, `^(# |export )`, l)
	}
	cancel()
	require.Zero(t, <-ended)
}
