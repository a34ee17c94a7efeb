package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/hitl"
	"github.com/spf13/cobra"
)

func (a *app) auditCmd() *cobra.Command {
	c := &cobra.Command{Use: "audit", Short: "Check an audit, or ask it who decided what",
		Long:    "Check that nothing in an audit was changed, or ask it who decided what.",
		Example: "  duvoctl audit verify audit.jsonl\n  duvoctl audit query audit.jsonl --by kim@example.com --since 7d",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(a.verifyCmd(), a.queryCmd(), a.eraseCmd())
	return c
}

func (a *app) verifyCmd() *cobra.Command {
	var head string
	c := &cobra.Command{Use: "verify FILE...", Short: "Check that nothing in an audit was changed",
		Long: `Check that each line of an audit follows the one before, over all its files: the
one that is written to is enough, since those that it continues lie beside it.
Texts that are kept are held against the digests that were decided about.

The hashes have no key. That the end was cut off, or that somebody who may write to
the file has computed all of it anew, shows only against a --head that was kept
elsewhere: the last line's number and hash, as this command prints them. With it,
finished files that were moved away are no longer needed.`,
		Example: "  duvoctl audit verify audit.jsonl\n  duvoctl audit verify audit.jsonl --head 812:3f0c…",
		Args:    atLeastAFile,
		RunE: func(_ *cobra.Command, args []string) error {
			count, hash, err := readHead(head)
			if err != nil {
				return err
			}
			return a.verify(args, count, hash)
		}}
	c.Flags().StringVar(&head, "head", "", "a `NUMBER:HASH` of a line that must still be there")
	return c
}

func atLeastAFile(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usage("the file is missing", "duvoctl "+c.Parent().Name()+" "+c.Use)
	}
	return nil
}

func readHead(s string) (count int64, hash string, err error) {
	if s == "" {
		return 0, "", nil
	}
	number, hash, _ := strings.Cut(s, ":")
	count, err = strconv.ParseInt(number, 10, 64)
	if err != nil || count < 1 || len(hash) != 64 {
		return 0, "", usage("--head: "+quoted(s)+" is no number and hash of a line", "write it as 'duvoctl audit verify' prints it: NUMBER:HASH")
	}
	return count, strings.ToLower(hash), nil
}

func (a *app) verify(files []string, count int64, hash string) error {
	r, err := audit.Open(files...)
	if err != nil {
		return &failure{kind: "error", text: err.Error(), err: err}
	}
	defer func() { _ = r.Close() }()
	out := struct {
		Sound   bool   `json:"sound"`
		Lines   int64  `json:"lines"` // the number of the last one
		Head    string `json:"head,omitempty"`
		Texts   int    `json:"texts"`            // that were held against their digests
		Erased  int    `json:"erased,omitempty"` // lines without their texts, by a record
		Problem string `json:"problem,omitempty"`
	}{}
	out.Lines, out.Head, err = audit.Verify(r, count, hash)
	if err == nil {
		out.Texts, out.Erased, err = checkTexts(files)
	}
	if out.Sound = err == nil; err != nil {
		out.Problem = hitl.SafeLine(err.Error(), 500)
	}
	if err := a.print(out, func(w io.Writer) {
		if !out.Sound {
			_, _ = fmt.Fprintf(w, "NOT SOUND: %s\n", out.Problem)
			return
		}
		_, _ = fmt.Fprintf(w, "Sound: %s, each follows the one before.\n", counted(int(out.Lines), "line", "lines"))
		if out.Texts > 0 {
			_, _ = fmt.Fprintf(w, "%s of requests are what was decided about.\n", counted(out.Texts, "text", "texts"))
		}
		if out.Erased > 0 {
			_, _ = fmt.Fprintf(w, "The texts of %s were erased, as the audit tells.\n", counted(out.Erased, "line", "lines"))
		}
		if count == 0 && out.Lines > 0 {
			_, _ = fmt.Fprintf(w, "Keep this elsewhere, to see later that nothing was cut off or written anew: --head %d:%s\n", out.Lines, out.Head)
		}
	}); err != nil {
		return err
	}
	if !out.Sound {
		return &failure{kind: "unsound", text: out.Problem, told: true}
	}
	return nil
}

// checkTexts holds the texts that are kept against their digests.
func checkTexts(files []string) (checked, erased int, err error) {
	r, err := audit.Open(files...)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = r.Close() }()
	for e, err := range audit.Read(r) {
		if err != nil {
			return checked, erased, err
		}
		if e.Erased {
			erased++
		}
		if err := e.CheckRequest(); err != nil {
			return checked, erased, fmt.Errorf("line %d: %w", e.Line, err)
		}
		if e.Request != nil {
			checked++
		}
	}
	return checked, erased, nil
}

// A query is what of an audit is asked for.
type query struct {
	by, assignment, job, request, digest, since, until, text string
	outcomes, kinds                                          []string
	limit                                                    int
	everything                                               bool
}
