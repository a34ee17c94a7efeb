package duvotest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
)

// waits starts a Job and returns it once it waits for a person or has ended.
func waits(d *duvotest.Duvo, assignment, input string) duvo.Job {
	ctx, client := context.Background(), d.Client()
	job, err := client.StartJob(ctx, duvo.StartJob{AssignmentID: assignment, Message: input})
	for err == nil && job.Pending == nil && !job.Status.Terminal() {
		job, err = client.Job(ctx, job.ID)
	}
	if err != nil {
		log.Fatal(err)
	}
	return job
}

// A program under test in a process of its own is given the emulator by its environment.
func ExampleServer() {
	s := duvotest.NewServer(duvotest.WithScenario(duvotest.Demo()))
	defer s.Close()
	for _, line := range s.Env() {
		name, _, _ := strings.Cut(line, "=")
		fmt.Println(name)
	}
	fmt.Println(strings.HasPrefix(s.URL, duvotest.MemoryURL), s.Client().BaseURL() == s.URL)

	listener, err := net.Listen("tcp", "127.0.0.1:0") // at an address of your own
	if err != nil {
		log.Fatal(err)
	}
	other := duvotest.NewUnstartedServer(duvotest.WithScenario(duvotest.Demo()))
	other.Listen(listener)
	other.Start()
	defer other.Close()
	fmt.Println(strings.HasSuffix(other.URL, listener.Addr().String()))
	// Output:
	// DUVO_API_KEY
	// DUVO_TEAM_ID
	// DUVO_API_BASE_URL
	// true true
	// true
}

// All that a script can do.
func ExampleScript() {
	var work duvotest.Script = func(j *duvotest.Job) {
		j.Say("I look at the order.")
		j.CallTool("orders.get", map[string]any{"order": 4711}, map[string]any{"paid": 120})
		j.CallToolError("parcels.get", nil, "there is none")
		j.Sleep(time.Millisecond)
		answers := j.Ask("Which way?", "The order can be paid back in two ways.",
			duvo.QuestionItem{Question: "How?", Options: []duvo.Choice{{Label: "Card"}, {Label: "Store credit"}}})
		switch {
		case answers["How?"] == "Card":
			j.Interrupt("I go on when I am told to.")
		case len(answers) == 0:
			j.Fail("Nobody answered.")
		}
		j.Complete("Store credit of 120 EUR.")
	}
	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: "a9000000-0000-4000-8000-000000000001", Name: "Refunds", Script: work}))
	defer d.Close()
	job := waits(d, "a9000000-0000-4000-8000-000000000001", "Order 4711")
	if err := d.AnswerElsewhere(job.ID, duvo.Response{Answers: map[string]string{"How?": "Card"}}); err != nil { // in Duvo's own inbox
		log.Fatal(err)
	}
	var record duvotest.JobRecord
	for record.Status != duvo.StatusInterrupted {
		record, _ = d.Job(job.ID)
	}
	var asked []duvotest.RequestRecord = record.Requests
	fmt.Println(asked[0].Title, asked[0].Response.Answers, asked[0].Response.Elsewhere)
	for _, m := range record.Messages {
		fmt.Println(m.Role)
	}
	// Output:
	// Which way? map[How?:Card] true
	// user
	// assistant
	// assistant
	// tool
	// assistant
	// tool
	// assistant
}

// What a client must not trip over: messages of its own making, and requests of a kind
// that nobody knows.
func ExampleJob_AskUntyped() {
	const id = "a9000000-0000-4000-8000-000000000001"
	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: id, Name: "Odd", Script: func(j *duvotest.Job) {
		j.Add(duvo.Message{Role: duvo.RoleAssistant, Type: "thinking"})
		if j.Context().Err() == nil && j.ID() != "" {
			j.AskUntyped("sign-in", "Sign in, please")
		}
	}}))
	defer d.Close()
	job := waits(d, id, "x")
	fmt.Println(job.Pending.Type, job.Pending.Title)
	// Output: sign-in Sign in, please
}

// What people do in Duvo while a program is at work.
func ExampleDuvo_ChangeRequest() {
	const id = "a9000000-0000-4000-8000-000000000001"
	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: id, Name: "Refunds", Script: func(j *duvotest.Job) { j.AskApproval("Refund 20 EUR", "") }}))
	defer d.Close()
	job := waits(d, id, "Order 4711")
	if err := d.ChangeRequest(job.ID, func(r *duvo.HumanRequest) { r.Title = "Refund 2000 EUR" }); err != nil {
		log.Fatal(err)
	}
	fmt.Println(d.Pending(job.ID).Title)

	other, err := d.StartElsewhere(id, "Order 4712") // not by us
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(d.StopJob(other), d.DeleteJob(job.ID)); err != nil {
		log.Fatal(err)
	}
	err = errors.Join(d.AddAssignment(duvotest.Assignment{Name: "Letters"}),
		d.UpdateAssignment(id, func(a *duvotest.Assignment) { a.Description = "Pays back." }), d.RemoveAssignment(id))
	fmt.Println(len(d.Jobs()), err)
	// Output:
	// Refund 2000 EUR
	// 2 <nil>
}

// Each kind of fault, and what a client makes of it.
func ExampleFault() {
	d := duvotest.New(duvotest.WithScenario(duvotest.Demo()))
	defer d.Close()
	client := d.Client(duvo.WithRetries(1, 0)) // it tries once
	start := duvo.StartJob{AssignmentID: duvotest.Demo().Assignments()[0].ID}
	for _, f := range []duvotest.Fault{
		{Kind: duvotest.NoFault, Latency: time.Millisecond},
		{Kind: duvotest.ResetBefore}, {Kind: duvotest.ResetAfter}, {Kind: duvotest.LateEffect, EffectDelay: time.Hour},
		{Kind: duvotest.StatusBefore, Status: 429}, {Kind: duvotest.StatusAfter}, {Kind: duvotest.Truncate}, {Kind: duvotest.NotJSON}, {Kind: duvotest.Hang},
	} {
		d.Inject(f)
		ctx, cancel := context.WithCancel(context.Background())
		if f.Kind == duvotest.Hang { // until somebody leaves
			time.AfterFunc(10*time.Millisecond, cancel)
		}
		_, err := client.StartJob(ctx, start)
		cancel()
		fmt.Printf("%s: an error %v, it may have started one %v\n", f.Kind, err != nil, duvo.MayHaveTakenEffect(err))
	}
	fmt.Println("Jobs:", len(d.Jobs()))
	d.InjectFunc(func(op string, r *http.Request) *duvotest.Fault { // of your own making
		if op == "startRun" && r.Header.Get("User-Agent") != "" {
			return &duvotest.Fault{Kind: duvotest.StatusBefore, Status: 400}
		}
		return nil
	})
	_, err := client.StartJob(context.Background(), start)
	fmt.Println(errors.Is(err, duvo.ErrInvalid), d.CountStatus(400))
	// Output:
	// delay: an error false, it may have started one false
	// reset before: an error true, it may have started one true
	// reset after: an error true, it may have started one true
	// late effect: an error true, it may have started one true
	// status before: an error true, it may have started one false
	// status after: an error true, it may have started one true
	// truncate: an error true, it may have started one true
	// not JSON: an error true, it may have started one true
	// hang: an error true, it may have started one true
	// Jobs: 5
	// true 1
}

// What Duvo's published description leaves open can be chosen.
func ExampleWithProfile() {
	d := duvotest.New(
		duvotest.WithProfile(duvotest.Profile{ // the opposite of the zero value
			Idempotency: duvotest.KeysIgnored, Respond: duvotest.ApplyToAny, Stop: duvotest.WaitingUnstoppable, Since: duvotest.SinceCompleted,
		}),
		duvotest.WithQuirks(duvotest.Quirks{NestedPending: true, UnknownFields: true}),
		duvotest.WithScenario(duvotest.Demo()), duvotest.WithPace(time.Microsecond), duvotest.WithTeam("7e2f0c1a-9a55-4d7e-8b3f-2f6d9f0a1b11", "Support"))
	defer d.Close()
	strict := duvotest.Profile{Idempotency: duvotest.KeysHonoured, Respond: duvotest.CheckRequest, Stop: duvotest.StopsWaiting, Since: duvotest.SinceCreated}
	fmt.Println(strict == duvotest.Profile{}, duvotest.CheckWaiting != strict.Respond)
	start := duvo.StartJob{AssignmentID: duvotest.Demo().Assignments()[0].ID, IdempotencyKey: "once"}
	for range 2 {
		if _, err := d.Client().StartJob(context.Background(), start); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(len(d.Jobs()), d.TeamID() != "")
	// Output:
	// true true
	// 2 true
}

// A key with limits, and a Duvo that serves for days.
func ExampleWithRateLimit() {
	d := duvotest.New(duvotest.WithScenario(duvotest.Demo()), duvotest.WithKey("dv_of_a_test"), duvotest.WithRateLimit(60),
		duvotest.WithForbidden("stopRun"), duvotest.WithHistory(100), duvotest.WithSandboxes(time.Hour, 1<<20), duvotest.WithTeams(1),
		duvotest.WithLog(slog.New(slog.NewTextHandler(io.Discard, nil))))
	defer d.Close()
	err := d.Client(duvo.WithRetries(1, 0)).StopJob(context.Background(), "11111111-2222-4333-8444-555555555555")
	fmt.Println(errors.Is(err, duvo.ErrForbidden))
	d.SetRateLimit(0) // from now on there is none
	for _, op := range duvotest.Operations()[:1] {
		fmt.Println(op.Method, op.Path)
	}
	var seen []duvotest.Request = d.Requests()
	fmt.Println(len(seen), seen[0].Status)
	// Output:
	// true
	// GET /v2/teams
	// 1 403
}

// Webhooks are lost and repeated, and forged ones refused.
func ExampleSignWebhook() {
	const secret = "whsec_c2VjcmV0IG9mIGEgdGVzdA=="
	delivered := make(chan string, 10)
	d := duvotest.New(duvotest.WithScenario(duvotest.Demo()), duvotest.WithWebhookSecret(secret),
		duvotest.WithWebhookHeaders(duvotest.WebhookHeaders{ID: "svix-id", Timestamp: "svix-timestamp", Signature: "svix-signature"}),
		duvotest.WithWebhookClient(duvotest.InMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			delivered <- r.Header.Get("svix-id")
			w.WriteHeader(http.StatusNoContent)
		}))))
	defer d.Close()
	d.InjectWebhook(duvotest.WebhookFault{Duplicate: 1})
	if _, err := d.Client().StartJob(context.Background(), duvo.StartJob{AssignmentID: duvotest.Demo().Assignments()[0].ID, WebhookURL: duvotest.MemoryURL + "/hook"}); err != nil {
		log.Fatal(err)
	}
	first, second := <-delivered, <-delivered
	fmt.Println(first == second)
	var all []duvotest.Delivery = d.Deliveries()
	fmt.Println(len(all) >= 1)
	forged := duvotest.SignWebhook("another secret", "id", time.Now(), []byte("{}"))
	fmt.Println(strings.HasPrefix(forged, "v1,"))
	// Output:
	// true
	// true
	// true
}

// A Duvo behind a handler of one's own, without a socket.
func ExampleInMemory() {
	d := duvotest.New(duvotest.WithScenario(duvotest.Demo()))
	defer d.Close()
	n := 0
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		d.ServeHTTP(w, r)
	})
	client, err := duvo.New(duvo.WithAPIKey(d.Key()), duvo.WithBaseURL(duvotest.MemoryURL), duvo.WithHTTPClient(duvotest.InMemory(counted)))
	if err != nil {
		log.Fatal(err)
	}
	for _, err := range client.Assignments(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(n > 0, d.HTTPClient() != nil)
	// Output: true true
}
