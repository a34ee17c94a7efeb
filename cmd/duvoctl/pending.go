package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/spf13/cobra"
)

func (a *app) pendingCmd() *cobra.Command {
	var watch bool
	c := &cobra.Command{Use: "pending", Short: "List what waits for a person", Args: exactly(),
		Long: `List what waits for a person, the most urgent first. At a desk this is what its
service has put off and you may see; at Duvo itself, whatever the team's Jobs
wait for.

With --watch it stays, and tells what comes and goes; with --json too, a line each.`,
		Example: "  duvoctl pending\n  duvoctl pending --watch --json | jq -r 'select(.event==\"waiting\").request.ref'",
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := a.place()
			if err != nil {
				return err
			}
			defer p.close()
			if watch {
				return a.watchPending(c.Context(), p)
			}
			all, err := p.pending(c.Context())
			if err != nil {
				return err
			}
			out := struct {
				Requests []*request `json:"requests"`
			}{append([]*request{}, all...)}
			return a.print(out, func(w io.Writer) { listRequests(w, all) })
		}}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "stay, and tell what comes and goes")
	return c
}

func listRequests(w io.Writer, all []*request) {
	if len(all) == 0 {
		_, _ = fmt.Fprintln(w, "Nothing waits.")
		return
	}
	rows := [][]string{{"REQUEST", "WAITING", "DECIDE BY", "KIND", "ASSIGNMENT", "TITLE"}}
	for _, r := range all {
		rows = append(rows, row(r))
	}
	table(w, rows...)
	_, _ = fmt.Fprintf(w, "\n'duvoctl show REQUEST' shows one whole, with the digest to decide it by.\n")
}

func row(r *request) []string {
	kind, due := cell(string(r.Request.Kind), 12), clock(r.Due)
	switch {
	case !r.Decide && r.At == "duvo":
		kind += " (in Duvo's inbox only)"
	case !r.Decide:
		kind += " (not yours)"
	}
	if due == "" {
		due = "-"
	}
	return []string{hitl.SafeLine(r.Ref, 0), ago(r.askedAt()), due, kind, cell(r.Request.Assignment.Name, 30), cell(r.Request.Title, 70)}
}

// watchPending tells what comes and goes until it is interrupted.
func (a *app) watchPending(ctx context.Context, p place) error {
	type event struct {
		Event   string   `json:"event"` // waiting, changed or gone
		Ref     string   `json:"ref"`
		Request *request `json:"request,omitempty"`
	}
	seen := map[string]string{} // digests by ref
	tell := func(e event) error {
		return a.print(e, func(w io.Writer) {
			if e.Request == nil {
				_, _ = fmt.Fprintf(w, "%-8s %s\n", e.Event, hitl.SafeLine(e.Ref, 0))
				return
			}
			q := e.Request.Request
			_, _ = fmt.Fprintf(w, "%-8s %s  %s  %s: %s\n", e.Event, hitl.SafeLine(e.Ref, 0), q.Kind, cell(q.Assignment.Name, 30), cell(q.Title, 70))
		})
	}
	for {
		all, err := p.pending(ctx)
		switch {
		case ctx.Err() != nil:
			return nil // asked to end
		case err != nil:
			var f *failure
			if failureOf(err).kind == "auth" || errors.As(err, &f) && f.kind == "usage" {
				return err
			}
			a.note("duvoctl: %s; trying again", hitl.SafeLine(err.Error(), 300))
		default:
			now := map[string]string{}
			for _, r := range all {
				now[r.Ref] = r.Digest
				name := ""
				if was, known := seen[r.Ref]; !known {
					name = "waiting"
				} else if was != r.Digest {
					name = "changed"
				}
				if name != "" {
					if err := tell(event{name, r.Ref, r}); err != nil {
						return err
					}
				}
			}
			for ref := range seen {
				if _, there := now[ref]; !there {
					if err := tell(event{Event: "gone", Ref: ref}); err != nil {
						return err
					}
				}
			}
			seen = now
		}
		if p.changed(ctx) != nil {
			return nil
		}
	}
}

func (a *app) showCmd() *cobra.Command {
	return &cobra.Command{Use: "show REQUEST", Short: "Show a request whole, or how it was decided", Args: exactly("request"), ValidArgsFunction: a.completeRequests,
		Long: `Show all that a request says, with the digest by which it is decided. Control
characters and invisible ones in it are shown by their numbers.

REQUEST is what 'duvoctl pending' lists; the ID of the request, or of its Job,
will do. Of one that waits no more a desk tells how it was decided.`,
		Example: "  duvoctl show m1n2p3q4r5s6t7v8\n  duvoctl show m1n2p3q4r5s6t7v8 --json | jq -r .request.digest",
		RunE: func(c *cobra.Command, args []string) error {
			p, err := a.place()
			if err != nil {
				return err
			}
			defer p.close()
			r, err := p.find(c.Context(), args[0])
			var past *decidedError
			if errors.As(err, &past) {
				return a.print(struct {
					Decided *decided `json:"decided"`
				}{past.past}, func(w io.Writer) { showDecided(w, past.past) })
			}
			if err != nil {
				return err
			}
			return a.print(struct {
				Request *request `json:"request"`
			}{r}, func(w io.Writer) {
				showRequest(w, r)
				showHow(w, r)
			})
		}}
}

// showHow prints how a request is decided.
func showHow(w io.Writer, r *request) {
	if !r.Decide {
		return
	}
	about := hitl.SafeLine(r.Ref, 0) + " --digest " + r.Digest[:minDigest]
	switch r.Request.Kind {
	case duvo.Approval:
		_, _ = fmt.Fprintf(w, "\nTo decide:  duvoctl approve %s\n        or  duvoctl deny %s --reason '...'\n", about, about)
	case duvo.Question:
		_, _ = fmt.Fprintf(w, "\nTo decide:  duvoctl answer %s --answer '1=...'\n", about)
	}
}

// showDecided prints how a request was decided.
func showDecided(w io.Writer, d *decided) {
	rows := [][]string{}
	add := func(name, text string) {
		if text != "" {
			rows = append(rows, []string{name, text})
		}
	}
	add("Request", hitl.SafeLine(d.Title, 0))
	add("Assignment", hitl.SafeLine(d.Assignment, 0)+" ("+hitl.SafeLine(d.AssignmentID, 0)+")")
	add("Job", hitl.SafeLine(d.JobID, 0))
	add("Decision", d.what())
	add("By", hitl.SafeLine(d.By, 0))
	add("At", clock(d.DecidedAt))
	add("Reason", hitl.SafeLine(d.Reason, 0))
	for q, answer := range d.Answers {
		add("Answer", hitl.SafeLine(q, 0)+" = "+hitl.SafeLine(answer, 0))
	}
	add("Through", hitl.SafeLine(d.Path, 0))
	for _, p := range d.Proofs {
		add("Proof", hitl.SafeLine(p.Kind, 40)+" of "+hitl.SafeLine(p.Person, 0))
	}
	add("Delivery", hitl.SafeLine(string(d.Delivery), 0))
	add("The Job", hitl.SafeLine(d.Outcome, 0))
	add("Digest", hitl.SafeLine(d.Digest, 0))
	table(w, rows...)
}
