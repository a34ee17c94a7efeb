package lifecycle

// reconciled takes in what a person has found about an operation whose outcome is
// unknown.
func (t *turn) reconciled(e Reconciled) {
	l, r := &t.Live, &t.Record
	if l.Running || l.Closed || r.Result == nil || r.Result.Outcome != Unknown {
		return
	}
	l.Reconciling = r.sealed()
	t.line(LineReconciled, "", e.By)
	r.Result, r.Note = nil, ""
	l.Search, l.NotBefore, l.NoRepeat, l.Elsewhere = Search{}, 0, false, 0
	l.Running, l.Detached, l.Admitted, l.Look, l.Dirty = true, true, true, t.now.Mono, true
	switch follow := r.Order.After != nil; {
	case follow && e.Job != "":
		t.posted(true)
	case follow:
		r.Stage, r.Job, *r.Latest = New, "", Message{}
	case e.Job != "":
		t.started(Sent{Job: e.Job, Created: e.Created, Build: e.Build, Status: e.Status})
		if t.o.Claims {
			l.Claim = e.Job
		}
	default:
		r.Stage, r.Start, r.Sandbox = New, Attempt{}, ""
	}
	if e.Job == "" {
		t.fail(CauseNotStarted, "", true)
	}
}
