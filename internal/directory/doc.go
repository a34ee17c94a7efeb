// Package directory has the words of the tools through which a model reaches a whole
// catalog, duvo_search, duvo_run and duvo, and tells which Assignment a model means.
package directory
