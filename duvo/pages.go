package duvo

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"

	"github.com/duvotool/duvotool/internal/guard"
)

// pagesAhead is how many pages of a long list are asked for at once.
const pagesAhead = 8

// A list is an endpoint that tells its rows page by page.
type list[T any] struct {
	c      *Client
	op     string
	path   string
	key    string // of the rows in the answer
	query  url.Values
	offset int
	size   int
	ahead  int // pages that may be asked for before they are needed
	id     func(T) string
	brief  func(T) string // less than id, and good enough where it is unique; nil: id
}

// page reads the rows from an offset on. The total is -1 if it was not told.
func (l list[T]) page(ctx context.Context, offset int) ([]T, int, error) {
	rows, total, _, err := l.sizedPage(ctx, offset)
	return rows, total, err
}

// sizedPage is page, and tells the bytes of the answer.
func (l list[T]) sizedPage(ctx context.Context, offset int) ([]T, int, int, error) {
	q := url.Values{}
	for k, v := range l.query {
		q[k] = v
	}
	q.Set("limit", strconv.Itoa(l.size))
	q.Set("offset", strconv.Itoa(offset))
	var rows []T
	var total int
	body, err := l.c.do(ctx, call{op: l.op, method: http.MethodGet, path: l.path, query: q, decode: func(body []byte) (err error) {
		rows, total, err = decodeList[T](body, l.key)
		return err
	}})
	if err != nil {
		return nil, 0, 0, err
	}
	if l.brief == nil && twoFaced(rows, l.id) { // the IDs of messages are no promise
		return nil, 0, 0, badBody(l.op, errTwoFaced, false)
	}
	keepRawRows(l.c, rows, body, l.key)
	return rows, total, len(body), nil
}

var (
	errRepeats   = errors.New("the server repeats a page")
	errTwoFaced  = errors.New("two rows tell different things of one ID")
	errTransport = errors.New("duvo: the HTTP client panicked")
)

// twoFaced reports whether two rows of a page tell different things of one ID.
// Between pages a row may have moved on; within one the server contradicts
// itself.
func twoFaced[T any](rows []T, id func(T) string) bool {
	first := make(map[string]int, len(rows))
	for i, r := range rows {
		k := id(r)
		if at, there := first[k]; k != "" && there && !reflect.DeepEqual(rows[at], r) {
			return true
		}
		first[k] = i
	}
	return false
}

// all yields the rows, page after page, each ID once: a row that moved to the
// next page while we read is not told twice.
func (l list[T]) all(ctx context.Context, yield func(T, error) bool) {
	ctx, cancel := context.WithCancel(ctx)
	var ahead prefetch[T]
	defer func() {
		cancel()
		ahead.wait()
	}()
	var zero T
	var previous []T
	told := telling[T]{l: l, yield: yield}
	offset, total := l.offset, -1
	fit := fitting[T]{l: l, size: l.size}
	for n := 0; ; n++ {
		if n >= 4 && len(previous) == l.size && fit.size == l.size { // it is a long list, and no nonsense so far
			ahead.plan(ctx, l, offset, total, min(n, l.ahead))
		}
		rows, t, asked, err := fit.take(ctx, &ahead, offset)
		if err != nil {
			yield(zero, err)
			return
		}
		total = t
		if n == 0 && len(rows) == total && len(rows) <= l.c.cfg.maxListRows && l.distinct(rows) {
			for _, r := range rows { // all there is
				if !yield(r, nil) {
					return
				}
			}
			return
		}
		if len(rows) > 0 && reflect.DeepEqual(rows, previous) { // whether or not they have IDs
			yield(zero, badBody(l.op, errRepeats, false))
			return
		}
		previous = rows
		fresh, goOn := told.page(rows)
		if !goOn {
			return
		}
		offset += len(rows)
		if total < offset {
			total = -1 // not told, or refuted by the rows themselves
		}
		switch {
		case len(rows) == 0, offset == total, total < 0 && len(rows) < asked:
			return
		case fresh == 0:
			yield(zero, badBody(l.op, errRepeats, false))
			return
		}
	}
}

// A telling yields rows that were not told before.
type telling[T any] struct {
	l     list[T]
	yield func(T, error) bool
	seen  map[string]bool
	told  int
}

// page yields the rows of a page, and tells how many were new; false ends the list.
func (t *telling[T]) page(rows []T) (fresh int, goOn bool) {
	if t.seen == nil {
		t.seen = map[string]bool{}
	}
	for _, r := range rows {
		k := short(t.l.id(r))
		if k != "" && t.seen[k] {
			continue
		}
		t.seen[k] = true
		fresh++
		if t.told++; t.told > t.l.c.cfg.maxListRows {
			var zero T
			t.yield(zero, badBody(t.l.op, fmt.Errorf("more than %d rows", t.l.c.cfg.maxListRows), false))
			return fresh, false
		}
		if !t.yield(r, nil) {
			return fresh, false
		}
	}
	return fresh, true
}

// A fitting asks for pages that fit the bound of an answer: for smaller ones
// where one was too large, and for larger ones again where there is room.
type fitting[T any] struct {
	l    list[T]
	size int // of the next page
}

// take returns the page at an offset, and how many rows were asked for.
func (f *fitting[T]) take(ctx context.Context, ahead *prefetch[T], offset int) (rows []T, total, asked int, err error) {
	if f.size == f.l.size {
		if rows, total, err = ahead.take(ctx, f.l, offset); !errors.Is(err, ErrTooLarge) {
			return rows, total, f.size, err
		}
		f.size /= 2
	}
	for ; ; f.size /= 2 {
		l := f.l
		f.size = max(f.size, 1)
		l.size = f.size
		rows, total, bytes, err := l.sizedPage(ctx, offset)
		if errors.Is(err, ErrTooLarge) && l.size > 1 {
			continue
		}
		if err == nil && int64(bytes) <= l.c.cfg.maxBody/4 {
			f.size = min(2*l.size, f.l.size)
		}
		return rows, total, l.size, err
	}
}

// short is a text in its stead where it is long: what a list has seen must not grow
// with what its rows hold.
func short(id string) string {
	if len(id) <= 128 {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return string(sum[:])
}

// distinct reports whether every row has an ID of its own.
func (l list[T]) distinct(rows []T) bool {
	id := l.brief
	if id == nil {
		id = l.id
	}
	seen := make(map[string]struct{}, len(rows))
	for _, r := range rows {
		seen[id(r)] = struct{}{}
	}
	return len(seen) == len(rows)
}

// A prefetch asks for pages before they are needed. Its zero value is ready.
type prefetch[T any] struct{ pages map[int]chan fetched[T] }

type fetched[T any] struct {
	rows  []T
	total int
	err   error
}

// plan asks for n pages from offset on, as far as the total tells of them.
func (p *prefetch[T]) plan(ctx context.Context, l list[T], offset, total, n int) {
	for i := range n {
		at := offset + i*l.size
		if at >= total {
			return // not told, or the end
		}
		if p.pages[at] != nil {
			continue
		}
		if p.pages == nil {
			p.pages = map[int]chan fetched[T]{}
		}
		c := make(chan fetched[T], 1)
		p.pages[at] = c
		go func() {
			var f fetched[T]
			guard.Then(errTransport, func() (err error) {
				f.rows, f.total, err = l.page(ctx, at)
				return err
			}, func(err error) {
				f.err = err
				c <- f
			})
		}()
	}
}

// take returns the page at offset, asking for it now if nobody has.
func (p *prefetch[T]) take(ctx context.Context, l list[T], offset int) ([]T, int, error) {
	c := p.pages[offset]
	if c == nil {
		return l.page(ctx, offset)
	}
	delete(p.pages, offset)
	f := <-c // ends with the context
	return f.rows, f.total, f.err
}

// wait returns once nothing is under way. The context must have ended.
func (p *prefetch[T]) wait() {
	for _, c := range p.pages {
		<-c
	}
}
