package engine

import (
	"context"
)

// unsure notes that what this replica owns may be another than it believes: the answer to
// a take-over, an ask or a release was lost, or what was taken could not be read.
func (p *replica) unsure(err error) error {
	if err != nil {
		p.lost.Store(true)
	}
	return err
}

// letGo gives back what this replica owns, as the journal has it, and does not work on:
// as long as it lives nobody else would.
func (p *replica) letGo(ctx context.Context) {
	if !p.lost.Swap(false) {
		return
	}
	var idle []string
	err := p.eng.ledger.safely(func() error {
		for l, err := range p.j.Owned(ctx, p.name) {
			if err != nil {
				return err
			}
			if isLists(l.Key) {
				continue
			}
			if op := p.eng.ops.byRecordKey(l.Key); op == nil || op.latest().Live.Lease == 0 && !op.busy() {
				idle = append(idle, l.Key)
			}
		}
		return nil
	})
	if err == nil && len(idle) > 0 {
		err = p.eng.ledger.safely(func() error { return p.j.Release(ctx, p.name, idle...) })
	}
	if p.unsure(err) != nil {
		p.trouble("giving back what nobody here works on", err)
		return
	}
	for _, key := range idle {
		p.left(key)
	}
}
