// Package webhooks holds our side of webhooks against the libraries that others use
// for them: those of Standard Webhooks and of Svix, for Go and for Node. What they
// sign a registry's handler takes, and what the emulator signs they take, with a
// secret in each form that they know.
package webhooks
