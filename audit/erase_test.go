package audit_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// about is what an audit has of a Job: jo is the person whose data is to be erased, kim
// the one who decided.
func about(job string) []audit.Record {
	r := audit.Record{JobID: job, Key: "order " + job, AssignmentID: "refunds", Assignment: "Refunds", RequestID: "r-" + job, Kind: duvo.Approval,
		Title: "Refund 120 EUR to jo@example.com", Digest: "d" + job, RequestedAt: time.Unix(1, 0).UTC()}
	with := func(e audit.Event, f func(*audit.Record)) audit.Record {
		out := r
		out.Event = e
		f(&out)
		return out
	}
	return []audit.Record{
		with(audit.Requested, func(*audit.Record) {}),
		with(audit.Decided, func(r *audit.Record) {
			r.Verdict, r.By, r.Reason, r.Source, r.Answers = "approved", "kim", "jo is right", hitl.SourcePerson, map[string]string{"Who?": "jo"}
			r.Request = &hitl.Request{JobID: job, Title: r.Title, Input: "jo@example.com wants 120 EUR"}
		}),
		with(audit.Delivered, func(r *audit.Record) { r.Verdict, r.By, r.Delivery = "approved", "kim", hitl.Accepted }),
		{Event: audit.Outcome, JobID: job, Key: "order " + job, Outcome: "completed"},
	}
}

func recorded(t *testing.T, a *audit.File, jobs ...string) {
	t.Helper()
	for _, job := range jobs {
		for _, r := range about(job) {
			require.NoError(t, a.Record(t.Context(), r))
		}
	}
}

// onDisk is all that lies in a folder.
func onDisk(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		all.Write(b)
	}
	return all.String()
}

func verified(t *testing.T, path string, count int64, hash string) error {
	t.Helper()
	r, err := audit.Open(path)
	require.NoError(t, err)
	defer func() { _ = r.Close() }()
	_, _, err = audit.Verify(r, count, hash)
	return err
}

func noRotation(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows renames no file that is open")
	}
}

// TestErase: the texts of a person are gone from the disk, who decided what is not, and the
// chain holds, also against a head that was kept before.
func TestErase(t *testing.T) {
	noRotation(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	a, err := audit.OpenFile(path)
	require.NoError(t, err)
	recorded(t, a, "one", "two")
	_, err = a.Rotate()
	require.NoError(t, err)
	recorded(t, a, "three")
	count, hash := a.Head()
	var before audit.Position
	reader, err := audit.Open(path)
	require.NoError(t, err)
	for _, err := range before.ReadOn(reader.(io.ReadSeeker)) {
		require.NoError(t, err)
	}
	require.NoError(t, reader.Close())

	jos := audit.Filter{Text: "JO@example.com"}
	require.True(t, jos.Match(about("one")[0]))
	require.False(t, jos.Match(about("one")[3]))
	n, whole, err := a.Erase(t.Context(), audit.Erasure{By: "lee", Reason: "request 17", Match: func(r audit.Record) bool { return r.JobID != "two" }})
	require.NoError(t, err)
	require.Equal(t, 6, n)
	require.Empty(t, whole)
	recorded(t, a, "four")
	require.NoError(t, verified(t, path, count, hash))
	disk := onDisk(t, dir)
	require.Equal(t, 2*5, strings.Count(disk, "jo@example.com"), "those of two and four, in the titles and the input")
	require.Equal(t, 2, strings.Count(disk, "jo is right"))

	r, err := audit.Open(path)
	require.NoError(t, err)
	defer func() { _ = r.Close() }()
	all, err := audit.Decisions(r, audit.Filter{By: "kim"})
	require.NoError(t, err)
	require.Len(t, all, 4)
	for _, d := range all {
		gone := d.JobID == "one" || d.JobID == "three"
		require.Equal(t, gone, d.Erased)
		require.Equal(t, gone, d.Title == "" && d.Reason == "" && d.Request == nil && d.Answers == nil)
		require.Equal(t, []string{"approved", "kim", "d" + d.JobID, "accepted", "completed"}, []string{d.Verdict, d.By, d.Digest, string(d.Delivery), string(d.Job)})
	}
	r, err = audit.Open(path)
	require.NoError(t, err)
	defer func() { _ = r.Close() }()
	var told []audit.Record
	for e, err := range audit.Read(r) {
		require.NoError(t, err)
		if e.Event == audit.Erased {
			told = append(told, e.Record)
		}
	}
	require.Len(t, told, 1)
	require.Equal(t, []any{"lee", "request 17", []int64{1, 2, 3, 10, 11, 12}}, []any{told[0].By, told[0].Reason, told[0].Lines})

	n, _, err = a.Erase(t.Context(), audit.Erasure{By: "lee", Reason: "again", Match: func(r audit.Record) bool { return r.JobID == "one" }})
	require.NoError(t, err)
	require.Zero(t, n)
	r, err = audit.Open(path)
	require.NoError(t, err)
	defer func() { _ = r.Close() }()
	for _, err := range before.ReadOn(r.(io.ReadSeeker)) {
		require.ErrorIs(t, err, audit.ErrMoved, "what was read is not there any more")
	}
	require.NoError(t, a.Close())
	a, err = audit.OpenFile(path)
	require.NoError(t, err)
	require.NoError(t, a.Close())
}

// TestErasureHidesNothing: what is taken away without a record shows, and so does
// whatever is changed of what must stay.
func TestErasureHidesNothing(t *testing.T) {
	noRotation(t)
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	a, err := audit.OpenFile(path)
	require.NoError(t, err)
	recorded(t, a, "one")
	require.NoError(t, a.Close())
	written, err := os.ReadFile(path)
	require.NoError(t, err)
	bare := func(line string) string {
		head, _, found := strings.Cut(line, `,"texts":`)
		require.True(t, found)
		return head + "}"
	}
	lines := strings.Split(strings.TrimSpace(string(written)), "\n")
	stripped := append([]string{}, lines...)
	stripped[1] = bare(lines[1])
	_, _, err = audit.Verify(strings.NewReader(strings.Join(stripped, "\n")+"\n"), 0, "")
	require.ErrorContains(t, err, "the texts of line 2 are gone, and no record tells that they were erased")

	a, err = audit.OpenFile(path)
	require.NoError(t, err)
	_, _, err = a.Erase(t.Context(), audit.Erasure{By: "lee", Reason: "request 17", Match: func(audit.Record) bool { return true }})
	require.NoError(t, err)
	require.NoError(t, a.Close())
	whole, err := audit.Open(path)
	require.NoError(t, err)
	defer func() { _ = whole.Close() }()
	var all bytes.Buffer
	_, err = all.ReadFrom(whole)
	require.NoError(t, err)
	_, _, err = audit.Verify(bytes.NewReader(all.Bytes()), 0, "")
	require.NoError(t, err)
	for i := range all.Len() {
		changed := bytes.Clone(all.Bytes())
		changed[i] ^= 1
		_, _, err := audit.Verify(bytes.NewReader(changed), 0, "")
		last := bytes.LastIndexByte(changed[:len(changed)-1], '\n') // only a kept head guards the last line's own head
		if i < last {
			require.Error(t, err, "byte %d of %s", i, all.String())
		}
	}
	for _, e := range []audit.Erasure{{By: "lee", Reason: "x"}, {By: " ", Reason: "x", Match: func(audit.Record) bool { return true }}, {By: "lee", Match: func(audit.Record) bool { return true }}} {
		_, _, err = a.Erase(t.Context(), e)
		require.ErrorContains(t, err, "are needed")
	}
}

// TestErasureInterrupted: what could not be taken away is told, nothing is broken, and
// erasing once more does it.
func TestErasureInterrupted(t *testing.T) {
	noRotation(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	a, err := audit.OpenFile(path)
	require.NoError(t, err)
	recorded(t, a, "one")
	finished, err := a.Rotate()
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(finished+".erasing/in the way", 0o700))
	e := audit.Erasure{By: "lee", Reason: "request 17", Match: func(audit.Record) bool { return true }}
	n, _, err := a.Erase(t.Context(), e)
	require.Error(t, err)
	require.Zero(t, n)
	require.NoError(t, verified(t, path, 0, ""))
	require.NoError(t, os.RemoveAll(finished+".erasing"))
	n, _, err = a.Erase(t.Context(), e)
	require.NoError(t, err)
	require.Equal(t, 3+1, n, "with the reason of the first attempt")
	require.NoError(t, verified(t, path, 0, ""))
	require.NotContains(t, onDisk(t, dir), "jo@example.com")
	require.NoError(t, a.Close())
}

// TestEarlierLines: what an earlier release has written is read and continued, and is
// named where it cannot be erased.
func TestEarlierLines(t *testing.T) {
	noRotation(t)
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	var old bytes.Buffer
	prev := ""
	for i, r := range about("one") {
		body, err := json.Marshal(r)
		require.NoError(t, err)
		line := fmt.Sprintf(`{"seq":%d,"prev":%q,%s`, i+1, prev, body[1:])
		sum := sha256.Sum256([]byte(line))
		prev = hex.EncodeToString(sum[:])
		old.WriteString(line + "\n")
	}
	require.NoError(t, os.WriteFile(path, old.Bytes(), 0o600))
	a, err := audit.OpenFile(path)
	require.NoError(t, err)
	recorded(t, a, "two")
	n, whole, err := a.Erase(t.Context(), audit.Erasure{By: "lee", Reason: "request 17", Match: audit.Filter{Text: "jo"}.Match})
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, []int64{1, 2, 3}, whole)
	require.NoError(t, verified(t, path, 4, prev))
	require.NoError(t, a.Close())
}

// TestSalt: what two lines say alike does not show by their hashes.
func TestSalt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	a, err := audit.OpenFile(path)
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, a.Record(t.Context(), audit.Record{Event: audit.Requested, Title: "yes"}))
	}
	require.NoError(t, a.Close())
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	seals := map[string]bool{}
	for line := range bytes.Lines(raw) {
		var l struct {
			Sealed string
			Texts  struct{ Salt string }
		}
		require.NoError(t, json.Unmarshal(line, &l))
		require.Len(t, l.Sealed, 64)
		require.GreaterOrEqual(t, len(l.Texts.Salt), 26)
		seals[l.Sealed] = true
	}
	require.Len(t, seals, 2)
}
