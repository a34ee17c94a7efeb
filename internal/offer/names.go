package offer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/internal/safetext"
)

// prefixes are what models put before the name of a function: OpenAI's and Google's
// own names of the place where functions stand.
var prefixes = []string{"functions.", "functions:", "functions/", "default_api.", "default_api:", "tools."}

// maxNamed is how many names are told where one is not known.
const maxNamed = 30

// Lookup finds the name, among those that were offered, that a model means: the same
// without regard to case, perhaps behind one of the prefixes that models put there. A
// name that is only similar is none: the problem tells it, and which there are.
func Lookup(said string, offered []string) (name, problem string) {
	same := func(s string) int {
		return slices.IndexFunc(offered, func(n string) bool { return strings.EqualFold(n, s) })
	}
	said = strings.TrimSpace(said)
	if i := same(said); i >= 0 {
		return offered[i], ""
	}
	short := said
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(said, p); ok {
			if i := same(rest); i >= 0 {
				return offered[i], ""
			}
			short = rest
		}
	}
	problem = fmt.Sprintf("There is no tool %q among those that you were offered.", safetext.OneLine(said, 100))
	if len(offered) == 0 {
		return "", problem
	}
	if near := nearest(short, offered); near != "" {
		problem += fmt.Sprintf(" Did you mean %s?", near)
	}
	names := slices.Sorted(slices.Values(offered))
	more := ""
	if n := len(names) - maxNamed; n > 0 {
		names, more = names[:maxNamed], fmt.Sprintf(" and %d more", n)
	}
	return "", problem + " The tools are: " + strings.Join(names, ", ") + more + "."
}

// nearest is the name that differs least, if it differs by a third at most.
func nearest(said string, names []string) string {
	best, least := "", len(said)/3+1
	for _, n := range names {
		if d := distance(strings.ToLower(said), strings.ToLower(n), least); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance counts the letters that must be changed to make one of two texts the
// other; from the bound on it may be anything above.
func distance(a, b string, bound int) int {
	if len(a)-len(b) >= bound || len(b)-len(a) >= bound || len(a) > 200 {
		return bound
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := corner
			if a[i] != b[j] {
				cost++
			}
			corner = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
