// Package duvotooltest helps to test policies, journals and backends of your own:
// requests to ask policies about, operators that answer by a script, and [TestPolicy],
// [TestJournal], [TestLeases], [TestBackend] and [TestBehaviour], which check what all of
// them must keep to.
//
//	func TestMine(t *testing.T) {
//		duvotooltest.TestPolicy(t, func() hitl.Policy { return Mine() })
//	}
//
// To see a policy at work in a whole Job use package duvotest.
package duvotooltest
