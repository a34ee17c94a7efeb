package inbox_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// crowd is a registry in which many requests wait.
type crowd []hitl.Request

func (c crowd) Pending() []hitl.Request { return slices.Clone(c) }
func (crowd) Decide(context.Context, hitl.Request, hitl.Decision) error {
	return hitl.ErrRequestChanged
}

// newCrowd makes n requests of 200 Assignments, a part of them with long texts.
func newCrowd(n int) crowd {
	c := make(crowd, n)
	now := time.Now()
	for i := range c {
		c[i] = hitl.Request{JobID: fmt.Sprintf("0b6d3f5e-6f7a-4c55-9a3f-%012d", i), ID: fmt.Sprintf("3b6d3f5e-6f7a-4c55-9a3f-%012d", i), Kind: duvo.Approval,
			Title: fmt.Sprintf("Refund %d EUR for order %d of a customer with a long name", i%997, 40_000+i), Description: strings.Repeat("The parcel came late and one of two lamps was broken. ", 1+i%50),
			Assignment: duvo.Assignment{ID: fmt.Sprintf("6f1e02c9-0000-4000-8000-%012d", i%200), Name: fmt.Sprintf("Refunds of shop %d", i%200)}, Folder: "Support/Refunds",
			Input: "order", Caller: hitl.Caller{User: "agent@example.com"}, FirstSeen: now.Add(-time.Duration(i) * time.Minute)}
	}
	return c
}

// BenchmarkFirstPage prints what the first page of 10,000 requests takes beside a bare
// handler that writes the same bytes, one after the other in pairs.
//
//	go test -run '^$' -bench FirstPage -benchtime 4000x ./adapters/inbox
func BenchmarkFirstPage(b *testing.B) {
	desk, err := inbox.New(inbox.Config{Registries: []inbox.Registry{newCrowd(10_000)}, Person: person, May: inbox.Everyone,
		Deadline: func(r hitl.Request) (time.Time, string) { return r.FirstSeen.Add(30 * 24 * time.Hour), "denied" }})
	require.NoError(b, err)
	defer desk.Close()
	var page []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bare" {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(page)
			return
		}
		desk.ServeHTTP(w, r)
	}))
	defer server.Close()
	get := func(path string) (took time.Duration, body []byte) {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, server.URL+path, nil)
		require.NoError(b, err)
		r.Header.Set("X-Person", "kim@example.com")
		began := time.Now()
		res, err := http.DefaultClient.Do(r)
		require.NoError(b, err)
		body, err = io.ReadAll(res.Body)
		took = time.Since(began)
		require.NoError(b, err)
		require.NoError(b, res.Body.Close())
		require.Equal(b, http.StatusOK, res.StatusCode)
		return took, body
	}
	_, page = get("/")
	var bare, ours []time.Duration
	for b.Loop() {
		t, _ := get("/bare")
		bare = append(bare, t)
		t, _ = get("/")
		ours = append(ours, t)
	}
	report := func(name string, all []time.Duration) (median, mean float64) {
		slices.Sort(all)
		sum := time.Duration(0)
		for _, t := range all {
			sum += t
		}
		median, mean = float64(all[len(all)/2].Microseconds()), float64(sum.Microseconds())/float64(len(all))
		b.ReportMetric(median, name+"-median-µs")
		b.ReportMetric(mean, name+"-mean-µs")
		return median, mean
	}
	bareMedian, bareMean := report("bare", bare)
	median, mean := report("page", ours)
	b.ReportMetric(float64(len(page)), "bytes")
	b.ReportMetric(median/bareMedian, "ratio-of-medians")
	b.ReportMetric(mean/bareMean, "ratio-of-means")
}
