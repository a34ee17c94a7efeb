// Package react knows what text-parsing agents (one-shot, conversational) read
// into a model's words, and how to keep a tool's input out of it.
package react

import (
	"regexp"
	"strings"
)

// joiner stands before the colon of a broken marker. It is invisible and
// breaks no line, and nobody writes it by hand there.
const joiner = "\u2060"

// A marker ends a run wherever it stands, also in the middle of a tool's
// input: "the answer is:" for the one-shot agent, and "AI:" for the
// conversational one, so that "OpenAI: charged twice" ends it too.
var marker = regexp.MustCompile(`(?i)(final answer ?|answer is|AI):`)

// A line that begins like this is an answer, not a thought that mentions one.
var answered = regexp.MustCompile(`(?im)^\s*(final answer ?|AI):`)

var actionInput = regexp.MustCompile(`(?i)\bAction\s*:[^\n]*\n+\s*Action\s+Input\s*:`)

// Guard takes out of a model's words what it made up about a tool's answer,
// and breaks the markers in what it wrote before. Words that call no tool stay as
// they are.
func Guard(words string) string {
	at := actionInput.FindStringIndex(words)
	if at == nil {
		return words
	}
	if answered.MatchString(words[:at[0]]) {
		return words // it had answered before it went on
	}
	if i := strings.Index(words[at[1]:], "\nObservation:"); i >= 0 {
		words = words[:at[1]+i]
	}
	return marker.ReplaceAllString(words, "${1}"+joiner+":")
}

// Input returns a tool's input as the model meant it: without invented
// observations, the space that agents leave around it, and broken markers.
func Input(s string) string {
	if i := strings.Index(s, "\nObservation:"); i >= 0 {
		s = s[:i]
	}
	return strings.TrimSpace(strings.ReplaceAll(s, joiner+":", ":"))
}
