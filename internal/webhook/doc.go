// Package webhook takes Duvo's deliveries: it tells whether one is signed, by which
// secret, and which Job it names. secret.go says what a secret may look like.
package webhook
