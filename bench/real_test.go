package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// benchWebhooks: in real time, over loopback.
func benchWebhooks(r *making) {
	n := r.many(300, 30)
	for _, c := range []struct {
		name string
		drop bool
	}{{"all delivered", false}, {"a third dropped", true}} {
		s := &sim{t: r.t}
		server := duvotest.NewServer(duvotest.WithAssignment(worker), duvotest.WithWebhookSecret("bench-secret-bench"))
		s.duvo = server.Duvo
		if c.drop {
			for i := range n {
				s.duvo.InjectWebhook(duvotest.WebhookFault{Skip: 3*i + 2, Drop: true})
			}
		}
		var handler atomic.Pointer[http.Handler]
		hooks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { (*handler.Load()).ServeHTTP(w, q) }))
		s.connect(server.Client(), duvotool.WithWebhook(hooks.URL+"/hooks", "bench-secret-bench"))
		h := s.reg.Webhook()
		handler.Store(&h)
		s.measure(true)
		var wg sync.WaitGroup
		for i := range n {
			input := (2*time.Second + rand.N(4*time.Second)).String()
			if i%5 == 0 {
				input += " ask"
			}
			wg.Go(func() { s.one(r.t.Context(), input) })
		}
		wg.Wait()
		r.print(figure{"webhooks", c.name, "duvotool", []value{
			{"Jobs ended", float64(s.ended.len()), ""},
			{"end seen, median", 1000 * s.ended.quantile(.5), " ms"}, {"99th percentile", 1000 * s.ended.quantile(.99), " ms"},
			{"request seen, median", 1000 * s.asked.quantile(.5), " ms"}, {"deliveries", float64(len(s.duvo.Deliveries())), ""},
		}})
		require.Equal(r.t, n, s.ended.len(), "nothing is missed")
		hooks.Close()
		require.NoError(r.t, s.reg.Close(context.Background()))
		server.Close()
	}
}

// A quiet is a backend of Jobs that run on until they are told to end. It keeps
// nothing of them, so that what is measured is ours.
type quiet struct {
	started atomic.Int64
	pages   atomic.Int64
	over    atomic.Bool
	begun   time.Time
}

var errNotHere = errors.New("not in this backend")

func (q *quiet) Assignments(context.Context) iter.Seq2[duvo.Assignment, error] {
	return func(yield func(duvo.Assignment, error) bool) {
		yield(duvo.Assignment{ID: worker.ID, Name: worker.Name}, nil)
	}
}

func (q *quiet) StartJob(_ context.Context, s duvo.StartJob) (duvo.Job, error) {
	return q.job(int(q.started.Add(1))), nil
}

// job makes the Job with this number, one created after the other.
func (q *quiet) job(i int) duvo.Job {
	status := duvo.StatusRunning
	if q.over.Load() {
		status = duvo.StatusCompleted
	}
	return duvo.Job{ID: fmt.Sprintf("10b00000-0000-4000-8000-%012d", i), Status: status, CreatedAt: q.begun.Add(time.Duration(i) * time.Millisecond)}
}

func (q *quiet) Job(_ context.Context, id string) (duvo.Job, error) {
	i, _ := strconv.Atoi(strings.TrimLeft(id[24:], "0"))
	return q.job(i), nil
}

func (q *quiet) JobPage(_ context.Context, f duvo.JobFilter) (duvo.JobPage, error) {
	q.pages.Add(1)
	n := int(q.started.Load())
	total := n
	if f.Status != "" && f.Status != q.job(1).Status {
		total = 0
	}
	page := duvo.JobPage{Total: total}
	for i := f.Offset; i < min(f.Offset+f.PageSize, total); i++ {
		if f.OldestFirst {
			page.Jobs = append(page.Jobs, q.job(i+1))
		} else {
			page.Jobs = append(page.Jobs, q.job(n-i))
		}
	}
	return page, nil
}

func (q *quiet) Messages(context.Context, string) iter.Seq2[duvo.Message, error] {
	return func(func(duvo.Message, error) bool) {}
}

func (q *quiet) Respond(context.Context, duvo.Response) error { return errNotHere }

func heap() (alloc, stacks float64) {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc), float64(m.StackInuse)
}

// fill lets n calls wait, in goroutines of their own.
func fill(t *testing.T, q *quiet, n int) (reg *duvotool.Registry, end func()) {
	reg, err := duvotool.Discover(t.Context(), q)
	require.NoError(t, err)
	tool := reg.All()[0]
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			_, err := tool.Run(t.Context(), "x")
			require.NoError(t, err)
		})
	}
	for int(q.started.Load()) < n {
		runtime.Gosched()
	}
	return reg, func() {
		q.over.Store(true)
		wg.Wait()
		require.NoError(t, reg.Close(context.Background()))
	}
}

// benchMemory: what a Job that waits costs.
func benchMemory(r *making) {
	n := r.many(10_000, 2000)
	// The runtime keeps what goroutines were made of that have ended. Those that
	// start the Jobs, each for a moment, are not to be counted by their chance
	// overlap.
	warm := make(chan struct{})
	var ended sync.WaitGroup
	for range 3 * n {
		ended.Go(func() { <-warm })
	}
	close(warm)
	ended.Wait()
	park := make(chan struct{})
	before, stacksBefore := heap()
	var idle sync.WaitGroup
	for range n {
		idle.Go(func() { <-park })
	}
	after, stacksAfter := heap()
	r.print(figure{"memory", strconv.Itoa(n) + " wait", "goroutine", []value{
		{"heap a Job", (after - before) / float64(n), " B"}, {"stacks a Job", (stacksAfter - stacksBefore) / float64(n), " B"}, {"other goroutines", 0, ""}}})
	close(park)
	idle.Wait()

	synctest.Test(r.t, func(t *testing.T) {
		q := &quiet{begun: time.Now()}
		goroutines := runtime.NumGoroutine()
		before, stacksBefore := heap()
		_, end := fill(t, q, n)
		time.Sleep(10 * time.Minute) // a few sweeps
		synctest.Wait()
		after, stacksAfter := heap()
		others := runtime.NumGoroutine() - goroutines - n
		each := (after - before) / float64(n)
		r.print(figure{"memory", strconv.Itoa(n) + " wait", "duvotool", []value{
			{"heap a Job", each, " B"}, {"stacks a Job", (stacksAfter - stacksBefore) / float64(n), " B"}, {"other goroutines", float64(others), ""}}})
		assert.Less(t, each, 1981.0)
		assert.Less(t, others, 5)
		end()
	})
}

// benchScale: what watching costs as Jobs become more.
func benchScale(r *making) {
	type cost struct{ pages, heap, cpu float64 }
	var all []cost
	sizes := []int{100, 1000, 10_000}
	for _, n := range sizes {
		synctest.Test(r.t, func(t *testing.T) {
			q := &quiet{begun: time.Now()}
			before, _ := heap()
			_, end := fill(t, q, n)
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			after, _ := heap()
			pages, used := q.pages.Load(), cpu()
			time.Sleep(time.Hour)
			synctest.Wait()
			used = cpu() - used
			pages = q.pages.Load() - pages
			sweeps := time.Hour.Seconds() / 15
			if n > 1000 {
				sweeps *= 2
			}
			c := cost{float64(pages) / sweeps, (after - before) / float64(n), used.Seconds() / sweeps / float64(n) * 1e6}
			all = append(all, c)
			r.print(figure{"scale", strconv.Itoa(n) + " in flight", "duvotool", []value{
				{"requests a sweep", c.pages, ""}, {"heap a Job", c.heap, " B"}, {"CPU a Job and sweep", c.cpu, " µs"}}})
			end()
		})
	}
	for i := 1; i < len(all); i++ {
		require.Less(r.t, all[i].heap, 1.3*all[i-1].heap)
		require.Less(r.t, all[i].pages, 1.3*10*all[i-1].pages)
	}
}

// benchDiscovery: a catalog of 5,000, over a network of 50 ms.
func benchDiscovery(r *making) {
	n := r.many(5000, 5000)
	var assignments []duvotest.Assignment
	for i := range n {
		assignments = append(assignments, duvotest.Assignment{Name: fmt.Sprintf("Assignment %05d", i), Description: strings.Repeat("What it is for. ", 20), Folder: "Kept/" + strconv.Itoa(i%100)})
	}
	var loopTook, took time.Duration
	synctest.Test(r.t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignments(assignments...), duvotest.WithRateLimit(5000))
		defer d.Close()
		d.Inject(duvotest.Fault{Times: -1, Latency: 50 * time.Millisecond})
		l := newLoop(d)
		begin := time.Now()
		var kept []json.RawMessage
		before, _ := heap()
		for offset := 0; offset < n; offset += 100 {
			var page struct {
				Agents []json.RawMessage `json:"agents"`
			}
			require.NoError(t, l.call(t.Context(), "GET", fmt.Sprintf("/teams/%s/agents?limit=100&offset=%d", l.team, offset), nil, &page))
			kept = append(kept, page.Agents...)
		}
		loopTook = time.Since(begin)
		after, _ := heap()
		r.print(figure{"discovery", strconv.Itoa(n) + " Assignments", "loop", []value{
			{"list requests", float64(d.Count("listAgents")), ""}, {"other requests", 0, ""}, {"time", loopTook.Seconds(), " s"}, {"heap kept", (after - before) / 1024, " KiB"}}})
		runtime.KeepAlive(kept)
	})
	var held []float64
	for _, part := range []struct {
		name string
		keep []duvotool.Option
	}{{"all kept", nil}, {"one in a hundred kept", []duvotool.Option{duvotool.Keep(duvotool.InFolder("Kept/7"))}}} {
		synctest.Test(r.t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignments(assignments...), duvotest.WithRateLimit(5000))
			defer d.Close()
			d.Inject(duvotest.Fault{Times: -1, Latency: 50 * time.Millisecond})
			before, _ := heap()
			begin := time.Now()
			reg, err := duvotool.Discover(t.Context(), d.Client(), part.keep...)
			require.NoError(t, err)
			took = time.Since(begin)
			after, _ := heap()
			held = append(held, after-before)
			r.print(figure{"discovery", strconv.Itoa(n) + ", " + part.name, "duvotool", []value{
				{"list requests", float64(d.Count("listAgents")), ""}, {"other requests", float64(d.Count("listAgentFolders")), ""}, {"time", took.Seconds(), " s"}, {"heap kept", (after - before) / 1024, " KiB"}}})
			require.Equal(t, (n+99)/100, d.Count("listAgents"))
			require.NoError(t, reg.Close(t.Context()))
			runtime.KeepAlive(reg)
		})
		require.Less(r.t, took, loopTook/2)
	}
	require.Less(r.t, held[1], held[0]/5)
}

// benchCPU: a whole Call, and the same requests written by hand, in pairs, over
// TLS on loopback.
func benchCPU(r *making) {
	const number = "000000000000" // of a Job, at the end of its ID
	run := map[string]any{"id": "10b00000-0000-4000-8000-" + number, "agent_id": worker.ID, "build_id": worker.ID, "status": "completed",
		"created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:05Z", "source": "api"}
	var messages []any
	for i := range 20 {
		messages = append(messages, map[string]any{"id": strconv.Itoa(i), "type": "message", "role": "assistant", "timestamp": "2026-01-02T03:04:05Z",
			"text_content": strings.Repeat("What was done. ", 20)})
	}
	answer := func(v any) []byte { b, _ := json.Marshal(v); return b }
	job := answer(map[string]any{"run": run})
	begun := bytes.Replace(job, []byte("completed"), []byte("running"), 1) // so that both sides wait for the read
	list := answer(map[string]any{"messages": messages, "total": 20, "limit": 50, "offset": 0})
	agents := answer(map[string]any{"agents": []any{map[string]any{"id": worker.ID, "name": "Worker"}}, "total": 1})
	folders := answer(map[string]any{"folders": []any{}})
	var started atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(q.URL.Path, "/agents"):
			_, _ = w.Write(agents)
		case strings.HasSuffix(q.URL.Path, "/agent-folders"):
			_, _ = w.Write(folders)
		case strings.HasSuffix(q.URL.Path, "/messages"):
			_, _ = w.Write(list)
		case q.Method == http.MethodPost:
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write(bytes.Replace(begun, []byte(number), fmt.Appendf(nil, "%012d", started.Add(1)), 1))
		default:
			_, _ = w.Write(bytes.Replace(job, []byte(number), []byte(q.URL.Path[len(q.URL.Path)-len(number):]), 1))
		}
	}))
	defer server.Close()
	transport := server.Client().Transport.(*http.Transport)
	defer transport.CloseIdleConnections()
	const pause = time.Millisecond // between the start and the read, on both sides
	const team = "7e000000-0000-4000-8000-000000000001"
	client, err := duvo.New(duvo.WithAPIKey("dv_bench"), duvo.WithTeam(team), duvo.WithBaseURL(server.URL), duvo.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(r.t, err)
	reg, err := duvotool.Discover(r.t.Context(), client, duvotool.WithPollInterval(pause))
	require.NoError(r.t, err)
	tool := reg.All()[0]
	l := &loop{http: &http.Client{Transport: transport}, url: server.URL + "/v2", key: "dv_bench", team: team}

	const calls, pairs = 200, 31
	cost := func(f func() string) float64 {
		begin := cpu()
		for range calls {
			require.NotEmpty(r.t, f())
		}
		return (cpu() - begin).Seconds()
	}
	byHand := func() string {
		_, out, err := l.job(r.t.Context(), worker.ID, "x", pause)
		require.NoError(r.t, err)
		return out
	}
	ours := func() string {
		out, err := tool.Call(r.t.Context(), "x")
		require.NoError(r.t, err)
		return out
	}
	cost(byHand)
	cost(ours)
	var ratios, a, b []float64
	for i := range pairs {
		var x, y float64
		if i%2 == 0 {
			x, y = cost(byHand), cost(ours)
		} else {
			y, x = cost(ours), cost(byHand)
		}
		ratios, a, b = append(ratios, y/x), append(a, x/calls*1e6), append(b, y/calls*1e6)
	}
	r.print(figure{"cpu", "a Call of 3 requests", "by hand", []value{{"CPU a Call, median", quantile(a, .5), " µs"}, {"ratio, median", 1, ""}, {"lower quartile", 1, ""}, {"upper quartile", 1, ""}}})
	r.print(figure{"cpu", "a Call of 3 requests", "duvotool", []value{{"CPU a Call, median", quantile(b, .5), " µs"}, {"ratio, median", quantile(ratios, .5), ""},
		{"lower quartile", quantile(ratios, .25), ""}, {"upper quartile", quantile(ratios, .75), ""}}})
	require.NoError(r.t, reg.Close(r.t.Context()))
}
