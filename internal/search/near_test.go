package search

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNear(t *testing.T) {
	shop := []string{"Complaint handler", "Order status", "Contract review", "Newsletter", "Support", "Support/Complaints"}
	for word, want := range map[string][]string{
		"Complaint Handlr":   {"Complaint handler"},
		"COMPLAINT HANDLER":  {"Complaint handler"},
		"status of an order": {"Order status"},
		"Suport":             {"Support"},
		"Complaints":         {"Complaint handler", "Support/Complaints"},
		"letter":             {"Newsletter"},
		"xylophone":          nil,
		"":                   nil,
		"x":                  nil,
	} {
		require.ElementsMatch(t, want, Near(word, shop, 3), word)
	}
	require.Equal(t, "Support", Near("Suport", shop, 1)[0])
	require.Len(t, Near("Refund 0", []string{"Refund 1", "Refund 2", "Refund 3", "Refund 4"}, 2), 2)
	require.Equal(t, []string{"a1"}, Near("a2", []string{"a1", "a1"}, 5), "each name once")
	require.NotPanics(t, func() { Near(strings.Repeat("é", 1<<16), []string{strings.Repeat("e", 1<<16)}, 1) })
}
