package inbox_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// A chained audit is made as the file would be, without its time.
type chained struct {
	bytes.Buffer
	seq  int
	head string
}

func (c *chained) add(r audit.Record) {
	c.seq++
	line, _ := json.Marshal(struct {
		Seq  int    `json:"seq"`
		Prev string `json:"prev"`
		audit.Record
	}{c.seq, c.head, r})
	sum := sha256.Sum256(line)
	c.head = hex.EncodeToString(sum[:])
	c.Write(append(line, '\n'))
}

var longAgo = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

func past(n int) audit.Record {
	at := longAgo.Add(time.Duration(n) * time.Minute)
	return audit.Record{Event: audit.Decided, At: at, DecidedAt: at, JobID: fmt.Sprint("job-", n), RequestID: fmt.Sprint("request-", n), AssignmentID: refundsID, Assignment: "Refunds",
		Title: fmt.Sprintf("Refund number %d", n), Verdict: "approved", By: kim}
}

// counting counts the bytes that are read of an audit.
type counting struct {
	*os.File
	bytes *atomic.Int64
}

func (c counting) Read(b []byte) (int, error) {
	n, err := c.File.Read(b)
	c.bytes.Add(int64(n))
	return n, err
}

// A page of the history reads what the audit has got since the last one, and no more;
// an audit that was exchanged is read anew.
func TestHistoryReadsOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	var c chained
	for n := range 2000 {
		c.add(past(n))
	}
	save := func() { require.NoError(t, os.WriteFile(path, c.Bytes(), 0o600)) }
	save()
	var read atomic.Int64
	desk := crowdedDesk(t, 1, func(cfg *inbox.Config) {
		cfg.Audit = func(context.Context) (io.ReadCloser, error) {
			f, err := os.Open(path)
			return counting{f, &read}, err
		}
	})
	history := func(query string) (text string, bytes int64) {
		read.Store(0)
		page := serve(t, desk, kim, "/history"+query)
		require.NotContains(t, page.Body.String(), "cannot be read")
		return page.Body.String(), read.Load()
	}
	text, size := history("")
	require.Contains(t, text, "Refund number 1999")
	require.GreaterOrEqual(t, size, int64(c.Len()))
	c.add(past(2000))
	c.add(audit.Record{Event: audit.Delivered, JobID: "job-3", RequestID: "request-3", Delivery: hitl.Accepted})
	c.add(audit.Record{Event: audit.Outcome, JobID: "job-3", Outcome: "stopped"})
	save()
	text, size = history("")
	require.Contains(t, text, "Refund number 2000")
	require.Less(t, size, int64(10_000))
	for query, says := range map[string]string{"?job=job-3": "stopped<small>accepted", "?by=kim@example.com&page=41": "Refund number 0<", "?since=2026-01-06&until=2026-01-06": "Refund number 2000"} {
		text, size = history(query)
		require.Contains(t, text, says, query)
		require.Less(t, size, int64(10_000), query)
	}
	text, _ = history("?job=job-4")
	require.NotContains(t, text, "stopped")

	c = chained{}
	for n := range 3 {
		c.add(past(5000 + n))
	}
	save()
	text, _ = history("")
	require.Equal(t, 3, strings.Count(text, "Refund number"))
	c.WriteString("nonsense\n")
	save()
	require.Contains(t, serve(t, desk, kim, "/history").Body.String(), "The audit cannot be read to its end")
	require.Contains(t, serve(t, desk, kim, "/history").Body.String(), "Refund number 5002")
}

// What is kept of an audit is bounded, and what is older is found where somebody asks
// for it.
func TestHistoryIsBounded(t *testing.T) {
	var c chained
	for n := range 1000 {
		c.add(past(n))
	}
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	require.NoError(t, os.WriteFile(path, c.Bytes(), 0o600))
	desk := crowdedDesk(t, 1, func(cfg *inbox.Config) { cfg.Audit = inbox.AuditFile(path) })
	desk.KeepPast(300)
	var out struct{ Found int }
	require.NoError(t, json.Unmarshal(serve(t, desk, kim, "/api/history").Body.Bytes(), &out))
	require.LessOrEqual(t, out.Found, 330)
	require.GreaterOrEqual(t, out.Found, 300)
	require.Contains(t, serve(t, desk, kim, "/history?job=job-7").Body.String(), "Refund number 7<")
	require.Contains(t, serve(t, desk, kim, "/history/"+inbox.Ref(hitl.Request{JobID: "job-7", ID: "request-7"})).Body.String(), "Refund number 7<")
	require.NotContains(t, serve(t, desk, kim, "/history/"+inbox.Ref(hitl.Request{JobID: "job-x", ID: "request-7"})).Body.String(), "Refund number")
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, text, 0o600))
}
