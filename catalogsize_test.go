package duvotool_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// wordy is a backend whose catalog grows in whatever others write.
type wordy struct {
	duvotool.Backend
	long func(i int, text string) duvo.Assignment
	told int
}

func (w *wordy) Assignments(context.Context) iter.Seq2[duvo.Assignment, error] {
	return func(yield func(duvo.Assignment, error) bool) {
		for w.told = 0; w.told < 5000; w.told++ {
			if !yield(w.long(w.told, strings.Repeat("x", 100<<10)), nil) {
				return
			}
		}
	}
}

// A catalog has a bound in bytes, not only in rows.
func TestACatalogIsBoundedInBytes(t *testing.T) {
	for name, long := range map[string]func(i int, text string) duvo.Assignment{
		"names":   func(i int, text string) duvo.Assignment { return duvo.Assignment{ID: fmt.Sprint(i), Name: text} },
		"IDs":     func(i int, text string) duvo.Assignment { return duvo.Assignment{ID: fmt.Sprint(i, text)} },
		"folders": func(i int, text string) duvo.Assignment { return duvo.Assignment{ID: fmt.Sprint(i), FolderID: text} },
		"descriptions": func(i int, text string) duvo.Assignment {
			return duvo.Assignment{ID: fmt.Sprint(i), LatestBuild: &duvo.Build{Description: text}}
		},
		"revisions": func(i int, text string) duvo.Assignment {
			return duvo.Assignment{ID: fmt.Sprint(i), LatestBuild: &duvo.Build{Revision: text}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				w := &wordy{Backend: d.Client(), long: long}
				_, err := duvotool.Discover(t.Context(), w)
				require.ErrorContains(t, err, "bytes of text")
				require.Less(t, len(err.Error()), 300)
				require.Less(t, w.told, 700, "it is read no further")
			})
		})
	}
}
