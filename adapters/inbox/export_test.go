package inbox

// Watching is how many connections watch.
func (d *Desk) Watching() int {
	d.live.mu.Lock()
	defer d.live.mu.Unlock()
	return len(d.live.watchers)
}
