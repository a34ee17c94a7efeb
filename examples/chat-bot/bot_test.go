package main

import (
	"bufio"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/slack"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/examples/internal/setup"
	api "github.com/slack-go/slack"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// asProgram has the test's own program be the one that is tested.
const asProgram = "DUVOTOOL_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

var shop = []duvotest.Assignment{
	{Name: "Refunds", Description: "Refunds an order that arrived broken.", Script: func(j *duvotest.Job) {
		if j.AskApproval("Refund "+j.Input(), "") {
			j.Complete("refunded: " + j.Input())
		}
		j.Complete("not refunded: " + j.Input())
	}},
	{Name: "Order status", Description: "Looks up the shipping status of an order, where it is.", Script: func(j *duvotest.Job) { j.Complete("shipped: " + j.Input()) }},
}

// start opens a bot in this process, and returns its address.
func start(t *testing.T, w *workspace, d *duvotest.Server, dir string) (at string, stop func()) {
	b := &bot{slack: api.New("xoxb-token", api.OptionAPIURL(w.URL+"/")), secret: secret, people: map[string]string{"U1": "kim@example.com"}, log: slog.New(slog.DiscardHandler), mentions: mentions{dir: filepath.Join(dir, "mentions")}}
	require.NoError(t, b.open(t.Context(), d.Client(), setup.StandIn(script), slack.Dir(filepath.Join(dir, "posts")), duvotool.WithPollInterval(10*time.Millisecond)))
	srv := httptest.NewServer(b.handler())
	return srv.URL, func() {
		srv.Close()
		require.NoError(t, b.close())
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	}
}

// Each conversation is in its thread: the question, who decided it and the answer. What
// Slack tells twice is worked on once.
func TestThreads(t *testing.T) {
	w, d := newWorkspace(t), duvotest.NewServer(duvotest.WithAssignments(shop...))
	defer d.Close()
	at, stop := start(t, w, d, t.TempDir())
	defer stop()

	for range 3 { // Slack does not hear the answer
		require.Equal(t, 200, tell(t, at, "/slack/events", w.mention("1.1", "", "order 4711 arrived broken, refund it")))
	}
	require.Equal(t, 200, tell(t, at, "/slack/events", w.mention("2.2", "2.0", "refund broken order 4712")))
	require.Equal(t, 200, tell(t, at, "/slack/events", w.mention("3.3", "", "where is order 4713, its status?")))
	w.answered(t, "3.3", "shipped: where is order 4713")

	first, second := w.asked(t, "1.1"), w.asked(t, "2.0")
	require.Contains(t, first.Blocks, "4711")
	require.Contains(t, second.Blocks, "4712")
	require.Equal(t, 200, tell(t, at, "/slack/actions", w.click(second, "U9")), "who is not known")
	require.Zero(t, d.Count("respondToHumanRequest"))
	require.Equal(t, 200, tell(t, at, "/slack/actions", w.click(second, "U1")))
	w.answered(t, "2.0", "refunded: refund broken order 4712")
	require.NotEmpty(t, w.asked(t, "1.1").approve(), "the other thread is as it was")
	require.Equal(t, 1, d.Count("respondToHumanRequest"))
	require.Equal(t, 200, tell(t, at, "/slack/actions", w.click(first, "U1")))
	w.answered(t, "1.1", "refunded: order 4711")

	require.Equal(t, 200, tell(t, at, "/slack/events", w.mention("1.1", "", "order 4711 arrived broken, refund it")), "an hour later")
	require.Equal(t, 200, tell(t, at, "/slack/events", w.mention("4.4", "", "the status of order 1, where is it?")))
	w.answered(t, "4.4", "shipped")
	answers := 0
	for _, m := range w.answered(t, "1.1", "refunded: order 4711") {
		if m.Metadata == "" { // the bot's own words
			answers++
		}
	}
	require.Equal(t, 1, answers)
	require.Len(t, d.Jobs(), 4)
	require.Equal(t, 4, d.Count("startRun"))
	require.Equal(t, 2, d.Count("respondToHumanRequest"))
}

// What is not signed is nobody's.
func TestUnsigned(t *testing.T) {
	w, d := newWorkspace(t), duvotest.NewServer(duvotest.WithAssignments(shop...))
	defer d.Close()
	at, stop := start(t, w, d, t.TempDir())
	defer stop()
	for _, path := range []string{"/slack/events", "/slack/actions"} {
		resp, err := http.Post(at+path, "application/json", strings.NewReader(w.mention("1.1", "", "refund it")))
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
		resp.Body.Close()
	}
	require.Empty(t, d.Jobs())
}

var serving = regexp.MustCompile(`msg=serving url=(\S+)`)

// Killed while people think, the next process goes on: it asks nothing again, starts
// nothing again, and answers in the thread.
func TestKilled(t *testing.T) {
	w, d := newWorkspace(t), duvotest.NewServer(duvotest.WithAssignments(shop...))
	defer d.Close()
	dir := t.TempDir()
	program, err := os.Executable()
	require.NoError(t, err)
	life := func() (at string, c *exec.Cmd) {
		c = exec.CommandContext(t.Context(), program, "-listen", "127.0.0.1:0", "-data", filepath.Join(dir, "data"), "-people", "U1=kim@example.com", "-poll", "20ms")
		c.Env = append(os.Environ(), append(d.Env(), asProgram+"=1", "SLACK_BOT_TOKEN=xoxb-token", "SLACK_SIGNING_SECRET="+secret, "SLACK_API_URL="+w.URL+"/", "OPENAI_API_KEY=", "OLLAMA_HOST=")...)
		log, err := c.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, c.Start())
		lines := bufio.NewScanner(log)
		for lines.Scan() {
			if m := serving.FindStringSubmatch(lines.Text()); m != nil {
				at = m[1]
				break
			}
		}
		go func() {
			for lines.Scan() {
			}
		}()
		require.NotEmpty(t, at)
		return at, c
	}
	at, first := life()
	require.Equal(t, 200, tell(t, at, "/slack/events", w.mention("1.1", "", "order 4711 arrived broken, refund it")))
	asked := w.asked(t, "1.1")
	// Until it is noted that the message is there, and which: else it is looked for.
	for posts := 0; posts == 0; time.Sleep(5 * time.Millisecond) {
		names, _ := filepath.Glob(filepath.Join(dir, "data", "posts", "*.post.json"))
		for _, name := range names {
			if text, _ := os.ReadFile(name); strings.Contains(string(text), `"stage":"open"`) {
				posts++
			}
		}
		require.NoError(t, t.Context().Err())
	}
	require.NoError(t, first.Process.Kill())
	_ = first.Wait()

	at, second := life()
	for d.Count("respondToHumanRequest") == 0 { // until what waits has been read again, a click is told so, or to come again
		require.Contains(t, []int{200, 503}, tell(t, at, "/slack/actions", w.click(asked, "U1")))
		time.Sleep(100 * time.Millisecond)
		require.NoError(t, t.Context().Err())
	}
	all := w.answered(t, "1.1", "refunded: order 4711")
	questions := 0
	for _, m := range all {
		if strings.Contains(m.Metadata, "duvotool_request") {
			questions++
		}
	}
	require.Equal(t, 1, questions)
	require.Len(t, d.Jobs(), 1)
	require.Equal(t, 1, d.Count("startRun"))
	require.Equal(t, 1, d.Count("respondToHumanRequest"))
	require.NoError(t, second.Process.Signal(os.Interrupt))
	require.NoError(t, second.Wait())
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
