package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/spf13/cobra"
)

// An assignment is one as it is printed.
type assignment struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Folder      string `json:"folder,omitempty"`
	BuildID     string `json:"build_id,omitempty"`
	Description string `json:"description,omitempty"`
}

func (a *app) assignmentsCmd() *cobra.Command {
	return &cobra.Command{Use: "assignments", Aliases: []string{"agents"}, Short: "List what can be run", Args: exactly(),
		Long:    "List the team's Assignments (Agents, in Duvo's newer words), with the description\nof the latest Build.",
		Example: "  duvoctl assignments\n  duvoctl assignments --json | jq -r '.assignments[] | .id + \" \" + .name'",
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			defer client.CloseIdleConnections()
			folders, err := client.Folders(c.Context())
			if err != nil {
				return err
			}
			out := struct {
				Assignments []assignment `json:"assignments"`
			}{[]assignment{}}
			for x, err := range client.Assignments(c.Context()) {
				if err != nil {
					return err
				}
				one := assignment{ID: x.ID, Name: x.Name, Folder: folderPath(folders, x.FolderID)}
				if x.LatestBuild != nil {
					one.BuildID, one.Description = x.LatestBuild.ID, x.LatestBuild.Description
				}
				out.Assignments = append(out.Assignments, one)
			}
			return a.print(out, func(w io.Writer) {
				if len(out.Assignments) == 0 {
					_, _ = fmt.Fprintln(w, "The team has no Assignments that this key can see.")
					return
				}
				rows := [][]string{{"ID", "NAME", "FOLDER", "WHAT IT DOES"}}
				for _, x := range out.Assignments {
					rows = append(rows, []string{cell(x.ID, 64), cell(x.Name, 40), cell(x.Folder, 30), cell(x.Description, 70)})
				}
				table(w, rows...)
			})
		}}
}

// folderPath is the way to a folder from the top.
func folderPath(folders []duvo.Folder, id string) string {
	var path []string
	for range folders {
		for _, f := range folders {
			if f.ID == id && id != "" {
				path = append([]string{f.Name}, path...)
				id = f.ParentID
				break
			}
		}
	}
	return strings.Join(path, "/")
}

// A job is one as it is printed.
type job struct {
	ID           string      `json:"id"`
	AssignmentID string      `json:"assignment_id"`
	Assignment   string      `json:"assignment,omitempty"`
	BuildID      string      `json:"build_id,omitempty"`
	Status       duvo.Status `json:"status"`
	Title        string      `json:"title,omitempty"`
	CreatedAt    time.Time   `json:"created_at,omitzero"`
	UpdatedAt    time.Time   `json:"updated_at,omitzero"`
	CompletedAt  time.Time   `json:"completed_at,omitzero"`
}

func jobOf(j duvo.Job) job {
	return job{j.ID, j.AssignmentID, j.AssignmentName, j.BuildID, j.Status, j.Title, j.CreatedAt, j.UpdatedAt, j.CompletedAt}
}

func (a *app) jobsCmd() *cobra.Command {
	var status, name string
	limit := 20
	c := &cobra.Command{Use: "jobs", Aliases: []string{"runs"}, Short: "List Jobs, the newest first", Args: exactly(),
		Long: `List the team's Jobs (Runs, in Duvo's newer words), the newest first: those that
a service started too. A row may be older than what 'duvoctl watch' tells.`,
		Example: "  duvoctl jobs --status waiting\n  duvoctl jobs --assignment 'Complaint handler' --limit 5 --json",
		RunE: func(c *cobra.Command, _ []string) error {
			if limit < 1 {
				return usage("--limit must be 1 or more", "")
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			defer client.CloseIdleConnections()
			f := duvo.JobFilter{Status: duvo.Status(status), PageSize: min(limit, 100)}
			if name != "" {
				x, err := a.assignment(c.Context(), client, name)
				if err != nil {
					return err
				}
				f.AssignmentID = x.ID
			}
			out := struct {
				Jobs []job `json:"jobs"`
			}{[]job{}}
			for j, err := range client.Jobs(c.Context(), f) {
				if err != nil {
					return err
				}
				if out.Jobs = append(out.Jobs, jobOf(j)); len(out.Jobs) == limit {
					break
				}
			}
			return a.print(out, func(w io.Writer) {
				if len(out.Jobs) == 0 {
					_, _ = fmt.Fprintln(w, "There are no such Jobs.")
					return
				}
				rows := [][]string{{"JOB", "STATUS", "STARTED", "ASSIGNMENT", "TITLE"}}
				for _, j := range out.Jobs {
					rows = append(rows, []string{cell(j.ID, 64), cell(string(j.Status), 20), ago(j.CreatedAt), cell(j.Assignment, 30), cell(j.Title, 60)})
				}
				table(w, rows...)
			})
		}}
	c.Flags().StringVar(&status, "status", "", "only those with this `STATUS`, such as waiting, running or completed")
	c.Flags().StringVar(&name, "assignment", "", "only those of this Assignment, by `ID|NAME`")
	c.Flags().IntVar(&limit, "limit", limit, "how many at most")
	_ = c.RegisterFlagCompletionFunc("assignment", a.completeAssignments)
	return c
}

func (a *app) stopCmd() *cobra.Command {
	return &cobra.Command{Use: "stop JOB", Short: "Stop a Job", Args: exactly("Job"), ValidArgsFunction: a.completeJobs,
		Long: `Ask Duvo to stop a Job, and tell what it is afterwards: Duvo calls it a success
too where nothing was stopped, and a Job that is done first stays done.

A service that waits for the Job is told that it was stopped, and not by whom.`,
		Example: "  duvoctl stop 6f1e02c9-0000-4000-8000-000000000001\n  duvoctl stop 6f1e02c9-0000-4000-8000-000000000001 -y --json",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			defer client.CloseIdleConnections()
			return a.stop(c, client, args[0])
		}}
}

// namesNoJob tells whoever has named what cannot be a Job's ID, such as the operation key
// that stands beside it in a service's log, where to find it.
func namesNoJob(id string, err error) error {
	var answered *duvo.APIError
	if !errors.Is(err, duvo.ErrInvalid) || errors.As(err, &answered) {
		return err
	}
	return usage(quoted(id)+" is no ID of a Job", "'duvoctl jobs' lists them, and in a service's log it stands at 'job'")
}

func (a *app) stop(c *cobra.Command, client *duvo.Client, id string) error {
	ctx := c.Context()
	j, err := client.Job(ctx, id)
	if err != nil {
		return namesNoJob(id, err)
	}
	out := struct {
		Job     job  `json:"job"`
		Stopped bool `json:"stopped"`
	}{Job: jobOf(j)}
	if !j.Status.Terminal() {
		if !a.yes && a.asks {
			a.note("Job %s is %s.", hitl.SafeLine(j.ID, 64), hitl.SafeLine(string(j.Status), 40))
		}
		if err := a.confirm(ctx, "Stop it?", "stop"); err != nil {
			return err
		}
		if err := a.stopAt(ctx, client, &j); err != nil {
			return err
		}
		out.Job, out.Stopped = jobOf(j), j.Status == duvo.StatusStopped || j.Status == duvo.StatusInterrupted
	}
	if err := a.print(out, func(w io.Writer) {
		switch {
		case out.Stopped:
			_, _ = fmt.Fprintf(w, "Job %s is %s.\n", cell(j.ID, 64), cell(string(j.Status), 40))
		case j.Status.Terminal():
			_, _ = fmt.Fprintf(w, "Job %s was not stopped: it is %s.\n", cell(j.ID, 64), cell(string(j.Status), 40))
		}
	}); err != nil || j.Status.Terminal() {
		return err
	}
	return &failure{kind: "error", text: "Duvo took the wish, and the Job is still " + string(j.Status), do: "look again with 'duvoctl watch " + j.ID + "'; a Job that waits for a person may not be stoppable"}
}

func asJob(j duvo.Job) *job {
	out := jobOf(j)
	return &out
}
