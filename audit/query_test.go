package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReadAndFilter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	f, err := OpenFile(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	start := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	for i, r := range []Record{
		{Event: Requested, Assignment: "Refunds", AssignmentID: "a-1", JobID: "j-1", RequestID: "r-1", Digest: "9c41e07b", Key: "k1"},
		{Event: Decided, Assignment: "Refunds", AssignmentID: "a-1", JobID: "j-1", RequestID: "r-1", Digest: "9c41e07b", Key: "k1", Verdict: "approved", By: "Kim@example.com"},
		{Event: Decided, Assignment: "E-mails", AssignmentID: "a-2", JobID: "j-2", RequestID: "r-2", Digest: "51d2a8f4", Key: "k2", Verdict: "denied", By: "two", People: []string{"kim@example.com", "lee@example.com"}},
	} {
		r.At = start.Add(time.Duration(i) * time.Hour)
		require.NoError(t, f.Record(t.Context(), r))
	}
	query := func(f Filter) (lines []int64) {
		file, err := os.Open(path) // while it is open for writing
		require.NoError(t, err)
		defer func() { _ = file.Close() }()
		for e, err := range Read(file) {
			require.NoError(t, err)
			if f.Match(e.Record) {
				lines = append(lines, e.Line)
			}
		}
		return lines
	}
	for name, c := range map[string]struct {
		f    Filter
		want []int64
	}{
		"all":            {Filter{}, []int64{1, 2, 3}},
		"by":             {Filter{By: "KIM@example.com"}, []int64{2, 3}},
		"by nobody":      {Filter{By: "sam@example.com"}, nil},
		"assignment":     {Filter{Assignment: "refunds"}, []int64{1, 2}},
		"its ID":         {Filter{Assignment: "A-2"}, []int64{3}},
		"job":            {Filter{JobID: "J-2"}, []int64{3}},
		"request":        {Filter{RequestID: "r-1"}, []int64{1, 2}},
		"digest":         {Filter{Digest: "9C41"}, []int64{1, 2}},
		"key":            {Filter{Key: "k2"}, []int64{3}},
		"event":          {Filter{Events: []Event{Decided}}, []int64{2, 3}},
		"verdict":        {Filter{Verdicts: []string{"denied"}}, []int64{3}},
		"since":          {Filter{Since: start.Add(time.Hour)}, []int64{2, 3}},
		"until":          {Filter{Until: start.Add(time.Hour)}, []int64{1}},
		"who and when":   {Filter{By: "kim@example.com", Since: start.Add(90 * time.Minute)}, []int64{3}},
		"nothing at all": {Filter{JobID: "j-1", RequestID: "r-2"}, nil},
	} {
		require.Equal(t, c.want, query(c.f), name)
	}
	_, hash := f.Head()
	var last Entry
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	for e, err := range Read(bytes.NewReader(append(file, `{"seq":4,"pr`...))) { // its writer is at work
		require.NoError(t, err)
		last = e
	}
	require.Equal(t, hash, last.Hash)
	for range Read(bytes.NewReader(file)) {
		break
	}
	errs := 0
	for _, err := range Read(bytes.NewReader(bytes.Replace(file, []byte("Refunds"), []byte("refunds"), 1))) {
		if err != nil {
			errs++
			require.ErrorContains(t, err, "does not follow")
		}
	}
	require.Equal(t, 1, errs)
}
