package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/spf13/cobra"
)

func (a *app) runCmd() *cobra.Command {
	var input, key string
	var follow bool
	c := &cobra.Command{Use: "run ASSIGNMENT", Short: "Start a Job", Args: exactly("Assignment"), ValidArgsFunction: a.completeAssignments,
		Long: `Start a Job of an Assignment, named by its ID or its name, and print its ID. With
--follow, go on as 'duvoctl watch' does.

The Job is started at Duvo itself and belongs to no service: no policy answers
what it asks. Somebody does, by 'duvoctl approve' and the like.

Where the answer is lost it is not known whether a Job was started. Run it again
with the --key that is then told: on a server that heeds it that is the same start.`,
		Example: `  duvoctl run 'Complaint handler' --input 'Order 4711 arrived broken.' --follow
  duvoctl run 'Complaint handler' --input @mail.txt -y --json
  jq -n '{order: 4711}' | duvoctl run 'Complaint handler' --input - -y`,
		RunE: func(c *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			defer client.CloseIdleConnections()
			if input == "-" && a.asks && !a.yes {
				return usage("the standard input cannot be both the input and your answer", "add -y, or give the input as --input @FILE")
			}
			text, err := a.readArgument(input)
			if err != nil {
				return err
			}
			j, key, err := a.start(c.Context(), client, args[0], text, key)
			if err != nil {
				return err
			}
			if follow {
				return a.watch(c.Context(), client, j.ID)
			}
			out := struct {
				Job job    `json:"job"`
				Key string `json:"key"`
			}{jobOf(j), key}
			return a.print(out, func(w io.Writer) { _, _ = fmt.Fprintln(w, hitl.SafeLine(j.ID, 0)) })
		}}
	c.Flags().StringVar(&input, "input", "", "what the Job is told: a text or JSON, `@FILE`, or - for the standard input")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on as 'duvoctl watch' does, to the Job's end")
	c.Flags().StringVar(&key, "key", "", "the idempotency `KEY` of the start (default: a new one)")
	return c
}

// start starts a Job, once.
func (a *app) start(ctx context.Context, client *duvo.Client, name, input, key string) (duvo.Job, string, error) {
	x, err := a.assignment(ctx, client, name)
	if err != nil {
		return duvo.Job{}, key, err
	}
	if !a.yes && a.asks {
		a.note("This starts %s (ID %s) with:\n%s", hitl.SafeLine(x.Name, 0), hitl.SafeLine(x.ID, 64), indent(hitl.SafeText(input, 0)))
	}
	if err := a.confirm(ctx, "Start it?", "start"); err != nil {
		return duvo.Job{}, key, err
	}
	if key == "" {
		key = rand.Text()
	}
	var j duvo.Job
	err = a.sending(ctx, "the start", func(own, caller context.Context) (err error) {
		j, err = client.StartJob(duvo.NotAfter(own, time.Time{}, caller), duvo.StartJob{AssignmentID: x.ID, Message: input, IdempotencyKey: key})
		return err
	})
	if err != nil && !notBegun(err) && duvo.MayHaveTakenEffect(err) {
		return j, key, &failure{kind: "unknown", text: "it is not known whether a Job was started: " + err.Error(), err: err,
			do: "look with 'duvoctl jobs --assignment " + x.ID + "', or repeat the same start with --key " + key}
	}
	return j, key, err
}

// assignment finds an Assignment by its ID or its name.
func (a *app) assignment(ctx context.Context, client *duvo.Client, name string) (duvo.Assignment, error) {
	var found []duvo.Assignment
	for x, err := range client.Assignments(ctx) {
		if err != nil {
			return duvo.Assignment{}, err
		}
		if strings.EqualFold(x.ID, name) {
			return x, nil
		}
		if strings.EqualFold(x.Name, name) {
			found = append(found, x)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return duvo.Assignment{}, &failure{kind: "not_found", text: "there is no Assignment " + quoted(name), do: "'duvoctl assignments' lists them"}
	}
	var ids []string
	for _, x := range found {
		ids = append(ids, x.ID)
	}
	return duvo.Assignment{}, usage(fmt.Sprintf("%d Assignments are named %s", len(found), quoted(name)), "name it by its ID: "+strings.Join(ids, ", "))
}

// stopAt stops a Job and reads what it is then.
func (a *app) stopAt(ctx context.Context, client *duvo.Client, j *duvo.Job) error {
	err := a.sending(ctx, "the wish to stop it", func(own, caller context.Context) error {
		return client.StopJob(duvo.NotAfter(own, time.Time{}, caller), j.ID)
	})
	if err != nil {
		return err
	}
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.settled)
	defer cancel()
	for {
		now, err := client.Job(own, j.ID) // once at least, so that what is told is what is known
		if err == nil {
			*j = now
		}
		if err == nil && now.Status.Terminal() || own.Err() != nil || rest(ctx, min(a.pause(client.BaseURL(), 0), time.Second)) != nil {
			return nil
		}
	}
}

func (a *app) watchCmd() *cobra.Command {
	return &cobra.Command{Use: "watch JOB", Short: "Follow a Job to its end", Args: exactly("Job"), ValidArgsFunction: a.completeJobs,
		Long: `Tell what a Job does as it does it: its status, what it says, what it asks, and its
end. Exit code 0 means that it completed, which is not to say that it did what was
wanted; 1 that it ended otherwise. Ctrl-C ends the watching, not the Job.`,
		Example: "  duvoctl watch 6f1e02c9-0000-4000-8000-000000000001\n  duvoctl watch 6f1e02c9-0000-4000-8000-000000000001 --json | jq .answer",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			defer client.CloseIdleConnections()
			return namesNoJob(args[0], a.watch(c.Context(), client, args[0]))
		}}
}

// A sight is what is known of a Job that is watched.
type sight struct {
	app    *app
	at     *atDuvo
	job    duvo.Job
	read   bool
	said   map[string]bool
	asked  string // the digest of the request that was told last
	all    []duvo.Message
	missed int // reads that failed, one after the other
}

// A step is one event of a Job, as it is printed.
type step struct {
	Event   string   `json:"event"` // job, message, request or end
	Job     *job     `json:"job,omitempty"`
	Message *said    `json:"message,omitempty"`
	Request *request `json:"request,omitempty"`
	Answer  string   `json:"answer,omitempty"`  // at the end: the last that it said
	Failure string   `json:"failure,omitempty"` // at the end: why it failed
}

type said struct {
	Role string    `json:"role"`
	Type string    `json:"type,omitempty"`
	At   time.Time `json:"at,omitzero"`
	Text string    `json:"text"`
}

// watch follows a Job to its end.
func (a *app) watch(ctx context.Context, client *duvo.Client, id string) error {
	s := &sight{app: a, at: &atDuvo{app: a, client: client}, said: map[string]bool{}}
	for {
		over, err := s.look(ctx, id)
		switch {
		case ctx.Err() != nil:
			return &failure{kind: "interrupted", text: "interrupted; the Job goes on", do: "duvoctl watch " + id}
		case over, err != nil:
			return err
		}
		if rest(ctx, a.pause(client.BaseURL(), time.Since(s.job.CreatedAt))) != nil {
			return &failure{kind: "interrupted", text: "interrupted; the Job goes on", do: "duvoctl watch " + id}
		}
	}
}

// maxMissed is how many reads may fail in a row.
const maxMissed = 5

// look reads the Job and tells what is new.
func (s *sight) look(ctx context.Context, id string) (over bool, err error) {
	j, err := s.at.client.Job(ctx, id)
	if err != nil {
		if s.missed++; ctx.Err() == nil && s.read && duvo.Temporary(err) && s.missed < maxMissed {
			s.app.note("duvoctl: %s; trying again", hitl.SafeLine(err.Error(), 300))
			return false, nil
		}
		return false, err
	}
	changed := !s.read || j.Status != s.job.Status
	moved := changed || !j.UpdatedAt.Equal(s.job.UpdatedAt) || j.UpdatedAt.IsZero()
	s.job, s.read, s.missed = j, true, 0
	if moved || !j.Status.Terminal() {
		if err := s.hear(ctx); err != nil {
			return false, err
		}
	}
	if changed && !j.Status.Terminal() {
		if err := s.tell(step{Event: "job", Job: asJob(j)}); err != nil {
			return false, err
		}
	}
	if j.Status.Terminal() {
		return true, s.end()
	}
	return false, s.ask(ctx)
}

// hear tells the messages that are new.
func (s *sight) hear(ctx context.Context) error {
	s.all = nil
	for m, err := range s.at.client.Messages(ctx, s.job.ID) {
		if err != nil {
			return err
		}
		s.all = append(s.all, m)
		if s.said[m.ID] || m.Text == "" {
			continue
		}
		s.said[m.ID] = true
		if err := s.tell(step{Event: "message", Message: &said{m.Role, m.Type, m.Timestamp, m.Text}}); err != nil {
			return err
		}
	}
	return nil
}

// ask tells what the Job waits for, once.
func (s *sight) ask(ctx context.Context) error {
	if s.job.Pending == nil {
		return nil
	}
	r, err := s.at.ofJob(ctx, s.job.ID)
	if err != nil || r == nil || r.Digest == s.asked {
		return err
	}
	s.asked = r.Digest
	return s.tell(step{Event: "request", Request: r})
}

func (s *sight) end() error {
	e := step{Event: "end", Job: asJob(s.job), Answer: duvo.LastAnswer(s.all)}
	if s.job.Status != duvo.StatusCompleted {
		e.Failure = duvo.FailureReason(s.all)
	}
	if err := s.tell(e); err != nil || s.job.Status == duvo.StatusCompleted {
		return err
	}
	return &failure{kind: "job", text: "the Job is " + string(s.job.Status), told: true}
}

func (s *sight) tell(e step) error {
	return s.app.print(e, func(w io.Writer) {
		switch e.Event {
		case "job":
			_, _ = fmt.Fprintf(w, "Job %s is %s\n", cell(e.Job.ID, 64), cell(string(e.Job.Status), 40))
		case "message":
			_, _ = fmt.Fprintf(w, "%s:\n%s\n", cell(e.Message.Role, 20), indent(hitl.SafeText(e.Message.Text, 0)))
		case "request":
			q := e.Request.Request
			_, _ = fmt.Fprintf(w, "It asks a person (%s): %s\n  'duvoctl show %s' shows it whole, to be decided.\n", cell(string(q.Kind), 20), hitl.SafeLine(q.Title, 200), cell(q.JobID, 64))
		case "end":
			_, _ = fmt.Fprintf(w, "Job %s is %s\n", cell(e.Job.ID, 64), cell(string(e.Job.Status), 40))
			if e.Failure != "" {
				_, _ = fmt.Fprintf(w, "because: %s\n", hitl.SafeLine(e.Failure, 1000))
			}
		}
	})
}
