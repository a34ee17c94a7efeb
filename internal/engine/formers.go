package engine

import (
	"hash/maphash"
	"time"
)

// maxFormers bounds what is kept of operations that were dropped, of each kind.
const maxFormers = 1 << 16

// formers are what stays of operations that were dropped before their retention was
// over, since nobody has their keys: their Jobs, and each request of theirs that was
// decided, are still nobody else's, for a Job may be continued. The zero value is
// ready.
type formers struct {
	jobs     lately[uint64, uint64] // whose a Job is, by its ID; short of both
	requests lately[string, claim]  // by the ID of the Job and of the request, as claims name it
}

// short stands for a name in this process. There may be many of them, which shall take
// little room, and none that the garbage collector looks into.
func short(name string) uint64 { return maphash.String(seed, name) }

var seed = maphash.MakeSeed()

// startedBy notes whose a Job is, in lower case.
func (f *formers) startedBy(job, operation string, ended time.Time) {
	f.jobs.note(short(job), short(operation), ended)
}

// others reports whether a Job is that of another operation that was dropped.
func (f *formers) others(job, operation string) bool {
	by, there := f.jobs.of[short(job)]
	return there && by != short(operation)
}

// decided returns the claim of another operation that was dropped, or nil.
func (f *formers) decided(request, operation string) *claim {
	if c, there := f.requests.of[request]; there && c.Operation != operation {
		return &c
	}
	return nil
}

// forget forgets those that ended longer ago than d.
func (f *formers) forget(d time.Duration) {
	f.jobs.forget(d)
	f.requests.forget(d)
}

// A lately keeps the last of its kind. The zero value is ready.
type lately[K comparable, V any] struct {
	of    map[K]V
	order []ending[K] // the oldest first
}

type ending[K comparable] struct {
	name K
	at   int64 // in Unix nanoseconds
}

// note adds one, in place of the oldest where there are too many.
func (l *lately[K, V]) note(name K, v V, ended time.Time) {
	if l.of == nil {
		l.of = map[K]V{}
	}
	if _, there := l.of[name]; !there {
		l.order = append(l.order, ending[K]{name, ended.UnixNano()})
	}
	l.of[name] = v
	if len(l.order) > maxFormers {
		l.forgetOldest()
	}
}

func (l *lately[K, V]) forgetOldest() {
	delete(l.of, l.order[0].name)
	l.order = l.order[1:]
}

// forget forgets those that ended longer ago than d.
func (l *lately[K, V]) forget(d time.Duration) {
	for len(l.order) > 0 && time.Since(time.Unix(0, l.order[0].at)) > d {
		l.forgetOldest()
	}
}
