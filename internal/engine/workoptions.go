package engine

import (
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
)

// optionsOf returns what the lifecycle must know of a work. It is made once.
func (eng *Engine) optionsOf(w *Work) *lifecycle.Options {
	if o, ok := eng.options.Load(w); ok {
		return o.(*lifecycle.Options)
	}
	c, s := &eng.cfg, &w.Settings
	_, messages := eng.backend.(messenger)
	o := lifecycle.Usual()
	o.Window, o.Post, o.Settle, o.Recording = c.PostTimeout+2*o.Stale, c.PostTimeout, c.Settle, c.PostTimeout
	o.JobTimeout, o.KeysHonoured, o.Hinted = s.JobTimeout, c.TrustKeys, c.WebhookURL != nil
	o.Claims, o.Forgets, o.CanLocate = true, eng.ledger == nil && c.Audit == nil, s.Marked
	o.TellReason, o.Correct = s.TellReason && messages, s.Correct && messages
	o.StopOnLeave, o.StopOnTimeout, o.StopOnPolicyFailure = s.StopOn[outcome.Cancelled], s.StopOn[outcome.TimedOut], s.StopOn[outcome.PolicyFailed]
	o.StopOnDeniedQuestion, o.StopOnNobody = s.StopOn[outcome.QuestionDenied], s.StopOn[outcome.NobodyToAsk]
	if eng.replicas != nil {
		o.Leases, o.Follow = true, eng.replicas.lasts/3
	}
	got, _ := eng.options.LoadOrStore(w, &o)
	return got.(*lifecycle.Options)
}
