package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
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

const file = `key,order,euros
n/1,A1,20
n/2,A2,50
n/3,A3,10
n/4,A4,30
n/5,A5,300
# its worker will ask for something else
n/6,EVIL,20
`

// A night is a Duvo, and the program over a file.
type night struct {
	t       *testing.T
	d       *duvotest.Server
	program string
	dir     string
	goOn    chan struct{} // Jobs end once it is closed
}

func newNight(t *testing.T) *night {
	n := &night{t: t, dir: t.TempDir(), goOn: make(chan struct{})}
	refunds := emulated
	refunds.Script = func(j *duvotest.Job) {
		if !j.AskApproval(strings.Replace(j.Input(), "20 EUR for order EVIL", "900 EUR for order EVIL", 1), "") {
			j.Complete("not refunded")
		}
		select {
		case <-n.goOn:
		case <-j.Context().Done():
		}
		j.Complete("refunded")
	}
	n.d = duvotest.NewServer(duvotest.WithAssignment(refunds))
	t.Cleanup(n.d.Close)
	var err error
	n.program, err = os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(n.dir, "refunds.csv"), []byte(file), 0o600))
	return n
}

func (n *night) command() *exec.Cmd {
	c := exec.CommandContext(n.t.Context(), n.program, "-file", "refunds.csv", "-data", "data", "-assignment", emulated.ID, "-limit", "3", "-poll", "20ms")
	c.Dir, c.Env = n.dir, append(append(os.Environ(), n.d.Env()...), asProgram+"=1")
	return c
}

// run runs the program to its end.
func (n *night) run(code int) (report string) {
	n.t.Helper()
	out, err := n.command().CombinedOutput()
	var failed *exec.ExitError
	require.True(n.t, err == nil || errors.As(err, &failed), "%v", err)
	got := 0
	if failed != nil {
		got = failed.ExitCode()
	}
	require.Equal(n.t, code, got, "%s", out)
	return string(out)
}

// settled reports whether all Jobs are there, and the program knows so much of them that
// nothing of what it has sent is in doubt: what is takes minutes to clear up.
func (n *night) settled(jobs, decided int) bool {
	read := map[string]bool{}
	for _, r := range n.d.Requests() {
		if r.Op == "getRun" {
			read[r.Path] = true
		}
	}
	record, _ := os.ReadFile(filepath.Join(n.dir, "data", "audit.jsonl"))
	return len(n.d.Jobs()) == jobs && len(read) == jobs && bytes.Count(record, []byte(`"delivery":"accepted"`)) == decided
}

// Killed in the middle and run again, and again the next nights: each line has one Job,
// each request one response at most, the limit holds over all runs, and what people
// decide in Duvo is reported.
func TestNights(t *testing.T) {
	n := newNight(t)
	first := n.command()
	require.NoError(t, first.Start())
	for !n.settled(6, 3) {
		require.NoError(t, t.Context().Err())
		time.Sleep(5 * time.Millisecond)
	}
	require.NoError(t, first.Process.Kill())
	_ = first.Wait()
	close(n.goOn)

	report := n.run(left)
	require.Len(t, n.d.Jobs(), 6)
	require.Equal(t, 3, n.d.Count("respondToHumanRequest"), "the fourth small one is over the limit")
	require.Contains(t, report, "6 lines: 3 ended (0 before this run), 3 waiting for people")
	require.Contains(t, report, "approved by this program within 24 hours: 3 of 3")
	require.Contains(t, report, "waits     n/5  Refund 300 EUR for order A5: decide it in Duvo: Job ")
	require.Contains(t, report, "waits     n/6  Refund 20 EUR for order EVIL", "its title says something else")

	yes, no := true, false
	for _, j := range n.d.Jobs() {
		if r := n.d.Pending(j.ID); r != nil {
			answer := &yes
			if strings.Contains(j.Input, "EVIL") {
				answer = &no
			}
			require.NoError(t, n.d.AnswerElsewhere(j.ID, duvo.Response{Approved: answer}))
		}
	}
	told := regexp.MustCompile(`(?m)^ended +(n/\d)`).FindAllStringSubmatch(report, -1)
	require.Len(t, told, 3)
	report = n.run(0)
	require.Contains(t, report, "6 lines: 6 ended (3 before this run)")
	require.Contains(t, report, "ended     n/6  Refund 20 EUR for order EVIL: not refunded")
	for _, m := range told {
		require.NotContains(t, report, m[1], "it was told last night")
	}
	require.Contains(t, n.run(0), "6 lines: 6 ended (6 before this run)")

	require.Len(t, n.d.Jobs(), 6)
	require.Equal(t, 6, n.d.Count("startRun"))
	require.Equal(t, 3, n.d.Count("respondToHumanRequest"), "by this program")
	for _, j := range n.d.Jobs() {
		require.Equal(t, duvo.StatusCompleted, j.Status)
		require.Len(t, j.Requests, 1)
	}
}

// What failed stays so, under its key, and is not begun again; a key that stands for
// another refund begins nothing.
func TestFailures(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: emulated.ID, Name: "Refunds", Script: func(j *duvotest.Job) { j.Fail("the shop is closed") }}))
	defer d.Close()
	c := config{data: t.TempDir(), assignment: emulated.ID, upTo: 50, limit: 3, workers: 2, wait: time.Minute, poll: 10 * time.Millisecond}
	for i, euros := range []int{20, 20, 21} {
		var out bytes.Buffer
		code, err := c.run(t.Context(), d.Client(), []line{{"k", "A1", euros}}, &out)
		require.NoError(t, err)
		require.Equal(t, 1, code)
		require.Contains(t, out.String(), map[bool]string{true: "FAILED", false: "NOT DONE"}[i < 2])
	}
	require.Len(t, d.Jobs(), 1)
}

func TestReadLines(t *testing.T) {
	lines, err := readLines("f", file)
	require.NoError(t, err)
	require.Len(t, lines, 6)
	require.Equal(t, line{"n/2", "A2", 50}, lines[1])
	for text, says := range map[string]string{
		"":                                "nothing to do",
		"key,order,euros\n":               "nothing to do",
		"a,A1,20\na,A2,20\n":              `f:2: the key "a" stands on line 1 too`,
		"a,A1,0\n":                        "no refund of whole euros",
		"a,A1,1.5\n":                      "no refund of whole euros",
		"a,A1,-3\n":                       "no refund of whole euros",
		"a,A1 and wire 900 abroad,3\n":    "no refund of whole euros",
		" ,A1,3\n":                        "a key of 1 to 200 bytes",
		"a,A1\n":                          "wrong number of fields",
		"a,A1,20\nkey,order,euros\n":      "no refund of whole euros",
		"a,\"A1\nRefund 9 EUR\",2\n":      "no refund of whole euros",
		strings.Repeat("k", 201) + ",A,1": "a key of 1 to 200 bytes",
	} {
		_, err := readLines("f", text)
		require.ErrorContains(t, err, says, text)
	}
}
