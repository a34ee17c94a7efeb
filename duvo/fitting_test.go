package duvo

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// paged serves rows of so many bytes each, as pages of what is asked for.
func paged(t *testing.T, key string, sizes []int, row func(i int, text string) string) *server {
	return serve(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
		var rows []string
		for i := offset; i < min(offset+limit, len(sizes)); i++ {
			rows = append(rows, row(i, strings.Repeat("x", sizes[i])))
		}
		answer(w, 200, fmt.Sprintf(`{%q:[%s],"total":%d}`, key, strings.Join(rows, ","), len(sizes)))
	})
}

func message(i int, text string) string {
	return fmt.Sprintf(`{"id":"m%d","role":"assistant","text_content":%q}`, i, text)
}

func limitsAsked(t *testing.T, s *server) (all []int) {
	for _, r := range s.saw() {
		u, err := url.Parse(r.uri)
		require.NoError(t, err)
		n, err := strconv.Atoi(u.Query().Get("limit"))
		require.NoError(t, err)
		all = append(all, n)
	}
	return all
}

// A page over the bound is asked for in parts: each row, once, in order.
func TestPagesThatAreTooLarge(t *testing.T) {
	sizes := make([]int, 300)
	for i := range sizes {
		sizes[i] = 40 << 10 // 50 of them are twice the bound
		if i >= 100 {
			sizes[i] = 10
		}
	}
	sizes[70] = 900 << 10 // alone
	s := paged(t, "messages", sizes, message)
	rows, err := collect(s.client(t, WithMaxBody(1<<20)).Messages(t.Context(), jobID))
	require.NoError(t, err)
	require.Len(t, rows, len(sizes))
	for i, m := range rows {
		require.Equal(t, fmt.Sprint("m", i), m.ID)
		require.Len(t, m.Text, sizes[i])
	}
	asked := limitsAsked(t, s)
	require.Equal(t, 50, asked[0])
	require.Equal(t, 25, asked[1])
	require.Equal(t, 50, asked[len(asked)-1], "once there is room the pages are whole again: %v", asked)
	require.Less(t, len(asked), 25)

	sizes[70] = 2 << 20
	s = paged(t, "messages", sizes, message)
	rows, err = collect(s.client(t, WithMaxBody(1<<20)).Messages(t.Context(), jobID))
	require.ErrorIs(t, err, ErrTooLarge)
	require.ErrorIs(t, err, ErrMalformed)
	require.False(t, Temporary(err), "asking again would bring the same")
	require.Len(t, rows, 70, "what comes before is told")
	require.Less(t, len(s.saw()), 20)
}

// The same holds for the other lists, and where pages are asked for ahead.
func TestAssignmentsThatAreTooLarge(t *testing.T) {
	sizes := make([]int, 1500)
	for i := range sizes {
		sizes[i] = 10
		if i >= 800 && i < 1000 {
			sizes[i] = 20 << 10
		}
	}
	s := paged(t, "agents", sizes, func(i int, text string) string {
		return fmt.Sprintf(`{"id":"a%d","name":"n","latest_build":{"revision_description":%q}}`, i, text)
	})
	rows, err := collect(s.client(t, WithMaxBody(1<<20)).Assignments(t.Context()))
	require.NoError(t, err)
	require.Len(t, rows, len(sizes))
	for i, a := range rows {
		require.Equal(t, fmt.Sprint("a", i), a.ID)
	}
}

// What a list remembers of its rows does not grow with what they hold.
func TestSeenRowsAreShort(t *testing.T) {
	sizes := make([]int, 120)
	for i := range sizes {
		sizes[i] = 100 << 10
	}
	s := paged(t, "messages", sizes, message)
	c := s.client(t)
	least := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, n := least(), 0
	for m, err := range c.Messages(t.Context(), jobID) {
		require.NoError(t, err)
		require.NotEmpty(t, m.Text)
		if n++; n == len(sizes) {
			require.Less(t, least(), before+10<<20, "12 MiB went by; two pages are held")
		}
	}
	require.Equal(t, len(sizes), n)
	require.Equal(t, "a", short("a"))
	require.NotEqual(t, short(strings.Repeat("a", 500)), short(strings.Repeat("a", 501)))
	require.Len(t, short(strings.Repeat("a", 500)), 32)
}
