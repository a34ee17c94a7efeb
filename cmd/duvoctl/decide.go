package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/spf13/cobra"
)

const aboutDigest = `A decision is about one text, which the digest stands for: 'duvoctl show' tells it.
Right before it is sent the request is read again. Where it reads differently by
then, or was decided by somebody else, nothing is sent.

On a terminal the request is shown whole, and you type the code that stands below
it; --digest may then be left out. Without a terminal --digest and -y are both
needed.`

func (a *app) approveCmd() *cobra.Command {
	var digest, reason string
	c := &cobra.Command{Use: "approve REQUEST", Short: "Approve a request", Args: exactly("request"), ValidArgsFunction: a.completeRequests,
		Long: "Approve what a Job asks a person for. REQUEST is what 'duvoctl pending' lists.\n\n" + aboutDigest,
		Example: "  duvoctl approve m1n2p3q4r5s6t7v8\n" +
			"  duvoctl approve m1n2p3q4r5s6t7v8 --digest 9c41e07b12ab --reason T-88213 -y",
		RunE: func(c *cobra.Command, args []string) error {
			return a.decide(c.Context(), args[0], digest, order{verdict: "approve", reason: reason})
		}}
	decisionFlags(c, &digest, &reason, "why; it is kept in the audit of the desk's service")
	return c
}

func (a *app) denyCmd() *cobra.Command {
	var digest, reason string
	c := &cobra.Command{Use: "deny REQUEST", Short: "Deny an approval", Args: exactly("request"), ValidArgsFunction: a.completeRequests,
		Long: "Deny what a Job asks an approval for. A question cannot be denied: answer it, or\nstop the Job.\n\n" + aboutDigest,
		Example: "  duvoctl deny m1n2p3q4r5s6t7v8 --reason 'more than the order was worth'\n" +
			"  duvoctl deny m1n2p3q4r5s6t7v8 --digest 9c41e07b12ab34cd --reason 'too much' -y",
		RunE: func(c *cobra.Command, args []string) error {
			return a.decide(c.Context(), args[0], digest, order{verdict: "deny", reason: reason})
		}}
	decisionFlags(c, &digest, &reason, "why; at a desk the agent reads it, word for word")
	return c
}

func (a *app) answerCmd() *cobra.Command {
	var digest, reason, file string
	var given []string
	c := &cobra.Command{Use: "answer REQUEST", Short: "Answer a question", Args: exactly("request"), ValidArgsFunction: a.completeRequests,
		Long: `Answer what a Job asks. Each question needs an answer. A question is named by its
text, or by its number in 'duvoctl show'. Where options are given, the answer is
the label of one, or several, joined by a comma, where several may be chosen.

` + aboutDigest,
		Example: `  duvoctl answer m1n2p3q4r5s6t7v8 --answer 'Size?=M' --answer '2=Red, Blue'
  duvoctl answer m1n2p3q4r5s6t7v8 --answers @all.json --digest 9c41e07b12ab -y`,
		RunE: func(c *cobra.Command, args []string) error {
			answers, err := a.readAnswers(given, file)
			if err != nil {
				return err
			}
			return a.decide(c.Context(), args[0], digest, order{verdict: "answer", reason: reason, answers: answers})
		}}
	decisionFlags(c, &digest, &reason, "why; it is kept in the audit of the desk's service")
	c.Flags().StringArrayVar(&given, "answer", nil, "a `'QUESTION=ANSWER'`; once for each question")
	c.Flags().StringVar(&file, "answers", "", "all of them as a JSON object: `@FILE`, - for the standard input, or the object itself")
	return c
}

func decisionFlags(c *cobra.Command, digest, reason *string, about string) {
	c.Flags().StringVar(digest, "digest", "", "the `DIGEST` of the text that is decided about, or its first 12 characters or more")
	c.Flags().StringVar(reason, "reason", "", about)
}

// readAnswers reads what was given, by the question's text or number.
func (a *app) readAnswers(given []string, file string) (map[string]string, error) {
	out := map[string]string{}
	if file != "" {
		raw, err := a.readArgument(file)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(raw), &out); err != nil {
			return nil, usage("--answers is no JSON object of texts: "+err.Error(), `write it as {"Which address?": "Linden Street 4"}`)
		}
	}
	for _, g := range given {
		q, answer, ok := strings.Cut(g, "=")
		if !ok {
			return nil, usage("--answer: "+quoted(g)+" has no =", "write it as 'QUESTION=ANSWER'")
		}
		if _, twice := out[q]; twice {
			return nil, usage("--answer: "+quoted(q)+" is answered twice", "")
		}
		out[q] = answer
	}
	if len(out) == 0 {
		return nil, usage("there is no answer", "give one for each question: --answer 'QUESTION=ANSWER'; 'duvoctl show' lists them")
	}
	return out, nil
}

// readArgument reads a text that stands in a file, at the standard input, or there.
func (a *app) readArgument(s string) (string, error) {
	name, file := strings.CutPrefix(s, "@")
	switch {
	case s == "-":
		raw, err := io.ReadAll(io.LimitReader(a.in, 8<<20))
		return string(raw), err
	case file:
		raw, err := os.ReadFile(name)
		if err != nil {
			return "", usage(err.Error(), "")
		}
		return string(raw), nil
	}
	return s, nil
}

// minDigest is how much of a digest names a text: 12 hexadecimal characters.
const minDigest = 12

// decide finds a request, makes sure that it is the one that was meant, and sends a
// decision.
func (a *app) decide(ctx context.Context, name, digest string, o order) error {
	digest = strings.ToLower(strings.TrimSpace(digest))
	switch {
	case digest != "" && len(digest) < minDigest:
		return usage(fmt.Sprintf("--digest: give %d characters of it or more", minDigest), "duvoctl show "+name)
	case digest == "" && (!a.asks || a.yes):
		return usage("a decision names the text that it is about, and --digest is missing", "read it with 'duvoctl show "+name+"', which tells the digest")
	case !a.asks && !a.yes:
		return needsYes()
	}
	p, err := a.place()
	if err != nil {
		return err
	}
	defer p.close()
	r, err := p.find(ctx, name)
	var past *decidedError
	if errors.As(err, &past) {
		return a.tellResult(result{At: "desk", Ref: past.past.Ref, JobID: past.past.JobID, Digest: past.past.Digest, Verdict: o.verdict, Ending: endElsewhere,
			Text: "Nothing was sent. " + strings.ToUpper(past.Error()[:1]) + past.Error()[1:] + ".", By: past.past.By})
	}
	if err != nil && failureOf(err).kind == "elsewhere" {
		return a.tellResult(result{At: "duvo", Ref: name, JobID: name, Verdict: o.verdict, Ending: endElsewhere, Text: "Nothing was sent: " + err.Error() + "."})
	}
	if err != nil {
		return err
	}
	if digest != "" && !strings.HasPrefix(r.Digest, digest) {
		return a.tellResult(result{At: r.At, Ref: r.Ref, JobID: r.Request.JobID, Digest: r.Digest, Verdict: o.verdict, Ending: endChanged,
			Text: "Nothing was sent. The request reads differently than the one with that digest. Read it: duvoctl show " + hitl.SafeLine(r.Ref, 0)})
	}
	if o, err = fit(r, o); err != nil {
		return err
	}
	if where := p.where(); where != "" {
		a.note("%s", where)
	}
	if !a.yes {
		showRequest(a.errs, r)
		showOrder(a.errs, o)
		// What was typed before it was displayed cannot hold a code that is drawn now.
		if err := a.confirm(ctx, "Is that your decision?", rand.Text()[:4]); err != nil {
			return err
		}
	}
	res, err := p.decide(ctx, r, o)
	if err != nil {
		return err
	}
	return a.tellResult(res)
}

// fit makes an order one for this request, or tells why it is none.
func fit(r *request, o order) (order, error) {
	q := r.Request
	no := func(text, do string) (order, error) {
		return o, &failure{kind: "invalid", text: "nothing was sent: " + text, do: do}
	}
	switch {
	case !r.Decide && r.At == "desk":
		return o, &failure{kind: "auth", text: "nothing was sent: you may read this request and not decide it", do: "ask somebody who may"}
	case o.verdict != "deny" && r.Prove:
		return o, &failure{kind: "unproved", text: "nothing was sent: to " + o.verdict + " it takes a proof of who you are, such as a passkey, which cannot be given here", do: "open " + r.page}
	case o.verdict != "deny" && r.Shut != "":
		return o, &failure{kind: "held", text: "nothing was sent: " + r.Shut, do: "'duvoctl hold' tells whether approvals are held; it can be denied meanwhile"}
	case q.Kind != duvo.Approval && q.Kind != duvo.Question:
		return no("a request of the kind "+quoted(string(q.Kind))+" cannot be answered through the API", "answer it in Duvo's own inbox")
	case o.verdict == "approve" && q.Kind != duvo.Approval, o.verdict == "deny" && q.Kind != duvo.Approval:
		return no("it is a question, which Duvo has no way to "+o.verdict, "'duvoctl answer' answers it, and 'duvoctl stop' stops the Job")
	case o.verdict != "answer":
		return o, nil
	case q.Kind != duvo.Question:
		return no("it is an approval, which takes no answers", "use 'duvoctl approve' or 'duvoctl deny'")
	}
	answers := map[string]string{}
	for name, answer := range o.answers {
		for i, item := range q.Questions {
			if name == fmt.Sprint(i+1) && !asksFor(q, name) {
				name = item.Question
				break
			}
		}
		if _, twice := answers[name]; twice {
			return no(quoted(name)+" is answered twice", "")
		}
		answers[name] = answer
	}
	if err := q.CheckAnswers(answers); err != nil {
		return no(err.Error(), "'duvoctl show "+r.Ref+"' lists the questions and what may be chosen")
	}
	o.answers = answers
	return o, nil
}

// asksFor reports whether a question reads like this, to the letter.
func asksFor(q hitl.Request, text string) bool {
	for _, item := range q.Questions {
		if item.Question == text {
			return true
		}
	}
	return false
}

// showOrder shows what is about to be sent.
func showOrder(w io.Writer, o order) {
	_, _ = fmt.Fprintf(w, "\nYou are about to %s it.\n", map[string]string{"approve": "APPROVE", "deny": "DENY", "answer": "ANSWER"}[o.verdict])
	for q, answer := range o.answers {
		_, _ = fmt.Fprintf(w, "  %s = %s\n", hitl.SafeLine(q, 200), hitl.SafeLine(answer, 0))
	}
	if o.reason != "" {
		_, _ = fmt.Fprintf(w, "  because: %s\n", hitl.SafeLine(o.reason, 0))
	}
}

// tellResult prints what came of a decision, which may be a failure.
func (a *app) tellResult(r result) error {
	if r.Ending == endChanged && !strings.Contains(r.Text, r.Digest) {
		r.Text += " 'duvoctl show " + r.Ref + "' shows it as it is now."
	}
	err := a.print(r, func(w io.Writer) { _, _ = fmt.Fprintln(w, hitl.SafeText(r.Text, 1000)) })
	if kind, failed := kindOf[r.Ending]; failed && err == nil {
		return &failure{kind: kind, text: r.Text, told: true}
	}
	return err
}
