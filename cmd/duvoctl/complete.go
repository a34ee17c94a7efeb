package main

import (
	"context"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/spf13/cobra"
)

func described(value, about string) string {
	return hitl.SafeLine(value, 0) + "\t" + hitl.SafeLine(about, 60)
}

type completion = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completing makes a completion of one argument out of what lists it.
func (a *app) completing(list func(context.Context) []string) completion {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 && c.ValidArgsFunction != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx := c.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		ctx, cancel := context.WithTimeout(ctx, a.patience)
		defer cancel()
		return list(ctx), cobra.ShellCompDirectiveNoFileComp
	}
}

func (a *app) completeRequests(c *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
	return a.completing(func(ctx context.Context) (out []string) {
		p, err := a.place()
		if err != nil {
			return nil
		}
		defer p.close()
		all, _ := p.pending(ctx)
		for _, r := range all {
			out = append(out, described(r.Ref, r.Request.Assignment.Name+": "+r.Request.Title))
		}
		return out
	})(c, args, text)
}

func (a *app) completeAssignments(c *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
	return a.completing(func(ctx context.Context) (out []string) {
		client, err := a.client()
		if err != nil {
			return nil
		}
		defer client.CloseIdleConnections()
		for x, err := range client.Assignments(ctx) {
			if err != nil {
				break
			}
			out = append(out, described(x.ID, x.Name))
		}
		return out
	})(c, args, text)
}

func (a *app) completeJobs(c *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
	return a.completing(func(ctx context.Context) (out []string) {
		client, err := a.client()
		if err != nil {
			return nil
		}
		defer client.CloseIdleConnections()
		page, _ := client.JobPage(ctx, duvo.JobFilter{PageSize: 30})
		for _, j := range page.Jobs {
			if !j.Status.Terminal() {
				out = append(out, described(j.ID, string(j.Status)+" "+j.AssignmentName))
			}
		}
		return out
	})(c, args, text)
}
