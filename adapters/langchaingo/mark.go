package langchaingo

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"
)

// A mark stands behind the arguments in an action's input. The executor hands a
// tool nothing but that input and a context, so it is how a tool finds the call
// that was started for it, and how a turn knows its run. The model never sees
// it, and cannot make one: it is signed, together with the arguments.
type mark struct {
	run  string
	call string
	sum  string // the signature
	shown
}

// shown is what the model was shown under the name that it called, and whether the
// call is to be made: of what is not nothing else needs to be remembered, however
// many there are.
type shown struct {
	Tool string `json:"tool"`         // the name
	ID   string `json:"id,omitempty"` // of the Assignment; empty: the program's own

	Refused string `json:"refused,omitempty"` // what the model is told; empty: the call is made
}

var markPattern = regexp.MustCompile(`\n#run-([a-z2-7]{26})\.([a-z2-7]{26})\.([a-z2-7]{26}) (\{[^\n]*\})$`)

func nonce() string { return strings.ToLower(rand.Text()) }

// mark puts a mark behind the arguments. Plan does so with every action, whatever
// its tool, so that the last mark in an action's input is never the model's.
func (a *Agent) mark(m mark, args string) string {
	what, err := json.Marshal(m.shown)
	if err != nil {
		panic(err) // strings
	}
	return args + "\n#run-" + m.run + "." + m.call + "." + a.sum(m, args) + " " + string(what)
}

// sum signs a mark and the arguments that it stands behind.
func (a *Agent) sum(m mark, args string) string {
	h := hmac.New(sha256.New, a.secret)
	for _, part := range []string{m.run, m.call, m.Tool, m.ID, m.Refused, args} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil))[:26])
}

// issued reports whether this agent has put the mark behind these arguments.
func (a *Agent) issued(m mark, args string) bool {
	return hmac.Equal([]byte(m.sum), []byte(a.sum(m, args)))
}

// unmark takes an action's input apart.
func unmark(input string) (args string, m mark, ok bool) {
	at := markPattern.FindStringSubmatchIndex(input)
	if at == nil {
		return input, mark{}, false
	}
	part := func(i int) string { return input[at[2*i]:at[2*i+1]] }
	m = mark{run: part(1), call: part(2), sum: part(3)}
	if json.Unmarshal([]byte(part(4)), &m.shown) != nil {
		return input, mark{}, false
	}
	return input[:at[0]], m, true
}

// runOf returns the run that the steps belong to, a new one if there are none
// yet. Steps are the executor's, perhaps of another process, whose signature is
// not ours: so the mark that stands last is taken as it is.
func runOf(steps []schema.AgentStep) string {
	for i := len(steps) - 1; i >= 0; i-- {
		if _, m, ok := unmark(steps[i].Action.ToolInput); ok {
			return m.run
		}
	}
	return nonce()
}

// what tells what the model is shown when it is shown a tool.
func what(t tools.Tool) shown { return shown{Tool: t.Name(), ID: assignmentOf(t)} }

// again finds the tool that the model was shown: by the ID of its Assignment,
// whatever that is called by now. Nil: it is not there any more.
func (a *Agent) again(s shown) tools.Tool {
	for _, t := range a.all() {
		if id := assignmentOf(t); id == s.ID && (id != "" || t.Name() == s.Tool) {
			return t
		}
	}
	return nil
}
