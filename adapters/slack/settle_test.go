package slack_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/slack"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// Whoever decides elsewhere settles the message, and who has a form open is told.
func TestDecidedElsewhereWhileTheFormIsOpen(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("addresses", "go")
		b.deliver(b.slack.click(b.asked(), "U1", "duvotool_answer"))
		r := b.reg.Pending()[0]
		require.NoError(t, b.reg.Decide(b.Context(), r, hitl.Answer("lee@example.com", map[string]string{"Which address?": "Linden Street 4", "Which parcels?": "Parcel 1", "What is the customer told?": "so"})))
		ack := b.deliver(b.slack.submit(t, "U1", answers("1", "0", "else")))
		require.Contains(t, ack, "Nothing was sent: it was already decided. Answered by lee@example.com")
		require.Equal(t, 1, b.responses())
		b.settled("Answered by lee@example.com")
	})
}

// Without Observe the registry is asked who has decided.
func TestSettledWithoutEvents(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		m := b.asked()
		b.quiet()
		require.NoError(t, b.reg.Decide(b.Context(), b.reg.Pending()[0], hitl.Deny("lee@example.com", "no receipt")))
		b.pass(time.Minute)
		b.settled("Denied by lee@example.com: no receipt")
		require.Contains(t, b.told(), "Not refunded.")
		// and somebody whose Slack shows the buttons still
		b.deliver(b.slack.click(m, "U1", "duvotool_approve"))
		require.Contains(t, b.slack.lastAlone().Blocks, "Nothing was decided: it waits no more.")
		require.Equal(t, 1, b.responses())
	})
}

// quiet goes on in another process that hears of no events.
func (b *bench) quiet() {
	b.stop()
	b.deaf = true
	b.start()
	b.pass(time.Minute)
}

// What is answered in Duvo's own inbox is settled too.
func TestAnsweredInDuvo(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		r := b.reg.Pending()[0]
		require.NoError(t, b.duvo.AnswerElsewhere(r.JobID, duvo.Response{Approved: new(true)}))
		b.pass(time.Minute)
		b.settled("answered elsewhere")
		require.Contains(t, b.told(), "The Job completed.")
	})
}

// A restart neither posts again nor loses sight of what was posted, with a store and
// without one.
func TestRestarts(t *testing.T) {
	for name, store := range map[string]func(t *testing.T) slack.Store{"folder": func(t *testing.T) slack.Store { return slack.Dir(t.TempDir() + "/posts [1]") }, "none": func(*testing.T) slack.Store { return nil }} {
		t.Run(name, func(t *testing.T) {
			kept := store(t)
			posting(t, func(b *bench) {
				b.call("refunds", "Refund 120 EUR")
				before := b.asked()
				b.stop()
				require.Equal(t, before, b.asked(), "the end of the process settles nothing")
				b.start()
				b.pass(time.Minute)
				require.Equal(t, before, b.asked())
				b.deliver(b.slack.click(before, "U1", "duvotool_approve"))
				require.Equal(t, 1, b.responses())
				b.settled("Approved by kim@example.com")
				b.pass(time.Minute)
				b.stop()
				b.start()
				b.pass(time.Minute)
				require.Equal(t, 1, strings.Count(b.told(), "The Job completed."))
				require.Equal(t, 2, b.slack.count("chat.postMessage"))
			}, func(c *slack.Config) { c.Store = kept })
		})
	}
}

// What was decided while the app was away is settled once it is back.
func TestDecidedWhileAway(t *testing.T) {
	kept := slack.Dir(t.TempDir())
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		b.stop()
		reg, err := duvotool.Discover(b.Context(), b.duvo.Client(), duvotool.WithPolicy(suspends), duvotool.WithJournal(b.journal))
		require.NoError(t, err)
		b.pass(time.Minute)
		require.NoError(t, reg.Decide(b.Context(), reg.Pending()[0], hitl.Deny("lee@example.com", "late")))
		b.pass(time.Minute)
		require.NoError(t, reg.Close(b.Context()))
		b.start()
		b.pass(2 * time.Minute)
		b.settled("Denied by lee@example.com: late")
		require.Contains(t, b.told(), "The Job completed.")
		left, err := kept.All(b.Context())
		require.NoError(t, err)
		require.Empty(t, left)
	}, func(c *slack.Config) { c.Store = kept })
}

// A Duvo that cannot be read after a restart is no reason to settle anything.
func TestRestartedWithoutDuvo(t *testing.T) {
	kept := slack.Dir(t.TempDir())
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		before := b.asked()
		b.stop()
		var down atomic.Bool
		down.Store(true)
		b.duvo.InjectFunc(outage(&down))
		b.start()
		b.pass(10 * time.Minute)
		require.Empty(t, b.reg.Pending())
		require.Equal(t, before, b.asked())
		b.deliver(b.slack.click(before, "U1", "duvotool_approve"))
		require.Contains(t, b.slack.lastAlone().Blocks, "whether it still waits is not known at the moment")
		down.Store(false)
		b.pass(10 * time.Minute)
		require.Len(t, b.reg.Pending(), 1)
		require.Equal(t, before, b.asked())
		b.deliver(b.slack.click(before, "U1", "duvotool_approve"))
		require.Equal(t, 1, b.responses())
	}, func(c *slack.Config) { c.Store = kept })
}

// outage has no Job read while it is down.
func outage(down *atomic.Bool) func(string, *http.Request) *duvotest.Fault {
	return func(op string, _ *http.Request) *duvotest.Fault {
		if down.Load() && (op == "getRun" || op == "listRuns") {
			return &duvotest.Fault{Kind: duvotest.StatusBefore}
		}
		return nil
	}
}

// A text that changes is another question: the old one can no longer be decided.
func TestChangedText(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		old := b.asked()
		r := b.reg.Pending()[0]
		require.NoError(t, b.duvo.ChangeRequest(r.JobID, func(q *duvo.HumanRequest) { q.Title = "Refund 9000 EUR" }))
		b.deliver(b.slack.click(old, "U1", "duvotool_approve")) // before anybody has noticed
		b.pass(time.Minute)
		require.Zero(t, b.responses())
		asked, _ := b.slack.posted()
		require.Len(t, asked, 2)
		require.NotContains(t, asked[0].buttons(), "duvotool_approve")
		b.deliver(b.slack.click(old, "U1", "duvotool_approve"))
		require.Contains(t, b.slack.lastAlone().Blocks, "the text has changed since this was posted")
		require.Zero(t, b.responses())
		b.deliver(b.slack.click(asked[1], "U1", "duvotool_approve"))
		require.Equal(t, 1, b.responses())
	})
}

// Who has decided the new text has not decided the old one.
func TestChangedAndDecidedWhileSlackIsAway(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		var down atomic.Bool
		b.slack.fault = func(method string, w http.ResponseWriter) bool {
			if down.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return down.Load()
		}
		b.quiet()
		old := b.reg.Pending()[0]
		down.Store(true)
		b.call("refunds", "Refund 7 EUR") // which cannot be posted: Slack is left alone for a minute at a time
		b.pass(20 * time.Minute)
		require.NoError(b, b.duvo.ChangeRequest(old.JobID, func(q *duvo.HumanRequest) { q.Title = "Refund 9000 EUR" }))
		var now hitl.Request
		for now.Title != "Refund 9000 EUR" {
			b.pass(100 * time.Millisecond)
			for _, r := range b.reg.Pending() {
				if r.JobID == old.JobID {
					now = r
				}
			}
		}
		require.NoError(b, b.reg.Decide(b.Context(), now, hitl.Approve("lee@example.com", "")))
		down.Store(false)
		b.pass(10 * time.Minute)
		asked, _ := b.slack.posted()
		require.Len(t, asked, 2)
		require.NotContains(t, asked[0].Blocks, "Approved by")
		require.Contains(t, asked[0].Blocks, "No longer waits for an answer")
		require.NotContains(t, asked[0].buttons(), "duvotool_approve")
	})
}

// What waits after all gets its buttons back.
func TestItWaitsAfterAll(t *testing.T) {
	shown(t, approval(func(*hitl.Request) {}), func(b *bench, fake *fakeRegistry, m message) {
		r := fake.Pending()[0]
		fake.mu.Lock()
		fake.status, fake.pending = duvo.StatusRunning, nil
		fake.mu.Unlock()
		b.pass(5 * time.Second)
		require.Equal(t, m, b.asked())
		b.pass(time.Minute)
		b.settled("answered elsewhere")
		fake.set(r)
		b.pass(10 * time.Second)
		require.Equal(t, m.Blocks, b.asked().Blocks)
		b.deliver(b.slack.click(b.asked(), "U1", "duvotool_approve"))
		require.Len(t, fake.taken(), 1)
	})
}

// What is posted nowhere is decided nowhere in Slack.
func TestPostedNowhere(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		require.Zero(t, b.slack.count("chat.postMessage"))
		r := b.reg.Pending()[0]
		value := payload(object{"job": r.JobID, "request": r.ID, "digest": r.Digest()})
		b.deliver(b.slack.click(message{Channel: "C1", TS: "1", Blocks: blocksOf(object{"type": "actions", "elements": []object{{"action_id": "duvotool_approve", "value": value}}})}, "U1", "duvotool_approve"))
		require.Contains(t, b.slack.lastAlone().Blocks, "this message is not the one that waits")
		require.Zero(t, b.responses())
	}, func(c *slack.Config) { c.To = func(hitl.Request) string { return "" } })
}

func blocksOf(blocks ...object) string {
	raw, _ := json.Marshal(blocks)
	return string(raw)
}

// When Slack asks for time it gets it; nothing is lost.
func TestSlackAsksForTime(t *testing.T) {
	posting(t, func(b *bench) {
		var limited atomic.Int64
		b.slack.fault = func(method string, w http.ResponseWriter) bool {
			if limited.Load() == 0 || limited.Add(-1) < 0 {
				return false
			}
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}
		limited.Store(1)
		b.call("refunds", "Refund 120 EUR")
		b.pass(20 * time.Second)
		require.Equal(t, 1, b.slack.count("chat.postMessage"))
		b.pass(20 * time.Second)
		m := b.asked()
		require.Equal(t, 2, b.slack.count("chat.postMessage"))
		require.Zero(t, b.slack.count("conversations.history"), "it was not sent")
		limited.Store(1)
		b.deliver(b.slack.click(m, "U1", "duvotool_approve"))
		require.Equal(t, 1, b.responses(), "what was decided does not wait for Slack")
		require.Equal(t, m.Blocks, b.asked().Blocks)
		b.pass(40 * time.Second)
		b.settled("Approved by kim@example.com")
		limited.Store(2)
		b.deliver(b.slack.click(m, "U9", "duvotool_approve"))
		require.Zero(t, b.slack.lastAlone())
		b.pass(2 * time.Minute)
		require.Contains(t, b.slack.lastAlone().Blocks, "you are not among those")
	})
}

// An outage of Slack's delays messages, doubles none and loses none.
func TestSlackIsAway(t *testing.T) {
	posting(t, func(b *bench) {
		var down atomic.Bool
		down.Store(true)
		b.slack.fault = func(method string, w http.ResponseWriter) bool {
			if down.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return down.Load()
		}
		for i := range 5 {
			b.call("refunds", fmt.Sprintf("Refund %d EUR", i))
		}
		b.pass(time.Hour)
		require.Less(t, len(b.slack.calls), 100, "it is not asked all the time")
		require.NoError(t, b.reg.Decide(b.Context(), b.reg.Pending()[0], hitl.Approve("lee@example.com", "")))
		b.pass(time.Minute)
		down.Store(false)
		b.pass(2 * time.Minute)
		asked, _ := b.slack.posted()
		require.Len(t, asked, 4, "one was decided before anybody could be asked")
	})
}

// A message whose answer was lost is found, and not sent twice.
func TestLostAnswers(t *testing.T) {
	posting(t, func(b *bench) {
		lose := "chat.postMessage"
		var mu sync.Mutex
		b.slack.lost = func(method string) bool {
			mu.Lock()
			defer mu.Unlock()
			is := method == lose
			if is {
				lose = ""
			}
			return is
		}
		b.call("refunds", "Refund 120 EUR")
		b.pass(time.Minute)
		m := b.asked()
		require.Equal(t, 1, b.slack.count("conversations.history"))
		mu.Lock()
		lose = "chat.postMessage" // of the outcome
		mu.Unlock()
		b.deliver(b.slack.click(m, "U1", "duvotool_approve"))
		b.pass(time.Minute)
		b.settled("Approved by kim@example.com")
		require.Equal(t, 1, strings.Count(b.told(), "The Job completed."))
		require.Equal(t, 1, b.slack.count("conversations.replies"))
	})
}

// What another app posts with the same metadata is not the app's own message.
func TestAnothersMessageIsNotFound(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		b.stop()
		b.slack.messages[0].Bot = "B0OTHER"
		b.start()
		b.pass(time.Minute)
		asked, _ := b.slack.posted()
		require.Len(t, asked, 2)
		b.deliver(b.slack.click(asked[0], "U1", "duvotool_approve"))
		require.Contains(t, b.slack.lastAlone().Blocks, "this message is not the one that waits")
		b.deliver(b.slack.click(asked[1], "U1", "duvotool_approve"))
		require.Equal(t, 1, b.responses())
	})
}

// A channel that cannot be posted to holds up no other, and is tried again.
func TestAChannelThatIsNotThere(t *testing.T) {
	var there atomic.Bool
	posting(t, func(b *bench) {
		b.slack.fault = func(method string, w http.ResponseWriter) bool {
			if method == "conversations.open" && !there.Load() {
				_, _ = w.Write([]byte(`{"ok":false,"error":"user_not_found"}`))
				return true
			}
			return false
		}
		b.call("refunds", "Refund 1 EUR")
		b.call("refunds", "Refund 2 EUR")
		require.Contains(t, b.asked().Blocks, "Refund 2 EUR")
		there.Store(true)
		b.pass(10 * time.Minute)
		asked, _ := b.slack.posted()
		require.Len(t, asked, 2)
		require.Equal(t, "DU2", asked[1].Channel)
	}, func(c *slack.Config) {
		c.To = func(r hitl.Request) string {
			return map[string]string{"Refund 1 EUR": "U2", "Refund 2 EUR": channelC}[r.Title]
		}
	})
}
