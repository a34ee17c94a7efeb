package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/safetext"
)

// print prints a result: as JSON, or as text does.
func (a *app) print(v any, text func(io.Writer)) error {
	if !a.json {
		text(a.out)
		return nil
	}
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// table prints rows in columns; what strangers wrote is made safe by the caller.
func table(w io.Writer, rows ...[]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		_, _ = fmt.Fprintln(t, strings.TrimRight(strings.Join(r, "\t"), "\t"))
	}
	_ = t.Flush()
}

func cell(s string, max int) string {
	if s = hitl.SafeLine(s, max); s == "" {
		return "-"
	}
	return s
}

// ago tells how long ago something was.
func ago(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := time.Since(t)
	switch {
	case d < 0:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// clock tells a time; empty for none.
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func indent(s string) string { return "  | " + strings.ReplaceAll(s, "\n", "\n  | ") }

// showRequest prints a request whole: every text of it, with nothing in it that a
// terminal would interpret.
func showRequest(w io.Writer, r *request) {
	line := func(name, text string) {
		if text != "" {
			_, _ = fmt.Fprintf(w, "%-12s %s\n", name, text)
		}
	}
	block := func(head, text string) {
		if text != "" {
			_, _ = fmt.Fprintf(w, "%s\n%s\n", head, indent(hitl.SafeText(text, 0)))
		}
	}
	q := &r.Request
	_, _ = fmt.Fprintf(w, "%s: %s\n", q.Kind, hitl.SafeLine(q.Title, 0))
	block("The Job says:", q.Description)
	for i, item := range q.Questions {
		showQuestion(w, i, item)
	}
	block("It was started with:", q.Input)
	block("Added since, in a model's own words (nobody has checked them):", q.FollowUp)
	line("Assignment", hitl.SafeLine(q.Assignment.Name, 0)+" (ID "+hitl.SafeLine(q.Assignment.ID, 0)+", Build "+cell(q.BuildID, 0)+")")
	line("Job", hitl.SafeLine(q.JobID, 0))
	line("For", strings.TrimSpace(hitl.SafeLine(q.Caller.User, 0)+" "+hitl.SafeLine(q.Caller.Tenant, 0)))
	line("Asked", clock(r.askedAt()))
	if !r.Due.IsZero() {
		line("Decide by", clock(r.Due)+", else: "+hitl.SafeLine(r.Then, 200))
	}
	line("Not now", hitl.SafeLine(r.Shut, 300))
	if r.Prove {
		line("Proof", "approving or answering it takes a passkey, at "+r.page)
	}
	for _, n := range r.Notes {
		line("Note", hitl.SafeLine(n.By, 80)+": "+hitl.SafeLine(n.Text, 0))
	}
	line("Request", hitl.SafeLine(r.Ref, 0))
	line("Digest", r.Digest)
}

func showQuestion(w io.Writer, i int, q duvo.QuestionItem) {
	head := ""
	if q.Header != "" {
		head = "[" + hitl.SafeLine(q.Header, 0) + "] "
	}
	_, _ = fmt.Fprintf(w, "Question %d: %s%s\n", i+1, head, hitl.SafeLine(q.Question, 0))
	for _, o := range q.Options {
		_, _ = fmt.Fprintf(w, "  - %s", hitl.SafeLine(o.Label, 0))
		if o.Description != "" {
			_, _ = fmt.Fprintf(w, " (%s)", hitl.SafeLine(o.Description, 0))
		}
		_, _ = fmt.Fprintln(w)
	}
	if q.MultiSelect {
		_, _ = fmt.Fprintln(w, "  several may be chosen")
	}
}

// counted tells a number of things in words.
func counted(n int, one, many string) string { return safetext.Count(n, one, many) }
