package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/guard"
	api "github.com/slack-go/slack"
	"github.com/slack-go/slack/slackutilsx"
)

// Slack's limits, and somewhat less: lengths are those of the text as it is sent, in
// UTF-16 units.
const (
	maxSection = 2900  // of a section's text: 3,000
	maxMessage = 11000 // of all texts of a message; Slack refuses some 13,000
	maxBlocks  = 46    // of a message's blocks that show the request: 50 in all
	maxHeader  = 140   // of a header: 150
	maxOption  = 75    // of an option's text
	maxOptions = 100   // of a menu
	maxLabel   = 1900  // of an input's label: 2,000
	maxReason  = 2000  // of a denial's reason
	maxTyped   = 3000  // of an answer
	maxCut     = 600   // of each text of a request that is not shown whole, in characters
	maxOutput  = 2500  // of what a Job has said, in characters
)

// A shown request is what a message tells of it.
type shown struct {
	blocks []api.Block
	whole  bool // every text of the request is in the blocks
}

// show makes the blocks of a request, without what can be done about it. Its texts
// are plain text of Slack's: nothing in them is a link, a mention or a mark.
func show(r hitl.Request, desk string) shown {
	if s := showAll(r, 0); s.whole {
		return s
	}
	s := showAll(r, maxCut)
	why := words["cut"]
	if desk == "" {
		why = words["cutNoDesk"]
	}
	s.blocks = append(s.blocks, note(why))
	s.whole = false
	return s
}

// showAll shows each text, up to a number of characters; 0: all of it.
func showAll(r hitl.Request, max int) shown {
	var p page
	p.heading(headline(r), hitl.SafeLine(r.Title, max))
	p.text("", hitl.SafeText(r.Description, max))
	for i, q := range r.Questions {
		p.text("", showQuestion(i, q, max))
	}
	p.text("The Job was started with", hitl.SafeText(r.Input, max))
	p.text("Added since, in the model's own words (unchecked)", hitl.SafeText(r.FollowUp, max))
	about := fmt.Sprintf("Assignment: %s\nID: %s\nBuild: %s\nJob: %s", hitl.SafeLine(r.Assignment.Name, max), hitl.SafeLine(r.Assignment.ID, max), hitl.SafeLine(r.BuildID, max), hitl.SafeLine(r.JobID, max))
	if r.Caller.User != "" {
		about += "\nAsked for by: " + hitl.SafeLine(r.Caller.User, 200)
	}
	p.text("", about)
	return shown{p.blocks, max == 0 && !p.full && r.ShownWhole(p.seen.String())}
}

// showQuestion shows a question with what can be chosen. Each of its texts is on a
// line, so that none can pass for another.
func showQuestion(i int, q duvo.QuestionItem, max int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d. %s", i+1, hitl.SafeLine(q.Question, max))
	if q.Header != "" {
		fmt.Fprintf(&b, "\nHeaded: %s", hitl.SafeLine(q.Header, max))
	}
	for j, c := range q.Options {
		if max > 0 && j == 10 {
			fmt.Fprintf(&b, "\n… [cut, %d more options]", len(q.Options)-j)
			break
		}
		fmt.Fprintf(&b, "\n• %s", hitl.SafeLine(c.Label, max))
		if c.Description != "" {
			fmt.Fprintf(&b, "\n   %s", hitl.SafeLine(c.Description, max))
		}
	}
	if q.MultiSelect {
		b.WriteString("\nSeveral may be chosen.")
	}
	return b.String()
}

func headline(r hitl.Request) string {
	switch r.Kind {
	case duvo.Approval:
		return "Approval wanted"
	case duvo.Question:
		return "A question"
	}
	return "A request of an unknown kind"
}

// A page collects blocks, and what they show.
type page struct {
	blocks []api.Block
	seen   strings.Builder // what stands in the blocks, unescaped
	size   int
	full   bool // something did not fit, and is not there
}

func (p *page) heading(kind, title string) {
	p.add(api.NewContextBlock("", plain(kind)), kind)
	if title == "" {
		return
	}
	if units(title) <= maxHeader {
		p.add(api.NewHeaderBlock(plain(title)), title)
		return
	}
	p.sections(title)
}

func (p *page) text(label, text string) {
	if text == "" {
		return
	}
	if label != "" {
		p.add(api.NewContextBlock("", plain(label)), label)
	}
	p.sections(text)
}

// sections shows a text in as many blocks as it takes: divided, and not cut.
func (p *page) sections(text string) {
	if p.full = p.full || len(text) > 4*maxMessage; p.full { // not even to be divided
		return
	}
	for _, part := range divide(text, maxSection) {
		p.add(api.NewSectionBlock(plain(part), nil, nil, api.SectionBlockOptionExpand(true)), part)
	}
	p.seen.WriteString("\n")
}

func (p *page) add(b api.Block, text string) {
	if p.full || len(p.blocks) >= maxBlocks || p.size+units(text) > maxMessage {
		p.full = true
		return
	}
	p.blocks = append(p.blocks, b)
	p.size += units(text)
	p.seen.WriteString(text)
	if b.BlockType() != api.MBTSection {
		p.seen.WriteString("\n")
	}
}

// divide cuts a text into parts that fit, at the ends of lines where it can.
func divide(text string, max int) []string {
	var parts []string
	for units(text) > max {
		end, line, size := 0, 0, 0
		for i, r := range text {
			size += units(string(r))
			if size > max {
				break
			}
			end = i + utf8.RuneLen(r)
			if r == '\n' {
				line = end
			}
		}
		if line > 0 {
			end = line
		}
		parts = append(parts, text[:end])
		text = text[end:]
	}
	return append(parts, text)
}

// units is the length of a text as it is sent.
func units(s string) int { return len(utf16.Encode([]rune(slackutilsx.EscapeMessage(s)))) }

// plain is a text that Slack interprets nothing of. What it is made of must have been
// made safe, see [hitl.SafeText].
func plain(text string) *api.TextBlockObject {
	return api.NewTextBlockObject(api.PlainTextType, slackutilsx.EscapeMessage(text), false, false)
}

// note is a line of the app's own.
func note(text string) api.Block {
	return api.NewSectionBlock(plain(text), nil, nil, api.SectionBlockOptionExpand(true))
}

// The IDs of what can be done.
const (
	actApprove = "duvotool_approve"
	actDeny    = "duvotool_deny"
	actAnswer  = "duvotool_answer"
	actDesk    = "duvotool_desk" // an address is opened; nothing is decided
	viewDeny   = "duvotool_deny_reason"
	viewAnswer = "duvotool_answers"
)

// question makes the message of a request that waits.
func (a *App) question(r hitl.Request) []api.Block {
	desk := a.desk(r)
	s := show(r, desk)
	blocks := s.blocks
	if at, then := a.deadline(r); !at.IsZero() {
		blocks = append(blocks, note("To be decided by "+at.UTC().Format("2006-01-02 15:04 MST")+then))
	}
	var buttons []api.BlockElement
	value, fits := valueOf(r), s.whole
	if value == "" {
		fits = false
	}
	if fits && a.needsProof(r) {
		fits = false
		blocks = append(blocks, note(words["proof"]))
	}
	if r.Kind == duvo.Question && fits {
		switch {
		case r.CheckAnswerable() != nil:
			fits = false
			blocks = append(blocks, note(words["unanswerable"]))
		case form(r) == nil:
			fits = false
			blocks = append(blocks, note(words["formTooLarge"]))
		}
	}
	if fits && r.Kind == duvo.Approval {
		buttons = append(buttons, api.NewButtonBlockElement(actApprove, value, plain("Approve")).WithStyle(api.StylePrimary))
	}
	if r.Kind == duvo.Approval && value != "" {
		buttons = append(buttons, api.NewButtonBlockElement(actDeny, value, plain("Deny…")).WithStyle(api.StyleDanger))
	}
	if fits && r.Kind == duvo.Question {
		buttons = append(buttons, api.NewButtonBlockElement(actAnswer, value, plain("Answer…")).WithStyle(api.StylePrimary))
	}
	if b := link(desk); b != nil {
		buttons = append(buttons, b)
	}
	if len(buttons) > 0 {
		blocks = append(blocks, api.NewActionBlock("", buttons...))
	}
	return blocks
}

// needsProof reports whether an approval or answer needs a proof, which Slack cannot give.
// What the app is asked as a policy is for the registry to check.
func (a *App) needsProof(r hitl.Request) bool {
	if a.asks.has(idOf(r)) {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), callFor)
	defer cancel()
	d := hitl.Approve("somebody", "")
	if r.Kind == duvo.Question {
		fitting := map[string]string{} // answers that fit, which nobody gives
		for _, q := range r.Questions {
			if fitting[q.Question] = "any"; len(q.Options) > 0 {
				fitting[q.Question] = q.Options[0].Label
			}
		}
		d = hitl.Answer("somebody", fitting)
	}
	return slices.ContainsFunc(a.regs(), func(reg Registry) bool {
		c, ok := reg.(Checker)
		return ok && errors.Is(c.CheckDecision(ctx, r.Clone(), d), hitl.ErrProofNeeded)
	})
}

// A target is what a button or a form is about, and its text as it was displayed.
type target struct {
	Job     string `json:"job"`
	Request string `json:"request"`
	Digest  string `json:"digest"`
}

func targetOf(r hitl.Request) target { return target{r.JobID, r.ID, r.Digest()} }

func (t target) id() string { return idFor(t.Job, t.Request, t.Digest) }

// valueOf is the value of the buttons of a request; empty where Slack would not take
// it.
func valueOf(r hitl.Request) string {
	raw, err := json.Marshal(targetOf(r))
	if err != nil || len(raw) > 1900 {
		return ""
	}
	return string(raw)
}

// settledBlocks makes the message of a request that was decided.
func (a *App) settledBlocks(p *Post) []api.Block {
	desk := a.desk(p.Request)
	blocks := append(show(p.Request, desk).blocks, api.NewDividerBlock(), note(p.Ending))
	if b := link(desk); b != nil {
		blocks = append(blocks, api.NewActionBlock("", b))
	}
	return blocks
}

// link is a button that opens the desk; nil where there is none.
func link(desk string) api.BlockElement {
	if desk == "" || len(desk) > 3000 {
		return nil
	}
	b := api.NewButtonBlockElement(actDesk, "", plain("Open the desk"))
	b.URL = desk
	return b
}

func (a *App) deadline(r hitl.Request) (at time.Time, then string) {
	if a.cfg.Deadline == nil {
		return time.Time{}, ""
	}
	err := guard.Run(errPanic, func() error { at, then = a.cfg.Deadline(r.Clone()); return nil })
	if err != nil {
		a.log.Error("slack: Config.Deadline", "error", hitl.SafeLine(err.Error(), 500))
		return time.Time{}, ""
	}
	if then != "" {
		then = "; then " + hitl.SafeLine(then, 100)
	}
	return at, then
}

// summary is what notifications show.
func summary(kind, text string) string {
	return slackutilsx.EscapeMessage(kind + ": " + hitl.SafeLine(text, 200))
}
