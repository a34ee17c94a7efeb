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

// unreconciled makes the outcome unknown again, because what a person has found
// could not be recorded. The journal may hold it all the same.
func (t *turn) unreconciled() {
	l := &t.Live
	before := l.Reconciling.copied()
	before.Serial = t.Record.Serial
	t.Record, l.Reconciling, l.Claim = before, nil, ""
	t.line(LineNotCounted, "", "it is not known whether the reconciliation counts, because recording it failed")
	l.Dirty, l.Fact, l.SaveFails, l.SaveAfter = true, false, 0, 0
	l.End = &End{Cause: CauseJournal, Park: true}
}
