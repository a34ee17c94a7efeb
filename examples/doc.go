// Package examples holds whole programs, each in a folder of its own.
package examples
