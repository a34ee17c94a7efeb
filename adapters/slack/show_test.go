package slack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/slack"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// shown posts one request of a fake registry.
func shown(t *testing.T, r hitl.Request, test func(*bench, *fakeRegistry, message), change ...func(*slack.Config)) {
	t.Helper()
	posting(t, func(b *bench) {
		fake := &fakeRegistry{}
		b.stop()
		b.extra = []slack.Registry{fake}
		b.start()
		r.JobID, r.ID, r.Key, r.FirstSeen = "job", "request", "key", time.Now()
		fake.set(r)
		b.pass(2 * time.Second)
		test(b, fake, b.asked())
		fake.set()
	}, change...)
}

func approval(change func(*hitl.Request)) hitl.Request {
	return duvotooltest.Approval("Refund 120 EUR", change)
}

// textOf is all that a message shows, as it was before Slack's escapes.
func textOf(m message) string {
	var blocks any
	_ = json.Unmarshal([]byte(m.Blocks), &blocks)
	var b strings.Builder
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case object:
			if s, is := v["text"].(string); is {
				b.WriteString(s)
				return
			}
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(blocks)
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(b.String())
}

// What fits into a message is shown whole, in as many blocks as it takes; what does
// not can be denied here, and is approved at the desk.
func TestOnlyWhatIsShownWholeIsApproved(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*hitl.Request)
		whole  bool
	}{
		"short":             {func(*hitl.Request) {}, true},
		"several blocks":    {func(r *hitl.Request) { r.Description = strings.Repeat("0123456789 <&>\n", 300) + "the end" }, true},
		"one long line":     {func(r *hitl.Request) { r.Description = strings.Repeat("é😀", 1900) + "the end" }, true},
		"a long title":      {func(r *hitl.Request) { r.Title = strings.Repeat("word ", 500) + "end" }, true},
		"too long":          {func(r *hitl.Request) { r.Description = strings.Repeat("harmless\n", 2000) + "and erase everything" }, false},
		"too long an input": {func(r *hitl.Request) { r.Input = strings.Repeat("x", 12000) }, false},
		"too long escaped":  {func(r *hitl.Request) { r.Input = strings.Repeat("&", 4000) }, false},
		"a long follow-up":  {func(r *hitl.Request) { r.FollowUp = strings.Repeat("go on ", 3000) }, false},
		"far too long":      {func(r *hitl.Request) { r.Title = strings.Repeat("z", 1<<17); r.Input = strings.Repeat("y", 1<<17) }, false},
		"IDs that are long": {func(r *hitl.Request) { r.BuildID = strings.Repeat("b", 20000) }, false},
		"questions unasked": {func(r *hitl.Request) { r.Questions = make([]duvo.QuestionItem, 60) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := approval(c.change)
			shown(t, r, func(b *bench, fake *fakeRegistry, m message) {
				require.Equal(t, c.whole, m.buttons()["duvotool_approve"].Value != "")
				require.NotEmpty(t, m.buttons()["duvotool_deny"].Value)
				require.NotEmpty(t, m.buttons()["duvotool_desk"].URL)
				if c.whole {
					require.Contains(t, textOf(m), r.Description)
					return
				}
				require.Contains(t, m.Blocks, "Not all of it fits into a message")
				forged := strings.Replace(b.slack.click(m, "U1", "duvotool_deny"), "duvotool_deny", "duvotool_approve", 1)
				b.deliver(forged)
				require.Contains(t, b.slack.lastAlone().Blocks, "not all of it is shown here")
				require.Contains(t, b.slack.lastAlone().Blocks, "https://desk.example")
				require.Empty(t, fake.decided)
				b.deliver(b.slack.click(m, "U1", "duvotool_deny"))
				b.deliver(b.slack.submit(t, "U1", object{}))
				require.Equal(t, hitl.Denied, fake.decided[0].Verdict)
			})
		})
	}
}

// Questions that no form of Slack's holds are answered at the desk.
func TestFormsThatDoNotFit(t *testing.T) {
	options := func(n int, label string) (out []duvo.Choice) {
		for i := range n {
			out = append(out, duvo.Choice{Label: fmt.Sprint(i, label)})
		}
		return out
	}
	for name, c := range map[string]struct {
		q    []duvo.QuestionItem
		fits bool
	}{
		"plain":            {[]duvo.QuestionItem{{Question: "Why?"}}, true},
		"a full menu":      {[]duvo.QuestionItem{{Question: "Which?", Options: options(100, "")}}, true},
		"too many options": {[]duvo.QuestionItem{{Question: "Which?", Options: options(101, "")}}, false},
		"a long option":    {[]duvo.QuestionItem{{Question: "Which?", Options: options(2, strings.Repeat("x", 75))}}, false},
		"an empty option":  {[]duvo.QuestionItem{{Question: "Which?", Options: []duvo.Choice{{Label: " "}}}}, false},
		"a long question":  {[]duvo.QuestionItem{{Question: strings.Repeat("x", 2500)}}, false},
		"no question":      {nil, false},
		"asked twice":      {[]duvo.QuestionItem{{Question: "Why?"}, {Question: "Why?"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			shown(t, duvotooltest.Question(c.q), func(b *bench, fake *fakeRegistry, m message) {
				require.Equal(t, c.fits, m.buttons()["duvotool_answer"].Value != "")
				require.NotContains(t, m.buttons(), "duvotool_approve")
				require.NotContains(t, m.buttons(), "duvotool_deny")
				require.NotEmpty(t, m.buttons()["duvotool_desk"].URL)
				if c.fits {
					b.deliver(b.slack.click(m, "U1", "duvotool_answer"))
					require.Contains(t, b.slack.lastView(), "question-0")
				}
			})
		})
	}
}

// A form that Slack would not have been given is not taken either.
func TestFormsThatWereNeverOpened(t *testing.T) {
	r := duvotooltest.Question([]duvo.QuestionItem{{Question: "Why?"}}, func(r *hitl.Request) { r.Input = strings.Repeat("x", 12000) })
	shown(t, r, func(b *bench, fake *fakeRegistry, m message) {
		r := fake.Pending()[0]
		view := payload(object{"callback_id": "duvotool_answers", "private_metadata": payload(object{"job": r.JobID, "request": r.ID, "digest": r.Digest(), "channel": m.Channel, "ts": m.TS})})
		b.deliver(b.slack.submitTo(t, view, "U1", object{"question-0": object{"answer-0": object{"value": "so"}}}))
		require.Contains(t, b.slack.lastView(), "not all of it is shown here")
		require.Empty(t, fake.decided)
	})
	shown(t, duvotooltest.Question([]duvo.QuestionItem{{Question: "Why?"}}), func(b *bench, fake *fakeRegistry, m message) {
		b.deliver(b.slack.submitTo(t, viewOf(m), "U2", object{"question-0": object{"answer-0": object{"value": "so"}}}))
		require.Contains(t, b.slack.lastView(), "you cannot decide this request")
		require.Empty(t, fake.decided)
		b.deliver(b.slack.submitTo(t, viewOf(m), "U1", object{"question-0": object{"answer-0": object{"value": "so"}}}))
		require.Len(t, fake.decided, 1)
	}, func(c *slack.Config) {
		c.May = func(_ context.Context, login string, _ hitl.Request) bool { return login == "kim@example.com" }
	})
}

// Whatever a text holds, it is neither a mention nor a link, nor seen as anything else.
func TestHostileTexts(t *testing.T) {
	odd := "<!channel> <@U1> <https://evil.example|Approve> *bold* :+1: &lt; \x1b[2J\u202e\u200b @here https://evil.example"
	r := duvotooltest.Question([]duvo.QuestionItem{{Question: odd, Header: odd, Options: []duvo.Choice{{Label: "<@U1> &amp;", Description: odd}}}})
	r.Title, r.Description, r.Input, r.FollowUp, r.Assignment.Name, r.BuildID, r.Caller.User = odd, odd, odd, odd, odd, odd, odd
	shown(t, r, func(b *bench, fake *fakeRegistry, m message) {
		require.Contains(t, textOf(m), "&lt; <U+001B>[2J<U+202E><U+200B> @here")
		for _, text := range []string{m.Text, m.Blocks} {
			require.NotContains(t, text, "<!")
			require.NotContains(t, text, "<@")
			require.NotContains(t, text, "\u202e")
		}
		b.deliver(b.slack.click(m, "U1", "duvotool_answer"))
		b.deliver(b.slack.submit(t, "U1", object{"question-0": object{"answer-0": object{"selected_option": object{"value": "0"}}}}))
		require.Equal(t, "<@U1> &amp;", fake.decided[0].Answers[odd])
		for _, value := range []string{"7", "-1", "x", ""} {
			ack := b.deliver(b.slack.submitTo(t, viewOf(m), "U1", object{"question-0": object{"answer-0": object{"selected_option": object{"value": value}}}}))
			require.Contains(t, ack, "errors")
		}
		require.Len(t, fake.decided, 1)
	})
}

// What a decision ends with is told, with the way to the desk where that helps.
func TestDecisionsThatFail(t *testing.T) {
	entry := hitl.DecisionEntry{Decision: hitl.Deny("lee@example.com", "no")}
	for want, err := range map[string]error{
		"Nothing was sent: duvotool: the policy's decision does not fit": hitl.ErrInvalidDecision,
		"it was already decided. Denied by lee@example.com: no":          &outcome.DecidedError{Entry: entry},
		"the text has changed":                                          hitl.ErrRequestChanged,
		"it waits no more":                                              outcome.ErrNotPending,
		"Nothing was sent: " + outcome.ErrClosed.Error():                outcome.ErrClosed,
		"Nothing was decided, and it still waits: it needs a proof":     errors.New("it needs a proof"),
		"it is not known yet whether it was taken: the journal is away": errors.New("the journal is away"),
	} {
		shown(t, approval(func(*hitl.Request) {}), func(b *bench, fake *fakeRegistry, m message) {
			fake.err, fake.taking = err, strings.Contains(want, "journal")
			b.deliver(b.slack.click(m, "U1", "duvotool_approve"))
			require.Contains(t, textOf(b.slack.lastAlone()), want)
			require.Contains(t, b.slack.lastAlone().Blocks, "https://desk.example")
			if fake.taking {
				return
			}
			b.deliver(b.slack.click(m, "U1", "duvotool_deny"))
			b.deliver(b.slack.submit(t, "U1", object{}))
			require.Contains(t, b.slack.lastView(), strings.SplitN(want, ":", 2)[0])
			require.Empty(t, fake.decided)
		})
	}
}

// A copy of the message elsewhere decides nothing.
func TestOnlyTheMessageThatWasPosted(t *testing.T) {
	shown(t, approval(func(*hitl.Request) {}), func(b *bench, fake *fakeRegistry, m message) {
		other := m
		other.TS = "1.000001"
		b.deliver(b.slack.click(other, "U1", "duvotool_approve"))
		require.Contains(t, b.slack.lastAlone().Blocks, "this message is not the one that waits")
		other = m
		other.Blocks = strings.ReplaceAll(m.Blocks, `\"request\"`, `\"request-\"`)
		b.deliver(b.slack.click(other, "U1", "duvotool_approve"))
		require.Empty(t, fake.decided)
	})
}
