package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/internal/syncbuf"
	"github.com/stretchr/testify/require"
)

// An audit is checked over its files, with the texts that it keeps; whatever is changed
// in it shows.
func TestAuditVerify(t *testing.T) {
	b := atDeskBench(t)
	req := b.starts("refunds", "Refund 120 EUR|For order 4711.")
	ref, digest := b.shown(req.JobID)
	b.ok("approve", ref, "--digest", digest, "-y")
	require.Eventually(t, func() bool { return strings.Contains(b.ok("audit", "query", b.path), "completed") }, eventual, 10*tick)

	text := b.ok("audit", "verify", b.path)
	require.Contains(t, text, "each follows the one before")
	require.Contains(t, text, "2 texts of requests are what was decided about.")
	_, head, _ := strings.Cut(strings.TrimSpace(text), "--head ")
	require.Contains(t, b.ok("audit", "verify", b.path, "--head", head), "Sound")
	b.json(0, "audit-verify", nil, "audit", "verify", b.path)

	whole, err := os.ReadFile(b.path)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(whole), "\n")
	bad := func(text string, args ...string) {
		t.Helper()
		b.json(exitError, "audit-verify", nil, append([]string{"audit", "verify", write(t, "audit.jsonl", text)}, args...)...)
	}
	bad(strings.Replace(string(whole), "4711", "4712", 1))
	bad(strings.Join(lines[1:], ""))
	bad(strings.Join(lines[:2], ""), "--head", head)
	for _, h := range []string{"x", "0:" + strings.Repeat("0", 64), "5:abc"} {
		require.Equal(t, exitError, b.ctl("audit", "verify", b.path, "--head", h).code)
	}
	require.Equal(t, exitError, b.ctl("audit", "verify", "/nowhere").code)

	// A text that was exchanged before the chain was made again shows by its digest.
	forged := t.TempDir() + "/forged.jsonl"
	f, err := audit.OpenFile(forged)
	require.NoError(t, err)
	r, err := audit.Open(b.path)
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	for e, err := range audit.Read(r) {
		require.NoError(t, err)
		if e.Request != nil {
			e.Request.Description = "For order 4712."
		}
		require.NoError(t, f.Record(t.Context(), e.Record))
	}
	require.NoError(t, f.Close())
	res := b.ctl("audit", "verify", forged)
	require.Equal(t, exitError, res.code)
	require.Contains(t, res.out, "NOT SOUND: line 2: ")
}

// Who approved what last week, of files that go on in one another.
func TestAuditQuery(t *testing.T) {
	b := atDuvoBench(t)
	path := t.TempDir() + "/audit.jsonl"
	f, err := audit.OpenFile(path)
	require.NoError(t, err)
	now := time.Now()
	for i, r := range []audit.Record{
		{Event: audit.Decided, JobID: "j-1", RequestID: "r-1", Assignment: "Refunds", AssignmentID: "a-1", Kind: "approval", Title: "Refund 1 EUR", Digest: "9c41e07b", Verdict: "approved", By: kim, At: now.AddDate(0, 0, -9)},
		{Event: audit.Decided, JobID: "j-2", RequestID: "r-2", Assignment: "Refunds", AssignmentID: "a-1", Kind: "approval", Title: "Refund 2 EUR", Digest: "51d2a8f4", Verdict: "approved", By: "two", People: []string{kim, lee}, At: now.AddDate(0, 0, -6)},
		{Event: audit.Outcome, JobID: "j-2", Outcome: "completed", At: now.AddDate(0, 0, -6)},
		{Event: audit.Decided, JobID: "j-3", RequestID: "r-3", Assignment: "E-mails", AssignmentID: "a-2", Kind: "approval", Title: "Send \x1b[2J it", Digest: "77", Verdict: "denied", By: kim, At: now.AddDate(0, 0, -5)},
		{Event: audit.Elsewhere, JobID: "j-4", RequestID: "r-4", Assignment: "E-mails", AssignmentID: "a-2", Kind: "question", Title: "Which?", Digest: "88", Source: "elsewhere", At: now.AddDate(0, 0, -4)},
		{Event: audit.Decided, JobID: "j-5", RequestID: "r-5", Verdict: "denied", Source: "timeout", Title: "Too late", Kind: "approval", At: now.AddDate(0, 0, -3)},
	} {
		require.NoError(t, f.Record(t.Context(), r))
		if i == 1 {
			_, err := f.Rotate()
			require.NoError(t, err)
		}
	}
	require.NoError(t, f.Close())
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"all, the latest first": {nil, "Too late, Which?, Send <U+001B>[2J it, Refund 2 EUR, Refund 1 EUR"},
		"who approved what":     {[]string{"--by", kim, "--since", "7d", "--outcome", "approved"}, "Refund 2 EUR"},
		"by somebody":           {[]string{"--by", kim}, "Send <U+001B>[2J it, Refund 2 EUR, Refund 1 EUR"},
		"in another case":       {[]string{"--by", "LEE@example.com"}, "Refund 2 EUR"},
		"since hours":           {[]string{"--since", "100h"}, "Too late, Which?"},
		"until":                 {[]string{"--until", "8d"}, "Refund 1 EUR"},
		"since a day":           {[]string{"--since", now.AddDate(0, 0, -5).Format(time.DateOnly), "--until", now.AddDate(0, 0, -4).Add(-time.Minute).Format(time.RFC3339)}, "Send <U+001B>[2J it"},
		"assignment":            {[]string{"--assignment", "A-2"}, "Which?, Send <U+001B>[2J it"},
		"how the Job ended":     {[]string{"--outcome", "completed"}, "Refund 2 EUR"},
		"several outcomes":      {[]string{"--outcome", "elsewhere,timed out"}, "Too late, Which?"},
		"kind":                  {[]string{"--kind", "question"}, "Which?"},
		"job":                   {[]string{"--job", "j-3"}, "Send <U+001B>[2J it"},
		"request":               {[]string{"--request", "r-1"}, "Refund 1 EUR"},
		"digest":                {[]string{"--digest", "51 d2"}, "Refund 2 EUR"},
		"limit":                 {[]string{"--limit", "2"}, "Too late, Which?"},
		"nothing":               {[]string{"--by", "sam"}, ""},
	} {
		var out struct {
			Decided []struct{ Title string }
			Found   int
		}
		args := append([]string{"audit", "query", path}, c.args...)
		b.json(0, "audit-query", &out, args...)
		var titles []string
		for _, d := range out.Decided {
			titles = append(titles, strings.ReplaceAll(d.Title, "\x1b", "<U+001B>"))
		}
		require.Equal(t, c.want, strings.Join(titles, ", "), name)
		text := b.ok(args...)
		for _, title := range titles {
			require.Contains(t, text, title, name)
		}
	}
	require.Contains(t, b.ok("audit", "query", path, "--limit", "1"), "The latest 1 of 5")
	require.Len(t, b.json(0, "audit-query-all", nil, "audit", "query", path, "--all"), 7)
	require.Contains(t, b.ok("audit", "query", path, "--all", "--job", "j-2"), "outcome")
	for _, args := range [][]string{{"--since", "soon"}, {"--until", "x"}, {"--limit", "-1"}, {"--all", "--outcome", "approved"}} {
		require.Equal(t, exitError, b.ctl(append([]string{"audit", "query", path}, args...)...).code, args)
	}
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	broken := write(t, "broken.jsonl", strings.Replace(string(whole), "Which?", "Whose?", 1))
	res := b.ctl("audit", "query", broken)
	require.Equal(t, exitError, res.code)
	require.Contains(t, res.out, "Send", "what was read before is told")
	require.Contains(t, res.errs, "what stands above is not all")
	require.Equal(t, exitError, b.ctl("audit", "query", broken, "--all").code)
}

// A word that stands for nothing is refused: that nothing matches would be taken for an
// answer.
func TestAuditQueryRefusesTypos(t *testing.T) {
	for _, args := range [][]string{{"--kind", "aproval"}, {"--outcome", "approve"}} {
		var out, errs syncbuf.Buffer
		a := newApp(strings.NewReader(""), &out, &errs)
		require.NotZero(t, a.run(t.Context(), append([]string{"audit", "query", "audit.jsonl"}, args...)))
		require.Contains(t, errs.String(), args[1])
		require.Contains(t, errs.String(), "there is no")
	}
}
