package audit_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/stretchr/testify/require"
)

func TestAuditFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	record := func(i int) audit.Record {
		return audit.Record{Event: audit.Decided, At: time.Unix(int64(i), 0).UTC(), By: fmt.Sprint("kim ", i), Reason: "two\nlines"}
	}
	var count int64
	var head string
	for round := range 3 {
		a, err := audit.OpenFile(path)
		require.NoError(t, err)
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				if err := a.Record(t.Context(), record(i)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if round == 1 {
			count, head = a.Head()
		}
		require.NoError(t, a.Close())
		require.Error(t, a.Record(t.Context(), record(0)))
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	n, last, err := audit.Verify(bytes.NewReader(whole), count, head)
	require.NoError(t, err)
	require.EqualValues(t, 30, n)
	require.Len(t, last, 64)

	lines := strings.SplitAfter(string(whole), "\n")[:30]
	for name, bad := range map[string]string{
		"changed":    strings.Replace(string(whole), "kim 3", "kim 4", 1),
		"left out":   strings.Join(append(append([]string{}, lines[:5]...), lines[6:]...), ""),
		"exchanged":  strings.Join(append([]string{lines[1], lines[0]}, lines[2:]...), ""),
		"repeated":   strings.Join(append(append([]string{}, lines...), lines[29]), ""),
		"cut":        string(whole[:len(whole)-5]),
		"no JSON":    string(whole) + "hello\n",
		"empty line": string(whole) + "\n",
	} {
		_, _, err := audit.Verify(strings.NewReader(bad), 0, "")
		require.Error(t, err, name)
		require.NoError(t, os.WriteFile(path, []byte(bad), 0o600))
		a, err := audit.OpenFile(path)
		if name == "cut" { // as a crash leaves it
			require.NoError(t, err)
			n, _ := a.Head()
			require.EqualValues(t, 29, n)
			require.NoError(t, a.Record(t.Context(), record(1)))
			require.NoError(t, a.Close())
			continue
		}
		require.Error(t, err, name)
	}
	// Whole lines cut off the end show against a head that was kept.
	_, _, err = audit.Verify(strings.NewReader(strings.Join(lines[:10], "")), 0, "")
	require.NoError(t, err)
	_, _, err = audit.Verify(strings.NewReader(strings.Join(lines[:10], "")), count, head)
	require.ErrorContains(t, err, "cut or exchanged")
}

func TestSlogAudit(t *testing.T) {
	var out bytes.Buffer
	a := audit.Slog(slog.New(slog.NewTextHandler(&out, nil)))
	require.NoError(t, a.Record(t.Context(), audit.Record{Event: audit.Decided, Title: "x\x1b\ny=1", By: "kim", Answers: map[string]string{"q": "a"}}))
	require.Contains(t, out.String(), "x<U+001B> y=1")
	require.Contains(t, out.String(), "by=kim")
	require.Error(t, audit.Slog(nil).Record(t.Context(), audit.Record{}))
}

func FuzzVerifyAudit(f *testing.F) {
	f.Add([]byte("{\"seq\":1,\"prev\":\"\"}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _, _ = audit.Verify(bytes.NewReader(b), 1, "x")
	})
}
