package slack_test

import (
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/slack"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

const thread = "1700000000.000100"

func inThread(c *slack.Config) {
	c.To = func(hitl.Request) string { return slack.Thread(channelC, thread) }
}

// inTheThread are all messages, which must be in the thread.
func (b *bench) inTheThread(n int) []message {
	b.Helper()
	elsewhere, told := b.slack.posted()
	require.Empty(b, elsewhere)
	require.Len(b, told, n)
	for _, m := range told {
		require.Equal(b, channelC, m.Channel)
		require.Equal(b, thread, m.Thread)
	}
	return told
}

// What is asked in a thread is decided there, and its outcome comes there.
func TestInAThread(t *testing.T) {
	posting(t, func(b *bench) {
		b.call("refunds", "Refund 120 EUR")
		m := b.inTheThread(1)[0]
		b.deliver(b.slack.click(m, "U1", "duvotool_approve"))
		require.Equal(t, 1, b.responses())
		b.pass(10 * time.Second)
		all := b.inTheThread(2)
		require.Contains(t, all[0].Blocks, "Approved by kim@example.com")
		require.Contains(t, all[1].Blocks, "Refunded.")
	}, inThread)
}

// A message whose answer was lost is looked for in the thread, and not sent again, be it
// the question or the outcome.
func TestLostInAThread(t *testing.T) {
	posting(t, func(b *bench) {
		lost := 0
		b.slack.lost = func(method string) bool {
			if method == "chat.postMessage" && lost < 2 {
				lost++
				return true
			}
			return false
		}
		b.call("refunds", "Refund 120 EUR")
		b.pass(2 * time.Minute)
		m := b.inTheThread(1)[0]
		lost = 1
		b.deliver(b.slack.click(m, "U1", "duvotool_approve"))
		b.pass(2 * time.Minute)
		require.Contains(t, b.inTheThread(2)[1].Blocks, "Refunded.")
		require.Equal(t, 2, b.slack.count("chat.postMessage"))
		require.Zero(t, b.slack.count("conversations.history"))
	}, inThread)
}
