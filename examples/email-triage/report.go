package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/adapters/terminal"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/textwrap"
	"github.com/duvotool/duvotool/outcome"
)

// report prints the outcome: in a box, or as one JSON object.
func report(out io.Writer, as look, asJSON bool, r *outcome.Result, answer string) error {
	if asJSON {
		return reportJSON(out, r, answer)
	}
	colour := good
	if r.Outcome != outcome.OutcomeCompleted || slices.ContainsFunc(r.Decisions, func(d hitl.DecisionEntry) bool { return d.Verdict == hitl.Denied }) {
		colour = bad
	}
	var b strings.Builder
	for _, d := range r.Decisions {
		fmt.Fprintf(&b, "The %s %q was %s by %s", d.Kind, hitl.SafeLine(d.Title, 200), d.Verdict, hitl.SafeLine(d.By, 200))
		if d.Reason != "" {
			fmt.Fprintf(&b, ": %s", hitl.SafeLine(d.Reason, 500))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "\nThe Job's answer:\n%s\nThe model's final answer:\n%s\nJob %s of %q\n",
		quoted(r.Output), quoted(answer), r.JobID, hitl.SafeLine(r.Assignment.Name, 200))
	_, err := fmt.Fprintf(out, "\n%s", as.box(colour, fmt.Sprintf("Outcome: %s", r.Outcome), strings.TrimLeft(b.String(), "\n")))
	return err
}

// quoted is a text of somebody else's, behind a margin of its own.
func quoted(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(hitl.SafeText(text, 0)), "\n", "\n  ") + "\n"
}

func reportJSON(out io.Writer, r *outcome.Result, answer string) error {
	type decision struct {
		RequestID string           `json:"request_id"`
		Kind      duvo.RequestType `json:"kind"`
		Verdict   hitl.Verdict     `json:"verdict"`
		By        string           `json:"by"`
		Reason    string           `json:"reason"`
	}
	decisions := []decision{}
	for _, d := range r.Decisions {
		decisions = append(decisions, decision{d.RequestID, d.Kind, d.Verdict, d.By, d.Reason})
	}
	return json.NewEncoder(out).Encode(struct {
		JobID       string          `json:"job_id"`
		Assignment  string          `json:"assignment"`
		Status      duvo.Status     `json:"status"`
		Outcome     outcome.Outcome `json:"outcome"`
		Output      string          `json:"output"`
		FinalAnswer string          `json:"final_answer"`
		Decisions   []decision      `json:"decisions"`
	}{r.JobID, r.Assignment.Name, r.Status, r.Outcome, r.Output, answer, decisions})
}

// The exit codes beside those of every program.
const interrupted = 130 // as shells say it of ctrl-C

// complain tells why there is no outcome, and returns the exit code. It goes where the
// progress went, so that -json has nothing on stdout but its object.
func complain(ctx context.Context, c console, as look, p *progress, err error) int {
	switch {
	case ctx.Err() != nil:
		fmt.Fprintf(c.err, "\n%s", as.box(bad, "Stopped", p.left()))
		return interrupted
	case errors.Is(err, terminal.ErrNoInput):
		fmt.Fprintf(c.err, "\n%s", as.box(bad, "Undecided", "The input ended before you had answered.\n"+p.left()))
		return 1
	}
	text := "email-triage: " + hitl.SafeLine(err.Error(), 1000)
	if as.file != nil { // a log keeps it on a line
		text = textwrap.Hang("", "  ", text, as.columns())
	}
	fmt.Fprintln(c.err, text)
	return 1
}
