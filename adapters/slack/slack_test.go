package slack_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/slack"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// slacktest ends one of its own goroutines never.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/slack-go/slack/slacktest.handlePendingMessages"))
}

const refundsID = "6f1e02c9-0000-4000-8000-000000000001"

// asks asks for what its input says.
var asks = duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: func(j *duvotest.Job) {
	title, description, _ := strings.Cut(j.Input(), "|")
	if j.AskApproval(title, description) {
		j.Complete("Refunded.")
	}
	j.Complete("Not refunded.")
}}

var surveys = duvotest.Assignment{ID: "6f1e02c9-0000-4000-8000-000000000002", Name: "Addresses", Script: func(j *duvotest.Job) {
	a := j.Ask("Which address?", "They differ.",
		duvo.QuestionItem{Question: "Which address?", Header: "Address", Options: []duvo.Choice{{Label: "Linden Street 4", Description: "on the order"}, {Label: "Linden Street 14"}}},
		duvo.QuestionItem{Question: "Which parcels?", MultiSelect: true, Options: []duvo.Choice{{Label: "Parcel 1"}, {Label: "Parcel 2"}, {Label: "Parcel 3"}}},
		duvo.QuestionItem{Question: "What is the customer told?"})
	j.Complete(a["Which address?"] + "/" + a["Which parcels?"] + "/" + a["What is the customer told?"])
}}

var people = slack.Users(map[string]string{"U1": "kim@example.com", "U2": "lee@example.com"})

var suspends hitl.Policy = hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })

// A bench is a registry whose requests are posted in a fake of Slack.
type bench struct {
	*testing.T
	duvo    *duvotest.Duvo
	slack   *fakeSlack
	journal journal.Journal
	reg     *duvotool.Registry
	app     *slack.App
	cfg     slack.Config
	policy  hitl.Policy
	stop    func()
	started int
	deaf    bool // the app hears of no events
	alone   bool // it is handed no registry
	extra   []slack.Registry
}

func (b *bench) registries() []slack.Registry {
	if b.alone {
		return nil
	}
	return append([]slack.Registry{b.reg}, b.extra...)
}

// posting runs a test in a bubble of time, with everything in memory.
func posting(t *testing.T, test func(*bench), change ...func(*slack.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, duvo: duvotest.New(duvotest.WithAssignments(asks, surveys)), slack: &fakeSlack{}, journal: journal.NewMemory()}
		defer b.duvo.Close()
		b.cfg = slack.Config{Client: b.slack.client(), To: func(hitl.Request) string { return channelC }, People: people, SigningSecret: secret,
			Desk: func(r hitl.Request) string { return "https://desk.example/requests/" + r.ID }}
		for _, c := range change {
			c(&b.cfg)
		}
		b.start()
		defer func() { b.stop() }() // also where a test fails
		test(b)
		require.Empty(t, b.slack.refused)
	})
}

// start begins a process: a registry and an app.
func (b *bench) start() {
	b.Helper()
	var err error
	b.app, err = slack.New(b.cfg)
	require.NoError(b, err)
	policy := suspends
	if b.policy != nil {
		policy = b.policy
	}
	b.reg, err = duvotool.Discover(b.Context(), b.duvo.Client(), duvotool.WithPolicy(policy), duvotool.WithJournal(b.journal), duvotool.WithObserver(func(e outcome.Event) {
		if !b.deaf {
			b.app.Observe(e)
		}
	}))
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.app.Run(ctx, b.registries()...) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		assert.ErrorIs(b, <-ended, context.Canceled)
		assert.NoError(b, b.reg.Close(context.Background()))
	})
	synctest.Wait()
}

// call starts a Job that asks.
func (b *bench) call(tool, input string) {
	b.Helper()
	b.started++
	t, err := b.reg.Tool(tool)
	require.NoError(b, err)
	_, err = t.Run(duvotool.WithOperationKey(b.Context(), fmt.Sprint(b.started)), input)
	require.NoError(b, err)
	b.pass(time.Second)
}

// pass lets time go by.
func (b *bench) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// asked is the one message that asks.
func (b *bench) asked() message {
	b.Helper()
	asked, _ := b.slack.posted()
	require.Len(b, asked, 1)
	return asked[0]
}

// deliver delivers a payload, and lets what it brings about happen.
func (b *bench) deliver(payload string) string {
	b.Helper()
	w := deliver(b.app, delivery(payload, time.Now()))
	require.Equal(b, http.StatusOK, w.Code)
	b.pass(2 * time.Second)
	return w.Body.String()
}

// settled is what the message says once it has no buttons that decide.
func (b *bench) settled(words string) {
	b.Helper()
	m := b.asked()
	require.Contains(b, m.Blocks, words)
	require.NotContains(b, m.buttons(), "duvotool_approve")
	require.NotContains(b, m.buttons(), "duvotool_deny")
	require.NotContains(b, m.buttons(), "duvotool_answer")
}

// told are the outcomes in the threads.
func (b *bench) told() string {
	_, told := b.slack.posted()
	all := ""
	for _, m := range told {
		all += m.Blocks
	}
	return all
}

// responses counts what Duvo was sent.
func (b *bench) responses() int { return b.duvo.Count("respondToHumanRequest") }

func (b *bench) decision() hitl.DecisionEntry {
	b.Helper()
	res, err := b.reg.Lookup(b.Context(), fmt.Sprint(b.started))
	require.NoError(b, err)
	for _, d := range res.Decisions {
		if d.Verdict != hitl.Suspended {
			return d
		}
	}
	b.Fatal("nothing was decided")
	return hitl.DecisionEntry{}
}

// From the request in the channel to the outcome in its thread.
func TestApprovedInSlack(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR|It arrived *damaged* <!here> <https://evil.example|click>")
		m := b.asked()
		require.Equal(t, channelC, m.Channel)
		require.Contains(t, m.Blocks, `It arrived *damaged* \u0026lt;!here\u0026gt; \u0026lt;https://evil.example|click\u0026gt;`)
		require.NotContains(t, m.Blocks, "mrkdwn")
		require.Equal(t, []string{"false", "false", "false", "none"}, []string{m.Form.Get("unfurl_links"), m.Form.Get("unfurl_media"), m.Form.Get("mrkdwn"), m.Form.Get("parse")})
		require.Contains(t, m.buttons()["duvotool_desk"].URL, "https://desk.example/requests/")

		b.deliver(b.slack.click(m, "U1", "duvotool_approve"))
		require.Equal(t, 1, b.responses())
		require.Equal(t, "kim@example.com", b.decision().By)
		require.Equal(t, hitl.SourcePerson, b.decision().Source)
		b.settled("Approved by kim@example.com")
		b.pass(10 * time.Second)
		require.Contains(t, b.told(), "The Job completed.")
		require.Contains(t, b.told(), "Refunded.")
		require.Zero(t, b.slack.lastAlone())
		require.Equal(t, 2, b.slack.count("chat.postMessage"))
	})
}

// Somebody is faster than Slack's answer to the post: their click counts.
func TestAClickBeforeThePostIsAnswered(t *testing.T) {
	posting(t, func(b *bench) {
		b.slack.heard = func(m message) {
			if m.buttons()["duvotool_approve"].Value == "" {
				return
			}
			go b.deliver(b.slack.click(m, "U1", "duvotool_approve"))
			time.Sleep(time.Second) // before the app knows of its message
		}
		b.call("refunds", "Refund 120 EUR")
		b.pass(30 * time.Second)
		require.Equal(t, 1, b.responses())
		require.Equal(t, "kim@example.com", b.decision().By)
		require.Zero(t, b.slack.lastAlone())
	})
}

func TestDeniedWithAReason(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		b.deliver(b.slack.click(b.asked(), "U2", "duvotool_deny"))
		require.Contains(t, b.slack.lastView(), "duvotool_deny_reason")
		require.Zero(t, b.responses())
		ack := b.deliver(b.slack.submit(t, "U2", object{"reason": object{"reason": object{"type": "plain_text_input", "value": "too much"}}}))
		require.Contains(t, ack, "Your decision is being sent.")
		require.Contains(t, b.slack.lastView(), "Your decision was sent.")
		require.Equal(t, "too much", b.decision().Reason)
		require.Equal(t, "lee@example.com", b.decision().By)
		b.settled("Denied by lee@example.com: too much")
	})
}

func answers(address, parcels string, told string) object {
	var many []object
	for _, p := range strings.Fields(parcels) {
		many = append(many, object{"value": p})
	}
	return object{"question-0": object{"answer-0": object{"selected_option": object{"value": address}}},
		"question-1": object{"answer-1": object{"selected_options": many}},
		"question-2": object{"answer-2": object{"value": told}}}
}

func TestQuestionsAreAnswered(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("addresses", "go")
		m := b.asked()
		require.Contains(t, m.Blocks, "on the order")
		require.NotContains(t, m.buttons(), "duvotool_approve")
		b.deliver(b.slack.click(m, "U1", "duvotool_answer"))
		ack := b.deliver(b.slack.submit(t, "U1", answers("1", "", "we are sorry")))
		require.Contains(t, ack, `"response_action":"errors"`)
		require.Contains(t, ack, "Which parcels?")
		require.Zero(t, b.responses())
		b.deliver(b.slack.submit(t, "U1", answers("1", "0 2", "we are sorry")))
		require.Equal(t, 1, b.responses())
		b.settled("Answered by kim@example.com")
		b.pass(10 * time.Second)
		require.Contains(t, b.told(), "Linden Street 14/Parcel 1, Parcel 3/we are sorry")
	})
}
