package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/duvotool/duvotool/audit"
	"github.com/spf13/cobra"
)

// An erasing is whose texts are to be erased.
type erasing struct{ text, job, key, by, reason string }

func (a *app) eraseCmd() *cobra.Command {
	e := erasing{}
	c := &cobra.Command{Use: "erase FILE", Short: "Erase what people and Jobs have said, and keep who decided what",
		Long: `Erase the texts of records: titles, reasons, answers, requests and proofs. Who
decided what, when and how stays, with the digests, and the chain holds: the
erasure is a record of it. Find the Jobs first, by 'audit query FILE --all
--text', and erase them by --job, since not every text of a Job has the name.

The service must be stopped, or erase by itself (audit.File.Erase): one opener
has the file at a time. Finished files are written anew where they lie. Copies
and backups are not reached.`,
		Example: "  duvoctl audit erase audit.jsonl --job JOB --by kim@example.com --reason no.17",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("name the one file that is written to", "duvoctl audit erase -h")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return a.erase(c.Context(), args[0], e) }}
	f := c.Flags()
	f.StringVar(&e.text, "text", "", "records that hold this `TEXT` anywhere, whatever the case")
	f.StringVar(&e.job, "job", "", "all records of this `JOB`")
	f.StringVar(&e.key, "key", "", "all records of the operation with this `KEY`")
	f.StringVar(&e.by, "by", "", "the `PERSON` who erases; recorded, and needed")
	f.StringVar(&e.reason, "reason", "", "`WHY`, such as the number of the request to erase; recorded, and needed")
	return c
}

func (a *app) erase(ctx context.Context, path string, e erasing) error {
	f := audit.Filter{Text: e.text, JobID: e.job, Key: e.key}
	switch {
	case e.text == "" && e.job == "" && e.key == "":
		return usage("it is not said what to erase", "add --job, --key or --text")
	case strings.TrimSpace(e.by) == "" || strings.TrimSpace(e.reason) == "":
		return usage("say who erases, and why: it is recorded", "add --by PERSON --reason WHY")
	}
	if err := a.confirm(ctx, "This erases the texts for good.", "erase"); err != nil {
		return err
	}
	file, err := audit.OpenFile(path)
	if errors.Is(err, audit.ErrLocked) {
		return &failure{kind: "error", text: err.Error(), do: "stop the service, or erase in it, by audit.File.Erase", err: err}
	} else if err != nil {
		return &failure{kind: "error", text: err.Error(), err: err}
	}
	out := struct {
		Erased int     `json:"erased"`         // lines
		Whole  []int64 `json:"left,omitempty"` // lines that cannot be erased
	}{}
	out.Erased, out.Whole, err = file.Erase(ctx, audit.Erasure{By: e.by, Reason: e.reason, Match: f.Match})
	if err = errors.Join(err, file.Close()); err != nil {
		return &failure{kind: "error", text: err.Error(), do: "the same command goes on where it was interrupted", err: err}
	}
	return a.print(out, func(w io.Writer) {
		_, _ = fmt.Fprintf(w, "The texts of %s are erased.\n", counted(out.Erased, "record", "records"))
		if n := len(out.Whole); n > 0 {
			_, _ = fmt.Fprintf(w, "%s of an earlier release cannot be erased, from line %d on: remove the finished files that hold them once you may.\n", counted(n, "record", "records"), out.Whole[0])
		}
	})
}
