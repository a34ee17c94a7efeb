// Package duvotooltest helps to test policies of your own: requests to ask them
// about, operators that answer by a script, and [TestPolicy], which checks what
// every policy must keep to.
//
//	func TestMine(t *testing.T) {
//		duvotooltest.TestPolicy(t, func() duvotool.Policy { return Mine() })
//	}
//
// To see a policy at work in a whole Job use package duvotest.
package duvotooltest
