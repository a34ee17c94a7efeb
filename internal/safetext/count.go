package safetext

import "fmt"

// Count tells a number of things in words: "1 Job", "3 Jobs".
func Count(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}
