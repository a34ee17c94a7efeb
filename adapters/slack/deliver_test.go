package slack_test

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/slack"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// What Slack has not signed, not now, or not for this app, decides nothing.
func TestForgedAndStaleDeliveriesAreRefused(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		approve := func(at time.Time) *http.Request {
			return delivery(b.slack.click(b.asked(), "U1", "duvotool_approve"), at)
		}
		for name, c := range map[string]struct {
			at     time.Time
			change func(*http.Request)
		}{
			"no signature":    {time.Now(), func(r *http.Request) { r.Header.Del("X-Slack-Signature") }},
			"no timestamp":    {time.Now(), func(r *http.Request) { r.Header.Del("X-Slack-Request-Timestamp") }},
			"other signature": {time.Now(), func(r *http.Request) { r.Header.Set("X-Slack-Signature", "v0="+strings.Repeat("0", 64)) }},
			"other body":      {time.Now(), func(r *http.Request) { r.Body = delivery("{}", time.Now()).Body }},
			"other time":      {time.Now(), func(r *http.Request) { r.Header.Set("X-Slack-Request-Timestamp", "946684800") }},
			"stale":           {time.Now().Add(-6 * time.Minute), func(*http.Request) {}},
			"from the future": {time.Now().Add(6 * time.Minute), func(*http.Request) {}},
		} {
			r := approve(c.at)
			c.change(r)
			require.Equal(t, http.StatusUnauthorized, deliver(b.app, r).Code, name)
		}
		get := approve(time.Now())
		get.Method = http.MethodGet
		require.Equal(t, http.StatusMethodNotAllowed, deliver(b.app, get).Code)
		require.Equal(t, http.StatusBadRequest, deliver(b.app, delivery("", time.Now())).Code)
		large := delivery(strings.Repeat("x", 2<<20), time.Now())
		require.Equal(t, http.StatusRequestEntityTooLarge, deliver(b.app, large).Code)
		b.pass(time.Minute)
		require.Zero(t, b.responses())
		require.Len(t, b.reg.Pending(), 1)
	})
}

// Without a secret there is nothing that a signature could prove.
func TestWithoutASecretNothingIsTaken(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		w := deliver(b.app, delivery(b.slack.click(b.asked(), "U1", "duvotool_approve"), time.Now()))
		require.Equal(t, http.StatusUnauthorized, w.Code)
		require.Zero(t, b.responses())
	}, func(c *slack.Config) { c.SigningSecret = "" })
}

// Slack's retries and recorded deliveries change nothing, and are answered as before.
func TestRepeatedDeliveriesChangeNothing(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		deny := b.slack.click(b.asked(), "U1", "duvotool_deny")
		b.deliver(deny)
		b.deliver(deny)
		require.Equal(t, 1, b.slack.count("views.open"))
		form := b.slack.submit(t, "U1", object{})
		first := b.deliver(form)
		r := delivery(form, time.Now())
		r.Header.Set("X-Slack-Retry-Num", "1")
		r.Header.Set("X-Slack-Retry-Reason", "http_timeout")
		again := deliver(b.app, r)
		require.Equal(t, first, again.Body.String())
		b.pass(time.Minute)
		require.Equal(t, 1, b.responses())
		require.Equal(t, 1, b.slack.count("views.update"))
	})
}

// A second click finds the decision of the first.
func TestDoubleClicksDecideOnce(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		m := b.asked()
		for range 3 {
			deliver(b.app, delivery(b.slack.click(m, "U1", "duvotool_approve"), time.Now()))
		}
		deliver(b.app, delivery(b.slack.click(m, "U2", "duvotool_deny"), time.Now()))
		b.pass(2 * time.Second)
		require.Equal(t, 1, b.responses())
		require.Equal(t, hitl.Approved, b.decision().Verdict)
		require.Contains(t, b.slack.lastAlone().Blocks, "Approved by kim@example.com")
	})
}

func TestWhoDecides(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		m := b.asked()
		for user, why := range map[string]string{"U9": "you are not among those who can decide this", "U2": "you cannot decide this request"} {
			for _, action := range []string{"duvotool_approve", "duvotool_deny"} {
				b.deliver(b.slack.click(m, user, action))
				require.Contains(t, b.slack.lastAlone().Blocks, why)
				require.Equal(t, user, b.slack.lastAlone().User)
			}
		}
		foreign := strings.Replace(b.slack.click(m, "U1", "duvotool_approve"), `"team_id":"T1"`, `"team_id":"T2"`, 1)
		b.deliver(foreign)
		require.Contains(t, b.slack.lastAlone().Blocks, "people of this workspace cannot decide here")
		require.Zero(t, b.slack.count("views.open"))
		require.Zero(t, b.responses())
	}, func(c *slack.Config) {
		c.May = func(_ context.Context, login string, _ hitl.Request) bool { return login == "kim@example.com" }
	})
}

// A form that somebody else sends than opened it is theirs.
func TestAFormIsCheckedAgain(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		b.deliver(b.slack.click(b.asked(), "U1", "duvotool_deny"))
		b.deliver(b.slack.submit(t, "U9", object{}))
		require.Contains(t, b.slack.lastView(), "you are not among those who can decide this")
		require.Zero(t, b.responses())
	})
}

func TestGroupsDecide(t *testing.T) {
	var down bool
	posting(t, func(b *bench) {
		b.slack.fault = func(method string, w http.ResponseWriter) bool {
			if down && method == "usergroups.users.list" {
				w.WriteHeader(http.StatusInternalServerError)
				return true
			}
			return false
		}
		b.call("refunds", "Refund 120 EUR")
		b.deliver(b.slack.click(b.asked(), "U2", "duvotool_approve"))
		require.Contains(t, b.slack.lastAlone().Blocks, "you are not among those")
		b.pass(2 * time.Minute)
		down = true
		b.deliver(b.slack.click(b.asked(), "U1", "duvotool_approve"))
		require.Contains(t, b.slack.lastAlone().Blocks, "who you are could not be told")
		require.Zero(t, b.responses())
		down = false
		b.deliver(b.slack.click(b.asked(), "U1", "duvotool_approve"))
		require.Equal(t, 1, b.responses())
	}, func(c *slack.Config) { c.People = slack.InGroups(c.Client, people, "S1") })
}

// What the host's function does wrong decides nothing, and ends nothing.
func TestFunctionsOfTheHostsThatFail(t *testing.T) {
	for name, p := range map[string]slack.People{
		"panic": func(context.Context, string) (string, error) { panic("oh") },
		"empty": func(context.Context, string) (string, error) { return " \u200b", nil },
	} {
		t.Run(name, func(t *testing.T) {
			posting(t, func(b *bench) {
				b.call("refunds", "Refund 120 EUR")
				b.deliver(b.slack.click(b.asked(), "U1", "duvotool_approve"))
				require.Contains(t, b.slack.lastAlone().Blocks, "who you are could not be told")
				require.Zero(t, b.responses())
			}, func(c *slack.Config) { c.People = p })
		})
	}
}

func TestOtherFunctionsOfTheHostsThatFail(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		m := b.asked()
		require.NotContains(t, m.buttons(), "duvotool_desk")
		b.deliver(b.slack.click(m, "U1", "duvotool_approve"))
		require.Contains(t, b.slack.lastAlone().Blocks, "you cannot decide this request")
		require.Zero(t, b.responses())
	}, func(c *slack.Config) {
		c.Desk = func(hitl.Request) string { panic("oh") }
		c.Deadline = func(hitl.Request) (time.Time, string) { runtime.Goexit(); return time.Time{}, "" }
		c.May = func(context.Context, string, hitl.Request) bool { panic("oh") }
	})
}

// A deadline is told, with what happens then.
func TestDeadline(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		require.Contains(t, b.asked().Blocks, "To be decided by 2000-01-02 00:00 UTC; then denied")
	}, func(c *slack.Config) {
		c.Deadline = func(hitl.Request) (time.Time, string) {
			return time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC), "denied"
		}
	})
}

// While the app does not run nothing is taken, and Slack is told to come again.
func TestNotRunning(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		click := b.slack.click(b.asked(), "U1", "duvotool_approve")
		b.stop()
		require.Equal(t, http.StatusServiceUnavailable, deliver(b.app, delivery(click, time.Now())).Code)
		b.start()
		b.pass(time.Minute)
		b.deliver(click)
		require.Equal(t, 1, b.responses())
	})
}

// An answer to Slack does not wait for Duvo, nor for anything of the host's.
func TestSlackIsAnsweredAtOnce(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		began := time.Now()
		require.Equal(t, http.StatusOK, deliver(b.app, delivery(b.slack.click(b.asked(), "U1", "duvotool_approve"), time.Now())).Code)
		require.Zero(t, time.Since(began))
		require.Zero(t, b.responses())
		b.pass(time.Hour + time.Second)
		require.Equal(t, 1, b.responses())
	}, func(c *slack.Config) {
		c.People = func(ctx context.Context, id string) (string, error) { time.Sleep(time.Hour); return people(ctx, id) }
	})
}
