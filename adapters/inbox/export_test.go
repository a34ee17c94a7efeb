package inbox

// Watching is how many connections watch.
func (d *Desk) Watching() int {
	d.live.mu.Lock()
	defer d.live.mu.Unlock()
	return len(d.live.watchers)
}

// KeepPast bounds how many decisions the desk keeps of the audit.
func (d *Desk) KeepPast(n int) { d.ledger.most = n }
