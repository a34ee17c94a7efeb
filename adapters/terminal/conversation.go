package terminal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/textwrap"
)

// glance is how long a request is on the screen before what was typed so far is
// thrown away and the prompt appears: keys pressed before are on their way for a
// while, and nobody reads faster.
const glance = 300 * time.Millisecond

// maxUseless is how many lines in a row may be no answer where nobody may be
// reading what is asked.
const maxUseless = 100

// A conversation is about one request, as it was shown.
type conversation struct {
	o       *Operator
	req     hitl.Request
	code    string
	coded   bool // yes and no count only with the code
	cut     bool // not all of the text is shown: yes counts only with the code
	useless int  // lines that were no answer
}

// newCode returns four characters that nobody can have typed before.
func newCode() string {
	const characters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ" // none that look alike
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = characters[int(b[i])%len(characters)]
	}
	return string(b)
}

func (c *conversation) run(ctx context.Context) (hitl.Decision, error) {
	text := c.req.String()
	c.cut = !c.req.ShownWhole(text)
	if err := c.o.screen.show(c.wrap("\nThe Job waits for your decision.\n" + text)); err != nil {
		return hitl.Decision{}, fmt.Errorf("terminal: showing the request: %w", err)
	}
	if c.req.Kind != duvo.Approval && c.req.Kind != duvo.Question {
		c.say("Requests of this kind cannot be decided here.\n")
		return hitl.Nobody("nobody at a terminal can decide a request of this kind"), nil
	}
	if err := c.req.CheckAnswerable(); err != nil {
		c.say("This cannot be answered here: %s.\n", err)
		return hitl.Nobody("no answer fits: " + hitl.SafeLine(err.Error(), 500)), nil
	}
	if err := c.settle(ctx); err != nil {
		return hitl.Decision{}, err
	}
	if c.req.Kind == duvo.Question {
		return c.answer(ctx)
	}
	switch yes, err := c.yesOrNo(ctx, "Approve"); {
	case err != nil:
		return hitl.Decision{}, err
	case yes:
		reason := "approved at the terminal"
		if !c.o.in.fresh() {
			reason = "approved with the code that was shown"
		}
		return hitl.Approve(c.o.by, reason), nil
	}
	reason, err := c.ask(ctx, "Reason (may be empty): ")
	if err != nil {
		return hitl.Decision{}, err
	}
	return hitl.Deny(c.o.by, reason), nil
}

// settle throws away what was typed before the request was shown, and says what
// an answer needs.
func (c *conversation) settle(ctx context.Context) error {
	if err := c.discard(ctx); err != nil {
		return err
	}
	switch {
	case !c.o.in.fresh():
		c.say("What was typed before this was shown does not count: answer with the code.\n")
	case c.coded:
		c.say("Another request was here just before: say with the code that you mean this one.\n")
	}
	if c.cut {
		c.say("Not all of the text is shown. %s\n", c.wantsCut())
	}
	if behind := c.o.screen.behind(); behind != "" {
		c.say("%s", behind)
	}
	if c.o.in.fresh() {
		c.say("(Ctrl-C decides nothing: nothing is sent, and the Job still waits.)\n")
	}
	return nil
}

// discard gives the person a moment with what is on the screen, and throws away
// what was typed until then.
func (c *conversation) discard(ctx context.Context) error {
	if c.o.in.fresh() {
		select {
		case <-time.After(glance):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if c.o.in.discard() {
		c.say("(What was typed before this was shown does not count.)\n")
	}
	return nil
}

func (c *conversation) wantsCut() string {
	if c.o.in.fresh() {
		return `Type "all" to read the whole of it, or say yes with the code.`
	}
	return "Saying yes with the code is saying yes to all of it."
}

// yesOrNo asks until the person has said one of both.
func (c *conversation) yesOrNo(ctx context.Context, what string) (bool, error) {
	for {
		text, err := c.ask(ctx, fmt.Sprintf("%s? [%s] ", what, strings.Join(c.choices(), "/")))
		if err != nil {
			return false, err
		}
		word, code, _ := strings.Cut(strings.ToLower(strings.Join(strings.Fields(text), " ")), " ")
		right, plain := code == strings.ToLower(c.code), code == ""
		switch {
		case (word == "yes" || word == "y") && (right || plain && !c.coded && !c.cut):
			return true, nil
		case (word == "no" || word == "n") && (right || plain && !c.coded):
			return false, nil
		case word == "all" && plain && c.pages():
			if err := c.page(ctx); err != nil {
				return false, err
			}
			continue
		}
		if c.useless++; c.useless >= maxUseless && !c.o.in.fresh() {
			return false, fmt.Errorf("terminal: %d lines were read, and none was an answer", c.useless)
		}
		c.say("%q is no answer to this. Type %s.\n", hitl.SafeLine(text, 40), orList(c.choices()))
	}
}

// choices are what counts.
func (c *conversation) choices() []string {
	yes, no := "yes", "no"
	if c.coded || c.cut {
		yes += " " + c.code
	}
	if c.coded {
		no += " " + c.code
	}
	out := []string{yes, no}
	if c.pages() {
		out = append(out, "all")
	}
	return out
}

// pages reports whether paging through the text is offered.
func (c *conversation) pages() bool { return c.cut && c.o.in.fresh() }

func orList(choices []string) string {
	var quoted []string
	for _, s := range choices {
		quoted = append(quoted, strconv.Quote(s))
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}

// page shows the whole text. From its end on a plain yes is enough, as far as
// the text goes. What is typed before a page is on the screen turns none and
// says nothing to the question that follows the last.
func (c *conversation) page(ctx context.Context) error {
	columns, rows := c.o.in.size()
	pages := paginate(whole(c.req), columns, rows-2)
	for i, p := range pages {
		c.say("%s", p)
		if i == len(pages)-1 {
			break
		}
		if err := c.discard(ctx); err != nil {
			return err
		}
		text, err := c.ask(ctx, fmt.Sprintf("-- page %d of %d; enter: the next, q: back -- ", i+1, len(pages)))
		if err != nil {
			return err
		}
		if strings.EqualFold(text, "q") {
			return nil
		}
	}
	c.say("-- That was all of it. --\n")
	if err := c.discard(ctx); err != nil {
		return err
	}
	c.cut = false
	return nil
}

const deny = "/deny"

func (c *conversation) answer(ctx context.Context) (hitl.Decision, error) {
	refused := hitl.Deny(c.o.by, "the operator did not answer")
	if c.coded || c.cut {
		if yes, err := c.yesOrNo(ctx, "Answer"); err != nil || !yes {
			return refused, err
		}
	}
	for {
		answers := map[string]string{}
		var unclear []error
		for i, q := range c.req.Questions {
			text, err := c.ask(ctx, prompt(i, q))
			if err != nil {
				return hitl.Decision{}, err
			}
			if text == deny {
				return refused, nil
			}
			answer, err := choose(text, q)
			if err != nil {
				unclear = append(unclear, err)
			}
			answers[q.Question] = answer
		}
		err := errors.Join(unclear...)
		if err == nil {
			err = c.req.CheckAnswers(answers)
		}
		if err == nil {
			return hitl.Answer(c.o.by, answers), nil
		}
		c.say("%s\n", err)
	}
}

func prompt(i int, q duvo.QuestionItem) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d. %s\n", i+1, hitl.SafeLine(q.Question, 500))
	if q.Header != "" {
		fmt.Fprintf(&b, "   headed: %s\n", hitl.SafeLine(q.Header, 300))
	}
	for j, c := range q.Options {
		fmt.Fprintf(&b, "   [%d] %s\n", j+1, hitl.SafeLine(c.Label, 200))
	}
	switch {
	case q.MultiSelect && len(q.Options) > 0:
		b.WriteString("Numbers, separated by commas")
	case len(q.Options) > 0:
		b.WriteString("Number or label")
	default:
		b.WriteString("Answer")
	}
	fmt.Fprintf(&b, ", or %s: ", deny)
	return b.String()
}

// choose turns numbers into the labels they stand for. A label may be written
// like numbers itself: where what was typed is the number of one option and what
// another one is called, it is neither.
func choose(text string, q duvo.QuestionItem) (string, error) {
	if len(q.Options) == 0 {
		return text, nil
	}
	parts := []string{text}
	if q.MultiSelect {
		parts = strings.Split(text, ",")
	}
	called := func(typed, except string) bool {
		return slices.ContainsFunc(q.Options, func(c duvo.Choice) bool { return c.Label != except && unspaced(c.Label) == unspaced(typed) })
	}
	unclear := fmt.Errorf("%q is by number one option, and what another one is called", hitl.SafeLine(text, 40))
	var chosen []string
	for _, p := range parts {
		n, err := strconv.Atoi(strings.TrimSpace(p))
		if err != nil || n < 1 || n > len(q.Options) {
			continue // a label, or nothing at all
		}
		label := q.Options[n-1].Label
		if called(p, label) {
			return "", unclear
		}
		chosen = append(chosen, label)
	}
	switch {
	case len(chosen) < len(parts):
		return text, nil
	case len(parts) > 1 && called(text, ""):
		return "", unclear
	}
	return hitl.JoinChoices(chosen...), nil
}

func unspaced(s string) string { return strings.Join(strings.Fields(s), "") }

// ask shows a prompt and returns the line that is typed.
func (c *conversation) ask(ctx context.Context, prompt string) (string, error) {
	if err := c.o.screen.say(c.wrap(prompt)); err != nil {
		return "", fmt.Errorf("terminal: showing the prompt: %w", err)
	}
	text, err := c.o.in.line(ctx)
	if err != nil || !c.o.in.fresh() {
		c.say("\n") // which a terminal shows as the person types it
	}
	return strings.TrimSpace(text), err
}

func (c *conversation) say(format string, args ...any) {
	_ = c.o.screen.say(c.wrap(fmt.Sprintf(format, args...)))
}

// wrap breaks lines where the person's terminal would, at words, and so that nothing of
// a stranger's text comes to stand at the margin.
func (c *conversation) wrap(text string) string {
	columns, _ := c.o.in.size()
	return textwrap.Text(text, columns)
}
