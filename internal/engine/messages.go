package engine

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/clone"
	"github.com/duvotool/duvotool/internal/lifecycle"
)

// messageList is what a Job has said, as it was read. Nobody else holds it, and it
// does not change any more.
type messageList []duvo.Message

// transcriptOf makes a transcript of messages, without holding what stands before them.
func transcriptOf(messages []duvo.Message) lifecycle.Transcript {
	if messages == nil {
		return lifecycle.Transcript{}
	}
	return lifecycle.TranscriptOf(messageList(slices.Clone(messages)))
}

// Size counts the bytes of it, also those of messages that say next to nothing.
func (l messageList) Size() int {
	n := int64(len(l)) * int64(reflect.TypeFor[duvo.Message]().Size())
	for i := range l {
		n += l[i].Size()
	}
	return int(n)
}

// Least counts the texts, none of which takes less room in JSON.
func (l messageList) Least() (n int) {
	for i := range l {
		m := &l[i]
		n += len(m.ID) + len(m.Type) + len(m.Role) + len(m.Text) + len(m.Error)
	}
	return n
}

// MarshalJSON is json.Marshal for messages, byte for byte, without the reflection
// that would cost more than the rest of what is done about a Job of this process. What
// is not plain is left to json.Marshal.
func (l messageList) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("null"), nil
	}
	size := 2
	for i := range l {
		size += len(l[i].Text) + 160
	}
	b := append(make([]byte, 0, size), '[')
	for i := range l {
		if i > 0 {
			b = append(b, ',')
		}
		m := &l[i]
		if plain, ok := appendMessage(b, m); ok {
			b = plain
			continue
		}
		whole, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		b = append(b, whole...)
	}
	return append(b, ']'), nil
}

// messagesIn returns the messages of a transcript, for one caller; nil if it has none.
func messagesIn(t lifecycle.Transcript) (messages []duvo.Message) {
	if list, ok := t.List().(messageList); ok {
		if list != nil {
			messages = make([]duvo.Message, 0, len(list))
		}
		for _, m := range list {
			messages = append(messages, clone.Message(m))
		}
		return messages
	}
	if text, err := t.MarshalJSON(); err == nil && !t.IsZero() {
		_ = json.Unmarshal(text, &messages) // it was written by us
	}
	return messages
}

// appendMessage appends a message; false if it is not plain.
func appendMessage(b []byte, m *duvo.Message) (_ []byte, ok bool) {
	if m.ToolCall != nil || m.ToolResult != nil || m.Error != "" || m.Instruction {
		return b, false
	}
	for _, field := range []struct{ name, value string }{{`{"id":`, m.ID}, {`,"type":`, m.Type}, {`,"role":`, m.Role}} {
		if field.value == "" && field.name == `,"type":` {
			continue
		}
		b = append(b, field.name...)
		if b, ok = appendText(b, field.value); !ok {
			return b, false
		}
	}
	if at := m.Timestamp; !at.IsZero() {
		if y := at.Year(); y < 1 || y > 9999 || at.Location() != time.UTC {
			return b, false
		}
		b = append(b, `,"timestamp":"`...)
		b = append(at.AppendFormat(b, time.RFC3339Nano), '"')
	}
	if m.Text != "" {
		b = append(b, `,"text_content":`...)
		if b, ok = appendText(b, m.Text); !ok {
			return b, false
		}
	}
	return append(b, '}'), true
}

// appendText appends a text as a JSON string; false if it holds what is escaped, but
// for quotes and ends of lines.
func appendText(b []byte, s string) (_ []byte, ok bool) {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		if asItIs[s[i]] {
			for i++; i < len(s) && asItIs[s[i]]; i++ {
			}
			continue
		}
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 || r == '\u2028' || r == '\u2029' {
				return b, false
			}
			i += n
			continue
		case c == '"' || c == '\\' || c == '\n':
			b = append(append(b, s[from:i]...), '\\', c)
			if c == '\n' {
				b[len(b)-1] = 'n'
			}
			from = i + 1
		default:
			return b, false
		}
		i++
	}
	return append(append(b, s[from:]...), '"'), true
}

// asItIs tells of each byte whether it stands for itself in a JSON string.
var asItIs = func() (is [256]bool) {
	for c := range utf8.RuneSelf {
		is[c] = c >= ' ' && !strings.ContainsRune(`"\<>&`, rune(c))
	}
	return is
}()
