// Package typed holds the typed ends of a call: what a tool takes, as JSON that fits
// the schema of a Go type or one that was given, and what its Job is to answer.
//
// input.go makes what a tool takes and writes it for models, message.go turns what a
// model or a program gives into what the Job is told, and output.go reads answers.
package typed
