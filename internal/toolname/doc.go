// Package toolname names tools after Assignments, so that the strictest of hosts and
// providers takes the names, they stay the same from run to run, and none ever comes
// to stand for another Assignment.
package toolname
