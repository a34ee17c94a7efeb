// Package outcome is what a call comes to: its [Result], the [Event]s on the way to it,
// and its errors, above all [JobError].
package outcome
