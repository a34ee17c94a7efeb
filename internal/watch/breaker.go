package watch

import (
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// A breaker counts failures of the service. Once it is open, one request at a
// time, with longer and longer pauses, asks whether the service is back.
type breaker struct {
	failures int     // temporary ones in a row, of all requests
	reads    bool    // reads are among them
	probe    instant // when the next request may go out
}

// outage is how many failures in a row mean that the service is down.
const outage = 5

func (b *breaker) open() bool { return b.failures >= outage }

// note takes in what came of a read, or of a request for a page. It returns true
// if that ends an outage in which reads failed too.
func (b *breaker) note(err error, read bool, now instant) (back bool) {
	if err == nil || !duvo.Temporary(err) {
		back = b.open() && b.reads
		b.failures, b.reads = 0, false
		return back
	}
	b.failures++
	b.reads = b.reads || read
	pause := min(time.Second<<min(max(b.failures-outage, 0), 5), 30*time.Second)
	b.probe = now.Add(jitter(max(pause, min(duvo.RetryAfter(err), time.Minute))))
	return false
}
