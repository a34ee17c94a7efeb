package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/spf13/cobra"
)

// A held tells whether approvals are held, at a desk.
type held struct {
	On     bool      `json:"on"`
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

func (a *app) holdCmd() *cobra.Command {
	var reason string
	c := &cobra.Command{Use: "hold [on|off|status]", Short: "Stop all approvals of a desk's service at once, or let them go on",
		Long: `Stop all approvals and answers of the desk's service at once, whoever gives them;
people can deny meanwhile, and what waits stays. Off lets them go on. Who did
it, when and why is recorded. Without a word it tells how it stands.`,
		Example:   "  duvoctl hold on --reason 'wrong prices since 9:00'\n  duvoctl hold off --reason 'prices mended' -y\n  duvoctl hold",
		ValidArgs: []string{"on", "off", "status"},
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && args[0] != "on" && args[0] != "off" && args[0] != "status" {
				return usage("say on, off or status", "duvoctl hold -h")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if a.desk == "" {
				return usage("a hold is on the approvals of a service, so it needs its desk; Duvo itself has none", "set "+envDesk+" or --desk")
			}
			d, err := a.openDesk()
			if err != nil {
				return err
			}
			defer d.close()
			word := "status"
			if len(args) > 0 {
				word = args[0]
			}
			return a.hold(c.Context(), d, word, reason)
		}}
	c.Flags().StringVar(&reason, "reason", "", "why; it is recorded and told to who is held up, and needed to put it on")
	return c
}

func (a *app) hold(ctx context.Context, d *atDesk, word, reason string) error {
	var h held
	if word == "status" {
		if status, err := d.call(ctx, http.MethodGet, "hold", nil, &h); err != nil {
			return noHold(status, err)
		}
		return a.tellHold(h)
	}
	if word == "on" && strings.TrimSpace(reason) == "" {
		return usage("say why: people are told it when they cannot approve", "add --reason 'WHY'")
	}
	question := map[string]string{"on": "This stops all approvals of the service, for everybody.", "off": "This lets approvals go on, for everybody."}[word]
	if err := a.confirm(ctx, question, word); err != nil {
		return err
	}
	in := struct {
		On     bool   `json:"on"`
		Reason string `json:"reason,omitempty"`
	}{word == "on", reason}
	var status int
	err := a.sending(ctx, "the hold", func(own, _ context.Context) (err error) {
		status, err = d.call(own, http.MethodPut, "hold", in, &h)
		return err
	})
	if notBegun(err) || status != 0 && err != nil {
		return noHold(status, err)
	}
	if err != nil {
		return &failure{kind: "unknown", text: unknownText(err), do: "'duvoctl hold' tells how it stands", err: err}
	}
	return a.tellHold(h)
}

// noHold tells of a desk that has none.
func noHold(status int, err error) error {
	if status == http.StatusNotFound {
		return &failure{kind: "not_found", text: "this desk has no hold, or you may not use it", do: "ask who runs the service"}
	}
	return err
}

func (a *app) tellHold(h held) error {
	return a.print(h, func(w io.Writer) {
		state := "Approvals go on"
		if h.On {
			state = "Approvals are HELD"
		}
		if h.By != "" {
			state += ", since " + clock(h.At) + " by " + hitl.SafeLine(h.By, 80)
		}
		if h.Reason != "" {
			state += ": " + hitl.SafeLine(h.Reason, 300)
		}
		_, _ = fmt.Fprintln(w, state+".")
	})
}
