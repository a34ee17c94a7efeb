package lifecycle

// Where operations have owners (Options.Leases), only the owner reads the Job, asks the
// policy and sends. Every other process that somebody waits in follows: it records what
// it is told (a decision, a wish that the Job be stopped), which the owner then goes by,
// and asks for the lease now and then, and when the record or the lease is told to be
// another. One in which nobody waits shows what the owner has recorded.

// owns reports whether this process is the one that works on the operation.
func (t *turn) owns() bool {
	return !t.o.Leases || t.Live.Lease > 0 || !t.o.on(guardOwner)
}

// another reports whether a record is of something else under the same key, and then ends
// the run.
func (t *turn) another(c *Record) bool {
	l, r := &t.Live, &t.Record
	if r.Order == nil || r.Order.Same(c.Order) {
		return false
	}
	l.Dirty, l.Revision = false, 0
	t.mute(CauseKeyReused)
	return true
}

// nothingBegun reports whether nothing was started or posted, nor may have been.
func (t *turn) nothingBegun() bool {
	r := &t.Record
	startOnly := r.Job == "" && !r.Start.Earlier && r.Result == nil
	messageOnly := r.Stage == Posting && r.Latest.Kind == FollowUpMessage && !r.Latest.Attempt.Earlier
	return startOnly || messageOnly
}
