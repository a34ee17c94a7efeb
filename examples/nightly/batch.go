package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/outcome"
)

// A line is one refund.
type line struct {
	key, order string
	euros      int
}

// input is what its Job is told.
func (l line) input() string { return fmt.Sprintf("Refund %d EUR for order %s", l.euros, l.order) }

// refunds are the inputs that are accepted. An order's number has nothing that a Job could
// take for more than a number.
var refunds = regexp.MustCompile(`\ARefund ([1-9][0-9]{0,5}) EUR for order [A-Za-z0-9-]{1,40}\z`)

// readLines reads a file. What is wrong in it is an error, with its line: a file that was
// cut or mixed up is done by halves otherwise.
func readLines(name, text string) ([]line, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord, r.Comment, r.TrimLeadingSpace = 3, '#', true
	var out []line
	keys := map[string]int{}
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		at, _ := r.FieldPos(0)
		if len(out) == 0 && len(keys) == 0 && slices.Equal(fields, []string{"key", "order", "euros"}) {
			continue
		}
		l := line{key: strings.TrimSpace(fields[0]), order: strings.TrimSpace(fields[1])}
		l.euros, err = strconv.Atoi(strings.TrimSpace(fields[2]))
		switch {
		case err != nil || !refunds.MatchString(l.input()):
			return nil, fmt.Errorf("%s:%d: %q for order %q is no refund of whole euros", name, at, fields[2], fields[1])
		case l.key == "" || len(l.key) > 200:
			return nil, fmt.Errorf("%s:%d: a key of 1 to 200 bytes is needed", name, at)
		case keys[l.key] > 0:
			return nil, fmt.Errorf("%s:%d: the key %q stands on line %d too", name, at, l.key, keys[l.key])
		}
		keys[l.key] = at
		out = append(out, l)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: there is nothing to do", name)
	}
	return out, nil
}

// A done is what became of a line.
type done struct {
	line
	res *outcome.Result
	err error
}

// work does all lines, in the order of the file as far as they wait for their turn. A
// line that was begun by an earlier run is gone on with, and one that has ended is not
// begun again.
func work(ctx context.Context, tool *duvotool.Tool, lines []line) []done {
	all := make([]done, len(lines))
	var calls sync.WaitGroup
	for i, l := range lines {
		calls.Go(func() {
			res, err := tool.Run(duvotool.WithOperationKey(ctx, l.key), l.input())
			all[i] = done{l, res, err}
		})
	}
	calls.Wait()
	return all
}
