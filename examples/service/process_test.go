package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// build builds the service, once for all tests.
var build = sync.OnceValues(func() (program string, err error) {
	dir, err := os.MkdirTemp("", "duvotool-service-test-")
	if err != nil {
		return "", err
	}
	built = dir
	program = filepath.Join(dir, "service")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return program, nil
})

var built string // the folder that is to be removed

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if built != "" {
			_ = os.RemoveAll(built)
		}
		os.Exit(code)
	}))
}

// orders is a Duvo for processes: "ask ..." waits for an approval.
func orders(t *testing.T) *duvotest.Server {
	d := duvotest.NewServer(duvotest.WithAssignment(duvotest.Assignment{Name: "Orders", Script: func(j *duvotest.Job) {
		if strings.HasPrefix(j.Input(), "ask") && !j.AskApproval("Refund "+j.Input(), "") {
			j.Complete("not refunded")
		}
		j.Complete("done: " + j.Input())
	}}))
	t.Cleanup(d.Close)
	return d
}

// A process is a service that runs.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	done chan struct{} // closed when all that it logs was read
	log  bytes.Buffer  // to be read when done
}

var serving = regexp.MustCompile(`msg=serving url=(\S+)`)

// launch starts a process; its url is empty if it ends without serving.
func launch(t *testing.T, data string, d *duvotest.Server) *process {
	program, err := build()
	require.NoError(t, err)
	p := &process{t: t, done: make(chan struct{})}
	p.cmd = exec.Command(program, "-listen", "127.0.0.1:0", "-data", data, "-person-header", "X-Person", "-poll", "20ms")
	p.cmd.Env = append(os.Environ(), d.Env()...)
	out, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	url := make(chan string, 1)
	go func() {
		defer close(p.done)
		defer close(url)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			fmt.Fprintln(&p.log, lines.Text())
			if m := serving.FindStringSubmatch(lines.Text()); m != nil {
				url <- m[1]
			}
		}
	}()
	p.url = <-url
	return p
}

// ends waits for the process, and returns what it has logged.
func (p *process) ends(code int) string {
	p.t.Helper()
	<-p.done
	_ = p.cmd.Wait()
	require.Equal(p.t, code, p.cmd.ProcessState.ExitCode(), p.log.String())
	return p.log.String()
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	p.ends(-1)
}

func (p *process) terminate() string {
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	return p.ends(0)
}

// call calls the process as kim; 0 if it does not answer.
func (p *process) call(method, path string, body, into any) int {
	text, err := json.Marshal(body)
	require.NoError(p.t, err)
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, bytes.NewReader(text))
	require.NoError(p.t, err)
	r.Header.Set("X-Person", "kim")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	if answer, err := io.ReadAll(resp.Body); into != nil && err == nil {
		require.NoError(p.t, json.Unmarshal(answer, into), "%s", answer)
	}
	return resp.StatusCode
}

func (p *process) post(key string) int {
	return p.call(http.MethodPost, "/jobs", map[string]string{"key": key, "assignment": "Orders", "input": key}, nil)
}

func (p *process) decide(r waiting, verdict string) int {
	return p.call(http.MethodPost, r.Decide, map[string]string{"digest": r.Digest, "verdict": verdict}, nil)
}

// outcome waits until a key has come to something.
func (p *process) outcome(key string) (w work) {
	p.until(func() bool {
		return p.call(http.MethodGet, "/jobs/"+url.PathEscape(key), nil, &w) == http.StatusOK && w.Outcome != outcome.OutcomePending
	})
	return w
}

// waits waits until so many requests wait, and returns them by their keys.
func (p *process) waits(n int) map[string]waiting {
	byKey := map[string]waiting{}
	p.until(func() bool {
		var all struct{ Requests []waiting }
		p.call(http.MethodGet, "/requests", nil, &all)
		for _, r := range all.Requests {
			byKey[r.Key] = r
		}
		return len(all.Requests) == n
	})
	return byKey
}

// until waits as long as the test may take.
func (p *process) until(is func() bool) {
	for !is() {
		select {
		case <-p.t.Context().Done():
			p.t.Fatal("the test was ended")
		case <-p.done:
			p.t.Fatalf("the service has ended: %s", p.log.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Real processes: started while Duvo refuses the key, killed while people think and just
// after one has decided, started twice, and ended by SIGTERM. Kills while something is on
// its way to Duvo are those of [TestDay]: it takes more than a minute until what they
// leave in doubt may be sent again.
func TestProcesses(t *testing.T) {
	data, d := t.TempDir(), orders(t)

	d.Inject(duvotest.Fault{Op: "listAgents", Kind: duvotest.StatusBefore, Status: http.StatusUnauthorized})
	p := launch(t, data, d)
	require.Equal(t, http.StatusServiceUnavailable, p.post("too early"))
	require.Equal(t, http.StatusOK, p.call(http.MethodGet, "/healthz", nil, nil))
	p.until(func() bool { return p.call(http.MethodGet, "/readyz", nil, nil) == http.StatusOK })

	for i := range 4 {
		require.Equal(t, http.StatusAccepted, p.post(fmt.Sprint("order ", i)))
		require.Equal(t, http.StatusAccepted, p.post(fmt.Sprint("ask ", i)))
	}
	p.waits(4)
	p.kill()

	p = launch(t, data, d)
	for i := range 4 {
		require.Equal(t, "done: "+fmt.Sprint("order ", i), p.outcome(fmt.Sprint("order ", i)).Output)
	}
	open := p.waits(4)
	require.Len(t, d.Jobs(), 8)

	second := launch(t, data, d)
	require.Empty(t, second.url)
	require.Contains(t, second.ends(1), "open elsewhere")

	require.Equal(t, http.StatusOK, p.decide(open["ask 0"], "approve"))
	p.kill()

	p = launch(t, data, d)
	require.Equal(t, http.StatusOK, p.decide(open["ask 0"], "approve"), "it counts already")
	require.Equal(t, http.StatusConflict, p.decide(open["ask 0"], "deny"))
	p.until(func() bool { return p.decide(open["ask 1"], "deny") != http.StatusServiceUnavailable }) // it is being read
	require.Equal(t, http.StatusOK, p.decide(open["ask 1"], "deny"))
	said := p.terminate()
	require.NotContains(t, said, "level=ERROR")
	require.Contains(t, said, "level=INFO msg=stopped")

	p = launch(t, data, d)
	require.Equal(t, open["ask 2"].Digest, p.waits(2)["ask 2"].Digest)
	require.Equal(t, http.StatusOK, p.decide(open["ask 2"], "approve"))
	for key, says := range map[string]string{"ask 0": "done: ask 0", "ask 1": "not refunded", "ask 2": "done: ask 2"} {
		require.Equal(t, says, p.outcome(key).Output)
	}
	require.Contains(t, p.waits(1), "ask 3", "nobody has decided it")
	p.terminate()

	require.Len(t, d.Jobs(), 8)
	require.Equal(t, 8, d.Count("startRun"), "each was sent once")
	require.Equal(t, 3, d.Count("respondToHumanRequest"))
	for _, j := range d.Jobs() {
		yes := map[string]bool{"ask 0": true, "ask 1": false, "ask 2": true}
		for _, r := range j.Requests {
			want, decided := yes[j.Input]
			require.Equal(t, decided, r.Response != nil, j.Input)
			require.True(t, !decided || *r.Response.Approved == want, j.Input)
		}
		require.Equal(t, j.Input != "ask 3", j.Status == duvo.StatusCompleted)
	}
}
