package catalog

import (
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/stretchr/testify/require"
)

func TestSelectors(t *testing.T) {
	tree := newFolders([]duvo.Folder{
		{ID: "f1", Name: "Support"}, {ID: "f2", Name: "Refunds", ParentID: "f1"}, {ID: "f3", Name: "Lost", ParentID: "gone"},
		{ID: "c1", Name: "Round", ParentID: "c2"}, {ID: "c2", Name: "About", ParentID: "c1"},
	})
	a := duvo.Assignment{ID: "A-1", Name: "Refunds (EU)", FolderID: "f2"}
	for _, c := range []struct {
		s    Selector
		want bool
	}{
		{ByID("x", "a-1"), true}, {ByID("a"), false}, {ByName("Refunds (EU)"), true}, {ByName("refunds (eu)"), false},
		{ByPattern(`Refunds.*`), true}, {ByPattern(`Refunds`), false}, {ByPattern("x|Refunds .EU."), true},
		{InFolder("Support"), true}, {InFolder("/Support/Refunds/"), true}, {InFolder("F1"), true}, {InFolder("Refunds"), false}, {InFolder("Lost"), false},
	} {
		require.NoError(t, c.s.Valid())
		require.Equal(t, c.want, c.s.match(a, tree), c.s)
	}
	for _, s := range []Selector{{}, ByID(), ByName(" "), ByPattern("a)|(b"), InFolder("/")} {
		require.Error(t, s.Valid(), s)
	}
	require.True(t, InFolder("c1").match(duvo.Assignment{FolderID: "c1"}, tree), "a circle has an end")
	require.False(t, InFolder("elsewhere").match(duvo.Assignment{FolderID: "c1"}, tree))
	require.Equal(t, []string{"About", "Lost", "Round", "Support", "Support/Refunds"}, tree.paths())
}
