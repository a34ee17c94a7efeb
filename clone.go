package duvotool

// What goes to a caller, policy, audit log, observer or backend, and what comes
// from one and is kept, is copied here, so that nobody shares memory with the
// engine or with each other.
