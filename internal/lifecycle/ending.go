package lifecycle

// unknown ends the operation because nobody can tell whether its start or
// message took effect. Only a person can settle that.
func (t *turn) unknown(why string) {
	t.Record.Note = join(t.Record.Note, why)
	t.end(Unknown)
}

// end is the outcome.
func (t *turn) end(o Outcome) {
	l, r := &t.Live, &t.Record
	t.withdraw(callEnded)
	r.Stage = Ended
	r.Result = &Result{Outcome: o, EndedAt: t.now.Wall}
	r.Holders = nil
	t.line(LineOutcome, "", string(o))
	t.endAsks()
	l.Announced = nil
	t.fact()
}
