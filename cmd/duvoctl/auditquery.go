package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/spf13/cobra"
)

func (a *app) queryCmd() *cobra.Command {
	q := query{}
	c := &cobra.Command{Use: "query [FILE...]", Short: "Ask who decided what",
		Long: `List what was decided, the latest first: of the files that are given, with those
that they continue, or else of the desk's history.

A time is a day (2026-11-20), a time (2026-11-20T09:00:00Z), or so long ago (7d,
36h). Days begin here, at midnight.`,
		Example: `  duvoctl audit query audit.jsonl --by kim@example.com --since 7d
  duvoctl audit query --outcome approved --since 2026-11-01 --until 2026-12-01
  duvoctl audit query audit.jsonl --request 0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11`,
		RunE: func(c *cobra.Command, args []string) error { return a.query(c.Context(), args, q) }}
	f := c.Flags()
	f.StringVar(&q.by, "by", "", "decided by this `PERSON`, alone or with others")
	f.StringVar(&q.assignment, "assignment", "", "of this Assignment, by `ID|NAME`")
	f.StringVar(&q.job, "job", "", "of this `JOB`")
	f.StringVar(&q.request, "request", "", "this `REQUEST`, by its ID or its Job's; at a desk also as pending names it")
	f.StringVar(&q.digest, "digest", "", "with this `DIGEST`, or one that begins so")
	f.StringVar(&q.text, "text", "", "that holds this `TEXT` anywhere, whatever the case; of files only")
	f.StringVar(&q.since, "since", "", "decided at this `TIME` or later")
	f.StringVar(&q.until, "until", "", "decided before this `TIME`")
	f.StringSliceVar(&q.outcomes, "outcome", nil, "how it was decided (approved, denied, answered, left, elsewhere, timed out, nobody), or how the `OUTCOME` of the Job is called (completed, failed, ...); one of several")
	f.StringSliceVar(&q.kinds, "kind", nil, "of this `KIND`: approval, question")
	f.IntVar(&q.limit, "limit", 100, "how many at most; 0: all")
	f.BoolVar(&q.everything, "all", false, "every record, not only decisions, in their order; of files only")
	return c
}

// moment reads a time that somebody has typed.
func moment(name, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, time.Local); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, usage("--"+name+": "+quoted(s)+" is no time", "write 7d, 36h, 2026-11-20 or 2026-11-20T09:00:00Z")
	}
	return t, nil
}

func (a *app) query(ctx context.Context, files []string, q query) error {
	since, err := moment("since", q.since, time.Now())
	if err != nil {
		return err
	}
	until, err := moment("until", q.until, time.Now())
	if err != nil {
		return err
	}
	f := audit.Filter{By: q.by, Assignment: q.assignment, JobID: q.job, RequestID: q.request, Digest: strings.ReplaceAll(q.digest, " ", ""), Since: since, Until: until, Text: q.text}
	if !isID(q.request) && !q.everything {
		f.RequestID = "" // it may be named as pending names it, or by its Job
	}
	if f.Kinds, err = q.check(); err != nil {
		return err
	}
	switch {
	case q.limit < 0:
		return usage("--limit cannot be negative", "")
	case len(files) == 0 && a.desk == "":
		return usage("it is not said which audit", "name its file, or a desk by "+envDesk+" or --desk")
	case q.text != "" && len(files) == 0:
		return usage("--text needs the audit's files", "name them")
	case q.everything && len(files) == 0:
		return usage("--all needs the audit's files; a desk tells decisions only", "")
	case q.everything && len(q.outcomes) > 0:
		return usage("--all and --outcome do not go together", "")
	case q.everything:
		return a.queryAll(files, f, q.limit)
	}
	var found []*decided
	var broken error
	if len(files) > 0 {
		found, broken, err = decisionsOf(files, f)
	} else {
		found, broken, err = a.deskDecisions(ctx, f)
	}
	if err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(d *decided) bool {
		named := func(name string) bool { return strings.EqualFold(name, q.request) }
		if f.RequestID == "" && q.request != "" && !slices.ContainsFunc([]string{d.RequestID, d.Ref, d.JobID}, named) {
			return true
		}
		return len(q.outcomes) > 0 && !slices.ContainsFunc(q.outcomes, func(o string) bool { return strings.EqualFold(o, d.what()) || strings.EqualFold(o, d.Outcome) })
	})
	return a.tellDecisions(found, q.limit, broken)
}

// howDecided are the words for how a request was decided, and outcomes those for how a
// Job ends.
var (
	howDecided = []string{"approved", "denied", "answered", "left", "elsewhere", "timed out", "nobody"}
	outcomes   = []string{string(outcome.OutcomeCompleted), string(outcome.OutcomeFailed), string(outcome.OutcomeStopped), string(outcome.OutcomeInterrupted), string(outcome.OutcomeGone), string(outcome.OutcomeUnknown)}
)

// check returns the kinds that are asked for, and refuses words that stand for nothing:
// that nothing matches would be taken for an answer.
func (q query) check() (kinds []duvo.RequestType, err error) {
	for _, k := range q.kinds {
		kind := duvo.RequestType(strings.ToLower(k))
		if kind != duvo.Approval && kind != duvo.Question {
			return nil, usage("--kind: there is no kind "+quoted(k), "approval or question")
		}
		kinds = append(kinds, kind)
	}
	for _, o := range q.outcomes {
		known := slices.Concat(howDecided, outcomes)
		if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, o) }) {
			return nil, usage("--outcome: there is no outcome "+quoted(o), "one of "+strings.Join(known, ", "))
		}
	}
	return kinds, nil
}

// decisionsOf reads files, the latest decision first.
func decisionsOf(files []string, f audit.Filter) (out []*decided, broken, err error) {
	r, err := audit.Open(files...)
	if err != nil {
		return nil, nil, &failure{kind: "error", text: err.Error(), err: err}
	}
	defer func() { _ = r.Close() }()
	all, broken := audit.Decisions(r, f)
	for _, d := range slices.Backward(all) {
		out = append(out, decidedOf(d))
	}
	return out, broken, nil
}

// deskDecisions reads the desk's history.
func (a *app) deskDecisions(ctx context.Context, f audit.Filter) (out []*decided, broken, err error) {
	d, err := a.openDesk()
	if err != nil {
		return nil, nil, err
	}
	defer d.close()
	v := url.Values{}
	for name, value := range map[string]string{"by": f.By, "assignment": f.Assignment, "job": f.JobID, "request": f.RequestID, "digest": f.Digest} {
		if value != "" {
			v.Set(name, value)
		}
	}
	for name, t := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !t.IsZero() {
			v.Set(name, t.UTC().Format(time.RFC3339))
		}
	}
	for page := 1; page > 0; {
		v.Set("page", strconv.Itoa(page))
		var h deskHistory
		if _, err := d.call(ctx, http.MethodGet, "history?"+v.Encode(), nil, &h); err != nil {
			return nil, nil, err
		}
		for _, x := range h.Decided {
			if len(f.Kinds) == 0 || slices.Contains(f.Kinds, x.Kind) {
				out = append(out, x)
			}
		}
		if page = h.Next; h.Broken {
			broken = fmt.Errorf("the desk's audit does not read to its end")
		}
	}
	return out, broken, nil
}

// tellDecisions prints decisions. What was read before an audit breaks off is printed
// too, and it is a failure.
func (a *app) tellDecisions(found []*decided, limit int, broken error) error {
	total := len(found)
	if limit > 0 && total > limit {
		found = found[:limit]
	}
	out := struct {
		Decided []*decided `json:"decided"`
		Found   int        `json:"found"`
		Broken  string     `json:"broken,omitempty"`
	}{append([]*decided{}, found...), total, ""}
	if broken != nil {
		out.Broken = hitl.SafeLine(broken.Error(), 500)
	}
	err := a.print(out, func(w io.Writer) {
		if total == 0 {
			_, _ = fmt.Fprintln(w, "Nothing was decided that matches.")
			return
		}
		rows := [][]string{{"DECIDED", "DECISION", "BY", "ASSIGNMENT", "TITLE", "THE JOB", "DIGEST"}}
		for _, d := range found {
			rows = append(rows, []string{clock(d.DecidedAt), cell(d.what(), 20), cell(d.By, 40), cell(d.Assignment, 30), cell(d.Title, 60), cell(d.Outcome, 20), cell(d.Digest[:min(12, len(d.Digest))], 12)})
		}
		table(w, rows...)
		if len(found) < total {
			_, _ = fmt.Fprintf(w, "\nThe latest %d of %d; --limit 0 shows all.\n", len(found), total)
		}
	})
	if err == nil && broken != nil {
		return &failure{kind: "unsound", text: "what stands above is not all: " + out.Broken, do: "duvoctl audit verify FILE"}
	}
	return err
}

// queryAll prints every record.
func (a *app) queryAll(files []string, f audit.Filter, limit int) error {
	r, err := audit.Open(files...)
	if err != nil {
		return &failure{kind: "error", text: err.Error(), err: err}
	}
	defer func() { _ = r.Close() }()
	told := 0
	for e, err := range audit.Read(r) {
		if err != nil {
			return &failure{kind: "unsound", text: err.Error(), do: "duvoctl audit verify FILE", err: err}
		}
		if !f.Match(e.Record) {
			continue
		}
		record := struct {
			Line int64  `json:"line"`
			Hash string `json:"line_hash"`
			audit.Record
		}{e.Line, e.Hash, e.Record}
		if err := a.print(record, func(w io.Writer) {
			if told == 0 {
				recordRow(w, "LINE", "AT", "EVENT", "DECISION", "JOB", "KEY", "BY", "TITLE")
			}
			recordRow(w, strconv.FormatInt(e.Line, 10), clock(e.At), cell(string(e.Event), 20), cell(e.Verdict, 20), cell(e.JobID, 64), cell(e.Key, 60), cell(e.By, 40), cell(e.Title, 60))
		}); err != nil {
			return err
		}
		if told++; told == limit {
			return nil
		}
	}
	if told == 0 && !a.json { // else a line is a record
		_, _ = fmt.Fprintln(a.out, "No record matches.")
	}
	return nil
}

// recordRow prints one record of many, which are not all held to find how wide they are.
func recordRow(w io.Writer, line, at, event, decision, job, key, by, title string) {
	_, _ = fmt.Fprintf(w, "%-6s  %-19s  %-10s  %-9s  %-36s  %-16s  %-16s  %s\n", line, at, event, decision, job, key, by, title)
}
