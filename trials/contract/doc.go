// Package contract holds the tests that compare the client and the emulator
// with the description of the wire in testdata/openapi, and that one with the
// description that Duvo publishes. It is a module of its own, so that the root
// pays for no OpenAPI library.
package contract
