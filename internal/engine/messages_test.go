package engine

import (
	"encoding/json"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMessagesAreEncodedAsJSONDoes(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.StringN(0, 10, 40), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{"", "a\nb", `say "x" \ y`, "<b>&amp;", "\u2028", "é\u00a0\U0001f600", "\x7f", "\xff"}))
	at := rapid.Custom(func(t *rapid.T) time.Time {
		when := time.Unix(rapid.Int64Range(-1e11, 3e11).Draw(t, "s"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns"))
		return rapid.SampledFrom([]time.Time{{}, when.UTC(), when.UTC().Truncate(time.Millisecond), when.In(time.FixedZone("", 3600)), when}).Draw(t, "zone")
	})
	rapid.Check(t, func(t *rapid.T) {
		messages := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) duvo.Message {
			m := duvo.Message{ID: text.Draw(t, "id"), Type: text.Draw(t, "type"), Role: text.Draw(t, "role"), Text: text.Draw(t, "text"), Timestamp: at.Draw(t, "at")}
			switch rapid.IntRange(0, 9).Draw(t, "more") {
			case 0:
				m.Error = text.Draw(t, "error")
			case 1:
				m.Instruction = true
			case 2:
				m.ToolCall = &duvo.ToolCall{ID: "1", Name: text.Draw(t, "name"), Arguments: json.RawMessage(`{"a": 1}`)}
			case 3:
				m.ToolResult = &duvo.ToolResult{CallID: "1", Result: json.RawMessage(`[1, "<"]`)}
			}
			return m
		}), 0, 4).Draw(t, "messages")
		if rapid.Bool().Draw(t, "none") {
			messages = nil
		}
		want, wrong := json.Marshal(messages)
		got, err := messageList(messages).MarshalJSON()
		require.Equal(t, wrong == nil, err == nil, "%v, %v", wrong, err)
		if err == nil {
			require.Equal(t, string(want), string(got))
			require.LessOrEqual(t, messageList(messages).Least(), len(got))
		}
	})
}

// TestATranscriptHoldsItsOwnMessages: not those that stand before them in the list that
// was read, also where there are none of its own.
func TestATranscriptHoldsItsOwnMessages(t *testing.T) {
	for own := range 2 {
		all := make([]duvo.Message, 100, 128) // as append leaves room
		before := weak.Make(&all[0])
		kept := transcriptOf(all[len(all)-own:])
		require.Len(t, kept.List(), own)
		all = nil
		runtime.GC()
		require.Nil(t, before.Value(), "%d of its own", own)
		runtime.KeepAlive(kept)
	}
	require.True(t, transcriptOf(nil).IsZero())
	require.False(t, transcriptOf([]duvo.Message{}).IsZero())
}

// A heavy list counts how often it is written.
type heavy struct{ size, written int }

func (h *heavy) Size() int  { return h.size }
func (h *heavy) Least() int { return h.size }
func (h *heavy) MarshalJSON() ([]byte, error) {
	h.written++
	return []byte("[]"), nil
}

// TestWhatIsNotKeptIsNotWritten: an outcome is put again and again while a journal is
// down, and each time its messages would be written to be dropped.
func TestWhatIsNotKeptIsNotWritten(t *testing.T) {
	for size, written := range map[int]int{maxKept: 1, maxKept + 1: 0} {
		h := &heavy{size: size}
		data, err := (&ledger{}).closeOutcome(&lifecycle.Record{Result: &lifecycle.Result{Output: "done", Messages: lifecycle.TranscriptOf(h)}})
		require.NoError(t, err)
		require.Contains(t, string(data), "done")
		require.Equal(t, written, h.written)
	}
}
